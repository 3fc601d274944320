"""States and the contents of their files on the way to a node: sent once, kept there on disk, no file system shared."""

from __future__ import annotations

import fcntl
import os
import secrets
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeAlias

from pytest_autoresearch.executables import workspaces
from pytest_autoresearch.lab.job import ReadBlobs
from pytest_autoresearch.lab.removal import remove_tree
from pytest_autoresearch.protocol.experiment import FileEntry

GITLINK = "160000"  # a submodule that is not checked out has no content
AT_ONCE = 16_000_000  # bytes of contents in one message
_READ_AT_ONCE = 64

State: TypeAlias = Mapping[str, FileEntry]
Changes: TypeAlias = Mapping[str, "FileEntry | None"]
"""How a state differs from the one that a slot was given first; None: the path is gone."""


def changes_between(before: State, after: State) -> Changes:
    """What makes ``after`` of ``before``."""
    changed: dict[str, FileEntry | None] = {
        path: entry for path, entry in after.items() if (old := before.get(path)) is not entry and old != entry
    }
    return changed | dict.fromkeys(before.keys() - after.keys())


def changed(before: State, changes: Changes) -> State:
    """The state that ``changes`` make of ``before``."""
    both = {**before, **changes}
    return {path: entry for path, entry in both.items() if entry is not None}


@dataclass
class Cargo:
    """What one node was sent, by all slots on it. The lock is held while something is sent, so nothing goes twice."""

    sent: set[str] = field(default_factory=set)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def lacking(self, entries: Sequence[FileEntry]) -> list[str]:
        """The contents that the node has not got."""
        return list(dict.fromkeys(e.blob for e in entries if e.mode != GITLINK and e.blob not in self.sent))

    def send(self, blobs: Sequence[str], read: ReadBlobs, give: Callable[[Mapping[str, bytes]], object]) -> None:
        """Give the contents away, some megabytes at a time."""
        load: dict[str, bytes] = {}
        for begin in range(0, len(blobs), _READ_AT_ONCE):
            load |= read(blobs[begin : begin + _READ_AT_ONCE])
            if begin + _READ_AT_ONCE >= len(blobs) or sum(map(len, load.values())) > AT_ONCE:
                give(load)
                self.sent.update(load)
                load = {}


class Store:
    """The contents that a node was sent, one file each, in a directory that all slots of a session there share.

    ``is_new``: nothing was in it.
    """

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        try:
            directory.mkdir(mode=0o700)
            self.is_new = True
        except FileExistsError:
            self.is_new = False

    def give(self, blobs: Mapping[str, bytes]) -> None:
        """Keep these contents."""
        for blob, data in blobs.items():
            written = self._directory / f"{blob}.{secrets.token_hex(4)}"
            written.write_bytes(data)
            written.replace(self._directory / blob)

    def read(self, blobs: Sequence[str]) -> Mapping[str, bytes]:
        """Contents by blob id; OSError for one that was not given."""
        return {blob: (self._directory / blob).read_bytes() for blob in blobs}


@contextmanager
def lodging(session: str) -> Iterator[Path]:
    """The directory of a session's slots on this node, gone with the last of them.

    What sessions have left there whose runners were killed is removed too: a lock that nobody holds tells.
    """
    room = workspaces() / "ray"
    room.mkdir(mode=0o700, parents=True, exist_ok=True)
    for other in room.iterdir():
        if other.name != session:
            _remove_if_left(other)
    own = room / session
    lock = _shared_lock(own)
    try:
        yield own
    finally:
        os.close(lock)
        _remove_if_left(own)


def _shared_lock(directory: Path) -> int:
    """A descriptor that says that the directory is in use; who removes it at this moment wins, and it is made again."""
    while True:
        directory.mkdir(mode=0o700, exist_ok=True)
        with suppress(FileNotFoundError):
            lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            fcntl.flock(lock, fcntl.LOCK_SH)
            with suppress(FileNotFoundError):
                if os.path.samestat(os.fstat(lock), os.stat(directory / "lock")):
                    return lock
            os.close(lock)


def _remove_if_left(directory: Path) -> None:
    with suppress(OSError):
        lock = os.open(directory / "lock", os.O_RDWR | os.O_CLOEXEC)
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            remove_tree(directory)
        finally:
            os.close(lock)
