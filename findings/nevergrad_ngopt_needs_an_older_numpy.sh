#!/usr/bin/env bash
# Nevergrad 1.0.12 asks for any NumPy. With NumPy 2.4, which makes an array of one element no number any more, its
# recommended optimizer `NGOpt` ends in a TypeError on a scalar or an array; the optimizers that it chooses from work
# when they are named. With NumPy 2.3 all of them do.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT

for numpy in 2.3.5 2.4.6; do
  python3 -m venv "$room/$numpy"
  "$room/$numpy/bin/pip" install -qq --disable-pip-version-check nevergrad==1.0.12 "numpy==$numpy"
  "$room/$numpy/bin/python" -W ignore - <<'PY'
import nevergrad
import numpy


def ended(name):
    optimizer = nevergrad.optimizers.registry[name](parametrization=nevergrad.p.Scalar(init=5.0), budget=60)
    try:
        return round(optimizer.minimize(lambda x: float((x - 1) ** 2)).value, 3)
    except TypeError as error:
        return f"TypeError: {error}"


chosen, named = ended("NGOpt"), ended("Cobyla")
print(f"nevergrad {nevergrad.__version__}, numpy {numpy.__version__}: NGOpt -> {chosen}; Cobyla -> {named}")
refused = isinstance(chosen, str)
assert named == 1 and refused == numpy.__version__.startswith("2.4"), "this has changed"
PY
done
