"""Where wardens come from: one small process of ours, started once, that leaves a warden behind for every run.

The other end is :mod:`pytest_autoresearch.lab.warden`, a program that knows nothing of this package. Linux only.
"""

from __future__ import annotations

import atexit
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

from pytest_autoresearch.executables import NEUTRAL, surroundings
from pytest_autoresearch.lab.places import sealed

_WARDEN = Path(__file__).with_name("warden.py")
_PATIENCE = 20.0  # s until a warden must have said that it lives, however busy the machine is


@dataclass(slots=True)
class Warded:
    """A warden at work, with what :class:`subprocess.Popen` tells of a child. ``returncode`` is the caller's to set."""

    pid: int
    stdin: BinaryIO | None
    stdout: BinaryIO | None
    stderr: BinaryIO | None
    returncode: int | None = None


@dataclass(frozen=True, slots=True)
class Keeper:
    """Starts commands below a warden, in ``directory``.

    They are under a Landlock ruleset and a seccomp program: descriptors, -1 for none.
    """

    directory: Path
    ruleset: int = -1
    filter_handle: int = -1

    def start(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        has_input: bool,
        merge_output: bool,
        pass_fds: Sequence[int],
        group: Path | None,
    ) -> Warded:
        """A command in a session of its own. ``group``: the file by which its warden moves into a control group.

        Raises OSError where no warden can be had.
        """
        with ExitStack() as theirs, ExitStack() as ours:
            stdin, hand = _pipe(theirs, ours, written=True) if has_input else (_null(theirs), None)
            stdout, out = _pipe(theirs, ours)
            stderr, err = (stdout, None) if merge_output else _pipe(theirs, ours)
            extra = {"ruleset": self.ruleset, "filter": self.filter_handle}
            if group is not None:
                extra["group"] = _opened(theirs, group, os.O_WRONLY)
            extra = {name: handle for name, handle in extra.items() if handle >= 0}
            kept = {0: stdin, 1: stdout, 2: stderr, **{handle: handle for handle in pass_fds}}
            order = {
                "argv": [*argv],
                "cwd": str(self.directory),
                "env": dict(env),
                "cpus": sorted(os.sched_getaffinity(0)),
                "kept": [*kept],
                "handles": [*extra],
            }
            told = theirs.enter_context(sealed(json.dumps(order).encode()))
            pid = _born(told, [*kept.values(), *extra.values()])
            ours.pop_all()
        return Warded(pid, hand, out, err)


@dataclass(slots=True)
class _Nursery:
    """The process, and whose it is: after a fork of the supervisor the child needs one of its own."""

    owner: int
    channel: socket.socket
    process: subprocess.Popen[bytes]
    is_gone: bool = False
    """Seen not to answer: a process that is killed has closed its end a moment before it counts as dead."""

    @classmethod
    def start(cls) -> _Nursery:
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with theirs:
            process = subprocess.Popen(
                [os.path.realpath(sys.executable), "-S", "-I", str(_WARDEN), str(theirs.fileno())],
                cwd=NEUTRAL,
                env=surroundings(),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                start_new_session=True,
                pass_fds=(theirs.fileno(),),
            )
        return cls(os.getpid(), ours, process)

    def bear(self, order: int, handles: Sequence[int]) -> int:
        """The pid of a new warden that has these descriptors. Raises OSError if none comes."""
        line, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with line:
            line.settimeout(_PATIENCE)
            with theirs:
                socket.send_fds(self.channel, [b"."], [order, theirs.fileno(), *handles])
            if not (answer := line.recv(32)):
                raise BrokenPipeError("the process that starts wardens is gone")
            line.send(b".")  # without this word it ends: nobody else knows of it
            return int(answer)

    def is_alive(self) -> bool:
        return self.owner == os.getpid() and not self.is_gone and self.process.poll() is None

    def close(self) -> None:
        """It ends by itself when nobody is at the other end."""
        self.channel.close()
        if self.owner == os.getpid():
            with suppress(subprocess.TimeoutExpired):
                self.process.wait(_PATIENCE)


_known: _Nursery | None = None
_starting = threading.Lock()


def _nursery() -> _Nursery:
    global _known
    with _starting:
        if _known is None or not _known.is_alive():
            if _known is not None:
                _known.close()
            else:
                atexit.register(_close)
            _known = _Nursery.start()
        return _known


def _born(order: int, handles: Sequence[int]) -> int:
    """A warden; where somebody has killed the process that starts them, from another one."""
    nursery = _nursery()
    try:
        return nursery.bear(order, handles)
    except (BrokenPipeError, ConnectionResetError):
        nursery.is_gone = True
        os.lseek(order, 0, os.SEEK_SET)
        return _nursery().bear(order, handles)


def _close() -> None:
    if _known is not None:
        _known.close()


def _pipe(theirs: ExitStack, ours: ExitStack, *, written: bool = False) -> tuple[int, BinaryIO]:
    """The run's end of a pipe, and ours."""
    read, write = os.pipe()
    end, own = (read, write) if written else (write, read)
    theirs.callback(os.close, end)
    return end, ours.enter_context(os.fdopen(own, "wb" if written else "rb", buffering=0))


def _null(theirs: ExitStack) -> int:
    return _opened(theirs, Path(os.devnull), os.O_RDONLY)


def _opened(theirs: ExitStack, path: Path, flags: int) -> int:
    handle = os.open(path, flags | os.O_CLOEXEC)
    theirs.callback(os.close, handle)
    return handle
