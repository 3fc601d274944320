#!/usr/bin/env bash
# JAX 0.10.2: `split(key, n)[i]` is `fold_in(key, i)`, since keys are partitionable by default (jax pull request 13341).
# A program that splits its key for weights and data and folds the step into the same key draws for steps 0 and 1 what it
# drew for those two. And where seeds are 32 bits, as they are by default, a seed of 2**32 + 1 is a seed of 1.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check jax==0.10.2 jaxlib==0.10.2 numpy==2.4.6 scipy==1.17.1

JAX_PLATFORMS=cpu "$room/venv/bin/python" - <<'PY'
import jax

key = jax.random.key(1)


def drawn(key):
    return [round(float(each), 3) for each in jax.random.normal(key, 3)]


weights, data = map(drawn, jax.random.split(key))
steps = [drawn(jax.random.fold_in(key, step)) for step in range(3)]
print("jax 0.10.2: weights", weights, "data", data)
print("steps 0, 1, 2:", *steps)
assert steps[:2] == [weights, data] and steps[2] not in steps[:2], "this has changed"
assert drawn(jax.random.key(2**32 + 1)) == drawn(key), "this has changed"
PY
