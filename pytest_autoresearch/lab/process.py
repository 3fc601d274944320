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
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO

from pytest_autoresearch.lab import tree
from pytest_autoresearch.lab.cgroup import Cgroup, open_cgroup
from pytest_autoresearch.lab.command import Command, Ending, Outcome
from pytest_autoresearch.lab.nursery import Warded
from pytest_autoresearch.lab.output import BoundedOutput
from pytest_autoresearch.lab.portable import PortableTree

SWEEP_LIMIT = 5.0
"""Seconds the sweep goes on trying; only a process stuck inside the kernel outlives it, and is then named."""

_TICK = 0.2
_FIRST_LOOK = 0.005  # s; before that it is hardly the command yet
_WATCH = 0.05
_FILES_LEFT = 1000
_CHUNK = 1 << 16
_PIPE_SIZE = 1 << 20


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
    with begun(command) as run:
        if isinstance(run, Outcome):
            return run
        run.tick, run.observe = tick, observe
        run.watch()
        return run.outcome()


@contextmanager
def begun(command: Command) -> Iterator[Begun | Outcome]:
    """``command``, started; or why it can not be. When this ends, nothing that it started is alive."""
    tree.become_subreaper()
    with ExitStack() as stack:
        cgroup = stack.enter_context(open_cgroup(memory=command.memory, threads=command.threads))
        run = stack.enter_context(closing(Begun(command, cgroup)))
        try:
            run.start()
        except (OSError, ValueError, subprocess.SubprocessError) as error:
            yield Outcome(Ending.NOT_STARTED, detail=f"{command.argv[0]}: {error}")
        else:
            yield run


@dataclass(slots=True)
class Begun:
    """One command under way. Until it is closed it owns the pipes; then nothing of it is alive."""

    command: Command
    cgroup: Cgroup | None
    tick: Callable[[float], None] | None = None
    observe: Callable[[bytes], None] | None = None
    mark: str = field(default_factory=lambda: secrets.token_hex(8))
    ending: Ending = Ending.EXITED
    detail: str = ""
    peak: int = 0
    largest: int = 0
    started: float = 0.0
    ended: float = 0.0
    status: int | None = None
    cpu_time: float | None = None
    survivors: list[int] = field(default_factory=list)
    is_swept: bool = False
    outputs: dict[int, BoundedOutput] = field(default_factory=dict)
    selector: selectors.BaseSelector = field(default_factory=selectors.DefaultSelector)
    cleanup: ExitStack = field(default_factory=ExitStack)
    child: subprocess.Popen[bytes] | Warded | None = None
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
        env = {**command.env, tree.MARK: self.mark}
        self.started = self.ended = time.monotonic()
        if command.keeper is not None:
            self.child = command.keeper.start(
                command.argv,
                env=env,
                has_input=bool(command.stdin),
                merge_output=command.merge_output,
                pass_fds=command.pass_fds,
                group=None if self.cgroup is None else self.cgroup.entrance,
            )
        else:
            self.child = subprocess.Popen(
                list(command.argv) if self.cgroup is None else self.cgroup.entering(command.argv),
                cwd=command.cwd,
                env=env,
                stdin=subprocess.PIPE if command.stdin else subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT if command.merge_output else subprocess.PIPE,
                bufsize=0,
                start_new_session=True,
                pass_fds=command.pass_fds,
            )
        self.members.root = self.child.pid
        _lower(self.child.pid)
        if command.handed is not None:
            _hand(*command.handed)
        self._connect()

    def _connect(self) -> None:
        assert self.child is not None
        for stream in (self.child.stdout, self.child.stderr):
            if stream is not None:
                self.cleanup.callback(stream.close)
                os.set_blocking(stream.fileno(), False)
                widen(stream.fileno())
                self.outputs[stream.fileno()] = BoundedOutput()
                self.selector.register(stream, selectors.EVENT_READ, self._reader(stream.fileno()))
        if self.child.stdin is not None:
            os.set_blocking(self.child.stdin.fileno(), False)
            self.cleanup.callback(self._close_stdin)
            self.selector.register(self.child.stdin, selectors.EVENT_WRITE, self._writer(self.command.stdin))
        if (handle := tree.open_handle(self.child.pid)) is not None:
            # Wait for the process, never for the end of its output: a daemon can hold the pipe open.
            self.cleanup.callback(os.close, handle)
            self.selector.register(handle, selectors.EVENT_READ, lambda: None)
            self.wakes = True

    def watch(self) -> None:
        """Wait until the root has exited or was ended, then kill what is left and take the last output."""
        deadline = self.started + self.command.timeout
        kill_at = float("inf")
        next_look = self.started + _FIRST_LOOK
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
        self.largest = max(self.largest, usage.peak)
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
        if self.child is not None and self.status is None:
            pid, status, usage = os.wait4(self.child.pid, os.WNOHANG)
            if pid:
                self.ended = time.monotonic()
                self.status = self.child.returncode = os.waitstatus_to_exitcode(status)
                self.cpu_time = usage.ru_utime + usage.ru_stime
        return self.status is not None

    def _end_all(self) -> None:
        """Kill and sweep; the root's exit status is taken whatever happens. Where nothing is left, once is enough."""
        if self.is_swept:
            return
        if self.cgroup is not None:
            self.cgroup.kill()
        self.survivors = self.members.sweep(SWEEP_LIMIT, self.command.wrappers)
        deadline = time.monotonic() + 1.0
        while self.child is not None and not self._has_exited() and time.monotonic() < deadline:
            time.sleep(0.0005)
        self.is_swept = self.status is not None and not self.survivors

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
            assert self.child is not None and self.child.stdin is not None
            try:
                rest = rest[os.write(self.child.stdin.fileno(), rest[:_CHUNK]) :]
            except BlockingIOError:
                return
            except OSError:  # it does not read its input, and need not
                rest = rest[:0]
            if not rest:
                self.selector.unregister(self.child.stdin)
                self._close_stdin()

        return write

    def _close_stdin(self) -> None:
        with suppress(OSError):
            assert self.child is not None and self.child.stdin is not None
            self.child.stdin.close()

    def _used(self) -> float | None:
        """The processor time of the whole run: as told to those who waited, as the kernel's group counts, as seen."""
        if self.cpu_time is None:
            return None
        counted = None if self.cgroup is None else self.cgroup.cpu_time()
        return max(self.cpu_time + self.members.cpu_time, self.members.seen_cpu_time, counted or 0.0)

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
            cpu_time=self._used(),
            peak_memory=self.peak or None,
            largest=self.largest,
            stdout=streams[0],
            stderr=streams[1],
            total_bytes=sum(output.total for output in self.outputs.values()),
            detail=detail,
            is_left=bool(self.survivors),
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
