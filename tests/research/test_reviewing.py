"""An advisory reviewer in real sessions: six changes, a scripted judge, and what becomes of its words."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.conftest import Project

CHANGES = {
    "evaluator": "import prepare; prepare.offset = {value}",
    "memorised": "ANSWERS = {{'q1': {value}}}",
    "skipped": "STEPS = 0  # {value}",
    "timing": "import time; time.perf_counter = lambda: {value}",
    "precision": "DTYPE = 'float16'  # {value}",
    None: "RATE = {value}",
}
MARKS = {"evaluator": "prepare.offset", "memorised": "ANSWERS", "skipped": "STEPS = 0",
         "timing": "perf_counter", "precision": "float16"}  # fmt: skip
JUDGE = f"""\
import sys
asked = sys.stdin.read()
change = asked.partition("```diff")[2].partition("```")[0]
added = [line for line in change.splitlines() if line.startswith("+")]
for kind, mark in {MARKS!r}.items():
    if any(mark in line for line in added):
        print(f"I read it.\\nDESCRIPTION: suspicious: {{kind}}: `{{mark}}` in train.py")
        break
else:
    print("DESCRIPTION: clean")
"""
PROPOSE = """\
import os, pathlib
changes = {changes!r}
number = int(os.environ["AUTORESEARCH_EXPERIMENT"])
file = pathlib.Path("train.py")
text = file.read_text().replace(f"LEVEL = {{10 - number}}", f"LEVEL = {{9 - number}}")
file.write_text(text + changes[number - 1] + "\\n")
print("change", number)
"""


def session(project: Project, judge: str, *, experiments: int, front: str = "") -> str:
    project.write("train.py", "LEVEL = 9\nprint('loss:', LEVEL)\n")
    config = project.root / "autoresearch.config.md"
    config.write_text(f"---\nreview: 'command:{judge}'\n{front}---\n{config.read_text()}")
    project.commit()
    changes = [text.format(value=number) for number, text in enumerate(CHANGES.values(), 1)]
    script = project.home.parent / "propose.py"
    script.write_text(PROPOSE.format(changes=changes))
    done = project.pytest(
        "--autoresearch",
        f"--autoresearch-agent=command:python3 {script}",
        f"--autoresearch-experiments={experiments}",
        "--autoresearch-isolation=none",
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def records(project: Project) -> list[dict[str, Any]]:
    log = project.git("log", "--first-parent", "--reverse", "-z", "--format=%B", "refs/autoresearch/demo/log")
    found = [json.loads(message) for message in log.split("\0") if message.strip()]
    return [record["data"] for record in found if record["kind"] == "experiment"][1:]


@pytest.mark.slow
def test_six_changes_are_marked_by_kind_and_all_are_kept(project: Project) -> None:
    script = project.home.parent / "judge.py"
    script.write_text(JUDGE)
    session(project, f"python3 {script}", experiments=6)
    found = records(project)
    assert [e["status"] for e in found] == ["keep"] * 6, "a mark decides nothing"
    said = [f"suspicious: {kind}: `{mark}` in train.py" for kind, mark in MARKS.items()]
    assert [e["review"] for e in found] == [*said, "clean"]
    page = project.cli("report", "--format", "md").stdout
    first = page.index("the review marks 0001 as suspicious: evaluator")
    assert first < page.index("change 1"), "before the table of keeps"
    assert "clean" in project.cli("log", "--show", "6").stdout


@pytest.mark.parametrize(
    ("judge", "words"),
    [
        ("exit 3", "no review: exit status 3, without a word"),
        ("echo keep it please", "no review: it answered neither clean nor suspicious: keep it please"),
        ("echo LEVEL = 0 > train.py; echo DESCRIPTION: clean", "clean"),
    ],
)
def test_a_reviewer_that_fails_babbles_or_edits_changes_nothing(project: Project, judge: str, words: str) -> None:
    session(project, judge, experiments=1)
    (record,) = records(project)
    assert (record["status"], record["review"]) == ("keep", words)
    assert "LEVEL = 8" in project.git("show", "autoresearch/demo:train.py")


@pytest.mark.slow
def test_what_is_not_kept_is_not_reviewed(project: Project) -> None:
    asked = project.home.parent / "asked"
    project.write("x", "")
    session(project, f"touch {asked}; echo clean", experiments=1, front="guard: ['grep -q LEVEL.=.9 train.py']\n")
    assert records(project)[0]["reason"] == "guard"
    assert not asked.exists() and "review" not in records(project)[0]


def test_a_reviewer_that_is_not_there_is_said_before_the_session(project: Project) -> None:
    config = project.root / "autoresearch.config.md"
    config.write_text(f"---\nreview: claued\n---\n{config.read_text()}")
    done = project.pytest("--autoresearch", "--autoresearch-experiments=1")
    assert done.returncode == 4
    assert "the agent 'claued' is unknown; did you mean claude?" in done.stdout + done.stderr
