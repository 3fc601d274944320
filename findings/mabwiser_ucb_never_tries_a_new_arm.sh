#!/usr/bin/env bash
# MABWiser 2.7.4: UCB1 is to try what it knows least, so an arm without data first. Here its index stays 0, as if it were
# known to be worth nothing, and where rewards are positive it is never chosen: an arm added to a running search, ten
# times as good as the others, gets none of 500 pulls, at an alpha of 1 and of 10. Thompson sampling finds it. What the
# package has for it is `warm_start`, which copies a similar arm. Source: mabwiser/ucb.py, the arms with a count of 0.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check mabwiser==2.7.4 numpy==2.4.6 pandas==3.1.1 scikit-learn==1.9.1

"$room/venv/bin/python" -W ignore - <<'PY'
import collections

import numpy as np
from mabwiser.mab import MAB, LearningPolicy

chance = {"old": 0.09, "older": 0.09, "new": 0.9}


def pulled(policy):
    rng, bandit, pulls = np.random.default_rng(0), MAB(["old", "older"], policy, seed=1), collections.Counter(new=0)
    bandit.fit(["old", "older"] * 10, [1, 0] * 10)
    bandit.add_arm("new")
    for _ in range(500):
        arm = bandit.predict()
        pulls[arm] += 1
        bandit.partial_fit([arm], [int(rng.random() < chance[arm])])
    return dict(pulls)


policies = [LearningPolicy.UCB1(alpha=1), LearningPolicy.UCB1(alpha=10), LearningPolicy.ThompsonSampling()]
pulls = [pulled(policy) for policy in policies]
for policy, counts in zip(policies, pulls):
    print(f"mabwiser 2.7.4, {policy}:", counts)
assert pulls[0]["new"] == pulls[1]["new"] == 0 and pulls[2]["new"] > 300, "this has changed"
PY
