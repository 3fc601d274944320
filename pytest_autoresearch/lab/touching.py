"""Tells which parts of a workspace somebody has touched, so that a survey of very many files looks at no others.

Linux' inotify, with a watch on every file and directory: not on directories alone, which hear nothing of what is done
to a file through a second link to it. Whoever changes a file without opening it (its rights, times, attributes, names
or links) is heard by that; whoever opens it, for whatever, is heard by that, so a change through a mapping or a flag
of its file system needs no event of its own. What is heard is never taken for a change: it is looked at. And what was
opened once is looked at until we write it anew: whoever did may have handed it to a process that is there still.

All this holds for processes that can mount nothing, and can not call file_setattr(2): a file that is written through an
overlay of one's own is opened without a word, and that call sets a flag without a word.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pytest_autoresearch.lab.expected import Directory
from pytest_autoresearch.lab.kernel import checked, libc

_LIMIT = Path("/proc/sys/fs/inotify/max_user_watches")
_SHARE = 2  # of the user's watches a session takes no more than this part: an editor wants some too
_BUFFER = 1 << 18

_ATTRIB, _MODIFY, _CLOSE_WRITE, _OPEN = 0x4, 0x2, 0x8, 0x20
_MOVED_FROM, _MOVED_TO, _CREATE, _DELETE = 0x40, 0x80, 0x100, 0x200
_DELETE_SELF, _MOVE_SELF = 0x400, 0x800
_UNMOUNT, _OVERFLOW, _IGNORED = 0x2000, 0x4000, 0x8000
_DONT_FOLLOW = 0x2000000
_NAMES = _MOVED_FROM | _MOVED_TO | _CREATE | _DELETE
_HEARD = _ATTRIB | _MODIFY | _CLOSE_WRITE | _OPEN | _NAMES | _DELETE_SELF | _MOVE_SELF | _DONT_FOLLOW
Value = TypeVar("Value")

_EVENT = struct.Struct("=iIII")


@dataclass(slots=True)
class Touched:
    """What is to be looked at. Directories are named by the prefix of what is in them: ``""``, ``src/``, ``src/pkg/``.

    ``leaves``: names in a directory; ``below``: directories in it that lead to something; ``listed``: directories whose
    own names, rights and times are to be looked at; ``anew``: directories of which everything is.
    """

    leaves: dict[str, set[str]] = field(default_factory=dict)
    below: dict[str, set[str]] = field(default_factory=dict)
    listed: set[str] = field(default_factory=set)
    anew: set[str] = field(default_factory=set)

    def touch(self, prefix: str, name: str) -> None:
        """Look at one entry of a directory."""
        self.leaves.setdefault(prefix, set()).add(name)
        self._lead_to(prefix)

    def list(self, prefix: str, *, anew: bool = False) -> None:
        """Look at a directory, or at everything in it."""
        (self.anew if anew else self.listed).add(prefix)
        self._lead_to(prefix)

    def expect_otherwise(self, path: str) -> None:
        """Something else is to lie at ``path`` from now on, and maybe directories on the way to it."""
        prefix, name = _parted(path)
        self.touch(prefix, name)
        while prefix:
            self.list(prefix)
            prefix = _parted(prefix[:-1])[0]
        self.list("")

    def paths(self) -> Iterator[str]:
        """Every path that was touched, of an entry or (with a slash at its end) a directory."""
        yield from (prefix + name for prefix, names in self.leaves.items() for name in names)
        yield from self.listed | self.anew

    def without(self, own: set[str]) -> Touched:
        """The same but for these paths."""
        rest = Touched(anew=self.anew - own)
        for prefix, names in self.leaves.items():
            for name in names:
                if prefix + name not in own:
                    rest.touch(prefix, name)
        for prefix in self.listed - own:
            rest.list(prefix)
        for prefix in rest.anew:
            rest._lead_to(prefix)
        return rest

    def _lead_to(self, prefix: str) -> None:
        while prefix:
            above, name = _parted(prefix[:-1])
            known = self.below.setdefault(above, set())
            if name in known:
                return
            known.add(name)
            prefix = above


_open: set[Touching] = set()


class Touching:
    """Watches on what lies at ``root``, which nobody but us has opened yet; :meth:`touched` grows until :meth:`arm`."""

    def __init__(self, root: Path) -> None:
        """OSError where this machine has no such watch to give."""
        self._root = os.fsencode(root) + b"/"
        if sys.platform != "linux":
            raise OSError(errno.ENOSYS, os.strerror(errno.ENOSYS))
        self._handle = checked(libc().inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC))
        self._watches: dict[int, tuple[str, str | None]] = {}
        self._touched: Touched | None = None
        _open.add(self)

    def touched(self) -> Touched | None:
        """What was touched since the watches were set; None where it could be anything."""
        with suppress(BlockingIOError):
            while events := os.read(self._handle, _BUFFER):
                self._hear(events)
        return self._touched

    def expect_otherwise(self, paths: Iterable[str]) -> None:
        """Something else is to lie at these paths from now on."""
        if self._touched is not None:
            for path in paths:
                self._touched.expect_otherwise(path)

    def arm(self, expected: Directory, written: Iterable[str]) -> None:
        """Watch what lies there now, which is as expected; we wrote the paths ``written`` ourselves.

        OSError where there are too many, or something was not heard. What somebody else touched meanwhile stays
        touched, and so does each file that was opened and not written by us since.
        """
        touched, written = self._touched, set(written)
        if touched is None:
            if self._watches:
                raise OSError(errno.EOVERFLOW, os.strerror(errno.EOVERFLOW))
            self._touched = Touched()
            self._arm_all(expected, "")
            return
        for prefix in touched.anew:
            if (directory := _below(expected, prefix)) is not None:
                self._arm_all(directory, prefix)
        own = {*written, *touched.paths()}
        own |= {above for path in own for above in _above(path)}
        held = []
        for path in own:
            prefix, name = _parted(path)
            directory = _below(expected, prefix)
            if directory is not None and not name:
                self._watch(prefix, None)
            elif directory is not None and name in directory.leaves:
                self._watch(prefix, name)
                if path not in written:
                    held.append((prefix, name))
        heard = self.touched()
        if heard is not None:
            self._touched = heard.without(own | {f"{path}/" for path in own})
            for prefix, name in held:
                self._touched.touch(prefix, name)

    def close(self) -> None:
        """End all watches."""
        _open.discard(self)
        os.close(self._handle)

    def _arm_all(self, expected: Directory, prefix: str) -> None:
        assert self._touched is not None
        if not self._watch(prefix, None):
            self._touched.list(prefix, anew=True)
        for name, leaf in expected.leaves.items():
            if leaf.entry is not None and not self._watch(prefix, name):
                self._touched.touch(prefix, name)
        for name, below in expected.directories.items():
            self._arm_all(below, f"{prefix}{name}/")

    def _watch(self, prefix: str, name: str | None) -> bool:
        """Whether something lies there."""
        path = self._root + os.fsencode(prefix if name is None else prefix + name)
        number = libc().inotify_add_watch(self._handle, path, _HEARD)
        if number >= 0:
            self._watches[number] = (prefix, name)
        elif ctypes.get_errno() not in (errno.ENOENT, errno.ENOTDIR):
            checked(number)
        return bool(number >= 0)

    def _hear(self, events: bytes) -> None:
        at = 0
        while at < len(events):
            number, mask, _, length = _EVENT.unpack_from(events, at)
            name = os.fsdecode(events[at + _EVENT.size : at + _EVENT.size + length].rstrip(b"\0"))
            at += _EVENT.size + length
            known = self._watches.get(number)
            if mask & (_OVERFLOW | _UNMOUNT) or (known is None and not mask & _IGNORED):
                self._touched = None
            if mask & _IGNORED:
                self._watches.pop(number, None)
            if known is not None and self._touched is not None:
                self._note(self._touched, *known, mask, name)

    def _note(self, touched: Touched, prefix: str, leaf: str | None, mask: int, name: str) -> None:
        if leaf is not None:
            touched.touch(prefix, leaf)
        elif name:
            touched.touch(prefix, name)
            if mask & _NAMES:  # a directory of this name may be another one now
                touched.list(prefix)
                touched.list(f"{prefix}{name}/", anew=True)
        else:
            touched.list(prefix, anew=bool(mask & (_DELETE_SELF | _MOVE_SELF | _IGNORED)))


def among(entries: Mapping[str, Value], names: Iterable[str] | None) -> Iterable[tuple[str, Value]]:
    """The entries of these names, all if it is not said which."""
    return entries.items() if names is None else [(name, entries[name]) for name in names if name in entries]


def share() -> int:
    """How many watches one more workspace may take; none where this machine has no such thing."""
    try:
        return int(_LIMIT.read_text()) // _SHARE - sum(len(each._watches) for each in list(_open))
    except (OSError, ValueError):
        return 0


def _below(expected: Directory, prefix: str) -> Directory | None:
    directory: Directory | None = expected
    for name in prefix.split("/")[:-1]:
        directory = directory and directory.directories.get(name)
    return directory


def _parted(path: str) -> tuple[str, str]:
    above, slash, name = path.rpartition("/")
    return above + slash, name


def _above(path: str) -> Iterator[str]:
    """The directories that ``path`` lies in."""
    path = path.rstrip("/")
    while path:
        above, _ = _parted(path)
        yield above
        path = above.rstrip("/")
