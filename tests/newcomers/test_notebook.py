"""A notebook as a target, from the config to the branch: code cells change, and not another byte."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from tests.newcomers.test_newcomers import NEWCOMERS

if TYPE_CHECKING:
    from tests.conftest import Project

pytestmark = pytest.mark.slow

AGENT = """\
import json, pathlib
path = pathlib.Path("model.ipynb")
book = json.loads(path.read_text())
source = book["cells"][1]["source"]
source[0] = source[0].replace("0.1", "0.3")
book["cells"][1]["outputs"] = [{"output_type": "stream", "name": "stdout", "text": ["ran\\n"]}]
book["cells"][0]["source"] = ["# Mine now\\n"]
book["metadata"]["mine"] = True
path.write_text(json.dumps(book, indent=4))
print("find the optimum")
"""


def session(project: Project, *args: str) -> str:
    """The notebook before, and its difference on the session's branch."""
    project.git("rm", "-q", "-r", ".")
    for path, text in NEWCOMERS["notebook"].files.items():
        project.write(path, text)
    project.write("agent.py", AGENT)
    project.commit("a notebook")
    assert project.cli("init", "--yes", "--tag", "book").returncode == 0
    done = project.pytest("--autoresearch", *args)
    assert "KEEP" in done.stdout.partition("0001")[2], done.stdout + done.stderr
    return project.git("diff", "-U0", "main", "autoresearch/book", "--", "model.ipynb")


def changed(diff: str) -> list[str]:
    return [line.strip() for line in diff.splitlines() if line[:1] in "+-" and line[:3] not in ("+++", "---")]


def test_an_agent_that_writes_the_whole_notebook_changes_one_line_of_it(project: Project) -> None:
    diff = session(project, "--autoresearch-agent", "command:python agent.py", "--autoresearch-experiments", "1")
    assert changed(diff) == ['-    "LEARNING_RATE = 0.1\\n",', '+    "LEARNING_RATE = 0.3\\n",']


def test_the_built_in_search_turns_a_literal_of_a_cell(project: Project) -> None:
    diff = session(project, "--autoresearch-agent", "sweep", "--autoresearch-experiments", "4")
    assert len(changed(diff)) == 2 and changed(diff)[0] == '-    "LEARNING_RATE = 0.1\\n",'
    kept = json.loads(project.git("show", "autoresearch/book:model.ipynb"))
    assert kept["cells"][0] == json.loads(NEWCOMERS["notebook"].files["model.ipynb"])["cells"][0]
