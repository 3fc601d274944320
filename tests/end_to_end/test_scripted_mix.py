"""A scripted agent plays everything an agent can do; the table is known in advance."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project

AGENT = """\
import os, sys
number = int(os.environ["AUTORESEARCH_EXPERIMENT"])
play = PLAYS[(number - 1) % len(PLAYS)]
briefing = sys.stdin.read()
assert briefing and briefing == open(os.environ["AUTORESEARCH_BRIEFING"]).read()
level = float(open("train.py").read().split("LEVEL = ")[1].split()[0])
body = "LEVEL = %s\\n# %d\\n" % (level, number)
tail = "print('loss:', LEVEL)\\n"
if play == "better":
    body = body.replace(str(level), str(level - 1.0), 1)
elif play == "worse":
    body = body.replace(str(level), str(level + 1.0), 1)
elif play == "crash":
    tail = "raise RuntimeError('out of memory')\\n"
elif play == "hang":
    tail = "import time\\nwhile True: time.sleep(1)\\n"
elif play == "silent":
    tail = "print('nothing')\\n"
elif play == "nan":
    tail = "print('loss: nan')\\n"
elif play == "outside":
    open("prepare.py", "w").write("offset = -100\\n")
elif play == "planted":
    open("conftest.py", "w").write("")
elif play == "fail":
    print("I can not")
    sys.exit(3)
if play != "nothing":
    open("train.py", "w").write(body + tail)
print("thinking aloud")
print("%s in %d" % (play, number))
"""

PLAYS = (
    "better",
    "worse",
    "equal",
    "crash",
    "outside",
    "better",
    "nothing",
    "silent",
    "nan",
    "planted",
    "fail",
    "worse",
)
EXPECTED = {
    "better": "keep",
    "worse": "discard",
    "equal": "discard",
    "crash": "crash",
    "silent": "crash",
    "nan": "crash",
    "hang": "crash",
    "outside": "discard",
    "planted": "discard",
    "nothing": "discard",
    "fail": "crash",
}


def play(project: Project, plays: tuple[str, ...], experiments: int, *, budget: str = "20s") -> None:
    config = project.root / "autoresearch.config.md"
    config.write_text(config.read_text().replace("Per experiment: 20s", f"Per experiment: {budget}"))
    project.write("train.py", "LEVEL = 1000.0\nprint('loss:', LEVEL)\n")
    project.commit("scripted")
    agent = project.home / "agent.py"
    agent.write_text(f"PLAYS = {plays!r}\n{AGENT}")
    done = project.pytest(
        "--autoresearch",
        f"--autoresearch-experiments={experiments}",
        f"--autoresearch-agent=command:{sys.executable} {agent}",
        timeout=540,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(600)
@pytest.mark.parametrize("experiments", [12, pytest.param(60, marks=pytest.mark.slow)])
def test_scripted_experiments_end_with_exactly_the_expected_table(project: Project, experiments: int) -> None:
    play(project, PLAYS, experiments)

    rows = project.table()
    assert rows[0] == ["commit", "loss", "status", "description"]
    assert rows[1] == ["baseline", "1000.000000", "keep", "baseline run, no changes"]
    level = 1000.0
    for number, row in enumerate(rows[2:], 1):
        name = PLAYS[(number - 1) % len(PLAYS)]
        level -= name == "better"
        value = {"better": level, "worse": level + 1.0, "equal": level}.get(name, 0.0)
        assert row[1:3] == [f"{value:.6f}", EXPECTED[name]], (number, name)
        assert len(row[0]) == 7 and project.git("cat-file", "-t", row[0]) == "commit"
        if name != "fail":
            assert row[3] == f"{name} in {number}"
    assert len(rows) == experiments + 2
    kept = [row[0] for row in rows[2:] if row[2] == "keep"]
    assert project.git("log", "--format=%h", "--abbrev=7", "--reverse", "main..autoresearch/demo").split() == kept
    assert project.git("status", "--porcelain") == ""


@pytest.mark.slow
def test_a_run_that_hangs_is_a_crash_and_the_loop_goes_on(project: Project) -> None:
    play(project, ("hang", "better"), 2, budget="1s")

    assert [row[2] for row in project.table()[1:]] == ["keep", "crash", "keep"]
