"""What is run and how it ended, as values. Knows no process."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import BinaryIO

from pytest_autoresearch.lab.nursery import Keeper


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
    as many threads in all. ``keeper`` starts it below a warden.
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
    keeper: Keeper | None = None

    @property
    def threads(self) -> int:
        """How many threads may live at a time: an honest process has as many as there are processors, and more."""
        return 10 * self.processes


@dataclass(frozen=True, slots=True)
class Outcome:
    """How it ended and what it cost. ``exit_code`` follows the shell: 128 + n for signal n; None if we ended it.

    ``duration`` and ``cpu_time`` in seconds, ``peak_memory`` in bytes, ``largest`` (of one
    process, as seen) too. ``stdout`` and ``stderr`` are head and tail,
    with a marker line where something was left out; ``total_bytes`` counts all of it. ``detail`` is one line.
    ``refused`` are the hosts that it was not let to. ``is_left``: something of it is still alive.
    """

    ending: Ending
    exit_code: int | None = None
    signal: int | None = None
    duration: float = 0.0
    cpu_time: float | None = None
    peak_memory: int | None = None
    largest: int = 0
    stdout: bytes = b""
    stderr: bytes = b""
    total_bytes: int = 0
    detail: str = ""
    refused: tuple[str, ...] = ()
    is_left: bool = False
