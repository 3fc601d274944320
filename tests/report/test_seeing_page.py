"""docs/seeing.md is what there is: every command and every example on it is run."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path

import pytest

from tests.conftest import Project

PAGE = (Path(__file__).parents[2] / "docs" / "seeing.md").read_text(encoding="utf-8")
BLOCKS = [block for block in re.findall(r"```console\n(.*?)```", PAGE, re.DOTALL)]
PYTHON = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


@pytest.fixture
def nights(project: Project) -> Project:
    """A project with the sessions that the page names, pushed to an ``origin``."""
    for tag in ("nov23", "compare-auto-1"):
        done = project.pytest("--autoresearch", "--autoresearch-experiments=2", f"--autoresearch-tag={tag}")
        assert done.returncode == 0, done.stdout
    project.git("init", "-q", "--bare", str(project.home / "origin.git"))
    project.git("remote", "add", "origin", str(project.home / "origin.git"))
    project.git("push", "-q", "origin", "refs/autoresearch/nov23/log:refs/autoresearch/nov23/log")
    return project


@pytest.mark.slow
@pytest.mark.timeout(400)
def test_every_command_of_the_page_runs(nights: Project) -> None:
    project, env = nights, {"AUTORESEARCH_EXPERIMENTS": "1"}
    for line in "".join(BLOCKS).splitlines():
        words = shlex.split(line)
        if words[0] == "export":
            name, _, value = words[1].partition("=")
            env[name] = value.replace("https://chat.example.org", "http://127.0.0.1:9")
        elif "mlflow" in line:
            done = project.pytest(*words[1:], env=env)
            assert done.returncode in (0, 4), done.stdout + done.stderr
            assert done.returncode == 0 or "is not installed" in done.stderr
        elif words[0] == "pytest":
            done = project.pytest(*words[1:], env=env)
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
        else:
            done = project.cli(*words[1:])
            assert done.returncode == 0, f"{line}\n{done.stdout}{done.stderr}"
    assert (project.root / "report.html").exists() and (project.root / "night.html").exists()
    assert len((project.root / "log.jsonl").read_text().splitlines()) >= 2


@pytest.mark.slow
def test_the_examples_in_python_run(project: Project) -> None:
    hook, notebook = PYTHON
    project.write("conftest.py", hook)
    project.commit("an observer")
    done = project.pytest("--autoresearch", "--autoresearch-experiments=3")
    assert done.returncode == 0, done.stdout
    kept = [row for row in project.table()[1:] if row[2] == "keep"]
    assert len((project.root / "kept.txt").read_text().splitlines()) == len(kept)
    shown = f"{notebook}\nprint(len(rows), len(ledger.experiments), len(rows.chart()) > 0, len(ledger.chart()) > 0)"
    done = project.run(sys.executable, "-c", shown)
    assert done.stdout.split() == ["4", "4", "True", "True"], done.stderr
