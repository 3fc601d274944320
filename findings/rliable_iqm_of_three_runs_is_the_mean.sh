#!/usr/bin/env bash
# rliable 1.2.0: `aggregate_iqm`, recommended for few runs because outliers do not move it, trims a quarter at each end
# rounded down (scipy.stats.trim_mean): of three scores it trims none, and one broken run of three is in it whole. The
# scores of all runs and tasks count together: three runs of two tasks trim one score at each end. rliable 1.2.0 itself
# has to be told `pandas<3` (an arch that works with it asks for less).
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check rliable==1.2.0 arch==7.2.0 'pandas==2.3.3' numpy==2.2.6 scipy==1.15.3

"$room/venv/bin/python" -W ignore - <<'PY'
import numpy as np
from rliable.metrics import aggregate_iqm, aggregate_mean


def told(runs, tasks):
    scores = np.ones((runs, tasks))
    scores[-1] = 100  # the last run is broken, on every task
    return round(float(aggregate_iqm(scores)), 3), round(float(aggregate_mean(scores)), 3)


print("rliable 1.2.0: runs, tasks: interquartile mean, mean; all scores are 1 but those of the last run, 100")
for runs, tasks in (3, 1), (4, 1), (5, 1), (3, 2), (3, 8):
    print(f"{runs}, {tasks}:", *told(runs, tasks))
assert told(3, 1) == (34, 34) and told(4, 1)[0] == told(5, 1)[0] == 1, "this has changed"
assert told(3, 2)[0] > 20 and told(3, 8)[0] > 10, "this has changed"
PY
