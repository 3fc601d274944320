"""What the history says about knobs. Pure: a fresh object that follows it knows what an old one does.

What was turned stands in ``Experiment.moves``. Descriptions like ``LEARNING_RATE 0.04 -> 0.08`` are read only in
records that are older than that field, and only where an embedded agent wrote them.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.experiment import Experiment, Move, Reason, Role
from pytest_autoresearch.protocol.model import Direction

_TURN = regex(r"(?P<name>(?:[^\s,][^,]*?: )?\S+) (?P<old>\S.*?) -> (?P<new>\S.*)")
_LONGEST_DESCRIPTION = 2000  # characters; a search writes none that is longer
_WROTE_MOVES = frozenset({"", "sweep", "grid", "random", "bayes"})  # the agents of the time before the field
BLOCKED = frozenset(  # what a state itself brings about, and what it measured does not count
    {
        Reason.ERROR,
        Reason.TIMEOUT,
        Reason.MEMORY,
        Reason.NO_METRIC,
        Reason.BAD_METRIC,
        Reason.GUARD,
        Reason.LIMIT,
        Reason.HOLDOUT,
        Reason.SUSPICIOUS,
    }
)

_TAKEN_BACK = frozenset({Reason.UNPROVEN, Reason.DROPPED})  # keeps once: others stand on them


@dataclass(frozen=True, slots=True)
class Turned:
    """How a single turned knob did. ``loss`` is relative to the incumbent, positive is worse, None: not measured.

    ``blocked``: the state crashed or was not allowed, whatever it measured.
    """

    old: str
    new: str
    loss: float | None
    kept: bool = False
    blocked: bool = False


@dataclass(frozen=True, slots=True)
class Trial:
    """One measured state of the knobs: what they were turned to since their ``epoch`` began.

    ``loss`` is the metric, lower is better whatever its direction, and infinite where the state was blocked. ``parent``
    is the commit it was turned from. ``probe``: it was never meant to be kept.
    """

    number: int
    epoch: int
    values: Mapping[str, str]
    loss: float
    parent: str
    kept: bool
    probe: bool = False
    moved: int = 0


@dataclass(slots=True)
class _Epoch:
    """The time between two keeps that changed more than knobs. ``shift`` is what the later one did to the metric."""

    firsts: dict[str, str] = field(default_factory=dict)
    shift: float = 0.0


@dataclass(slots=True)
class Trials:
    """The measured states of a session in order, and the trials of each knob alone."""

    states: list[Trial] = field(default_factory=list)
    turned: dict[str, list[Turned]] = field(default_factory=dict)
    """Knobs by name, with what became of turning them alone."""
    origins: dict[str, str] = field(default_factory=dict)
    """The value every knob had before it was first turned."""
    tried: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    """Commit of an incumbent → name of a knob → the values that it alone was turned to from there."""
    number: int = 0
    """Of the experiment that is asked for, were nothing in flight."""
    levels: dict[str, float] = field(default_factory=dict)
    """Commit of a keep → its loss as it was last estimated."""
    suspicious: set[str] = field(default_factory=set)
    """Knobs that were found to be a factor of the metric, or to make it unreadable."""
    version: int = 0
    """Counts the histories that were read from the beginning: what was learnt from another one does not hold."""
    _epochs: list[_Epoch] = field(default_factory=list)
    _states: dict[str, tuple[int, Mapping[str, str]]] = field(default_factory=dict)
    _squares: float = 0.0
    _freedom: int = 0
    _level: float | None = None
    _seen: int = 0
    _kept: list[int] = field(default_factory=list)
    _last: tuple[int, str] | None = None

    def follow(self, history: Sequence[Experiment], direction: Direction) -> None:
        """Take in what is new in the history; all of it when it is not the one that was followed before."""
        if not self._goes_on_in(history):
            fresh = Trials(version=self.version + 1)
            for name in self.__dataclass_fields__:
                setattr(self, name, getattr(fresh, name))
        for at, experiment in enumerate(history[self._seen :], self._seen):
            self._take(experiment, direction)
            if experiment.kept:
                self._kept.append(at)
        self._seen = self.number = len(history)
        if history:
            self._last = history[-1].number, history[-1].commit

    @property
    def noise(self) -> float:
        """Standard deviation of one run, as far as states that were run more than once show it."""
        return math.sqrt(self._squares / self._freedom) if self._freedom else 0.0

    def count(self, name: str) -> int:
        """How often a knob was turned alone."""
        return len(self.turned.get(name, ()))

    def value(self, trial: Trial, name: str) -> str | None:
        """What a knob was in a trial; None where it is what it is now."""
        shown = trial.values.get(name)
        if shown is not None:
            return shown
        return next((epoch.firsts[name] for epoch in self._epochs[trial.epoch :] if name in epoch.firsts), None)

    def loss(self, trial: Trial) -> float:
        """The trial's loss, as if what was changed beside the knobs since had been there already."""
        return trial.loss + sum(epoch.shift for epoch in self._epochs[trial.epoch :])

    @property
    def epoch(self) -> int:
        """Counts the keeps that changed more than knobs."""
        return len(self._epochs) - 1

    def _goes_on_in(self, history: Sequence[Experiment]) -> bool:
        if not 0 < self._seen <= len(history):
            return False
        last = history[self._seen - 1]
        if (last.number, last.commit) != self._last:
            return False
        return all(history[at].kept for at in self._kept)  # a keep that was taken back makes it another history

    def _take(self, experiment: Experiment, direction: Direction) -> None:
        moves = moves_of(experiment)
        if not self._epochs:
            self._epochs.append(_Epoch())
        for move in moves:
            self.origins.setdefault(move.name, move.old)
        if experiment.reason is Reason.SUSPICIOUS and len(moves) == 1:
            self.suspicious.add(moves[0].name)
        if len(moves) == 1:
            self._take_turn(moves[0], experiment, direction)
        self._take_state(moves, experiment, direction)
        if experiment.kept and experiment.value is not None:
            self._level = experiment.value
        mine = (
            Role.CANDIDATE
            if experiment.number
            else experiment.measurements[0].role
            if experiment.measurements
            else None
        )
        values = [m.value for m in experiment.measurements if m.value is not None and m.role is mine]
        if len(values) > 1:
            self._squares += statistics.variance(values) * (len(values) - 1)
            self._freedom += len(values) - 1

    def _take_state(self, moves: Sequence[Move], experiment: Experiment, direction: Direction) -> None:
        loss = self._loss(experiment, direction)
        epoch, before = self._states.get(experiment.parent, (len(self._epochs) - 1, {}))
        values = {**before, **{move.name: move.new for move in moves}}
        if experiment.kept and not moves and experiment.number > 0:  # the code itself is another one now
            if loss is not None and self._level is not None:
                self._epochs[-1].shift = loss - direction.gain(self._level, 0.0)
            self._epochs.append(_Epoch())
            epoch, values = len(self._epochs) - 1, {}
        for move in moves:
            self._epochs[epoch].firsts.setdefault(move.name, before.get(move.name, move.old))
        if experiment.kept or experiment.reason in _TAKEN_BACK:
            self._states[experiment.commit] = epoch, values
        against = experiment.against
        if against is not None and experiment.parent in self.levels and experiment.reason is not Reason.PROBE:
            self.levels[experiment.parent] = direction.gain(against, 0.0)
        if loss is None or not (moves or experiment.kept):
            return
        if experiment.kept and math.isfinite(loss):
            self.levels[experiment.commit] = loss
        probe = experiment.reason is Reason.PROBE
        self.states.append(
            Trial(experiment.number, epoch, values, loss, experiment.parent, experiment.kept, probe, len(moves))
        )

    @staticmethod
    def _loss(experiment: Experiment, direction: Direction) -> float | None:
        if experiment.reason in BLOCKED:
            return math.inf
        return None if experiment.value is None else direction.gain(experiment.value, 0.0)

    def _take_turn(self, move: Move, experiment: Experiment, direction: Direction) -> None:
        self.tried.setdefault(experiment.parent, {}).setdefault(move.name, set()).add(move.new)
        against = experiment.against if experiment.against is not None else self._level
        blocked = experiment.reason in BLOCKED
        loss = None
        if experiment.value is not None and against is not None and not blocked:
            loss = direction.gain(experiment.value, against) / (abs(against) or 1.0)
        if blocked or loss is not None:
            turned = Turned(move.old, move.new, loss, experiment.kept, blocked)
            self.turned.setdefault(move.name, []).append(turned)


def moves_of(experiment: Experiment) -> tuple[Move, ...]:
    """The knobs that an experiment turned, and nothing but them; none where it did anything else."""
    if experiment.moves is not None:
        return experiment.moves
    return moves_in(experiment.description) if experiment.agent in _WROTE_MOVES else ()


def moves_in(description: str) -> tuple[Move, ...]:
    """The knobs that a description says were turned; none when it says anything else as well."""
    if " -> " not in description or len(description) > _LONGEST_DESCRIPTION:
        return ()
    moves = []
    for part in description.split(", "):
        match = _TURN.fullmatch(part)
        if match is None:
            return ()
        moves.append(Move(match["name"], match["old"], match["new"]))
    return tuple(moves)
