"""How a person steers a session from outside: hints, pause and stop, as files beside the tag's lock.

The commands write them, the loop reads them between two experiments. Needs no lock: a hint is one appended line, the
rest are files that are there or not.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook import unbegun
from pytest_autoresearch.notebook.git import Git

_HINTS, _PAUSE, _STOP = "hints.jsonl", "pause", "stop"


@dataclass(frozen=True, slots=True)
class Hint:
    """What a person wants the agents to know. ``when`` in UTC."""

    text: str
    when: datetime


@dataclass(frozen=True, slots=True)
class Steered:
    """The session that a command means: its tag, its state directory, and whether it is running now."""

    tag: str
    state: Path
    running: bool


def add_hint(state: Path, hint: Hint) -> None:
    """Hand the agents a hint; it reaches every briefing from the next one on."""
    line = json.dumps({"text": hint.text, "when": hint.when.isoformat()}) + "\n"
    with _writable(state):
        fd = os.open(state / _HINTS, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o666)
        try:
            os.write(fd, line.encode())
            os.fsync(fd)
        finally:
            os.close(fd)


def hints(state: Path) -> tuple[Hint, ...]:
    """The hints of a tag, the oldest first. A line that a crash has cut off is skipped."""
    try:
        lines = (state / _HINTS).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return ()
    return tuple(_hints(lines))


def _hints(lines: list[str]) -> Iterator[Hint]:
    for line in lines:
        with contextlib.suppress(ValueError, KeyError, TypeError):
            told = json.loads(line)
            yield Hint(str(told["text"]), datetime.fromisoformat(told["when"]))


def pause(state: Path) -> None:
    """Let the session wait after its current experiment, until :func:`go_on`."""
    _set(state, _PAUSE)


def go_on(state: Path) -> None:
    """Let a paused session go on."""
    (state / _PAUSE).unlink(missing_ok=True)


def paused(state: Path) -> bool:
    """Whether the session is to wait."""
    return (state / _PAUSE).exists()


def request_stop(state: Path, why: str = "a person asked for it") -> None:
    """Let the session stop after its current experiment, and say why."""
    with _writable(state):
        (state / _STOP).write_text(why, "utf-8")


def stop_requested(state: Path) -> str:
    """Why the session is to stop, empty if it is not."""
    try:
        return (state / _STOP).read_text("utf-8", "replace") or "a person asked for it"
    except FileNotFoundError:
        return ""


def begin_anew(state: Path) -> None:
    """Forget pause and stop: they were meant for a session that has ended. Hints stay."""
    for name in (_PAUSE, _STOP):
        (state / name).unlink(missing_ok=True)


def running(state: Path) -> bool:
    """Whether a session holds the tag's lock now."""
    try:
        fd = os.open(state / "lock", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(fd, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(fd)
    return False


def find(path: Path, tag: str | None) -> Steered:
    """The session of the repository at ``path`` that ``tag`` names: else the running one, else the newest."""
    from pytest_autoresearch.notebook.chain import sessions

    with Git.discover(path) as git:
        states = git.common_dir / "autoresearch"
        known = [session.tag for session in sessions(git)]
    live = sorted(lock.parent.name for lock in states.glob("*/lock") if running(lock.parent))
    if tag is None and len(live) > 1:
        raise NotebookError(f"several sessions are running: {', '.join(live)}\n  say which: --tag TAG")
    chosen = tag or next(iter([*live, *reversed(known)]), None)
    if chosen is None:
        raise NotebookError(f"no session in {path}\n  `pytest --autoresearch` begins one{unbegun.words(states.parent)}")
    if chosen not in known and chosen not in live:
        raise NotebookError(f"no session {chosen}\n  there are: {', '.join(known) or 'none'}")
    return Steered(chosen, states / chosen, chosen in live)


def _set(state: Path, name: str) -> None:
    with _writable(state):
        (state / name).touch()


@contextlib.contextmanager
def _writable(state: Path) -> Iterator[None]:
    try:
        state.mkdir(parents=True, exist_ok=True)
        yield
    except OSError as error:
        raise NotebookError(f"{state}: can not be written: {error.strerror}") from None
