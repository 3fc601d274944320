"""What :mod:`tree` does, for systems without /proc: the run's process group, and its descendants if psutil is there."""

from __future__ import annotations

import os
import signal
import time
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from pytest_autoresearch.lab.tree import Process, Usage


@dataclass(slots=True)
class PortableTree:
    """The processes below ``root``. A daemon that leaves its group is only found while its parent lives."""

    root: int | None
    mark: str
    cpu_time: float = 0.0
    seen_cpu_time: float = 0.0
    _known: dict[int, Any] = field(default_factory=dict)

    def members(self) -> dict[int, Process]:
        """Living processes of the run by pid."""
        self._remember()
        found = {pid: Process(pid, process.ppid(), os.getpgid(pid), 0, zombie=False) for pid, process in self._living()}
        if not found and self.root is not None:
            with suppress(OSError):
                os.killpg(self.root, 0)
                found[self.root] = Process(self.root, os.getpid(), self.root, 0, zombie=False)
        return found

    def _remember(self) -> None:
        with suppress(ImportError):
            import psutil

            with suppress(psutil.Error):
                root = psutil.Process(self.root)
                self._known |= {process.pid: process for process in [root, *root.children(recursive=True)]}

    def _living(self) -> list[tuple[int, Any]]:
        living = []
        for pid, process in self._known.items():
            with suppress(Exception):  # psutil.Error; psutil may be absent, and then nothing is known
                if process.is_running() and process.status() != "zombie":
                    living.append((pid, process))
        return living

    def inner(self, wrappers: int) -> list[Process]:
        """Members of the run; there are no sandboxes to leave out here."""
        return [*self.members().values()]

    def terminate(self, wrappers: int) -> None:
        """Ask the run's processes to end."""
        for process in self.inner(wrappers):
            with suppress(OSError):
                os.kill(process.pid, signal.SIGTERM)

    def usage(self, most: int) -> Usage:
        """What the members use; zeros without psutil."""
        self._remember()
        living = self._living()
        usage = Usage(processes=len(living))
        for _, process in living:
            with suppress(Exception):
                size = process.memory_info().rss
                usage.memory += size
                usage.peak = max(usage.peak, size)
        return usage

    def proportional_memory(self) -> int:
        return self.usage(0).memory

    def sweep(self, limit: float, wrappers: int = 0) -> list[int]:
        """Kill the group and every known member until none is left. Answers the pids that would not die."""
        deadline = time.monotonic() + limit
        while members := self.members():
            if time.monotonic() > deadline:
                return sorted(members)
            for process in members.values():
                with suppress(OSError):
                    os.killpg(process.group, signal.SIGKILL)
                with suppress(OSError):
                    os.kill(process.pid, signal.SIGKILL)
            if self.root in members:
                with suppress(ChildProcessError):
                    # A zombie still counts as a member of its group; look without taking its status.
                    if os.waitid(os.P_PID, self.root, os.WEXITED | os.WNOHANG | os.WNOWAIT) and len(members) == 1:
                        return []
            time.sleep(0.005)
        return []
