"""The processes of one run: who belongs to it, what they use, and how all of them are ended. Knows no run's meaning.

On Linux a run's process belongs to it by parentage from the root, or, once its parent has died and the supervisor
inherited it (child subreaper), by the run's process group or its mark in the environment. What was once seen as a
member stays one.
"""

from __future__ import annotations

import os
import re
import select
import signal
import sys
import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from functools import cache

from pytest_autoresearch.lab.kernel import libc

_MOST_HELD = 64
"""Children that are held by a handle each: orphans of a run may be thousands, and we may not open as many files."""

MARK = "AUTORESEARCH_RUN"
"""Environment variable that marks every process of a run with the run's own random word."""

_PR_SET_CHILD_SUBREAPER = 36
_SIZE = re.compile(rb"^(VmHWM|RssAnon|RssFile|RssShmem|Pss):\s+(\d+)", re.MULTILINE)
_CHUNK = 1 << 16
_TICKS = os.sysconf("SC_CLK_TCK") if hasattr(os, "sysconf") else 100
_NUMBERED_AT = 3  # /proc/PID/stat is split after the command's name: state is field 3 of proc(5)


@dataclass(frozen=True, slots=True)
class Process:
    """One line of the process table. ``start`` (clock ticks since boot) tells apart processes that had the same pid.

    ``cpu`` is the processor time of its own threads so far, in seconds.
    """

    pid: int
    parent: int
    group: int
    start: int
    zombie: bool
    threads: int = 1
    cpu: float = 0.0


@dataclass(slots=True)
class Usage:
    """What the members of a tree use at one moment; ``memory`` and ``peak`` (of the largest process) in bytes."""

    processes: int = 0
    threads: int = 0
    memory: int = 0
    peak: int = 0


def become_subreaper() -> None:
    """Make orphans of our runs our own children, so that a daemon can not slip away. Linux; elsewhere nothing."""
    if sys.platform == "linux":
        libc().prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


