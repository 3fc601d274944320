#!/usr/bin/env bash
# NumPy 2.4.6: default_rng([seed, 0]) is the same stream as default_rng(seed), and default_rng([1, 1]) the same as
# default_rng(2**32 + 1): a SeedSequence pads its entropy with zeros up to four words. Who seeds run k of an experiment
# with [seed, k] repeats in run 0 what any code seeded with `seed` drew. [k, seed], the order of NumPy's own guide, differs.
# A spawned child is a list as well: SeedSequence(1).spawn(1)[0] is SeedSequence([1, 0, 0, 0, 0]).
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check numpy==2.4.6

"$room/venv/bin/python" - <<'PY'
import numpy as np


def drawn(seed):
    return np.random.default_rng(seed).integers(1000, size=4).tolist()


child = np.random.SeedSequence(1).spawn(1)[0]
print("numpy 2.4.6: 1 ->", drawn(1), "[1, 0] ->", drawn([1, 0]), "[0, 1] ->", drawn([0, 1]))
assert drawn(1) == drawn([1, 0]) == drawn([1, 0, 0, 0]) != drawn([0, 1]), "this has changed"
assert drawn([1, 1]) == drawn(2**32 + 1) and drawn(child) == drawn([1, 0, 0, 0, 0]) != drawn(1), "this has changed"
PY
