#!/usr/bin/env bash
# cmaes 0.13.1: a NaN told for one point is neither refused nor taken for the worst. tell() sorts by value, comparisons
# with NaN are all false, and so the ranks of the *other* points are wrong too: here the search believes a point of value
# 9 to be better than one of value 1. Told as infinity the same points rank right. Source: cmaes/_cma.py, CMA.tell.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check cmaes==0.13.1 numpy==2.4.6

"$room/venv/bin/python" - <<'PY'
import math

import numpy as np
from cmaes import CMA

values = [9.0, math.nan, 1.0, 4.0]


def mean(worst):
    search = CMA(mean=np.zeros(1), sigma=1.0, seed=1, population_size=4)
    points = [np.array([value if value == value else 16.0]) for value in values]
    search.tell([(point, worst if math.isnan(value) else value) for point, value in zip(points, values)])
    return float(search.mean[0])


nan, inf = mean(math.nan), mean(math.inf)
print(f"cmaes 0.13.1: points 9, 16 (failed), 1, 4; the mean after a NaN: {nan:.3f}, after infinity: {inf:.3f}")
assert nan > inf + 1, "this has changed"
PY