@dataclass(slots=True)
class Tree:
    """The processes that descend from ``root``, or carry ``mark``.

    ``cpu_time``, in seconds, is that of the members the supervisor inherited; the root's is told to who waits for it.
    Nobody is told of a process that its parent does not wait for (SIGCHLD ignored, or killed with its namespace):
    ``seen_cpu_time`` is what each member had when it was looked at last.
    """

    root: int | None
    mark: str
    cpu_time: float = 0.0
    _known: dict[int, int] = field(default_factory=dict)
    _cpu: dict[tuple[int, int], float] = field(default_factory=dict)
    _elders: frozenset[_Child] = frozenset()
    """Children that the supervisor had before there was a root: none of them can be an orphan of the run."""

    def __post_init__(self) -> None:
        if self.root is None:
            self._elders = _held().hold(_children(os.getpid()))

    @property
    def seen_cpu_time(self) -> float:
        """At least what the members have used, in seconds."""
        return sum(self._cpu.values())

    def members(self, most: int = 4096) -> dict[int, Process]:
        """Living processes of the run by pid; zombies are left out.

        A fork bomb grows while it is counted, so no more than about ``most`` are looked for.
        """
        return {pid: process for pid, process in self._found(most).items() if not process.zombie}

    def _found(self, most: int) -> dict[int, Process]:
        found: dict[int, Process] = {}
        known: dict[int, Process] = {}
        # Known ones first and adoption last: a process whose parent dies between the two steps is then our own child.
        for pid, start in [*self._known.items()]:
            process = _read(pid)
            if process is None or process.start != start:
                del self._known[pid]
            else:
                known[pid] = process
        if self.root is not None and self.root not in self._known and (process := _read(self.root)):
            self._known[self.root] = process.start
            known[self.root] = process
        self._walk(known, known, found, most)
        children = _children(os.getpid())
        elders = _held().living(self._elders)
        adopted = (pid for pid in children if pid not in self._known and pid not in elders and self._is_ours(pid))
        self._walk(adopted, {}, found, most)
        return found

    def _walk(self, seeds: Iterable[int], read: Mapping[int, Process], found: dict[int, Process], most: int) -> None:
        """Find the seeds and what descends from them; some of them were ``read`` a moment ago."""
        pending = [*seeds]
        for pid in pending:  # grows while it is walked
            if len(found) > most:
                return
            if pid in found or not (process := read.get(pid) or _read(pid)):
                continue
            found[pid] = process
            self._known[pid] = process.start
            self._cpu[pid, process.start] = process.cpu
            pending += _children(pid)

    def _is_ours(self, pid: int) -> bool:
        """Whether a child of the supervisor is an orphan of the run, by its group or its mark.

        Only the run can be in the root's group, and a zombie, which has no environment any more, is still in it.
        """
        process = _read(pid)
        if process is None:
            return False
        if process.group == self.root:
            return True
        return f"{MARK}={self.mark}".encode() in _content(f"/proc/{pid}/environ").split(b"\0")

    def inner(self, wrappers: int) -> list[Process]:
        """Members below the first ``wrappers`` processes of the chain from the root: the run without its sandbox."""
        members = self.members().values()
        outer = {self.root} if wrappers else set()
        for _ in range(wrappers - 1):
            outer |= {process.pid for process in members if process.parent in outer}
        return [process for process in members if process.pid not in outer]

    def terminate(self, wrappers: int) -> None:
        """Ask the run's processes to end."""
        for process in self.inner(wrappers):
            send(process, signal.SIGTERM)

    def usage(self, most: int) -> Usage:
        """What the members use; only their number, and that of their threads, if there are more than ``most``.

        Shared pages are counted once, at the size of the largest sharer. Zombies count as processes: they take up pids,
        and the living could hide behind them.
        """
        self._reap()
        found = self._found(most)
        usage, shared = Usage(len(found), sum(process.threads for process in found.values())), 0
        for pid in found if len(found) <= most else ():
            own, common, peak = _memory(pid)
            usage.memory += own
            usage.peak = max(usage.peak, peak)
            shared = max(shared, common)
        usage.memory += shared
        return usage

    def proportional_memory(self) -> int:
        """The members' memory in bytes, every page counted once: exact after a fork, slow for large processes."""
        return sum(_proportional(pid) for pid in self.members())

    def sweep(self, limit: float, wrappers: int = 0) -> list[int]:
        """Kill every member until none is left. Answers the pids that would not die within ``limit`` seconds.

        A sandbox ends its run best itself, so its own processes are asked first and killed when the run is gone.
        """
        deadline = time.monotonic() + limit
        empty, pause = 0, 0.0005
        if wrappers and self.root is not None and (root := _read(self.root)):
            send(root, signal.SIGTERM)
        while True:
            members = self.members()
            self._reap()
            # One scan can miss a child whose parent dies under the walk; two in a row can not both.
            empty = 0 if members else empty + 1
            if empty == 2:
                return []
            if members:
                if time.monotonic() > deadline:
                    return sorted(members)
                kill(self.inner(wrappers) or members.values())
                time.sleep(pause)
                pause = min(2 * pause, 0.02)

    def _reap(self) -> None:
        """Take the exit status of dead members that the supervisor inherited; the root's is the caller's to take."""
        for pid in [*self._known]:
            if pid != self.root:
                with suppress(ChildProcessError):
                    _, _, usage = os.wait4(pid, os.WNOHANG)  # zeros while it lives
                    self.cpu_time += usage.ru_utime + usage.ru_stime


def kill(processes: Iterable[Process]) -> None:
    """SIGKILL to whole groups first (the kernel does that at once, faster than any fork), then to each process."""
    members = [*processes]
    for group in {process.group for process in members} - {os.getpgrp(), 0, 1}:
        # A group lives in one session, and the run's sessions were all made inside the run.
        with suppress(OSError):
            os.killpg(group, signal.SIGKILL)
    for process in members:
        send(process, signal.SIGKILL)


def send(process: Process, number: int) -> None:
    """Signal this very process: through a pidfd, so that a pid that was given to another one is never hit."""
    handle = open_handle(process.pid)
    try:
        now = _read(process.pid)
        if now is not None and now.start == process.start:
            with suppress(OSError):
                if handle is None:
                    os.kill(process.pid, number)
                else:
                    signal.pidfd_send_signal(handle, number)
    finally:
        if handle is not None:
            os.close(handle)


def open_handle(pid: int) -> int | None:
    """A pidfd, None where the process is gone or the system has none (before Linux 5.3)."""
    with suppress(OSError, AttributeError):
        return os.pidfd_open(pid)
    return None


