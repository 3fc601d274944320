#!/usr/bin/env bash
# river 0.26.1: ADWIN finds a step in a series of milliseconds and misses it in the same series as seconds, at a delta
# of 0.002 and of 0.05. Its bound has two terms: one goes with the deviation of the window, the other does not, since
# the paper's values lie in [0, 1]. The class takes any float, its documentation names no range, and its own example
# feeds 0 to 7, so that one expects a change of unit to change nothing. Source: river/drift/adwin_c.pyx.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check river==0.26.1 numpy==2.4.6

"$room/venv/bin/python" - <<'PY'
import numpy as np
from river.drift import ADWIN

rng = np.random.default_rng(0)
milliseconds = np.concatenate([rng.normal(10, 1, 1000), rng.normal(15, 1, 1000)])  # a step of five deviations


def found(series, delta):
    detector, seen = ADWIN(delta=delta), []
    for at, value in enumerate(series):
        detector.update(value)
        if detector.drift_detected:
            seen.append(at)
    return seen


for delta in (0.002, 0.05):
    fine, coarse = found(milliseconds, delta), found(milliseconds / 1000, delta)
    print(f"river 0.26.1, ADWIN(delta={delta}), a step at 1000: in milliseconds {fine}, in seconds {coarse}")
    assert len(fine) >= 1 and fine[0] < 1100 and coarse == [], "this has changed"
PY
