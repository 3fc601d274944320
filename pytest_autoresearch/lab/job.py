"""The door of the lab: what is to be run, and what every executor offers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol as Interface

from pytest_autoresearch.protocol.experiment import FileEntry, Measurement, Place, Role
from pytest_autoresearch.protocol.model import Protocol

Tick = Callable[[float], None]
"""Called about every 0.2 s with the seconds that the current run has lasted."""

ReadBlobs = Callable[[Sequence[str]], "Mapping[str, bytes]"]
"""Blob ids → contents; the notebook's door, handed in so that the lab needs no git."""


@dataclass(frozen=True, slots=True)
class Job:
    """One run on one state. ``state`` is the whole tree the workspace must hold; ``timeout`` in seconds.

    ``command`` and ``extract`` None: the protocol's own (a holdout sets its own). ``env`` is added to the run's.
    ``may_give_up``: the run may be ended when its declared progress lags hopelessly; it then fails as ``worse``.
    """

    role: Role
    number: int
    seed: int
    state: Mapping[str, FileEntry]
    timeout: float
    budget: float | None = None
    command: str | None = None
    extract: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    may_give_up: bool = False


@dataclass(frozen=True, slots=True)
class Finished:
    """A command that is no measurement (build, guard, agent's turn): how it ended and what it said.

    ``building``: it is the build before the command that failed.
    """

    exit_code: int | None
    stdout: bytes
    stderr: bytes
    timed_out: bool
    duration: float
    refused: tuple[str, ...] = ()
    building: bool = False


def as_it_is(state: Mapping[str, FileEntry]) -> Mapping[str, FileEntry]:
    """The state of a repository without submodules."""
    return state


@dataclass(frozen=True, slots=True)
class Site:
    """What the lab needs to know of the place: the checkout's top (where the workspace is shown), and where to work.

    ``scratch`` is a directory of this session alone, outside the checkout. ``targets`` and ``readonly`` are the paths
    that the protocol's rules name in the start commit, relative to ``top``; ``outputs`` what the baseline's runs were
    found to rewrite, from the record of a session that is resumed. ``isolation`` is what was asked for: ``strict``,
    ``auto`` or ``none``. ``expand`` gives a state with what it only names: the files of submodules. ``machine`` is its
    fingerprint; ``devices`` are the UUIDs that the session was measured on last, taken again if they are free.
    ``granted`` is what the baseline's extract command was found to need, None where that is not known. ``slot`` is the
    number of the slot that the executor is, ``cores`` are the hardware threads of each core that is its own, none where
    it has no set of its own; ``memory`` is its share in bytes, for a protocol that sets no limit. ``said`` is a
    directory for the end of what a run says, see :func:`said_by`; None: nobody looks.
    """

    top: Path
    scratch: Path
    tag: str
    protocol: Protocol
    read_blobs: ReadBlobs
    interpreter_bin: Path
    targets: frozenset[str] = frozenset()
    readonly: frozenset[str] = frozenset()
    outputs: frozenset[str] = frozenset()
    granted: frozenset[str] | None = None
    isolation: str = "auto"
    expand: Callable[[Mapping[str, FileEntry]], Mapping[str, FileEntry]] = as_it_is
    machine: str = ""
    devices: tuple[str, ...] = ()
    slot: int = 0
    cores: tuple[tuple[int, ...], ...] = ()
    memory: int | None = None
    said: Path | None = None


SAID = "said-"


def said_by(directory: Path, number: int, slot: int) -> Path:
    """The file in which an experiment's run leaves the end of what it has said so far, while it runs."""
    return directory / f"{SAID}{number}-{slot}"


class Executor(Interface):
    """One slot: a workspace, a sandbox and a device for its life. Runs jobs one at a time, all from one thread.

    A session with several slots makes one of these for each. ``isolation`` is the level it gives, ``refused`` why not
    more. What a ``tick`` raises ends what is running, and passes when that is swept: so a session is interrupted.
    """

    isolation: str
    refused: tuple[str, ...]
    device: str

    def occupy(self, tick: Tick) -> Place:
        """Take the place that this slot is, for its whole life; the same answer whenever it is asked.

        Waits for a free device. :meth:`measure` puts the place into each measurement.
        """

    def measure(self, job: Job, tick: Tick) -> Measurement:
        """Fill, run, sweep, extract, parse. Never raises for what a run does."""

    def guard(self, command: str, state: Mapping[str, FileEntry], timeout: float, tick: Tick) -> Finished:
        """Run a guard in a fresh directory that holds ``state``."""

    def close(self) -> None:
        """Remove the workspace and everything that was started."""
