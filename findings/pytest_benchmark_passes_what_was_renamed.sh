#!/usr/bin/env bash
# pytest-benchmark 5.3.1: `--benchmark-compare=0001 --benchmark-compare-fail=min:5%` fails a benchmark that is slower
# than the one of its full name in the saved run. A benchmark whose name is not in there, since its function or its file
# was renamed, is compared with nothing and passes, without a word: ten times slower, exit status 0.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check pytest==9.0.2 pytest-benchmark==5.3.1
cd "$room"

cat > test_speed.py <<'PY'
import os
import time


def test_speed(benchmark):
    benchmark.pedantic(time.sleep, args=(0.002 * int(os.environ["TIMES"]),), rounds=5)
PY
ended() {
  local status=0
  TIMES=$1 venv/bin/python -m pytest -q -p no:cacheprovider "${@:2}" > output 2>&1 || status=$?
  echo "$status"
}
against=(--benchmark-compare=0001 --benchmark-compare-fail=min:5%)

saved=$(ended 1 --benchmark-save=before)
slower=$(ended 10 "${against[@]}")
sed -i s/test_speed/test_pace/ test_speed.py
renamed=$(ended 10 "${against[@]}")
warned=$(grep -ci "warn\|regress" output || true)
echo "pytest-benchmark 5.3.1, exit status: saved $saved; ten times slower $slower; and renamed $renamed, with $warned warnings"
[ "$saved $slower $renamed $warned" = "0 1 0 0" ] || { echo "this has changed"; exit 1; }
