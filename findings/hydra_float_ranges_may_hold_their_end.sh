#!/usr/bin/env bash
# Hydra 1.3.8: the end of `range(start, stop, step)` in an override is exclusive. With floats the steps are added as
# decimals made from the binary values (hydra/core/override_parser/types.py, FloatRange) and rounded to 28 digits, while
# the end keeps all of its 50 and more: whether a sweep holds its end depends on the numbers. It is then one job longer
# than the same range of integers.
set -euo pipefail
room=$(mktemp -d)
trap 'rm -rf "$room"' EXIT
python3 -m venv "$room/venv"
"$room/venv/bin/pip" install -qq --disable-pip-version-check hydra-core==1.3.8

"$room/venv/bin/python" - <<'PY'
from hydra.core.override_parser.overrides_parser import OverridesParser


def swept(text):
    (override,) = OverridesParser.create().parse_overrides([f"lr={text}"])
    return list(override.sweep_iterator())


print("hydra-core 1.3.8")
for text in "range(1,5,1)", "range(0.1,0.5,0.1)", "range(0.01,0.05,0.01)", "range(5,9,1)", "range(0.5,0.9,0.1)":
    print(text, "->", swept(text))
lengths = [len(swept(f"range({ends})")) for ends in ("1,5,1", "0.1,0.5,0.1", "0.01,0.05,0.01", "5,9,1", "0.5,0.9,0.1")]
assert lengths == [4, 4, 5, 4, 5], "this has changed"
PY
