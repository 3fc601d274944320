"""Where the output goes: a full disk, a reader that went away, and a terminal without the letters are no traceback."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_autoresearch.cli import main
from tests.notebook.diary import Diary, new_repository

FULL = Path("/dev/full")
ASCII = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = new_repository(tmp_path_factory.mktemp("output") / "repository")
    with Diary(found) as diary:
        diary.reach(5)
    return found


def started(root: Path, *args: str, stdout: int, **env: str) -> subprocess.CompletedProcess[bytes]:
    command = [sys.executable, "-m", "pytest_autoresearch.cli", *args]
    return subprocess.run(
        command, cwd=root, env={**os.environ, **env}, stdout=stdout, stderr=subprocess.PIPE, timeout=60
    )


@pytest.mark.skipif(not FULL.exists(), reason="needs a device that is always full")
@pytest.mark.parametrize("args", [("status",), ("log",), ("report", "--format", "json"), ("report", "-o", str(FULL))])
def test_a_full_disk_is_said_in_two_lines(root: Path, args: tuple[str, ...]) -> None:
    with FULL.open("wb") as full:
        done = started(root, *args, stdout=full.fileno())
    said = done.stderr.decode()
    assert done.returncode == 4
    assert "can not be written: No space left on device" in said and len(said.splitlines()) == 2, said


@pytest.mark.parametrize("args", [("status",), ("report", "--format", "json")])
def test_a_reader_that_has_gone_is_no_news(root: Path, args: tuple[str, ...]) -> None:
    ours, theirs = os.pipe()
    os.close(ours)
    try:
        done = started(root, *args, stdout=theirs)
    finally:
        os.close(theirs)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_terminal_without_the_letters_shows_their_numbers(root: Path) -> None:
    done = started(root, "status", stdout=subprocess.PIPE, **ASCII)
    assert done.returncode == 0 and b"\\u2192 best" in done.stdout, done.stderr


@pytest.mark.parametrize("kind", ["md", "svg", "json", "csv"])
def test_a_report_is_the_same_bytes_in_a_pipe_as_in_a_file(root: Path, tmp_path: Path, kind: str) -> None:
    piped = started(root, "report", "--format", kind, stdout=subprocess.PIPE, **ASCII)
    named = started(root, "report", "--format", kind, "-o", str(tmp_path / "report"), stdout=subprocess.PIPE)
    assert piped.stdout.decode("utf-8") == (tmp_path / "report").read_text("utf-8").rstrip("\n") + "\n"
    assert named.stdout.decode() == f"{tmp_path / 'report'}\n"
    if kind == "json":
        assert json.loads(piped.stdout)["session"]["tag"] == "demo"


@pytest.mark.parametrize(
    ("args", "said"),
    [
        (("report", "--tags", " , "), "--tags: names no session\n  there are: demo"),
        (("status", "--watch", "--every", "0"), "`0` is not a whole number of 1 or more"),
        (("aa", "-n", "many"), "`many` is not a whole number"),
        (("benchmarks", "HEAD@{99}"), "there is no commit HEAD@{99}\n  fetch it first, or check its spelling"),
    ],
)
def test_a_slip_is_named_in_its_own_words(
    root: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], args: tuple[str, ...], said: str
) -> None:
    monkeypatch.chdir(root)
    assert main(args) == 4
    assert said in capsys.readouterr().err
