"""From points of several knobs to single steps that the judge can keep, one variable at a time. Pure.

Whatever strategy is inside: a suggestion of several knobs goes out as a probe. Once the best point is believed to beat
the tip, the knobs that it needs are proposed one by one, the largest predicted effect first. Two knobs that gain only
together, each tried alone from here, go as one step that says so.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Protocol as Interface

from pytest_autoresearch.agents.search.space import Point, Space
from pytest_autoresearch.agents.search.strategies import Strategy, Suggestion
from pytest_autoresearch.agents.search.strategies.beliefs import Beliefs, Smooth
from pytest_autoresearch.agents.search.strategies.table import Table
from pytest_autoresearch.agents.search.trials import Trials

_ERRORS = 2.0  # standard errors that a gain has to exceed before it is worth steps
_SHARE = 0.1  # of all that was gained; less waits for more of it
_OVERDUE = 4  # probes for each step, after which a smaller gain is worth them as well
_MOST_PAIRS = 3  # tried from one tip
_NEEDLESS = 0.03  # of the gain; a knob that is not needed costs less
_NOISE_SHARE = 0.25  # of the noise of a run, likewise


class Modelled(Strategy, Interface):
    """A strategy with beliefs of its own."""

    def beliefs(self, space: Space, trials: Trials, table: Table) -> Beliefs | None:
        """What it believes of this table; None while it knows too little."""


@dataclass(frozen=True, slots=True)
class _Climb:
    """Where to: the knobs (by index) that lead from the tip to ``goal``, and what is believed of both."""

    goal: Point
    needed: tuple[int, ...]
    beliefs: Beliefs


class Ladder:
    """Makes a strategy's points explainable."""

    def __init__(self, inside: Strategy) -> None:
        self.name, self._inside, self._table = inside.name, inside, Table()

    def plan(self, space: Space) -> str:
        """What the strategy inside has to say."""
        return self._inside.plan(space)

    def ask(
        self, space: Space, trials: Trials, in_flight: Sequence[Mapping[str, str]], seed: int
    ) -> Iterator[Suggestion]:
        """The next step of a climb, where there is one; then what the strategy inside wants to know."""
        self._table.follow(space, trials, in_flight)
        climb = self._climb(space, trials)
        if climb is not None:
            yield from self._steps(space, trials, climb)
        for suggestion in self._inside.ask(space, trials, in_flight, seed):
            if space.one_variable or space.left == 1:  # nobody would learn from a probe
                yield from self._singles(space, suggestion)
            else:
                yield suggestion

    # Whether to climb

    def _climb(self, space: Space, trials: Trials) -> _Climb | None:
        table = self._table
        if not math.isfinite(min(table.losses, default=math.inf)) or not space.axes:
            return None
        beliefs = self._beliefs(space, trials)
        avoided = {move for move, blocked in _alone(trials) if blocked}
        goal = beliefs.best(table, lambda point: avoided.isdisjoint(zip(space.modelled, point, strict=True)))
        if goal is None:
            return None
        needed = [index for index, (a, b) in enumerate(zip(goal, space.tip, strict=True)) if a != b]
        if not needed:
            return None
        at_goal, at_tip, at_start = beliefs.means([goal, space.tip, space.start], table)
        gain, total = at_tip - at_goal, at_start - at_goal
        if gain <= _ERRORS * beliefs.noise or gain <= 0:
            return None
        goal, needed = self._without_needless(space, beliefs, goal, needed, gain)
        probes = sum(trial.probe for trial in trials.states if trial.parent == space.commit)
        is_last_call = space.left is not None and space.left <= len(needed) + 1
        if gain < _SHARE * total and probes < _OVERDUE * len(needed) and not is_last_call and not space.one_variable:
            return None
        return _Climb(goal, tuple(needed), beliefs)

    def _beliefs(self, space: Space, trials: Trials) -> Beliefs:
        own = getattr(self._inside, "beliefs", None)
        beliefs: Beliefs | None = None if own is None else own(space, trials, self._table)
        return Smooth(self._table, trials.noise) if beliefs is None else beliefs

    def _without_needless(
        self, space: Space, beliefs: Beliefs, goal: Point, needed: list[int], gain: float
    ) -> tuple[Point, list[int]]:
        """The goal with those knobs put back, one after the other, that it is believed to lose little by."""
        room = max(_NEEDLESS * gain, _NOISE_SHARE * beliefs.noise)
        (at_goal,) = beliefs.means([goal], self._table)
        while len(needed) > 1:
            without = [_with(goal, index, space.tip[index]) for index in needed]
            losses = beliefs.means(without, self._table)
            least = min(range(len(needed)), key=losses.__getitem__)
            if losses[least] - at_goal > room:
                break
            goal = without[least]
            del needed[least]
        return goal, needed

    # Where to step

    def _steps(self, space: Space, trials: Trials, climb: _Climb) -> Iterator[Suggestion]:
        """Single knobs that are expected to gain alone; where none is left, two that are expected to gain together."""
        failed = {move for move, blocked in _alone(trials) if not blocked}
        singles = {index: _with(space.tip, index, climb.goal[index]) for index in climb.needed}
        losses = dict(zip(singles, climb.beliefs.means(list(singles.values()), self._table), strict=True))
        (at_tip,) = climb.beliefs.means([space.tip], self._table)

        def promise(index: int) -> tuple[bool, float]:
            return (space.modelled[index], climb.goal[index]) in failed, losses[index]

        hopeful = [index for index in sorted(singles, key=promise) if losses[index] < at_tip or len(singles) == 1]
        opened = [index for index in hopeful if self._table.may_be_judged(singles[index])]
        for index in opened:
            yield self._single(space, climb, index)
        if not opened and not space.one_variable:
            yield from self._pairs(space, climb, singles, at_tip)

    def _single(self, space: Space, climb: _Climb, index: int) -> Suggestion:
        return Suggestion(
            {space.modelled[index]: climb.goal[index]},
            f"Part of a point that beat the tip: {space.metric} is expected to gain most by this knob now.",
        )

    def _pairs(self, space: Space, climb: _Climb, singles: Mapping[int, Point], at_tip: float) -> Iterator[Suggestion]:
        """The most promising pair: those of its knobs alone that were not tried from here, then both."""
        pairs = {
            (one, other): _with(singles[one], other, climb.goal[other]) for one, other in combinations(climb.needed, 2)
        }
        if not pairs or sum(point in self._table.judged for point in pairs.values()) >= _MOST_PAIRS:
            return
        losses = dict(zip(pairs, climb.beliefs.means(list(pairs.values()), self._table), strict=True))
        for pair in sorted(pairs, key=losses.__getitem__):
            if self._table.may_be_judged(pairs[pair]) and losses[pair] < at_tip:
                untried = [index for index in pair if self._table.may_be_judged(singles[index])]
                yield from (self._single(space, climb, index) for index in untried)
                if not untried:
                    one, other = (space.modelled[index] for index in pair)
                    yield Suggestion(
                        {one: climb.goal[pair[0]], other: climb.goal[pair[1]]},
                        f"Alone neither of {one} and {other} was a gain; the best point so far has both.",
                        joint=True,
                    )

    def _singles(self, space: Space, suggestion: Suggestion) -> Iterator[Suggestion]:
        """The knobs of a suggestion one by one, those first that are expected to do most alone."""
        tip = space.at(space.tip)
        for name, shown in suggestion.values.items():
            if shown != tip.get(name, shown):
                point = _with(space.tip, space.modelled.index(name), shown) if name in tip else None
                if point is None or self._table.may_be_judged(point):
                    yield replace(suggestion, values={name: shown})


def _with(point: Point, index: int, shown: str) -> Point:
    return (*point[:index], shown, *point[index + 1 :])


def _alone(trials: Trials) -> Iterator[tuple[tuple[str, str], bool]]:
    """Steps of one knob that were not kept, and whether they were blocked, whatever they measured."""
    for name, turned in trials.turned.items():
        for each in turned:
            if not each.kept:
                yield (name, each.new), each.blocked
