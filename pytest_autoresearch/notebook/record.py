"""What the ledger holds besides experiments, and the history that everybody reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from functools import cached_property
from typing import Any

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Outcome, Place


@dataclass(frozen=True, slots=True)
class Session:
    """Record 0 of a tag. ``protocol`` is the JSON form that ``pytest-autoresearch show --json`` prints.

    ``digests`` maps each setting whose change ends a session (metric, direction, run, extract, budget, targets,
    readonly, data, env) to a digest of its value, so that a difference can be named. ``machine`` is a fingerprint.
    ``workers`` is how many slots it began with, which decides how the error of a whole session is spent.
    """

    tag: str
    source: str
    start: str
    protocol: Mapping[str, Any]
    digests: Mapping[str, str]
    machine: str
    versions: Mapping[str, str]
    started: datetime
    seed: int = 0
    workers: int = 1


@dataclass(frozen=True, slots=True)
class Drop:
    """A keep taken out of the branch; ``moved`` maps later keeps' numbers to their new commits.

    ``unproven`` are keeps that were proven together with it, and those on top of them: they need another proof.
    """

    number: int
    commit: str
    moved: Mapping[int, str]
    when: datetime
    why: str = ""
    unproven: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Verification:
    """Start against head, interleaved on fresh runs. ``gain`` and ``interval`` in metric units, positive is better.

    ``percent_interval`` is of the gain in percent of the start, from the logarithm of the ratio; None where a mean is
    not above zero. ``hidden_start`` and ``hidden_head`` are runs on a holdout that no keep has seen, with
    ``hidden_gain`` and ``hidden_interval``; all empty without one.
    """

    start: str
    head: str
    start_runs: tuple[Measurement, ...]
    head_runs: tuple[Measurement, ...]
    gain: float | None
    interval: tuple[float, float] | None
    when: datetime
    isolation: str = "process"
    percent_interval: tuple[float, float] | None = None
    hidden_start: tuple[Measurement, ...] = ()
    hidden_head: tuple[Measurement, ...] = ()
    hidden_gain: float | None = None
    hidden_interval: tuple[float, float] | None = None

    @property
    def gap(self) -> float | None:
        """How much of the gain is not there on the fresh holdout, in metric units; None where that is not known."""
        return None if self.gain is None or self.hidden_gain is None else self.gain - self.hidden_gain

    @property
    def percent(self) -> float | None:
        """The gain in percent of the start as it was measured here; None without a gain, or where that is zero."""
        values = [m.value for m in self.start_runs if m.value is not None]
        start = sum(values) / len(values) if values else 0.0
        return None if self.gain is None or start == 0 else 100 * self.gain / abs(start)


@dataclass(frozen=True, slots=True)
class Share:
    """What one keep, or several that only go together, are worth: ``gain`` in metric units, positive is better.

    ``proven``: above zero at 95 %, one-sided. ``needed``: without them the run fails, so that there is no gain to tell.
    """

    keeps: tuple[int, ...]
    gain: float | None = None
    interval: tuple[float, float] | None = None
    proven: bool = False
    needed: bool = False


@dataclass(frozen=True, slots=True)
class Attribution:
    """Each keep's own effect in the head, all from the same runs of heads that have half of the keeps."""

    head: str
    shares: tuple[Share, ...]
    runs: tuple[Measurement, ...]
    when: datetime
    isolation: str = "process"


@dataclass(frozen=True, slots=True)
class Note:
    """A line for the record: why a session stopped (``kind`` ``stop``), or a person's hint (``kind`` ``hint``)."""

    kind: str
    text: str
    when: datetime


PROGRAM = "program"
"""The kind of the note that says that another version of this program goes on with a session."""


@dataclass(frozen=True, slots=True)
class Level:
    """A kept experiment's state measured anew, because a drop has changed what its commit holds."""

    number: int
    commit: str
    value: float
    interval: tuple[float, float] | None
    measurements: tuple[Measurement, ...]
    when: datetime


