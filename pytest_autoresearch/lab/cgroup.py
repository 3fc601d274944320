"""A control group for one run, where the machine lets us make one: exact memory and process limits, and a kill at once.

Cgroup v2 only. Where it can not be had, the caller polls; nothing here raises.
"""

from __future__ import annotations

import os
import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")

# The run moves itself, so that nothing it starts can be left outside; a refused move leaves polling in charge.
_ENTER = 'echo 0 2>/dev/null >"$0"; exec "$@"'


@dataclass(frozen=True, slots=True)
class Cgroup:
    """One group, empty at first."""

    path: Path

    @property
    def entrance(self) -> Path:
        """Who writes ``0`` into this file moves into the group."""
        return self.path / "cgroup.procs"

    def entering(self, argv: Sequence[str]) -> list[str]:
        """``argv`` so that it moves into the group before it becomes the command."""
        return ["/bin/sh", "-c", _ENTER, str(self.entrance), *argv]

    def kill(self) -> None:
        self._write("cgroup.kill", "1")

    def peak_memory(self) -> int | None:
        """Highest memory of all members together in bytes, page cache included; None where the kernel does not say."""
        with suppress(OSError, ValueError):
            return int((self.path / "memory.peak").read_text())
        return None

    def cpu_time(self) -> float | None:
        """Processor time of all that were ever members, in seconds, whoever waited for them."""
        with suppress(OSError, KeyError, ValueError):
            lines = (self.path / "cpu.stat").read_text().splitlines()
            return int(dict(line.split() for line in lines)["usage_usec"]) / 1e6
        return None

    def ran_out_of_memory(self) -> bool:
        with suppress(OSError):
            events = dict(line.split() for line in (self.path / "memory.events").read_text().splitlines())
            return int(events.get("oom_kill", "0")) > 0
        return False

    def limit(self, *, memory: int | None, threads: int) -> None:
        self._write("pids.max", str(threads))
        if memory is not None:
            self._write("memory.max", str(memory))
            self._write("memory.swap.max", "0")
            self._write("memory.oom.group", "1")

    def remove(self) -> None:
        """Remove the group; its last member may need a moment to be gone."""
        deadline = time.monotonic() + 0.5
        while self.path.exists() and time.monotonic() < deadline:
            with suppress(OSError):
                self.path.rmdir()
                return
            time.sleep(0.002)

    def _write(self, name: str, value: str) -> None:
        with suppress(OSError):
            (self.path / name).write_text(value)


@contextmanager
def open_cgroup(*, memory: int | None, threads: int) -> Iterator[Cgroup | None]:
    """A group with these limits, or None. It is removed at the end."""
    parent = home()
    if parent is None:
        yield None
        return
    group = Cgroup(parent / f"pytest-autoresearch-{os.getpid()}-{secrets.token_hex(4)}")
    try:
        group.path.mkdir()
    except OSError:
        yield None
        return
    try:
        group.limit(memory=memory, threads=threads)
        yield group
    finally:
        group.remove()


@cache
def home() -> Path | None:
    """The nearest group above this process that hands out memory and pids limits and that we may write, or None."""
    return find_home(_ROOT, _own_path())


def find_home(root: Path, own: str | None) -> Path | None:
    """:func:`home` for the hierarchy mounted at ``root`` and a process in group ``own`` (``/user.slice/…``)."""
    if own is None:
        return None
    group = root / own.strip("/")
    for candidate in [group, *group.parents]:
        if not candidate.is_relative_to(root):
            return None
        with suppress(OSError):
            handed_out = (candidate / "cgroup.subtree_control").read_text().split()
            may_write = os.access(candidate, os.W_OK) and os.access(candidate / "cgroup.procs", os.W_OK)
            if {"memory", "pids"} <= set(handed_out) and may_write:
                return candidate
    return None


def _own_path() -> str | None:
    with suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            if line.startswith("0::"):
                return line[3:]
    return None
