"""How promising each move of one knob is, judged from the trials of that knob alone. Pure.

A knob's trials make a profile: how much worse or better each value was, relative to the value the knob has now. Losses
of different trials are added up along the chain of values, as if knobs did not interact; they do, so what lost long ago
is tried again, late.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from typing import NamedTuple

from pytest_autoresearch.agents.search.knob import Knob, Rank, Scale, coordinate, shifted, value_of
from pytest_autoresearch.agents.search.literals import Value
from pytest_autoresearch.agents.search.trials import Turned

COARSE = (2.0, 0.5)
FINE = (1.5, 1 / 1.5, 1.25, 0.8, 1.1, 1 / 1.1, 1.05, 1 / 1.05)
BOLD = (4.0, 0.25, 8.0, 0.125)
WORTH_FOLLOWING = 0.003  # a win below this share of the metric waits until the other likely knobs were looked at


class Tier(IntEnum):
    """Why a move is made; the first kind there is goes first."""

    PUSH = 0  # it won in this direction, and nothing is known beyond
    OPEN_CONSTANT = 1  # x2 and x0.5 of what was never turned
    OPEN_DEFAULT = 2
    FINE = 3  # the values around predict a gain
    OPEN_NAMED = 4
    SMALL = 5  # a smaller step that nothing speaks for
    AGAIN = 6  # it lost when the other knobs stood elsewhere
    OPEN_LITERAL = 7
    BOLD = 8  # a large step, outside of the turns that are for them
    DEAD = 9  # no value of this knob made any difference
    BLOCKED = 10  # as far as, or beyond, what crashed


_OPEN = {
    Rank.CONSTANT: Tier.OPEN_CONSTANT,
    Rank.DEFAULT: Tier.OPEN_DEFAULT,
    Rank.NAMED: Tier.OPEN_NAMED,
    Rank.LITERAL: Tier.OPEN_LITERAL,
}


_Point = tuple[float, float]
"""A measured place relative to now, and its loss."""


class Step(NamedTuple):
    """A move that the knob can make. ``place`` is its coordinate relative to now; None for flags and choices."""

    factor: float | None
    knob: Knob
    place: float | None


class Prospect(NamedTuple):
    """A step and what speaks for it; the smallest is the most promising. ``loss`` is the expected relative loss."""

    tier: Tier
    loss: float
    order: int
    step: Step


def steps(knob: Knob) -> tuple[Step, ...]:
    """Every move that the knob can make, coarse ones first, no value twice."""
    wanted: list[tuple[float | None, Value | None]]
    if knob.scale is Scale.CHOICE:
        wanted = [(None, value_of(knob, choice)) for choice in knob.choices]
    elif knob.scale is Scale.FLIP:
        wanted = [(None, not knob.value)]
    else:
        wanted = [(factor, shifted(knob, factor)) for factor in (*COARSE, *FINE, *BOLD)]
    here, known, found = coordinate(knob, knob.value), {knob.text}, []
    for factor, value in wanted:
        if value is None:
            continue
        moved = knob.holding(value)
        there = coordinate(knob, value)
        if moved.text not in known:
            known.add(moved.text)
            found.append(Step(factor, moved, None if here is None or there is None else there - here))
    return tuple(found)


@dataclass(slots=True)
class Profile:
    """What is known around the knob's present value. ``losses``: shown value → relative loss against now.

    ``won`` is the step (in coordinates) that the knob was last kept with, ``gain`` what it brought; ``below`` and
    ``above`` are the nearest measured places and their losses; ``floor`` and ``roof`` the nearest places that crashed.
    """

    losses: dict[str, float] = field(default_factory=dict)
    blocked: set[str] = field(default_factory=set)
    won: float = 0.0
    gain: float = 0.0
    below: _Point | None = None
    above: _Point | None = None
    floor: float = -math.inf
    roof: float = math.inf
    crashes_below: int = 0
    crashes_above: int = 0

    @property
    def response(self) -> float:
        """The largest difference that this knob ever made."""
        return max(map(abs, self.losses.values()), default=0.0)


def profile(knob: Knob, trials: Sequence[Turned]) -> Profile:
    """The trials of one knob, seen from its present value."""
    seen, levels = Profile(), {}
    for trial in trials:
        if trial.blocked or trial.loss is None:
            seen.blocked.add(trial.new)
            continue
        seen.blocked.discard(trial.new)
        if trial.old not in levels:
            levels = {trial.old: 0.0}  # somebody else moved the knob: the chain begins anew
        levels[trial.new] = levels[trial.old] + trial.loss
        if trial.kept:
            old, new = _place(knob, trial.old), _place(knob, trial.new)
            seen.won = 0.0 if old is None or new is None else new - old
            seen.gain = -trial.loss
    here = _place(knob, knob.shown)
    if knob.shown in levels:
        seen.losses = {shown: level - levels[knob.shown] for shown, level in levels.items() if shown != knob.shown}
    if here is None:
        return seen
    for shown, loss in seen.losses.items():
        place = _place(knob, shown)
        if place is not None and place < here and (seen.below is None or place - here > seen.below[0]):
            seen.below = place - here, loss
        if place is not None and place > here and (seen.above is None or place - here < seen.above[0]):
            seen.above = place - here, loss
    for shown in seen.blocked:
        place = _place(knob, shown)
        if place is not None and place < here:
            seen.floor, seen.crashes_below = max(seen.floor, place - here), seen.crashes_below + 1
        if place is not None and place > here:
            seen.roof, seen.crashes_above = min(seen.roof, place - here), seen.crashes_above + 1
    return seen


def _place(knob: Knob, shown: str) -> float | None:
    value = value_of(knob, shown)
    return None if value is None else coordinate(knob, value)


def prospects(known: Profile, moves: Sequence[Step], rank: Rank) -> list[Prospect]:
    """Every move with what speaks for it, the most promising first."""
    return sorted(Prospect(*_judge(known, step, rank), order, step) for order, step in enumerate(moves))


def _judge(known: Profile, step: Step, rank: Rank) -> tuple[Tier, float]:
    """The tier and the expected loss of one step."""
    shown, place = step.knob.shown, step.place
    if shown in known.blocked or (place is not None and not known.floor < place < known.roof):
        return Tier.BLOCKED, 0.0
    if known.losses and not known.response:
        return Tier.DEAD, 0.0
    if shown in known.losses:
        return Tier.AGAIN, known.losses[shown]
    if place is None or step.factor is None:
        return _OPEN[rank], 0.0
    ahead, behind = (known.above, known.below) if place > 0 else (known.below, known.above)
    if ahead is None:
        return _into_the_unknown(known, behind, step.factor, place, rank)
    if abs(place) > abs(ahead[0]):
        return Tier.BOLD, ahead[1]
    loss = _parabola(behind, ahead, place)
    return (Tier.FINE if loss < 0 else Tier.SMALL), loss


def _into_the_unknown(
    known: Profile, behind: _Point | None, factor: float, place: float, rank: Rank
) -> tuple[Tier, float]:
    """A step in a direction where nothing was measured yet."""
    if factor in BOLD:
        return Tier.BOLD, 0.0
    crashes = known.crashes_above if place > 0 else known.crashes_below
    if crashes > 1:
        return Tier.BLOCKED, 0.0  # two smaller and smaller steps failed: there is a wall
    if known.won * place > 0 and known.gain > 0:
        follow = known.gain >= WORTH_FOLLOWING and not crashes
        return (Tier.PUSH if follow else Tier.FINE), -known.gain * math.exp(-abs(place - known.won))
    if factor in COARSE:
        return _OPEN[rank], 0.0
    if crashes and behind is not None and behind[1] > 0:
        return Tier.FINE, behind[1] * place / behind[0] / 2  # half of what the slope says
    return Tier.SMALL, 0.0


def _parabola(behind: _Point | None, ahead: _Point, place: float) -> float:
    """The loss at ``place`` on the parabola through the present value and its neighbours; a line with only one."""
    there, loss = ahead
    if behind is None:
        return loss * place / there
    back, other = behind
    return other * place * (place - there) / (back * (back - there)) + loss * place * (place - back) / (
        there * (there - back)
    )
