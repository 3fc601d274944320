#!/usr/bin/env bash
# hyperopt 0.3.0: `quniform(low, high, q)` draws from the bounds and rounds to a multiple of q afterwards, so that what
# reaches the program lies below low and above high where these are no multiples of q. `uniformint(low, high, q)` takes
# a q and ignores it (hyperopt/pyll_utils.py, hp_uniformint, sets it to 1): every integer of the range comes.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check hyperopt==0.3.0 numpy==2.2.6

"$room/venv/bin/python" - <<'PY'
import logging

import numpy as np

logging.disable(logging.CRITICAL)
from hyperopt import hp, pyll


def drawn(space):
    rng = np.random.default_rng(0)
    return sorted({float(pyll.stochastic.sample(space, rng=rng)) for _ in range(300)})


above = drawn(hp.quniform("batch", 0, 11, 4))
below = drawn(hp.quniform("layers", 1, 10, 4))
whole = drawn(hp.uniformint("units", 1, 10, q=4))
print("hyperopt 0.3.0, quniform(0, 11, 4):", above)
print("quniform(1, 10, 4):", below)
print("uniformint(1, 10, q=4):", whole)
assert above == [0, 4, 8, 12] and below == [0, 4, 8] and whole == [*range(1, 11)], "this has changed"
PY
