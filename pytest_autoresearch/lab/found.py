"""What really lies in a workspace: looks at entries and reads them, never through a symbolic link, never all of it."""

from __future__ import annotations

import hashlib
import os
import stat
import sys
from collections.abc import Collection, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from pytest_autoresearch.lab.expected import Leaf, Made, Stamp
from pytest_autoresearch.lab.removal import clear_flags, open_directory, reset_version
from pytest_autoresearch.protocol.experiment import Change, FileEntry

_FLAGS = 0x2003C0FF  # of a directory, those that its owner or root sets (chattr); the rest is the file system's own
DEEPEST = 64  # directories below an unexpected one; what is deeper is reported as a directory

_READ = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
_CHUNK = 1 << 20


@dataclass(frozen=True, slots=True)
class Found:
    """One entry as it lies in its open ``directory``; only valid while that is open."""

    path: str
    directory: int
    name: str
    status: os.stat_result

    @classmethod
    def at(cls, path: str, directory: int, name: str) -> Found:
        """Raises FileNotFoundError if there is nothing."""
        return cls(path, directory, name, os.stat(name, dir_fd=directory, follow_symlinks=False))

    @property
    def kind(self) -> str:
        """``file``, ``symlink``, ``directory`` or ``special``."""
        for test, kind in ((stat.S_ISREG, "file"), (stat.S_ISLNK, "symlink"), (stat.S_ISDIR, "directory")):
            if test(self.status.st_mode):
                return kind
        return "special"

    @property
    def link(self) -> str:
        """Where a symbolic link points."""
        return os.readlink(self.name, dir_fd=self.directory)

    def change(self, room: int) -> Change:
        """The entry as a change, with its content if that is at most ``room`` bytes."""
        if self.kind != "file":
            return Change(self.path, self.kind, mode="120000" if self.kind == "symlink" else "")
        size = self.status.st_size
        data = self.content(size) if size <= room else None
        return Change(self.path, "file", "100755" if self.status.st_mode & 0o100 else "100644", data, size)

    def content(self, at_most: int) -> bytes:
        """The first and the last bytes of a regular file, ``at_most`` in all. Raises OSError if it is none."""
        fd = os.open(self.name, _READ, dir_fd=self.directory)
        with os.fdopen(fd, "rb") as file:
            status = os.fstat(fd)
            if not stat.S_ISREG(status.st_mode):
                raise FileNotFoundError(self.path)
            if status.st_size <= at_most:
                return file.read(at_most)
            head = file.read(at_most // 2)
            file.seek(-(at_most // 2), os.SEEK_END)
            return head + b"\n[...]\n" + file.read(at_most // 2)


@dataclass(frozen=True, slots=True)
class Survey:
    """How a workspace differs from the state it was filled with.

    ``altered``: paths of the state that are not as filled; ``strangers``: topmost entries that are no part of it.

    ``spoilt``: paths that a build made, and that somebody has touched since. ``touched``: paths whose content is as
    filled, though somebody was there.
    """

    altered: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)
    spoilt: list[str] = field(default_factory=list)
    touched: list[str] = field(default_factory=list)


def describe(root: int, path: str, room: int) -> Change:
    """What became of a path of the state."""
    try:
        with opened(root, path) as (directory, name):
            return Found.at(path, directory, name).change(room)
    except OSError:  # gone, or something on the way to it is no directory any more
        return Change(path, "deleted")


def walk(root: int, path: str, *, skip: Collection[str] = ()) -> Iterator[Found]:
    """What lies at ``path`` and below it: everything but directories, without the names in ``skip``."""
    try:
        with opened(root, path) as (directory, name):
            yield from _walk(directory, path, name, skip, 0)
    except FileNotFoundError:
        return


@contextmanager
def opened(root: int, path: str, *, create: bool = False) -> Iterator[tuple[int, str]]:
    """The directory that ``path`` lies in, open, and the name it has there.

    Raises OSError if something on the way is no directory (a symbolic link is none).
    """
    *parents, name = path.split("/")
    fd = os.dup(root)
    try:
        for parent in parents:
            if create:
                try:
                    os.mkdir(parent, 0o755, dir_fd=fd)
                except FileExistsError:
                    pass
            inner = open_directory(fd, parent)
            os.close(fd)
            fd = inner
        yield fd, name
    finally:
        os.close(fd)


def clear_notes(directory: int) -> None:
    """Take from an open directory what could tell the next run something: owner, rights, times, attributes, flags."""
    clear_flags(directory, _FLAGS)
    reset_version(directory)
    status = os.fstat(directory)
    if (status.st_uid, status.st_gid) != (os.geteuid(), os.getegid()):
        with suppress(OSError):
            os.fchown(directory, os.geteuid(), os.getegid())
    os.fchmod(directory, 0o755)
    os.utime(directory)
    if sys.platform == "linux":
        with suppress(OSError):  # a file system without attributes
            for name in os.listxattr(directory):
                with suppress(OSError):  # the system's own, such as a label of SELinux
                    os.removexattr(directory, name)


def stamp_of(status: os.stat_result) -> Stamp:
    return (status.st_ctime_ns, status.st_mtime_ns, status.st_size, status.st_ino, status.st_mode)


def holds(directory: int, name: str, leaf: Leaf, status: os.stat_result) -> bool:
    """Whether the entry has the content and kind of ``leaf``."""
    entry = leaf.entry
    if leaf.stamp is None or entry is None:
        return False
    if isinstance(entry, Made):
        return stamp_of(status) == leaf.stamp
    if entry.mode == "120000":
        return stat.S_ISLNK(status.st_mode) and _blob_of_link(directory, name, entry.blob) == entry.blob
    return (
        stat.S_ISREG(status.st_mode)
        and bool(status.st_mode & 0o100) == (entry.mode == "100755")
        and status.st_size == leaf.stamp[2]
        and _digest(directory, name, entry, leaf.digest, status) == (leaf.digest or entry.blob)
    )


def _walk(directory: int, path: str, name: str, skip: Collection[str], depth: int) -> Iterator[Found]:
    if name in skip:
        return
    found = Found.at(path, directory, name)
    if found.kind != "directory" or depth > DEEPEST:
        yield found
        return
    fd = open_directory(directory, name)
    try:
        for child in sorted(os.listdir(fd)):
            yield from _walk(fd, f"{path}/{child}", child, skip, depth + 1)
    finally:
        os.close(fd)


def _digest(directory: int, name: str, entry: FileEntry, stand_in: str | None, status: os.stat_result) -> str:
    """SHA-256 of a content that stands in for its blob, else git's blob id, in the hash the state is written in."""
    if stand_in is not None:
        digest = hashlib.sha256()
    else:
        digest = _blob_hash(entry.blob)
        digest.update(b"blob %d\0" % status.st_size)
    try:
        fd = os.open(name, _READ, dir_fd=directory)
    except PermissionError:  # the run took its own read permission away
        return ""
    with os.fdopen(fd, "rb") as file:
        while chunk := file.read(_CHUNK):
            digest.update(chunk)
    return digest.hexdigest()


def _blob_of_link(directory: int, name: str, like: str) -> str:
    target = os.fsencode(os.readlink(name, dir_fd=directory))
    digest = _blob_hash(like)
    digest.update(b"blob %d\0" % len(target) + target)
    return digest.hexdigest()


def _blob_hash(like: str) -> hashlib._Hash:
    return hashlib.sha256() if len(like) == 64 else hashlib.sha1(usedforsecurity=False)
