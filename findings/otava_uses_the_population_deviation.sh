#!/usr/bin/env bash
# apache-otava 0.8.0 finds changes in benchmark histories. Its t test gives scipy's ttest_ind_from_stats the population
# standard deviation (numpy's default, divided by n), where the sample's (n - 1) is due: at three points a side the p
# value is half of Student's. Source: otava/analysis.py, TTestSignificanceTester.compare.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check apache-otava==0.8.0 numpy==2.2.0 scipy==1.16.3

"$room/venv/bin/python" - <<'PY'
import math
from otava.analysis import TTestSignificanceTester
from scipy import stats

left, right = [10.0, 11.0, 12.0], [13.0, 14.0, 15.0]
ours = TTestSignificanceTester(0.001).compare(left, right).pvalue
student = stats.ttest_ind(left, right).pvalue
print(f"apache-otava 0.8.0: p = {ours:.4f} for {left} and {right}; Student's t test: p = {student:.4f}")
assert math.isclose(ours, 0.0108, abs_tol=1e-4) and math.isclose(student, 0.0213, abs_tol=1e-4), "this has changed"
PY
