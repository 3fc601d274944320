"""Watches which paths a command asks for and misses though the machine has them: seccomp's user notification.

Needs Linux 5.5 and no privilege. A small program before the command installs a filter and hands its listener over;
each call that names a path then waits until a thread here has looked at it, and goes on unchanged. Nothing is decided
by what is seen here, so it does not matter that a command could change the path under our eyes.
"""

from __future__ import annotations

import array
import errno
import fcntl
import os
import platform
import select
import socket
import struct
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from pytest_autoresearch.lab.command import Command
from pytest_autoresearch.lab.kernel import libc
from pytest_autoresearch.lab.lookups import Asked, Lookup

MOST_LOOKUPS = 2_000
_LONGEST_PATH = 4096

_AT, _PLAIN = 1, 0  # the argument that holds the path
_CALLS = {
    "x86_64": (
        0xC000003E,
        {2: _PLAIN, 4: _PLAIN, 6: _PLAIN, 21: _PLAIN, 59: _PLAIN, 80: _PLAIN, 83: _PLAIN}
        | dict.fromkeys((257, 258, 262, 269, 322, 332, 437, 439), _AT),
        317,
    ),
    "aarch64": (
        0xC00000B7,
        {221: _PLAIN, 49: _PLAIN} | dict.fromkeys((34, 48, 56, 79, 281, 291, 437, 439), _AT),
        277,
    ),
}
"""Architecture, the calls that name a path (open, stat, access, exec, chdir, mkdir and their kin), seccomp's number."""

_EXECUTES = {59, 322, 221, 281}
_OPENS = {2: 1, 257: 2, 56: 2}  # the argument that holds the flags
_MAKES_DIRECTORY = {83, 258, 34}
_OPENAT2 = 437
_IN_ROOT, _NO_MAGIC = 0x10, 0x02

_RECEIVE, _SEND, _CONTINUE = 0xC0502100, 0xC0182101, 1
_AT_FDCWD = 0xFFFFFF9C

_FORERUNNER = """
import array, ctypes, os, socket, sys
channel, number, code = int(sys.argv[1]), int(sys.argv[2]), bytes.fromhex(sys.argv[3])
class Filter(ctypes.Structure):
    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))
libc = ctypes.CDLL(None, use_errno=True)
door = socket.socket(fileno=channel)
libc.prctl(38, 1, 0, 0, 0)
listener = libc.syscall(number, 1, 8, ctypes.byref(Filter(len(code) // 8, code)))
if listener >= 0:
    door.sendmsg([b"."], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", [listener]))])
    os.close(listener)
door.close()
try:
    os.execvp(sys.argv[4], sys.argv[4:])
except OSError as error:
    sys.exit(f"{sys.argv[4]}: {error}")
"""


