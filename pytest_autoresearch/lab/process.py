"""Runs one untrusted command to its end: deadline, grace, kill, sweep, bounded output, what it cost.

Knows nothing of metrics, workspaces or how the command is confined. One thread, one selector; the caller waits.
"""

from __future__ import annotations

import fcntl
import os
import resource
import secrets
import selectors
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from pytest_autoresearch.lab import tree
from pytest_autoresearch.lab.cgroup import Cgroup, open_cgroup
from pytest_autoresearch.lab.output import BoundedOutput
from pytest_autoresearch.lab.portable import PortableTree

SWEEP_LIMIT = 5.0
"""Seconds the sweep goes on trying; only a process stuck inside the kernel outlives it, and is then named."""

_TICK = 0.2
_WATCH = 0.05
_FILES_LEFT = 1000
_CHUNK = 1 << 16
_PIPE_SIZE = 1 << 20


class Ending(str, Enum):
    """How a command ended. ``MEMORY`` also stands for too many processes and a full disk; ``detail`` says which."""

    EXITED = "exited"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    NOT_STARTED = "not-started"


@dataclass(frozen=True, slots=True)
class Command:
    """What to run. ``timeout`` and ``grace`` in seconds, ``memory`` in bytes for all its processes together.

    ``wrappers`` is how many processes at the top are a sandbox's own: they get no SIGTERM, only the final kill.
    ``complaint`` is how output begins if the sandbox itself could not start; ``handed`` are bytes for a pipe on which
    it waits before it starts anything, written and closed once the limits are in force. ``pass_fds`` stay open in the
    child; everything else that is open in the supervisor is closed there. ``disk_floor`` in bytes: the run is ended
    when less is free on the file system of ``cwd``. ``processes`` is how many may live at a time, ten times
    as many threads in all.
    """

    argv: tuple[str, ...]
    cwd: Path
    env: Mapping[str, str]
    timeout: float
    stdin: bytes = b""
    grace: float = 2.0
    memory: int | None = None
    merge_output: bool = True
    wrappers: int = 0
    pass_fds: tuple[int, ...] = ()
    complaint: bytes = b""
    handed: tuple[BinaryIO, bytes] | None = None
    disk_floor: int = 256_000_000
    processes: int = 1000

    @property
    def threads(self) -> int:
        """How many threads may live at a time: an honest process has as many as there are processors, and more."""
        return 10 * self.processes


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended and what it cost. ``exit_code`` follows the shell: 128 + n for signal n; None if we ended it.

    ``duration`` and ``cpu_time`` in seconds, ``peak_memory`` in bytes. ``stdout`` and ``stderr`` are head and tail,
    with a marker line where something was left out; ``total_bytes`` counts all of it. ``detail`` is one line.
    ``refused`` are the hosts that it was not let to.
    """

    ending: Ending
    exit_code: int | None = None
    signal: int | None = None
    duration: float = 0.0
    cpu_time: float | None = None
    peak_memory: int | None = None
    stdout: bytes = b""
    stderr: bytes = b""
    total_bytes: int = 0
    detail: str = ""
    refused: tuple[str, ...] = ()


def execute(
    command: Command,
    *,
    tick: Callable[[float], None] | None = None,
    observe: Callable[[bytes], None] | None = None,
) -> Outcome:
    """Run ``command``; when this returns or raises, nothing that it started is alive.

    ``tick`` is called about every 0.2 s with the seconds run so far; what it raises ends the run and passes through,
    as a KeyboardInterrupt does. ``observe`` is given the output as it comes.
    """
    tree.become_subreaper()
    with ExitStack() as stack:
        cgroup = stack.enter_context(open_cgroup(memory=command.memory, threads=command.threads))
        run = stack.enter_context(closing(_Run(command, cgroup, tick, observe)))
        try:
            run.start()
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            return Outcome(Ending.NOT_STARTED, detail=f"{command.argv[0]}: {error}")
        run.watch()
        return run.outcome()


@dataclass(slots=True)
class _Run:
    """One command under way. Until it is closed it owns the pipes; then nothing of it is alive."""

    command: Command
    cgroup: Cgroup | None
    tick: Callable[[float], None] | None
    observe: Callable[[bytes], None] | None
    mark: str = field(default_factory=lambda: secrets.token_hex(8))
    ending: Ending = Ending.EXITED
    detail: str = ""
    peak: int = 0
    started: float = 0.0
    ended: float = 0.0
    status: int | None = None
    cpu_time: float | None = None
    survivors: list[int] = field(default_factory=list)
    outputs: dict[int, BoundedOutput] = field(default_factory=dict)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    cleanup: ExitStack = field(default_factory=ExitStack)
    popen: subprocess.Popen[bytes] | None = None
    wakes: bool = False
    """Whether the selector wakes when the root exits; without a pidfd it is looked at often."""
    members: tree.Tree | PortableTree = field(init=False)

    def __post_init__(self) -> None:
        self.members = (tree.Tree if sys.platform == "linux" else PortableTree)(None, self.mark)
        self.cleanup.callback(self.selector.close)

    def close(self) -> None:
        with _uninterrupted():
            self._end_all()
            self.cleanup.close()

    def start(self) -> None:
        """Spawn in a session of its own: no controlling terminal, and a group that can be signalled at once."""
        command = self.command
        argv = list(command.argv) if self.cgroup is None else self.cgroup.entering(command.argv)
        self.started = self.ended = time.monotonic()
        self.popen = subprocess.Popen(
            argv,
            cwd=command.cwd,
            env={**command.env, tree.MARK: self.mark},
            stdin=subprocess.PIPE if command.stdin else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT if command.merge_output else subprocess.PIPE,
            bufsize=0,
            start_new_session=True,
            pass_fds=command.pass_fds,
        )
        self.members.root = self.popen.pid
        _lower(self.popen.pid)
        if command.handed is not None:
            _hand(*command.handed)
        self._connect()

    def _connect(self) -> None:
        assert self.popen is not None
        for stream in (self.popen.stdout, self.popen.stderr):
            if stream is not None:
                self.cleanup.callback(stream.close)
                os.set_blocking(stream.fileno(), False)
                widen(stream.fileno())
                self.outputs[stream.fileno()] = BoundedOutput()
                self.selector.register(stream, selectors.EVENT_READ, self._reader(stream.fileno()))
        if self.popen.stdin is not None:
            os.set_blocking(self.popen.stdin.fileno(), False)
            self.cleanup.callback(self._close_stdin)
            self.selector.register(self.popen.stdin, selectors.EVENT_WRITE, self._writer(self.command.stdin))
        if (handle := tree.open_handle(self.popen.pid)) is not None:
            # Wait for the process, never for the end of its output: a daemon can hold the pipe open.
            self.cleanup.callback(os.close, handle)
            self.selector.register(handle, selectors.EVENT_READ, lambda: None)
            self.wakes = True

    def watch(self) -> None:
        """Wait until the root has exited or was ended, then kill what is left and take the last output."""
        deadline = self.started + self.command.timeout
        kill_at = float("inf")
        next_look = self.started
        while True:
            now = time.monotonic()
            if self.ending is Ending.EXITED and now >= deadline:
                self.ending, self.detail = Ending.TIMEOUT, f"killed after {self.command.timeout:g} s"
                kill_at = now + self.command.grace
                self.members.terminate(self.command.wrappers)
            if now >= next_look:
                next_look = now + self._look(now)
            if self.ending is Ending.MEMORY or now >= kill_at or self._over():
                break
            wake = min(next_look, kill_at if self.ending is Ending.TIMEOUT else deadline)
            self._pump(max(0.0, wake - time.monotonic()))
        self._end_all()
        self._drain()

    def _over(self) -> bool:
        if not self._has_exited():
            return False
        # Under a timeout the grace is for all of them, not only for the shell at the top.
        return self.ending is not Ending.TIMEOUT or not self.members.inner(self.command.wrappers)

    def _look(self, now: float) -> float:
        """Measure the tree, end it if it is too large, tell the caller. Answers in how many seconds to look again."""
        usage = self.members.usage(self.command.processes)
        limit = self.command.memory
        self.peak = max(self.peak, usage.peak, usage.memory)
        if usage.processes > self.command.processes:
            self._exceed(f"more than {self.command.processes} processes at a time")
        elif usage.threads > self.command.threads:
            self._exceed(f"more than {self.command.threads} threads at a time")
        elif limit is not None and usage.memory > limit and self.members.proportional_memory() > limit:
            self._exceed(f"more than {limit / 1e6:.0f} MB of memory")
        elif _is_full(self.command.cwd, self.command.disk_floor):
            self._exceed(f"less than {self.command.disk_floor / 1e6:.0f} MB of disk left")
        if self.tick is not None:
            self.tick(now - self.started)
        if self.ending is Ending.TIMEOUT:
            return 0.02
        # The first looks come early, so that a short run has a peak too.
        return min(
            _TICK if limit is None and usage.processes < self.command.processes // 20 else _WATCH,
            0.005 + now - self.started,
        )

    def _exceed(self, detail: str) -> None:
        if self.ending is Ending.EXITED:
            self.ending, self.detail = Ending.MEMORY, detail

    def _has_exited(self) -> bool:
        if self.popen is not None and self.status is None:
            pid, status, usage = os.wait4(self.popen.pid, os.WNOHANG)
            if pid:
                self.ended = time.monotonic()
                self.status = self.popen.returncode = os.waitstatus_to_exitcode(status)
                self.cpu_time = usage.ru_utime + usage.ru_stime
        return self.status is not None

    def _end_all(self) -> None:
        """Kill and sweep; the root's exit status is taken whatever happens. Doing it twice does no harm."""
        if self.cgroup is not None:
            self.cgroup.kill()
        self.survivors = self.members.sweep(SWEEP_LIMIT, self.command.wrappers)
        deadline = time.monotonic() + 1.0
        while self.popen is not None and not self._has_exited() and time.monotonic() < deadline:
            time.sleep(0.0005)

    def _pump(self, timeout: float) -> None:
        for key, _ in self.selector.select(timeout if self.wakes else min(timeout, 0.01)):
            key.data()

    def _drain(self) -> None:
        """What was still in the pipes. The writers are dead, so this ends; a survivor's pipe is not waited for."""
        for descriptor in [*self.outputs]:
            read = self._reader(descriptor)
            for _ in range(_PIPE_SIZE // _CHUNK + 1):
                if not read():
                    break

    def _reader(self, descriptor: int) -> Callable[[], bool]:
        def read() -> bool:
            try:
                data = os.read(descriptor, _CHUNK)
            except BlockingIOError:
                return False
            if data:
                self.outputs[descriptor].feed(data)
                if self.observe is not None:
                    self.observe(data)
            else:
                with suppress(KeyError):
                    self.selector.unregister(descriptor)
            return bool(data)

        return read

    def _writer(self, data: bytes) -> Callable[[], None]:
        rest = memoryview(data)

        def write() -> None:
            nonlocal rest
            assert self.popen is not None and self.popen.stdin is not None
            try:
                rest = rest[os.write(self.popen.stdin.fileno(), rest[:_CHUNK]) :]
            except BlockingIOError:
                return
            except OSError:  # it does not read its input, and need not
                rest = rest[:0]
            if not rest:
                self.selector.unregister(self.popen.stdin)
                self._close_stdin()

        return write

    def _close_stdin(self) -> None:
        with suppress(OSError):
            assert self.popen is not None and self.popen.stdin is not None
            self.popen.stdin.close()

    def _is_complaint(self, output: bytes) -> bool:
        return bool(self.command.complaint) and output.startswith(self.command.complaint)

    def outcome(self) -> Outcome:
        streams = [output.value() for output in self.outputs.values()] + [b""]
        if self.status and any(map(self._is_complaint, streams)):
            self.ending = Ending.NOT_STARTED
            self.detail = b"".join(streams).splitlines()[0].decode(errors="replace")
        if self.cgroup is not None:
            self.peak = max(self.peak, self.cgroup.peak_memory() or 0)
            if self.cgroup.ran_out_of_memory():
                self._exceed(f"more than {(self.command.memory or 0) / 1e6:.0f} MB of memory")
        exited = self.ending is Ending.EXITED
        code = self.status if self.status is None or self.status >= 0 else 128 - self.status
        detail = self.detail
        if self.survivors:
            detail += f"{'; ' if detail else ''}still alive after the kill: {', '.join(map(str, self.survivors))}"
        return Outcome(
            ending=self.ending,
            exit_code=code if exited else None,
            signal=code - 128 if exited and code is not None and 128 < code <= 128 + signal.NSIG else None,
            duration=(self.ended if self.status is not None else time.monotonic()) - self.started,
            cpu_time=None if self.cpu_time is None else self.cpu_time + self.members.cpu_time,
            peak_memory=self.peak or None,
            stdout=streams[0],
            stderr=streams[1],
            total_bytes=sum(output.total for output in self.outputs.values()),
            detail=detail,
        )


def _lower(pid: int) -> None:
    """No core dumps (with a limit of 1 the kernel does not feed a crash handler either); first to go if memory ends."""
    with suppress(OSError, AttributeError, ValueError):
        resource.prlimit(pid, resource.RLIMIT_CORE, (1, 1))
    with suppress(OSError):
        Path(f"/proc/{pid}/oom_score_adj").write_text("500")


def _is_full(directory: Path, floor: int) -> bool:
    """Whether the file system has less than ``floor`` bytes left, or hardly a file. One that is gone is not full."""
    with suppress(OSError):
        disk = os.statvfs(directory)
        return disk.f_bavail * disk.f_frsize < floor or (0 < disk.f_files and disk.f_favail < _FILES_LEFT)
    return False


def _hand(pipe: BinaryIO, content: bytes) -> None:
    with suppress(BrokenPipeError), pipe:
        pipe.write(content)


def widen(descriptor: int) -> None:
    """Make a pipe larger: a flood of output then costs a sixteenth of the wake-ups."""
    with suppress(OSError, AttributeError):
        fcntl.fcntl(descriptor, fcntl.F_SETPIPE_SZ, _PIPE_SIZE)


@contextmanager
def _uninterrupted() -> Iterator[None]:
    """A second Ctrl-C must not stop the sweep that the first one began; it arrives when the sweep is over."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT, signal.SIGTERM})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
