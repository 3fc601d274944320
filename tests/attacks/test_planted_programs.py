"""A candidate adds files with the names of programs that the supervisor starts, and PATH leads to them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from pytest_autoresearch.lab.sandbox import choose
from tests.attacks.arena import available
from tests.attacks.planting import ENTRIES, plant, started_by_a_throwaway_repository
from tests.conftest import CONFIG, Project

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


@pytest.mark.slow
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("entry", ENTRIES)
def test_a_repository_for_tools_is_not_made_by_a_candidates_own_git(level: str, entry: str, tmp_path: Path) -> None:
    if available(level) is None:
        pytest.skip(f"this machine has no {level}")
    assert started_by_a_throwaway_repository(level, entry, tmp_path) == ""


@pytest.mark.slow
@pytest.mark.skipif(os.getuid() != 0, reason="is about becoming another user")
@pytest.mark.parametrize("level", LEVELS)
def test_a_normal_user_is_protected_as_root_is(level: str) -> None:
    python = shutil.which("python3", path="/usr/bin:/bin")
    if python is None or not shutil.which("setpriv"):
        pytest.skip("needs setpriv and an interpreter that another user can read")
    with tempfile.TemporaryDirectory(dir="/tmp") as home:
        os.chown(home, 65534, 65534)
        become = ["setpriv", "--reuid", "65534", "--regid", "65534", "--clear-groups"]
        environment = {"HOME": home, "TMPDIR": home, "PATH": os.defpath, "PYTHONDONTWRITEBYTECODE": "1"}
        done = subprocess.run(
            [*become, python, "-m", "tests.attacks.planting", level],
            cwd=Path(__file__).parents[2],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
    assert done.returncode == 0, done.stderr
    assert set(json.loads(done.stdout).values()) <= {""}


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
