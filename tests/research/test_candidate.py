"""Which proposals get no run, and which may come again."""

from __future__ import annotations

import sys

from tests.conftest import Project

AGENT = """\
import os
from pathlib import Path

target = Path("train.py")
target.write_text(target.read_text().replace("RATE = 8.0", "RATE = 4.0"))
if os.environ["AUTORESEARCH_EXPERIMENT"] == "1":
    Path("notes.txt").write_text("what I thought")
print("Halve the rate")
"""


def test_a_change_that_was_refused_for_what_lay_beside_it_may_come_again_without_that(project: Project) -> None:
    (project.home / "agent.py").write_text(AGENT)
    agent = f"--autoresearch-agent=command:{sys.executable} {project.home}/agent.py"

    done = project.pytest("--autoresearch", "--autoresearch-experiments=1", agent)
    assert "out-of-scope" in done.stdout, done.stdout + done.stderr
    done = project.pytest("--autoresearch", "--autoresearch-experiments=2", agent)  # resumed: it is in the record, too

    assert [row[2] for row in project.table()[1:]] == ["keep", "discard", "keep", "discard"], done.stdout
    assert "no-change" in done.stdout
