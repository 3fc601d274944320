"""The proposal that is being measured, kept where a dying machine can not lose it."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.chain import running_ref
from pytest_autoresearch.notebook.codec import from_plain, to_plain
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.results import draft_of, replace
from pytest_autoresearch.protocol.experiment import Measurement, Move, Usage


@dataclass(frozen=True, slots=True)
class Pending:
    """A proposal without a verdict. ``commit`` is provisional; ``attempts`` counts the sessions that measured it
    and were not ended in order.

    ``measurements`` and ``judge`` are as far as it got, for a certification to go on in the middle.
    """

    number: int
    tree: str
    commit: str
    parent: str
    description: str
    hypothesis: str = ""
    agent: str = ""
    usage: Usage | None = None
    agent_seconds: float = 0.0
    moves: tuple[Move, ...] = ()
    probe: bool = False
    attempts: int = 1
    measurements: tuple[Measurement, ...] = ()
    judge: Mapping[str, Any] = field(default_factory=dict)
    started: datetime | None = None


class Running:
    """``running.json`` and the ``running`` ref of one tag. The file is the truth, the ref keeps the objects alive."""

    def __init__(self, git: Git, tag: str, directory: Path, boundary: Callable[[str], None]) -> None:
        self._git, self._ref, self._boundary = git, running_ref(tag), boundary
        self._file, self._finished = directory / "running.json", directory / "finished.json"
        self._at = git.zero

    def start(self, pending: Pending) -> None:
        """Keep a proposal. The file comes first: a crash between the two leaves a proposal, not a nameless commit."""
        self._git.objects.flush()
        self.save(pending)
        self._boundary("running.json written")
        if self._at != pending.commit:
            self._git.move_ref(self._ref, pending.commit, self._at)
        self._at = pending.commit
        self._boundary("running ref set")

    def save(self, pending: Pending) -> None:
        """Keep how far it got."""
        replace(self._file, json.dumps(to_plain(pending)).encode("utf-8", "backslashreplace"))

    def finish(self) -> None:
        """Forget the proposal, which the ledger has by now."""
        # Deleting a ref locks packed-refs; that this file is there tells the next start whose a stale lock is.
        with contextlib.suppress(FileNotFoundError):
            os.replace(self._file, self._finished)
        self._boundary("running.json finished")
        if self._at != self._git.zero:
            self._git.delete_ref(self._ref, self._at)
            self._git.objects.discard(self._at)
            self._at = self._git.zero
        self._boundary("running ref deleted")
        self._finished.unlink(missing_ok=True)

    def recover(self, at: str | None, next_number: int) -> Pending | None:
        """What the last session left behind: a proposal to measure again, or leftovers to remove."""
        self._at = at or self._git.zero
        self._remove_packed_refs_lock()
        draft_of(self._file).unlink(missing_ok=True)
        pending = self._read()
        if pending is None or pending.number != next_number or not self._is_whole(pending.commit):
            self.finish()
            return None
        if self._at != pending.commit:
            self._git.move_ref(self._ref, pending.commit, self._at)
            self._at = pending.commit
        return pending

    def _read(self) -> Pending | None:
        try:
            pending: Pending = from_plain(Pending, json.loads(self._file.read_bytes()))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError, KeyError, AttributeError):
            return None  # torn by a power cut: the agent is asked again
        return pending

    def _is_whole(self, commit: str) -> bool:
        """Whether everything the commit needs is there; only what no ref leads to is looked at."""
        try:
            self._git.plumbing.run("rev-list", "--objects", "--quiet", commit, "--not", "--branches", "--tags")
        except NotebookError:
            return False
        return True

    def _remove_packed_refs_lock(self) -> None:
        lock = self._git.common_dir / "packed-refs.lock"
        with contextlib.suppress(FileNotFoundError):
            if abs(lock.stat().st_mtime - self._finished.stat().st_mtime) < 2 and lock.stat().st_size == 0:
                remove_stale(lock)


def remove_stale(lock: Path) -> None:
    """Remove a lock that a killed git has left; one that is younger than a second may still be at work."""
    with contextlib.suppress(FileNotFoundError, NotADirectoryError):
        born = lock.stat().st_mtime
        while 0 <= time.time() - born < 1 and lock.exists():
            time.sleep(0.02)
        lock.unlink()
