"""Proposals that are being measured, kept by number where a dying machine can not lose them."""

from __future__ import annotations

import contextlib
import json
import os
import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.chain import branch_ref, pending_ref, running_ref
from pytest_autoresearch.notebook.codec import from_plain, to_plain
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.results import draft_of, replace
from pytest_autoresearch.protocol.experiment import Measurement, Move, Usage


@dataclass(frozen=True, slots=True)
class Pending:
    """A proposal without a verdict. ``commit`` is provisional; ``attempts`` counts the sessions that measured it
    and were not ended in order.

    ``measurements`` and ``judge`` are as far as it got, for a certification to go on in the middle, and ``opened``
    after how many records it was first compared; ``seen`` is how many records its agent knew. ``tests`` is the highest
    of the judge's tests that was spent on it, beside whichever base: it stays spent, whatever becomes of its trials.
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
    seen: int | None = None
    opened: int | None = None
    tests: int = 0


class Waiting:
    """The files and refs ``pending/N`` of one tag. The file is the truth, the ref keeps the objects alive."""

    def __init__(self, git: Git, tag: str, directory: Path, boundary: Callable[[str], None]) -> None:
        self._git, self._tag, self._boundary = git, tag, boundary
        self._files, self._finished = directory / "pending", directory / "finished.json"
        self._one_file = directory / "running.json"  # of versions that had one proposal at a time
        self._at: dict[int, str] = {}

    def start(self, pending: Pending) -> None:
        """Keep a proposal. The file comes first: a crash between the two leaves a proposal, not a nameless commit."""
        self._git.objects.flush()
        self.save(pending)
        self._boundary("pending written")
        self._point(pending)
        self._boundary("pending ref set")

    def save(self, pending: Pending) -> None:
        """Keep how far it got."""
        self._files.mkdir(exist_ok=True)
        replace(self._file(pending.number), json.dumps(to_plain(pending)).encode("utf-8", "backslashreplace"))

    def finish(self, number: int) -> None:
        """Forget the proposal, which the ledger has by now."""
        # Deleting a ref locks packed-refs; that this file is there tells the next start whose a stale lock is.
        with contextlib.suppress(FileNotFoundError):
            os.replace(self._file(number), self._finished)
        self._boundary("pending finished")
        if number in self._at:
            self._git.delete_ref(pending_ref(self._tag, number), self._at[number])
            self._git.objects.discard(self._at.pop(number))
        self._boundary("pending ref deleted")
        self._finished.unlink(missing_ok=True)

    def recover(
        self, refs: Mapping[int, str], running: str | None, recorded: Collection[int] | None
    ) -> dict[int, Pending]:
        """What the last session left behind, by number: proposals to measure again; leftovers are removed.

        ``refs`` are the refs that there are, ``running`` an older version's one; ``recorded`` the numbers that the
        ledger has, None where it has none and no proposal can count.
        """
        self._at = dict(refs)
        self._remove_packed_refs_lock()
        self._take_over(running)
        found = {}
        for number in sorted({*self._at, *self._numbers()}):
            draft_of(self._file(number)).unlink(missing_ok=True)
            pending = self._read(self._file(number))
            wanted = pending is not None and recorded is not None and number not in recorded
            if pending is None or pending.number != number or not wanted or not self._is_whole(pending.commit):
                self.finish(number)
                continue
            self._point(pending)
            found[number] = pending
        return found

    def _take_over(self, running: str | None) -> None:
        """What a version with one proposal at a time has left is one of ours from now on."""
        draft_of(self._one_file).unlink(missing_ok=True)
        pending = self._read(self._one_file)
        if pending is not None and self._is_whole(pending.commit):
            self.save(pending)
            self._point(pending)
        self._one_file.unlink(missing_ok=True)
        if running is not None:
            self._git.delete_ref(running_ref(self._tag), running)

    def _point(self, pending: Pending) -> None:
        at = self._at.get(pending.number, self._git.zero)
        if at != pending.commit:
            self._git.move_ref(pending_ref(self._tag, pending.number), pending.commit, at)
        self._at[pending.number] = pending.commit

    def _file(self, number: int) -> Path:
        return self._files / f"{number}.json"

    def _numbers(self) -> set[int]:
        return {int(path.stem) for path in self._files.glob("*.json") if path.stem.isdecimal()}

    @staticmethod
    def _read(file: Path) -> Pending | None:
        try:
            pending: Pending = from_plain(Pending, json.loads(file.read_bytes()))
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


def remove_stale_locks(git: Git, tag: str) -> None:
    """Locks of a tag's own refs: nobody else writes them while we hold the tag."""
    branch = git.common_dir / f"{branch_ref(tag)}.lock"
    for lock in (branch, *(git.common_dir / "refs" / "autoresearch" / tag).rglob("*.lock")):
        remove_stale(lock)
