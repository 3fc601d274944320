"""Steering from outside: what a person says reaches the session, and nothing is said to a session that is not there."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from datetime import datetime, timezone
from pathlib import Path

import pytest

from pytest_autoresearch.cli import main
from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook import steering
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.ledger import Notebook
from pytest_autoresearch.notebook.record import Session

NOW = datetime(2026, 11, 24, 12, 0, tzinfo=timezone.utc)


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with one commit, as the current directory."""
    for args in (
        ["init", "-q"],
        ["-c", "user.name=o", "-c", "user.email=o@x", "commit", "-q", "--allow-empty", "-m", "x"],
    ):
        subprocess.run(["git", *args], cwd=tmp_path, check=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def session(repository: Path) -> Iterator[Path]:
    """A session ``demo`` that is running; its state directory."""
    with Git.discover(repository) as git:
        with Notebook.open(git, "demo", table=repository / "results.tsv", metric="loss") as notebook:
            begun = Session("demo", "autoresearch.config.md", git.head(), {}, {}, "machine", {}, NOW)
            notebook.begin_session(begun)
            yield git.common_dir / "autoresearch" / "demo"


def test_hints_are_kept_in_order_and_a_torn_line_is_skipped(tmp_path: Path) -> None:
    state = tmp_path / "new" / "demo"
    assert steering.hints(state) == ()
    steering.add_hint(state, steering.Hint("try ünï", NOW))
    with open(state / "hints.jsonl", "a") as file:
        file.write('{"text": "torn\n')
    steering.add_hint(state, steering.Hint("two\nlines", NOW))
    assert [hint.text for hint in steering.hints(state)] == ["try ünï", "two\nlines"]
    assert steering.hints(state)[0].when == NOW


def test_pause_and_stop_are_there_or_not(tmp_path: Path) -> None:
    assert not steering.paused(tmp_path) and not steering.stop_requested(tmp_path)
    steering.pause(tmp_path)
    steering.request_stop(tmp_path)
    assert steering.paused(tmp_path) and steering.stop_requested(tmp_path)
    steering.go_on(tmp_path)
    assert not steering.paused(tmp_path) and steering.stop_requested(tmp_path)
    steering.pause(tmp_path)
    steering.begin_anew(tmp_path)
    assert not steering.paused(tmp_path) and not steering.stop_requested(tmp_path)


def test_the_commands_reach_the_running_session(session: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["note", "try  a\nwarm-up"]) == 0
    assert [hint.text for hint in steering.hints(session)] == ["try a warm-up"]
    assert main(["pause"]) == 0
    assert steering.paused(session)
    assert main(["pause", "--off", "--json"]) == 0
    assert not steering.paused(session)
    assert main(["stop", "--tag", "demo"]) == 0
    assert steering.stop_requested(session)
    told = capsys.readouterr().out.splitlines()
    assert told[0] == "noted for demo: reaches the next briefing"
    assert json.loads(told[2]) == {"tag": "demo", "paused": False}
    assert told[3] == "demo stops after its current experiment"


def test_a_tag_that_is_not_there_is_an_error_with_those_that_are(repository: Path, session: Path) -> None:
    with pytest.raises(NotebookError, match="no session other\n  there are: demo"):
        steering.find(repository, "other")


def test_a_session_that_is_not_running_takes_notes_only(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with Git.discover(repository) as git, Notebook.open(git, "old", table=repository / "r.tsv", metric="m") as notebook:
        notebook.begin_session(Session("old", "c.md", git.head(), {}, {}, "machine", {}, NOW))
    assert main(["stop"]) == 1
    assert main(["pause"]) == 1
    assert capsys.readouterr().err.count("the session old is not running") == 2
    assert main(["note", "try it"]) == 0
    assert "when the session runs again" in capsys.readouterr().out


def test_a_pause_is_taken_back_where_nothing_runs_and_nothing_is_said_to_go_on(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with Git.discover(repository) as git, Notebook.open(git, "old", table=repository / "r.tsv", metric="m") as notebook:
        notebook.begin_session(Session("old", "c.md", git.head(), {}, {}, "machine", {}, NOW))
    state = steering.find(repository, "old").state
    steering.pause(state)
    assert main(["pause", "--off"]) == 1
    assert capsys.readouterr() == ("", "pytest-autoresearch: the session old is not running\n")
    assert not steering.paused(state)


def test_without_any_session_the_remedy_is_told(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["note", "try it"]) == 4
    assert "`pytest --autoresearch` begins one" in capsys.readouterr().err
    assert main(["note", "  "]) == 4
    assert "an empty note" in capsys.readouterr().err