@dataclass(frozen=True, slots=True)
class Group:
    """Provisional keeps measured together, on fresh pairs, against the last commit that needed no proof any more.

    ``keeps`` and ``base`` are numbers of experiments. ``gain`` and ``interval`` in metric units, positive is better,
    None where a run failed. ``judge`` is the judge's state afterwards. Of a group that failed, ``keeps`` has those too
    that were made on top of it while it was measured. ``opened``: after how many records with a judge's state it was
    begun, None: after all before it.
    """

    keeps: tuple[int, ...]
    base: int
    outcome: Outcome
    gain: float | None
    interval: tuple[float, float] | None
    pairs: int
    base_runs: tuple[Measurement, ...]
    tip_runs: tuple[Measurement, ...]
    when: datetime
    evidence: float | None = None
    threshold: float | None = None
    isolation: str = "process"
    place: Place | None = None
    judge: Mapping[str, Any] = field(default_factory=dict)
    opened: int | None = None

    @property
    def ended(self) -> datetime:
        return self.when

    def was_measured_at(self, place: Place) -> bool:
        """Whether its numbers compare with what is measured at ``place``."""
        return self.place == place


def place_of(experiments: Sequence[Experiment], number: int) -> int:
    """Where the experiment with this number stands; records are in the order in which experiments end.

    NotebookError where there is none.
    """
    if 0 <= number < len(experiments) and experiments[number].number == number:
        return number
    place = next((at for at, experiment in enumerate(experiments) if experiment.number == number), None)
    if place is None:
        raise NotebookError(f"there is no experiment {number}")
    return place


Record = Session | Experiment | Group | Drop | Level | Verification | Attribution | Note
"""Everything that may stand in a ledger."""


@dataclass(frozen=True)
class History:
    """Everything a tag's ledger says, drops and groups applied.

    A dropped keep, and one whose group failed, reads as a discard with its old hash.
    """

    session: Session
    experiments: tuple[Experiment, ...] = ()
    drops: tuple[Drop, ...] = ()
    verifications: tuple[Verification, ...] = ()
    attributions: tuple[Attribution, ...] = ()
    notes: tuple[Note, ...] = field(default=())
    groups: tuple[Group, ...] = ()

    def followed_by(self, experiment: Experiment) -> History:
        """The history with one experiment more, which alone has the judge's state."""
        older = self.experiments
        if older and older[-1].judge:
            older = (*older[:-1], replace(older[-1], judge={}))
        longer = replace(self, experiments=(*older, experiment))
        # Looked for from the end it would cost more with every experiment that is not kept.
        vars(longer)["incumbent"] = experiment if experiment.kept else self.incumbent
        return longer

    def at(self, number: int) -> Experiment:
        """The experiment with this number. NotebookError where it is not recorded."""
        return self.experiments[place_of(self.experiments, number)]

    @property
    def keeps(self) -> tuple[Experiment, ...]:
        """The kept experiments in order, without the baseline."""
        return tuple(e for e in self.experiments if e.kept and e.number > 0)

    @property
    def proven(self) -> tuple[Experiment, ...]:
        """The keeps that need no group to prove them, in order."""
        return tuple(e for e in self.keeps if not e.provisional)

    @property
    def provisional(self) -> tuple[Experiment, ...]:
        """The keeps that their group has yet to prove, in order."""
        return tuple(e for e in self.keeps if e.provisional)

    @property
    def certified(self) -> Experiment | None:
        """The best state that needs no group to prove it: the newest such keep, or the baseline."""
        return next((e for e in reversed(self.experiments) if e.kept and not e.provisional), None)

    @property
    def judge(self) -> Mapping[str, Any]:
        """The judge's state after the newest record that has it."""
        newest: list[Experiment | Group] = [*self.experiments[-1:], *self.groups[-1:]]
        return next((record.judge for record in newest if record.judge), {})

    @property
    def ending(self) -> Note | None:
        """Why the session does not run any more; None where it does, or was killed since."""
        stop = next((note for note in reversed(self.notes) if note.kind == "stop"), None)
        last = self.experiments[-1].ended if self.experiments else None
        return None if stop is None or (last is not None and stop.when < last) else stop

    @cached_property
    def incumbent(self) -> Experiment | None:
        """The best kept state, provisional or not: the newest keep, or the baseline."""
        return next((e for e in reversed(self.experiments) if e.kept), None)
