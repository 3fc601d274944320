"""A glob target admits new files; no interpreter of a grader or a guard imports one in place of another.

The names themselves are a table in tests/protocol/test_shadowing.py; here the real interpreters look for them.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_autoresearch.lab.importing import names_elsewhere
from pytest_autoresearch.research.guards import PYTEST
from tests.conftest import Project

CONFIG = """\
---
guard: [tests/]
---
# Config
## Metric
- Name: loss
- Direction: lower
- Extract command: `python grader.py`
## Target Files
- `*.py`
- `tests/`
## Read-Only Files
- `grader.py`
## Run Command
    python train.py
## Time Budget
- Per experiment: 20s
## Branch
autoresearch/demo
"""

GRADER = """\
import statistics
print("loss:", statistics.mean(float(line) for line in open("out.txt")))
"""

SHADOWS = {
    "statistics.py": "mean = lambda values: 0.0",
    "statistics/__init__.py": "mean = lambda values: 0.0",
    "codecs.pyc": "",
    "grader.abi3.so": "",
    "grader/__init__.py": "print('loss: 0.0')",
    "iniconfig.py": "import os; print('1 passed'); os._exit(0)",
    "tests/iniconfig.py": "import os; print('1 passed'); os._exit(0)",
    "tests/pluggy/__init__.py": "import os; print('1 passed'); os._exit(0)",
    "tests/fresh/json.py": "import os; print('1 passed'); os._exit(0)",
    "tests/evil-1.0.dist-info/entry_points.txt": "[pytest11]\nevil = train\n",
}

AGENT = f"""
import os, pathlib
number = int(os.environ["AUTORESEARCH_EXPERIMENT"])
shadows = {SHADOWS!r}
if number <= len(shadows):
    name = list(shadows)[number - 1]
    pathlib.Path(name).parent.mkdir(parents=True, exist_ok=True)
    pathlib.Path(name).write_text(shadows[name])
    print("add", name)
else:
    pathlib.Path("model.py").write_text("RATE = 4.0\\n")
    pathlib.Path("train.py").write_text("import model\\nprint(model.RATE, file=open('out.txt', 'w'))\\n")
    print("add a module of my own")
"""


@pytest.mark.slow
@pytest.mark.parametrize("isolation", ["auto", "none"])
def test_no_new_module_reaches_the_grader_or_the_guard(project: Project, isolation: str) -> None:
    project.write("autoresearch.config.md", CONFIG)
    project.write("grader.py", GRADER)
    project.write("train.py", "print(8.0, file=open('out.txt', 'w'))\n")
    project.write("tests/test_train.py", "def test_it(): assert True\n")
    project.commit("a glob target")
    (project.home / "agent.py").write_text(AGENT)
    done = project.pytest(
        *("--autoresearch", f"--autoresearch-agent=command:{sys.executable} {project.home}/agent.py"),
        *(f"--autoresearch-experiments={len(SHADOWS) + 1}", f"--autoresearch-isolation={isolation}"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = project.table()[2:]
    refused = [row[3].removeprefix("add ") for row in rows if row[2] == "discard"]
    assert refused == list(SHADOWS), done.stdout
    assert done.stdout.count("out-of-scope") == len(SHADOWS) - 1  # bytecode is litter, and no change at all
    assert rows[-1][1:3] == ["4.000000", "keep"]


@pytest.mark.parametrize("name", ["iniconfig.py", "pluggy/__init__.py", "_pytest/__init__.py", "pytest.py"])
def test_a_guards_pytest_is_complete_before_it_looks_into_the_candidates_directory(name: str, tmp_path: Path) -> None:
    place = tmp_path / name
    place.parent.mkdir(exist_ok=True)
    place.write_text("open('reached', 'w').close()\n")
    (tmp_path / "mine.py").write_text("")
    (tmp_path / "test_it.py").write_text("import mine\ndef test_it(): pass\n")
    command = PYTEST.replace("python", sys.executable, 1)
    done = subprocess.run(
        ["bash", "-c", f"{command} -q -p no:cacheprovider test_it.py"],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"},
        capture_output=True,
        text=True,
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
    assert not (tmp_path / "reached").exists()


def test_the_names_of_this_and_of_every_other_interpreter_are_known(tmp_path: Path) -> None:
    venv, repository = tmp_path / "venv", tmp_path / "repository"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", venv], check=True)
    packages = next((venv / "lib").glob("python*/site-packages"))
    (packages / "only_there.py").write_text("")
    (repository / "mine").mkdir(parents=True)
    (repository / "mine/__init__.py").write_text("")
    commands = [f"cd x && {venv}/bin/python -u grade.py | tail -1"]
    names = names_elsewhere(commands, top=repository)
    assert {"only_there", "statistics", "iniconfig", "pluggy"} <= names
    assert "mine" not in names
    assert "only_there" not in names_elsewhere(["python grade.py"], top=repository)
