"""After a drop the session goes on from the new head: its files, its level, its commits."""

from __future__ import annotations

import sys

import pytest

from tests.conftest import Project

AGENT = """\
import os
from pathlib import Path

number = int(os.environ["AUTORESEARCH_EXPERIMENT"])
name, text = {1: ("a.py", "A = 1"), 2: ("b.py", "B = 8"), 3: ("b.py", "B = 7")}[number]
Path(name).write_text(text)
print(name, text)
"""

LISTENER = """\
import json
import pytest

@pytest.hookimpl(tryfirst=True)
def pytest_autoresearch_recorded(experiment):
    if experiment.number:
        with open(".git/autoresearch/demo/lanes.json") as lanes, open("under_way.txt", "a") as heard:
            print(*(lane["number"] for lane in json.load(lanes)), file=heard)
"""


@pytest.mark.slow
def test_what_was_dropped_stays_out_and_the_new_head_is_what_has_to_be_beaten(project: Project) -> None:
    project.write(
        "autoresearch.config.md",
        project.root.joinpath("autoresearch.config.md").read_text().replace("train.py`", "[ab].py`"),
    )
    project.write("a.py", "A = 9")
    project.write("b.py", "B = 9")
    project.write("train.py", "from a import A\nfrom b import B\nprint('loss:', A + B)\n")
    project.commit()
    (project.home / "agent.py").write_text(AGENT)
    (project.root / "conftest.py").write_text(LISTENER)
    agent = f"--autoresearch-agent=command:{sys.executable} {project.home}/agent.py"

    def session(experiments: int) -> str:
        done = project.pytest("--autoresearch", f"--autoresearch-experiments={experiments}", agent)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    session(2)
    assert [row[1:3] for row in project.table()[1:]] == [
        ["18.000000", "keep"],
        ["10.000000", "keep"],
        ["9.000000", "keep"],
    ]
    assert project.cli("drop", "1").returncode == 0
    said = session(0) + session(1)

    assert [row[1:3] for row in project.table()[2:]] == [
        ["10.000000", "discard"],
        ["17.000000", "keep"],
        ["16.000000", "keep"],
    ]
    assert project.git("show", "autoresearch/demo:a.py") == "A = 9"
    assert project.git("show", "autoresearch/demo:b.py") == "B = 7"
    assert project.root.joinpath("under_way.txt").read_text().split() == ["1", "2", "3"]
    assert "differed" not in said
    assert not list(project.root.glob("*.edited-*"))
