#!/usr/bin/env bash
# pytest-randomly 5.1.0 seeds Python's and NumPy's global generators before each test from the session's seed and the
# test's id. With pytest-rerunfailures 16.7 a rerun has the same id and the same draws: a test that fails by chance fails
# in all of its reruns, where without pytest-randomly each draws anew. And with the same `--randomly-seed` a renamed
# test draws other numbers, so that its metric moves though its code did not.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check pytest==9.2.0 pytest-randomly==5.1.0 pytest-rerunfailures==16.7
cd "$room"

cat > test_draw.py <<'PY'
import random


def test_draw():
    print("\ndrawn", random.random())
    assert False
PY
drawn() { venv/bin/python -m pytest -qs -p no:cacheprovider --reruns 3 "$@" > said || grep "^drawn" said; }
differ() { sort -u "$1" | wc -l; }

drawn -p no:randomly > without
drawn --randomly-seed=1 > with
sed -i s/test_draw/test_drawn/ test_draw.py
drawn --randomly-seed=1 > renamed
echo "pytest-rerunfailures 16.7, different draws of one test in four attempts: $(differ without)"
echo "with pytest-randomly 5.1.0: $(differ with), $(head -1 with); renamed: $(differ renamed), $(head -1 renamed)"
[ "$(differ without) $(differ with) $(differ renamed)" = "4 1 1" ] && ! cmp -s with renamed || { echo "this has changed"; exit 1; }
