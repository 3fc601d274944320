"""A candidate adds files with the names of programs that the supervisor starts, and PATH leads to them."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_autoresearch.executables import workspaces
from pytest_autoresearch.lab.executors.local import LocalExecutor
from pytest_autoresearch.lab.job import Job, Site
from pytest_autoresearch.lab.sandbox import Choice, choose
from pytest_autoresearch.protocol.experiment import FileEntry, Role, blob_id
from pytest_autoresearch.protocol.model import Direction, Metric, Protocol
from tests.attacks.arena import available
from tests.conftest import CONFIG, Project

NAMES = (
    "git",
    "bwrap",
    "bash",
    "sh",
    "python",
    "python3",
    "node",
    "uname",
    "ssh",
    "env",
    "valgrind",
    "ldconfig",
    "pgrep",
)
ALONE = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # there are plugins that start git and uname by name
LEVELS = ("bwrap", "landlock", "process")

# What the supervisor starts, as its own interpreter sees it: an audit hook can not be taken off again.
SPY = """
import json, os, sys

def note(event, args):
    if event == "subprocess.Popen":
        where = os.fsdecode(args[2]) if args[2] else os.getcwd()
        told = [[os.fsdecode(word) for word in args[1]], where, (args[3] or os.environ).get("PATH")]
    elif event in ("os.exec", "os.posix_spawn", "os.system", "os.spawn", "os.startfile", "pty.spawn"):
        told = [[os.fsdecode(args[0] if event != "os.spawn" else args[1])], os.getcwd(), None]
    else:
        return
    with open(os.environ["SPY"], "a") as file:
        file.write(json.dumps([event, *told]) + chr(10))

sys.addaudithook(note)
sys.argv = ["pytest", *sys.argv[1:]]
import pytest
sys.exit(pytest.main())
"""


def plant(directory: Path, marker: Path) -> Iterator[tuple[str, str]]:
    """Programs that tell that they were started, and by which name."""
    for name in NAMES:
        yield str(directory / name), f'#!/bin/sh\n/bin/echo {name} >> "{marker}"\nexit 1\n'


@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("entry", ["", ".", "bin"])
def test_a_repository_for_tools_is_not_made_by_a_candidates_own_git(
    level: str, entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sandbox = available(level)
    if sandbox is None:
        pytest.skip(f"this machine has no {level}")
    marker, top = tmp_path / "outside", tmp_path / "repo"
    top.mkdir()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    scratch = workspaces() / "session"
    scratch.mkdir(parents=True)
    monkeypatch.chdir(top)
    monkeypatch.setenv("PATH", f"{entry}:{scratch}/workspace:{os.environ['PATH']}")
    texts = {"train.py": 'import os; print("score:", int(os.path.exists(".git/HEAD")))\n'}
    for directory in (Path(), Path("bin")):
        texts |= dict(plant(directory, marker))
    blobs = {blob_id(text.encode()): text.encode() for text in texts.values()}
    state = {path: FileEntry("100755", blob_id(text.encode())) for path, text in texts.items()}
    protocol = Protocol("", Metric("score", Direction.LOWER), (), "python train.py", git_throwaway=True)
    site = Site(top, scratch, "tag", protocol, lambda ids: blobs, Path(sys.executable).parent)
    lab = LocalExecutor(site, Choice(sandbox, level))
    try:
        for number in (1, 2):  # what an earlier run has left lies there when the second one is prepared
            measured = lab.measure(Job(Role.CANDIDATE, number, 1, state, 20.0), lambda _: None)
            assert measured.value == 1.0, measured
    finally:
        lab.close()
    assert not marker.exists(), marker.read_text()


def test_the_sandbox_itself_is_not_started_from_the_repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    marker = tmp_path / "outside"
    for path, text in plant(tmp_path / "repo", marker):
        Path(path).parent.mkdir(exist_ok=True)
        Path(path).write_text(text)
        Path(path).chmod(0o755)
    monkeypatch.chdir(tmp_path / "repo")
    for entry in ("", ".", str(tmp_path / "repo")):
        monkeypatch.setenv("PATH", f"{entry}:{os.environ['PATH']}")
        choose("auto", scratch=tmp_path, repository=tmp_path / "repo")
    assert not marker.exists(), marker.read_text()


@pytest.fixture
def trapped(project: Project, tmp_path: Path) -> Project:
    """A project whose checkout holds what a candidate of an earlier session has added, on a careless PATH."""
    for path, text in plant(project.root, tmp_path / "outside"):
        project.write(Path(path).name, text).chmod(0o755)
    project.write("propose.sh", "cp git ssh2; chmod +x ssh2; sed -i 's/RATE = 8.0/RATE = 4.0/' train.py; echo better\n")
    front = (
        '---\nagent: "command:bash propose.sh"\ngit: throwaway\nguard: ["true"]\nbuild: "true"\n'
        "holdout: {run: python train.py}\n---\n"
    )
    project.write("autoresearch.config.md", front + CONFIG.replace("- `train.py`", "- `train.py`\n- `ssh*`"))
    project.commit()
    project.env["PATH"] = f":.:{project.root}:{project.env['PATH']}:"
    return project


@pytest.mark.parametrize("isolation", ["auto", pytest.param("none", marks=pytest.mark.slow)])
def test_a_session_starts_every_program_by_absolute_path_and_nowhere_that_is_an_agents(
    isolation: str, trapped: Project, tmp_path: Path
) -> None:
    spied, marker = tmp_path / "spied", tmp_path / "outside"
    words = ("-p", "pytest_autoresearch.plugin", "--autoresearch", "--autoresearch-experiments", "1")
    done = trapped.run(
        sys.executable, "-c", SPY, *words, "--autoresearch-isolation", isolation, env={"SPY": str(spied), **ALONE}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row[2] for row in trapped.table()[1:]] == ["keep", "keep"], trapped.table()
    started = [json.loads(line) for line in spied.read_text().splitlines()]
    assert {Path(argv[0]).name for _, argv, _, _ in started} >= {"git"}
    homes = (str(trapped.root), *(str(path) for path in (trapped.home / ".cache").glob("pytest-autoresearch/*/*")))
    for event, argv, cwd, search in started:
        program = argv[0]
        assert event in ("subprocess.Popen", "os.posix_spawn") and os.path.isabs(program), (event, program)
        assert not program.startswith(str(trapped.root)), program
        if argv[1:] != ["version"]:  # GitPython asks that of git wherever it is imported
            assert not any(Path(cwd).is_relative_to(place) for place in homes), (argv, cwd)
        if Path(program).name == "git":
            assert all(os.path.isabs(entry) for entry in search.split(":")), search
            assert str(trapped.root) not in search.split(":")
    assert not marker.exists(), marker.read_text()


@pytest.mark.slow
@pytest.mark.parametrize("command", ["doctor", "show", "log", "report", "tags", "verify", "init"])
def test_no_command_around_the_loop_starts_what_lies_in_the_repository(
    command: str, trapped: Project, tmp_path: Path
) -> None:
    words = ("-p", "pytest_autoresearch.plugin", "--autoresearch", "--autoresearch-experiments", "1")
    trapped.pytest(*words, env=ALONE)
    trapped.cli(command, env=ALONE)
    assert not (tmp_path / "outside").exists(), (tmp_path / "outside").read_text()
