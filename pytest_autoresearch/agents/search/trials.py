"""What the history says about knobs, read from descriptions like ``LEARNING_RATE 0.04 -> 0.08``. Touches nothing.

The history is the only memory: a fresh object that reads it knows what an old one knows.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from pytest_autoresearch.protocol.experiment import Experiment, Reason
from pytest_autoresearch.protocol.model import Direction

_TURN = re.compile(r"(?P<name>(?:[^\s,][^,]*?: )?\S+) (?P<old>\S.*?) -> (?P<new>\S.*)")
_LONGEST_DESCRIPTION = 2000  # characters; a search writes none that is longer
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
    }
)


@dataclass(frozen=True, slots=True)
class Turn:
    """One knob turned, as a description has it."""

    name: str
    old: str
    new: str


@dataclass(frozen=True, slots=True)
class Trial:
    """How a single turned knob did. ``loss`` is relative to the incumbent, positive is worse, None: not measured.

    ``blocked``: the state crashed or was not allowed, whatever it measured.
    """

    old: str
    new: str
    loss: float | None
    kept: bool = False
    blocked: bool = False


@dataclass(slots=True)
class Memory:
    """Knobs by name, with their trials in order."""

    trials: dict[str, list[Trial]] = field(default_factory=dict)
    origins: dict[str, str] = field(default_factory=dict)
    """The value every knob had before it was first turned."""
    tried: dict[str, dict[str, set[str]]] = field(default_factory=dict)
    """Commit of an incumbent → name of a knob → the values that it alone was turned to from there."""
    _level: float | None = None
    _seen: int = 0
    _last: tuple[int, str] | None = None

    def read(self, history: Sequence[Experiment], direction: Direction) -> None:
        """Take in what is new in the history; all of it when it is not the one that was read before."""
        if not self._goes_on_in(history):
            self.trials, self.origins, self.tried, self._level, self._seen = {}, {}, {}, None, 0
        for experiment in history[self._seen :]:
            self._take(experiment, direction)
        self._seen = len(history)
        if history:
            self._last = history[-1].number, history[-1].commit

    def count(self, name: str) -> int:
        """How many trials a knob has had."""
        return len(self.trials.get(name, ()))

    def _goes_on_in(self, history: Sequence[Experiment]) -> bool:
        if not 0 < self._seen <= len(history):
            return False
        last = history[self._seen - 1]
        return (last.number, last.commit) == self._last

    def _take(self, experiment: Experiment, direction: Direction) -> None:
        turns = turns_in(experiment.description)
        for turn in turns:
            self.origins.setdefault(turn.name, turn.old)
        if len(turns) == 1:
            self._take_turn(turns[0], experiment, direction)
        if experiment.kept and experiment.value is not None:
            self._level = experiment.value

    def _take_turn(self, turn: Turn, experiment: Experiment, direction: Direction) -> None:
        self.tried.setdefault(experiment.parent, {}).setdefault(turn.name, set()).add(turn.new)
        against = experiment.against if experiment.against is not None else self._level
        blocked = experiment.reason in BLOCKED
        loss = None
        if experiment.value is not None and against is not None and not blocked:
            loss = direction.gain(experiment.value, against) / (abs(against) or 1.0)
        if blocked or loss is not None:
            trial = Trial(turn.old, turn.new, loss, experiment.kept, blocked)
            self.trials.setdefault(turn.name, []).append(trial)


def turns_in(description: str) -> tuple[Turn, ...]:
    """The knobs that a description says were turned; none when it says anything else as well."""
    if " -> " not in description or len(description) > _LONGEST_DESCRIPTION:
        return ()
    turns = []
    for part in description.split(", "):
        match = _TURN.fullmatch(part)
        if match is None:
            return ()
        turns.append(Turn(match["name"], match["old"], match["new"]))
    return tuple(turns)
