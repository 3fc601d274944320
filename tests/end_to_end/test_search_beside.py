"""A coding agent and the embedded search in one session on a noisy metric: one history, groups, a resume in between."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Any

import pytest

from tests.research.noisy import PREPARE

if TYPE_CHECKING:
    from tests.conftest import Project

TRAIN = """\
import math

from prepare import luck

LEARNING_RATE = 0.01
WIDTH = 32
DROPOUT = 0.5

off = math.log(LEARNING_RATE / 0.2) ** 2 + math.log(WIDTH / 128) ** 2 + 9 * abs(DROPOUT - 0.1)
off += 9 * abs(math.log(globals().get("MOMENTUM_SCALE", 9.0) / 3.0))
print("loss:", 100.0 + 4 * off + luck)
"""

CODER = """\
import os
from pathlib import Path

target = Path("train.py")
text = target.read_text()
if "MOMENTUM_SCALE =" not in text:
    target.write_text(text.replace("DROPOUT", "MOMENTUM_SCALE = 7.5\\nDROPOUT", 1))
    print("a scale of the momentum")
else:
    target.write_text(text + "# %s\\n" % os.environ["AUTORESEARCH_EXPERIMENT"])
    print("a remark")
"""


def records(project: Project, kind: str) -> list[dict[str, Any]]:
    messages = project.git("log", "--first-parent", "--format=%B%x00", "refs/autoresearch/demo/log").split("\0")
    found = [json.loads(message) for message in messages if message.strip()]
    return [record["data"] for record in reversed(found) if record["kind"] == kind]


@pytest.mark.slow
def test_code_from_one_and_values_from_the_other_over_many_groups(project: Project) -> None:
    project.write("prepare.py", PREPARE)
    project.write("train.py", TRAIN)
    coder = project.home / "coder.py"
    coder.write_text(CODER)
    config = (project.root / "autoresearch.config.md").read_text()
    agents = json.dumps([f"command:{sys.executable} {coder}", "auto"])
    project.write("autoresearch.config.md", f"---\nagents: {agents}\n---\n\n{config}")
    project.commit("a noisy script with knobs")
    for more in (30, 30):  # the second run resumes the first
        done = project.pytest("--autoresearch", f"--autoresearch-experiments={more}", timeout=600)
        assert done.returncode == 0, done.stdout + done.stderr

    tried = records(project, "experiment")
    assert [each["number"] for each in tried] == list(range(61))
    searched = [each for each in tried[1:] if each["agent"] == "auto"]
    assert 20 <= len(searched) <= 50
    turned = [move[0] if isinstance(move, list) else move["name"] for each in searched for move in each["moves"]]
    assert {"LEARNING_RATE", "WIDTH", "DROPOUT", "MOMENTUM_SCALE"} <= set(turned), "the new knob is turned as well"
    for each in searched:
        joint = each["description"].startswith("joint: ")
        assert each["status"] != "keep" or len(each["moves"]) == 1 or joint, each["description"]
        assert len(each["moves"]) < 2 or joint or each["reason"] in ("probe", "error"), each["description"]

    groups = records(project, "group")
    assert groups and all(group["outcome"] for group in groups)
    decided = [number for group in groups for number in group["keeps"]]
    kept = [each["number"] for each in tried[1:] if each["status"] == "keep"]
    assert sorted(decided) == kept, "every provisional keep was decided, once"
    head = project.git("show", "autoresearch/demo:train.py")
    values: dict[str, float] = {}
    exec("\n".join(line for line in head.splitlines() if line[:1].isupper() and " = " in line), {}, values)
    assert values["LEARNING_RATE"] > 0.01
