"""Commands ask pytest in the person's repository, and their strictness is about their tests, not about that."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pytest_autoresearch.commands.asking import ini_options, marked_protocol
from pytest_autoresearch.errors import AutoresearchError
from tests.conftest import Project

STRICT = """\
[pytest]
filterwarnings = error
addopts = --strict-markers --strict-config
xfail_strict = true
autoresearch_seed = 7
"""
MARKED = """\
import pytest

@pytest.mark.autoresearch(metric="duration", targets=["train.py"])
def test_a(): pass
"""


@pytest.fixture(autouse=True)
def module_path(monkeypatch: pytest.MonkeyPatch) -> None:
    """A pytest that is asked in this process puts the project on the module path, where other tests would find it."""
    monkeypatch.setattr(sys, "path", [*sys.path])


@pytest.mark.parametrize(
    "ini",
    [
        STRICT,
        STRICT.replace("--strict-config", "--cov-nowhere=x -p not_there"),
        STRICT + "required_plugins = pytest-not-there\n",
    ],
)
def test_the_ini_file_is_read_whatever_else_it_wants(project: Project, ini: str) -> None:
    project.write("pytest.ini", ini)
    project.write("conftest.py", "raise ValueError('no')\n")
    assert ini_options(project.root / "autoresearch.config.md")["seed"] == "7"


def test_a_marked_test_is_understood_under_strictness(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONWARNINGS", "error")
    project.write("pytest.ini", STRICT)
    project.write("test_a.py", "import warnings; warnings.warn('mine')\n" + MARKED)
    protocol, ini = marked_protocol(project.root / "test_a.py", project.root)
    assert (protocol.metric.name, ini["seed"]) == ("duration", "7")


@pytest.mark.slow
def test_a_marked_test_is_understood_where_plugins_are_loaded_by_name_only(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    project.write("pytest.ini", STRICT)
    project.write("test_by_name.py", MARKED)
    for named in ("", "-p pytest_autoresearch.plugin"):
        monkeypatch.setenv("PYTEST_ADDOPTS", named)
        protocol, ini = marked_protocol(project.root / "test_by_name.py", project.root)
        assert (protocol.metric.name, ini["seed"]) == ("duration", "7")
        assert ini_options(project.root / "autoresearch.config.md")["seed"] == "7"


@pytest.mark.parametrize(
    ("name", "text", "words"),
    [
        ("conftest.py", "raise ValueError('of mine')\n", "ValueError: of mine"),
        ("conftest.py", "import sys; sys.exit(3)\n", "SystemExit: 3"),
        ("pytest.ini", "[pytest]\naddopts = --not-there\n", "unrecognized arguments: --not-there"),
        ("pytest.ini", "[pytest]\naddopts = -p not_there\n", 'Error importing plugin "not_there"'),
        ("test_a.py", "def test_(:\n", "SyntaxError"),
    ],
)
def test_what_keeps_pytest_from_starting_is_one_short_message(
    project: Project, name: str, text: str, words: str
) -> None:
    test = f"test_{abs(hash(text))}.py"  # collected in this process, where a module of that name may be known
    project.write(test, MARKED)
    project.write(test if name == "test_a.py" else name, text)
    with pytest.raises(AutoresearchError) as caught:
        marked_protocol(project.root / test, project.root)
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) <= 13


@pytest.mark.slow
@pytest.mark.parametrize("command", ["show", "doctor --no-run", "log", "tags", "report", "publish --dry-run", "stop"])
@pytest.mark.parametrize("path", [Path("autoresearch.config.md"), Path("test_a.py")])
def test_no_command_ends_in_a_traceback(project: Project, command: str, path: Path) -> None:
    project.write("pytest.ini", STRICT)
    project.write("test_a.py", MARKED)
    project.commit()
    done = project.cli(*command.split(), *([] if command == "tags" else [str(path)]), env={"PYTHONWARNINGS": "error"})
    assert "Traceback" not in done.stdout + done.stderr
    assert "Warning" not in done.stderr