@cache
def _held() -> _Held:
    return _Held()


@dataclass(frozen=True, slots=True, eq=False)
class _Child:
    """One child of this process, itself and no later one of its pid."""

    pid: int
    handle: int


class _Held:
    """Children of this process, each by a pidfd: while that tells of no end, no other process has the pid.

    One call of the kernel's says so of all of them, where /proc takes three for each.
    """

    def __init__(self) -> None:
        self._children: dict[int, _Child] = {}
        self._pids: dict[int, int] = {}
        self._poll = select.poll()
        self._lock = threading.Lock()

    def hold(self, children: Iterable[int]) -> frozenset[_Child]:
        """Those of the children that can be held."""
        with self._lock:
            self._let_go()
            for pid in children:
                if len(self._children) >= _MOST_HELD:
                    break
                if pid not in self._children and (handle := open_handle(pid)) is not None:
                    self._children[pid], self._pids[handle] = _Child(pid, handle), pid
                    self._poll.register(handle, select.POLLIN)
            return frozenset(self._children.values())

    def living(self, children: frozenset[_Child]) -> set[int]:
        """The pids of those that are still there."""
        with self._lock:
            self._let_go()
            return {child.pid for child in children if self._children.get(child.pid) is child}

    def _let_go(self) -> None:
        for handle, _ in self._poll.poll(0) if self._children else ():
            self._poll.unregister(handle)
            del self._children[self._pids.pop(handle)]
            os.close(handle)


def _content(path: str) -> bytes:
    """A file of /proc, empty if the process is gone: without the layers of open(), which cost more than the kernel."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return b""
    try:
        content = part = os.read(handle, _CHUNK)
        while part and (part := os.read(handle, _CHUNK)):
            content += part
        return content
    except OSError:
        return b""
    finally:
        os.close(handle)


def _read(pid: int) -> Process | None:
    fields = _content(f"/proc/{pid}/stat").rpartition(b")")[2].split()
    if not fields:
        return None
    threads = int(fields[20 - _NUMBERED_AT])
    return Process(
        pid=pid,
        parent=int(fields[4 - _NUMBERED_AT]),
        group=int(fields[5 - _NUMBERED_AT]),
        start=int(fields[22 - _NUMBERED_AT]),
        zombie=fields[0] in (b"Z", b"X") and threads < 2,  # else it is only the first of its threads that has ended
        threads=threads,
        cpu=(int(fields[14 - _NUMBERED_AT]) + int(fields[15 - _NUMBERED_AT])) / _TICKS,
    )


def _children(pid: int) -> list[int]:
    threads: list[str] = []
    with suppress(OSError):
        threads = os.listdir(f"/proc/{pid}/task")
    return [int(child) for thread in threads for child in _content(f"/proc/{pid}/task/{thread}/children").split()]


def _memory(pid: int) -> tuple[int, int, int]:
    """Own pages, shared pages and the highest mark of both, in bytes; zeros for a process that is gone."""
    sizes = _sizes(pid, "status", b"RssAnon")
    own, mapped, shared, peak = (sizes.get(name, 0) for name in (b"RssAnon", b"RssFile", b"RssShmem", b"VmHWM"))
    return own, mapped + shared, peak


def _proportional(pid: int) -> int:
    sizes = _sizes(pid, "smaps_rollup", b"Pss")
    return sizes[b"Pss"] if sizes else _memory(pid)[0]


def _sizes(pid: int, name: str, word: bytes) -> dict[bytes, int]:
    """The sizes in bytes that ``/proc/PID/name`` tells of; empty if the process is gone.

    A process whose first thread has ended says nothing of its memory there (no ``word``), its other threads do.
    """
    for place in _threads(pid):
        sizes = {found: 1024 * int(number) for found, number in _SIZE.findall(_content(f"{place}/{name}"))}
        if word in sizes:
            return sizes
    return {}


def _threads(pid: int) -> Iterator[str]:
    """Where /proc tells of a process: itself, then each of its threads."""
    yield f"/proc/{pid}"
    with suppress(OSError):
        yield from (f"/proc/{pid}/task/{thread}" for thread in os.listdir(f"/proc/{pid}/task"))
