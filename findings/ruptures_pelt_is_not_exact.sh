#!/usr/bin/env bash
# ruptures 1.1.10: Pelt is for "pruned exact linear time", and its pruning is not to change what minimises cost plus
# penalty. With segments of at least two points (min_size, 2 by default) it does, also at jump=1: a candidate is pruned
# at an end from which no segment may begin yet. Six points suffice: Pelt says [2, 4, 6] at 53, where [2, 6] is allowed
# and costs 49, as Dynp finds. Source: ruptures/detection/pelt.py, Pelt._seg.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check ruptures==1.1.10 numpy==2.4.6 scipy==1.17.1

"$room/venv/bin/python" - <<'PY'
import numpy as np
import ruptures

signal, penalty = np.array([9.0, 5.0, 1.0, 8.0, 7.0, 2.0]), 4.0


def objective(ends):
    segments = [signal[start:end] for start, end in zip([0, *ends], ends)]
    return sum(((part - part.mean()) ** 2).sum() for part in segments) + penalty * (len(ends) - 1)


pelt = ruptures.Pelt("l2", min_size=2, jump=1).fit(signal).predict(pen=penalty)
dynp = ruptures.Dynp("l2", min_size=2, jump=1).fit(signal).predict(n_bkps=1)
print(f"ruptures 1.1.10: Pelt {pelt} at {objective(pelt):g}, Dynp of one change {dynp} at {objective(dynp):g}")
assert (pelt, dynp) == ([2, 4, 6], [2, 6]) and objective(pelt) > objective(dynp) + 3.9, "this has changed"
PY
