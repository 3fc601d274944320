#!/usr/bin/env bash
# SciPy 1.17.1: `batch` of scipy.stats.bootstrap says how many resamples are in memory at once. With two samples and the
# same rng it changes the interval as well: each batch draws all indices of the first sample, then those of the second,
# from one stream. Who lowers it where memory is short gets other limits. With one sample, and in permutation_test,
# it changes nothing, which is what one expects of all three. Source: scipy/stats/_resampling.py, _bootstrap_resample.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check scipy==1.17.1 numpy==2.4.6

"$room/venv/bin/python" - <<'PY'
import numpy as np
from scipy import stats

rng = np.random.default_rng(0)
left, right = rng.normal(size=20), rng.normal(size=20)


def difference(left, right, axis=-1):
    return left.mean(axis) - right.mean(axis)


def limits(data, statistic, batch):
    found = stats.bootstrap(data, statistic, n_resamples=999, batch=batch, rng=1).confidence_interval
    return round(float(found.low), 6), round(float(found.high), 6)


def p(batch):
    how = {"vectorized": True, "n_resamples": 999, "rng": 1}
    return stats.permutation_test((left, right), difference, batch=batch, **how).pvalue


two = [limits((left, right), difference, batch) for batch in (None, 100)]
one = [limits((left,), np.mean, batch) for batch in (None, 100)]
print(f"scipy 1.17.1: two samples at once {two[0]}, 100 at a time {two[1]}; one sample: {one[0]}, {one[1]}")
assert two[0] != two[1] and one[0] == one[1] and p(None) == p(100), "this has changed"
PY
