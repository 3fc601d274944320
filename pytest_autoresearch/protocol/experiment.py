"""What an experiment is once it has been measured: the values that pass between agents, lab, judge and notebook."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import Enum
from itertools import compress
from operator import is_not
from typing import Any


class Status(str, Enum):
    """The three states of a row in results.tsv."""

    KEEP = "keep"
    DISCARD = "discard"
    CRASH = "crash"


class Reason(str, Enum):
    """Why; refines the status."""

    IMPROVED = "improved"
    SIMPLER = "simpler"
    WORSE = "worse"
    NOISE = "noise"
    EQUAL = "equal"
    DUPLICATE = "duplicate"
    NO_CHANGE = "no-change"
    OUT_OF_SCOPE = "out-of-scope"
    GUARD = "guard"
    LIMIT = "limit"
    HOLDOUT = "holdout"
    SEED_ONLY = "seed-only"
    PROBE = "probe"
    STALE = "stale"
    SUSPICIOUS = "suspicious"
    UNPROVEN = "unproven"
    DROPPED = "dropped"
    ERROR = "error"
    TIMEOUT = "timeout"
    MEMORY = "memory"
    NO_METRIC = "no-metric"
    BAD_METRIC = "bad-metric"
    AGENT_ERROR = "agent-error"
    INTERRUPTED = "interrupted"

    @property
    def status(self) -> Status:
        """The status that this reason refines."""
        if self in (Reason.IMPROVED, Reason.SIMPLER):
            return Status.KEEP
        return Status.CRASH if self in _CRASHES else Status.DISCARD


_CRASHES = frozenset(
    {
        Reason.ERROR,
        Reason.TIMEOUT,
        Reason.MEMORY,
        Reason.NO_METRIC,
        Reason.BAD_METRIC,
        Reason.AGENT_ERROR,
        Reason.INTERRUPTED,
    }
)


class Outcome(str, Enum):
    """What becomes of the provisional keeps after their group was measured."""

    CERTIFIED = "certified"
    """Together they are a gain: the tip is the new base."""
    GOES_ON = "goes on"
    """Not shown, and not gone: the keeps stay provisional, and more join them."""
    ROLLED_BACK = "rolled back"
    """The branch goes back to the base; every keep of the group is a discard, ``unproven``."""


class Role(str, Enum):
    """Which state a measurement was made on."""

    CANDIDATE = "candidate"
    INCUMBENT = "incumbent"
    HOLDOUT = "holdout"


@dataclass(frozen=True, slots=True)
class Place:
    """Where runs are measured: the machine's fingerprint, slot, isolation level and the UUIDs of leased devices.

    It is taken for a session's life and stands in every measurement: a comparison never spans two of them.
    """

    machine: str = ""
    slot: int = 0
    isolation: str = ""
    devices: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Measurement:
    """One run and what was read from it. Exactly one of ``value`` and ``failure`` is set.

    ``duration`` and ``cpu_time`` in seconds, ``peak_memory`` in bytes, ``secondary`` the other metrics of the log.
    ``detail`` is one line for people; ``log_tail`` the end of the log, in a record of failures and of the last good run
    of the state; ``curve`` at most 20 numbers of what ``curve_name`` was while that run lasted. ``outputs`` (of a
    baseline's run) are the paths it rewrote or made that no later run may touch unless the baseline's did. ``hint``
    says how its log could be read, ``offered`` is the extract command for that where it is sure; neither is recorded.
    ``pickles`` are files it left that run code when they are loaded, so a grader that loads one prints what the run
    likes; ``granted`` (of a baseline's run) is what the extract command needs beyond reading.
    """

    role: Role
    value: float | None = None
    failure: Reason | None = None
    detail: str = ""
    duration: float = 0.0
    cpu_time: float | None = None
    peak_memory: int | None = None
    seed: int | None = None
    exit_code: int | None = None
    secondary: Mapping[str, float] = field(default_factory=dict)
    self_reported: bool = False
    log_tail: str = ""
    curve: tuple[float, ...] = ()
    curve_name: str = ""
    hint: str = ""
    offered: str | None = None
    outputs: tuple[str, ...] = ()
    pickles: tuple[str, ...] = ()
    granted: tuple[str, ...] | None = None
    place: Place | None = None


@dataclass(frozen=True, slots=True)
class Usage:
    """What one agent turn cost: tokens as reported, US dollars as reported or computed from the user's prices.

    ``tries`` are runs that the agent had made of its edit, which took ``try_seconds``; they are no evidence.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cost: float | None = None
    turns: int | None = None
    model: str | None = None
    tries: int = 0
    try_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Move:
    """One knob turned: its name, and its value before and after as the file has it."""

    name: str
    old: str
    new: str

    def __str__(self) -> str:
        return f"{self.name} {self.old} -> {self.new}"


@dataclass(frozen=True, slots=True)
class Experiment:
    """One finished experiment, the baseline being number 0. Commits are full hashes; ``value`` None: not measured.

    ``value`` stands in results.tsv: the mean of the state's runs, or of a provisional keep its level as these and the
    incumbent's make it likely. ``interval`` is its 95 % interval, ``against`` the incumbent's level beside it.
    ``fingerprint`` names the target files' contents, see :func:`fingerprint`. ``judge`` is the judge's state after the
    verdict. Times are UTC. ``moves`` are the knobs that an embedded agent turned from ``parent``; None in records that
    are older than the field. ``complexity`` is lines added minus removed against ``parent``; with it and
    ``measurements``, the state in the record before gives the verdict again.
    ``provisional``: a keep that its group has yet to prove; ``worth`` is then its expected gain in
    metric units, ``harm`` the chance that it is none. ``seen`` is how many records its agent knew, None: as many as
    its number says. ``opened``: after how many records with the judge's state it was first compared, None: all that
    stand before it. ``earlier`` are runs of what it was before it was merged onto ``parent``; they are no evidence.
    ``expected`` is the effect that they make likely, and its variance, in standard deviations of one run: the trial of
    the merged candidate began with it.
    ``review`` is what an advisory reviewer said of a keep: ``clean``, ``suspicious: why`` or ``no review: why``.
    """

    number: int
    status: Status
    reason: Reason
    description: str
    commit: str
    parent: str
    tree: str
    fingerprint: str
    value: float | None = None
    interval: tuple[float, float] | None = None
    against: float | None = None
    hypothesis: str = ""
    detail: str = ""
    measurements: tuple[Measurement, ...] = ()
    suspicious: bool = False
    review: str = ""
    evidence: float | None = None
    threshold: float | None = None
    agent: str = ""
    agent_network: str = ""
    usage: Usage | None = None
    agent_seconds: float = 0.0
    agent_log: str = ""  # what the agent said at its end, where nothing came of its turn
    moves: tuple[Move, ...] | None = None
    complexity: int = 0
    provisional: bool = False
    worth: float | None = None
    harm: float | None = None
    isolation: str = "process"
    device: str = ""
    machine: str = ""
    place: Place | None = None
    started: datetime | None = None
    ended: datetime | None = None
    judge: Mapping[str, Any] = field(default_factory=dict)
    seen: int | None = None
    opened: int | None = None
    earlier: tuple[Measurement, ...] = ()
    expected: tuple[float, float] | None = None

    @property
    def kept(self) -> bool:
        return self.status is Status.KEEP

    @property
    def is_doubted(self) -> bool:
        """Whether a person should look at it first: the numbers, or a reviewer, make it doubtful."""
        return self.suspicious or self.review.startswith("suspicious")

    def was_measured_at(self, place: Place) -> bool:
        """Whether its numbers compare with what is measured at ``place``.

        Records that are older than places name the machine only, and not the device.
        """
        if self.place is None:
            return self.machine == place.machine and self.isolation == place.isolation and not place.devices
        return self.place == place


def fingerprint(blobs: Mapping[str, str]) -> str:
    """Names a state by the target files that differ from the start commit: path → git blob id, '' for a deleted one."""
    text = "\n".join(f"{path}\0{blob}" for path, blob in sorted(blobs.items()))
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).hexdigest()[:20]


def blob_id(data: bytes) -> str:
    """Git's id of a blob with this content (SHA-1 repositories)."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


@dataclass(frozen=True, slots=True)
class FileEntry:
    """One path of a git tree: ``mode`` as git writes it (100644, 100755, 120000, 160000) and the blob's id."""

    mode: str
    blob: str


def differing(before: Mapping[str, FileEntry], after: Mapping[str, FileEntry]) -> list[str]:
    """The paths in which two states differ.

    Most entries of a state are the very objects of the one it was made of, in its order: among 20,000 files that is
    seen in a millisecond.
    """
    if list(before) == list(after):
        others = compress(after, map(is_not, before.values(), after.values()))
        return [path for path in others if before[path] != after[path]]
    return [path for path in before.keys() | after.keys() if before.get(path) != after.get(path)]


@dataclass(frozen=True, slots=True)
class Change:
    """How one path of a workspace differs from what it was filled with.

    ``data`` is the new content of a regular file, None when the path is gone or is no regular file; ``kind`` is
    ``file``, ``deleted``, ``symlink``, ``directory`` or ``special``. ``mode`` as git writes it. ``size`` in bytes.
    """

    path: str
    kind: str
    mode: str = "100644"
    data: bytes | None = None
    size: int = 0
