#!/usr/bin/env bash
# apache-otava 0.8.0: compute_change_points finds a step in a list of floats; the same values in a NumPy array end in a
# ValueError without words. Without a step both give no change, so that the first real change is where it shows.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check apache-otava==0.8.0 numpy==2.2.0 scipy==1.16.3

"$room/venv/bin/python" - <<'PY'
import numpy as np
from otava.analysis import compute_change_points

quiet = np.array([99.0, 100.0, 101.0] * 20)
step = np.concatenate([quiet[:30], quiet[30:] + 10])


def found(series):
    try:
        return [int(change.index) for change in compute_change_points(series)[0]]
    except ValueError as error:
        return repr(error)


seen = [found(quiet.tolist()), found(quiet), found(step.tolist()), found(step)]
print("apache-otava 0.8.0: no step, list and array:", *seen[:2], "- a step, list and array:", *seen[2:])
assert seen == [[], [], [30], "ValueError()"], "this has changed"
PY
