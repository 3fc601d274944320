from __future__ import annotations

import ast
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_autoresearch
from pytest_autoresearch.executables import find, repository_around, search_path, surroundings, workspaces
from pytest_autoresearch.lab.importing import names_elsewhere


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


@pytest.fixture
def places(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Path]:
    """A repository, a workspace, a directory like /tmp and one of the system's, each with a program ``tool``."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    names = {"repository": tmp_path / "repository" / "bin", "system": tmp_path / "system", "open": tmp_path / "open"}
    names["workspace"] = workspaces() / "x-tag" / "workspace"
    names["link"] = tmp_path / "link"
    for place in [names[name] for name in ("repository", "system", "open", "workspace")]:
        program(place / "tool")
    names["open"].chmod(0o1777)
    names["link"].symlink_to(names["repository"])
    return names


@pytest.mark.parametrize("bad", ["", ".", "bin", "./bin", "..", "repository", "workspace", "open", "link"])
def test_no_program_is_taken_from_where_an_agent_may_have_put_it(
    bad: str, places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(places["repository"])
    entry = str(places[bad]) if bad in places else bad
    monkeypatch.setenv("PATH", os.pathsep.join([entry, str(places["system"])]))
    repository = places["repository"].parent
    assert find("tool", repository) == places["system"] / "tool"
    assert search_path(repository) == str(places["system"])
    monkeypatch.setenv("PATH", entry)
    assert find("tool", repository) is None


def test_a_link_in_an_honest_directory_to_an_agents_file_is_no_program(
    places: dict[str, Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    (places["system"] / "other").symlink_to(places["repository"] / "tool")
    monkeypatch.setenv("PATH", str(places["system"]))
    assert find("other", places["repository"].parent) is None
    assert find("other") is not None, "nobody has said that it is a repository"


def test_libraries_are_not_looked_for_in_the_working_directory_either(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LD_LIBRARY_PATH", "/usr/local/lib::lib:")
    assert surroundings()["LD_LIBRARY_PATH"] == "/usr/local/lib"


def test_the_repository_is_guessed_without_asking_git(tmp_path: Path) -> None:
    (tmp_path / ".git").write_text("gitdir: elsewhere")  # as in a linked worktree
    (tmp_path / "a" / "b").mkdir(parents=True)
    assert repository_around(tmp_path / "a" / "b") == tmp_path
    assert repository_around(tmp_path / "a" / "b" / "not-there") == tmp_path


def calls() -> Iterator[tuple[Path, ast.Call, str]]:
    """Every call in the package, with the dotted name of what is called."""
    for path in Path(pytest_autoresearch.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_bytes())):
            if isinstance(node, ast.Call):
                yield path, node, ast.unparse(node.func)


@pytest.mark.slow
def test_the_package_starts_nothing_by_name_or_through_a_shell() -> None:
    asked = {path.name for path, _, name in calls() if name in ("shutil.which", "which")}
    assert asked <= {"programs.py", "remedies.py", "fitting.py"}, (
        "use executables.find; these only look, they start nothing"
    )
    forbidden = ("os.system", "os.popen", "os.spawnlp", "os.execlp", "pty.spawn", "subprocess.getoutput")
    assert not [(path, name) for path, _, name in calls() if name in forbidden]
    for path, node, name in calls():
        if name.startswith("subprocess.") and node.args and isinstance(node.args[0], ast.List | ast.Tuple):
            first = node.args[0].elts[0]
            assert not (isinstance(first, ast.Constant) and not str(first.value).startswith("/")), (path, node.lineno)
        assert not any(word.arg == "shell" for word in node.keywords if name.startswith("subprocess.")), path


def test_an_interpreter_that_a_command_names_in_the_repository_is_not_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for place in ("bin", "tools"):
        planted = program(tmp_path / "repository" / place / "python3.98")
        planted.write_text(f"#!/bin/sh\ntouch {tmp_path}/started\n")
    monkeypatch.setenv("PATH", f".:{tmp_path}/repository/bin:{os.environ['PATH']}")
    monkeypatch.chdir(tmp_path / "repository" / "bin")
    commands = ["python3.98 grade.py", f"{tmp_path}/repository/tools/python3.98 grade.py", "./python3.98 grade.py"]
    names_elsewhere(commands, top=tmp_path / "repository")
    assert not (tmp_path / "started").exists()