@dataclass(slots=True)
class Lookout:
    """What commands were seen to miss. ``moved`` are pairs of where they look and what of the machine is meant.

    A fresh HOME lies at ``scratch/run-…/home`` where a level has no mounts. ``works``: something could be watched.
    """

    home: Path
    scratch: Path
    moved: tuple[tuple[Path, Path], ...] = ()
    works: bool = False
    _seen: dict[Lookup, None] = field(default_factory=dict)
    _written: set[Path] = field(default_factory=set)

    @property
    def lookups(self) -> tuple[Lookup, ...]:
        """What was missed, the latest last."""
        return tuple(self._seen)

    @contextmanager
    def around(self, command: Command) -> Iterator[Command]:
        """The command with the watch before it; as it is where this machine has no such watch."""
        known = _CALLS.get(platform.machine())
        if sys.platform != "linux" or known is None:
            yield command
            return
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_STREAM)
        watch = threading.Thread(target=self._serve, args=(ours,), daemon=True)
        os.set_inheritable(theirs.fileno(), True)
        python = (os.path.realpath(sys.executable), "-S", "-I", "-c", _FORERUNNER)
        words = (*python, str(theirs.fileno()), str(known[2]), _filter(known[0], known[1]).hex())
        watch.start()
        try:
            yield replace(command, argv=(*words, *command.argv), pass_fds=(*command.pass_fds, theirs.fileno()))
        finally:
            theirs.close()
            with suppress(OSError):
                ours.shutdown(socket.SHUT_RDWR)
            watch.join(timeout=5)
            ours.close()

    def _serve(self, channel: socket.socket) -> None:
        """Answer every call until nobody is left who could make one."""
        try:
            _, parts, _, _ = channel.recvmsg(1, socket.CMSG_SPACE(4))
        except OSError:
            return
        if not parts:
            return
        listener = array.array("i", parts[0][2][:4])[0]
        self.works = True
        try:
            poll = select.poll()
            poll.register(listener, select.POLLIN)
            while any(event & select.POLLIN for _, event in poll.poll()):
                self._answer(listener)
        finally:
            os.close(listener)

    def _answer(self, listener: int) -> None:
        notice = bytearray(80)
        try:
            fcntl.ioctl(listener, _RECEIVE, notice)
        except OSError as error:
            if error.errno in (errno.ENOENT, errno.EINTR):  # it died while it waited
                return
            raise
        ident, pid = struct.unpack_from("=QI", notice)
        (call,) = struct.unpack_from("=i", notice, 16)
        arguments = struct.unpack_from("=6Q", notice, 32)
        try:
            self._note(pid, call, arguments)
        except (OSError, ValueError):
            pass  # gone, or not ours to read
        with suppress(OSError):
            fcntl.ioctl(listener, _SEND, struct.pack("=QqiI", ident, 0, 0, _CONTINUE))

    def _note(self, pid: int, call: int, arguments: tuple[int, ...]) -> None:
        at = _CALLS[platform.machine()][1][call]
        text = _text(pid, arguments[at])
        if not text or text.startswith("/proc/"):
            return
        if not text.startswith("/"):
            handle = arguments[0] & 0xFFFFFFFF
            base = "cwd" if at == _PLAIN or handle == _AT_FDCWD else f"fd/{handle}"
            text = os.path.join(os.readlink(f"/proc/{pid}/{base}"), text)
        path = Path(os.path.normpath(text))
        self._judge(pid, path, self._meant(path), _kind(call, arguments))

    def _meant(self, path: Path) -> Path:
        """The path of the machine that a command means, where its level shows the machine's files elsewhere."""
        for shown, real in self.moved:
            if path.is_relative_to(shown):
                return real / path.relative_to(shown)
        if path.is_relative_to(self.scratch):
            run, *inside = path.relative_to(self.scratch).parts or ("",)
            if run.startswith("run-") and inside[:1] == ["home"]:
                return self.home.joinpath(*inside[1:])
        return path

    def _judge(self, pid: int, path: Path, meant: Path, asked: Asked) -> None:
        below_home = meant.is_relative_to(self.home)
        if asked is Asked.WRITE:
            if os.path.isdir(meant.parent) and not _exists(pid, path.parent):
                self._remember(Lookup(meant, asked))
            elif below_home:
                self._written.add(meant)
        elif not _exists(pid, path):
            if meant in self._written:
                self._remember(Lookup(meant, Asked.KEPT))
            elif os.path.exists(meant):
                self._remember(Lookup(meant, asked))

    def _remember(self, lookup: Lookup) -> None:
        self._seen.pop(lookup, None)
        if len(self._seen) < MOST_LOOKUPS:
            self._seen[lookup] = None


def _kind(call: int, arguments: tuple[int, ...]) -> Asked:
    if call in _EXECUTES:
        return Asked.PROGRAM
    if call in _MAKES_DIRECTORY or (
        call in _OPENS and arguments[_OPENS[call]] & (os.O_CREAT | os.O_WRONLY | os.O_RDWR)
    ):
        return Asked.WRITE
    return Asked.FILE


def _text(pid: int, address: int) -> str:
    """A C string in another process's memory."""
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as memory:
        memory.seek(address)
        text = bytearray()
        while len(text) < _LONGEST_PATH:
            text += memory.read(4096 - (address + len(text)) % 4096)  # never over a page that may not be there
            if (end := text.find(0)) >= 0:
                return os.fsdecode(bytes(text[:end]))
    return ""


def _exists(pid: int, path: Path) -> bool:
    """Whether the process sees something at ``path``, by the links that *it* sees."""
    root = os.open(f"/proc/{pid}/root", os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        how = struct.pack("=QQQ", os.O_PATH | os.O_CLOEXEC, 0, _IN_ROOT | _NO_MAGIC)
        found = libc().syscall(_OPENAT2, root, os.fsencode(path), how, len(how))
        if found < 0:
            return False
        os.close(found)
        return True
    finally:
        os.close(root)


def _filter(architecture: int, calls: dict[int, int]) -> bytes:
    """A seccomp program that asks about these calls and lets all others pass."""

    def step(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
        return struct.pack("<HBBI", code, then, otherwise, value)

    load, equal, give = 0x20, 0x15, 0x06
    allow, notify = step(give, 0x7FFF0000), step(give, 0x7FC00000)
    tests = [step(equal, call, then=len(calls) - place) for place, call in enumerate(calls)]
    return b"".join([step(load, 4), step(equal, architecture, then=1), allow, step(load, 0), *tests, allow, notify])
