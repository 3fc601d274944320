"""One knob as the models see it: a place for every value, from 0 to 1 over its range, or the index of a choice. Pure.

The range is the knob's own (the protocol's, or what its name says); a number without one reaches from a sixteenth to
sixteen times what it was when the session began. Equal files are equal points: places are those of values as written.
"""

from __future__ import annotations

import math
import random
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_autoresearch.agents.search.knob import Knob, Scale, coordinate, value_at, value_of
from pytest_autoresearch.agents.search.literals import Value

REACH = math.log(16)
_MOST_LEVELS = 64  # values that are told apart one by one
_HOPS = 6  # how often a step is made longer that would not leave the value


@dataclass(frozen=True, slots=True)
class Axis:
    """``knob`` holds the value that the session began with. ``options``: the texts of a choice, that one first.

    ``low`` and ``high`` in the knob's coordinate; ``levels`` are the places of every value where there are few of them.
    """

    knob: Knob
    options: tuple[str, ...] = ()
    low: float = 0.0
    high: float = 1.0
    levels: tuple[float, ...] = ()

    @property
    def is_choice(self) -> bool:
        """Whether values have an index instead of a place."""
        return bool(self.options)

    def place(self, shown: str) -> float:
        """Where a value lies; what lies beyond the range is pulled to its end."""
        if self.options:
            return float(self.options.index(shown)) if shown in self.options else float(len(self.options))
        value = value_of(self.knob, shown)
        there = None if value is None else coordinate(self.knob, value)
        return 0.0 if there is None else min(max((there - self.low) / (self.high - self.low), 0.0), 1.0)

    def shown_at(self, place: float) -> str:
        """The text of the value at a place, as it is written."""
        if self.options:
            return self.options[min(int(place), len(self.options) - 1)]
        value = value_at(self.knob, self.low + min(max(place, 0.0), 1.0) * (self.high - self.low))
        if value is None or (value == 0 and self.knob.scale in (Scale.LOG, Scale.LOGIT)):
            return self.knob.shown
        return self.knob.holding(value).shown

    def snapped(self, place: float) -> float:
        """The place of the nearest value, where there are few of them."""
        if not self.levels:
            return min(max(place, 0.0), 1.0)
        after = bisect_left(self.levels, place)
        around = self.levels[max(after - 1, 0) : after + 1]
        return min(around, key=lambda level: abs(level - place))

    def anywhere(self, lots: random.Random) -> float:
        """A place drawn from the whole range."""
        if self.options:
            return float(lots.randrange(len(self.options)))
        return self.snapped(lots.random())

    def near(self, place: float, spread: float, lots: random.Random) -> float:
        """Another place around one; ``spread`` as a share of the range. A choice changes to any other one."""
        if self.options:
            others = [float(index) for index in range(len(self.options)) if index != int(place)]
            return lots.choice(others) if others else place
        step = max(spread, 0.7 / (len(self.levels) - 1)) if len(self.levels) > 1 else spread
        for _ in range(_HOPS):
            there = place + lots.gauss(0, step)
            if 0 <= there <= 1 or lots.random() < 0.3:
                there = self.snapped(min(max(there, 0.0), 1.0))
                if abs(there - place) > 1e-9:
                    return there
            step *= 1.3
        return place


def axis_of(knob: Knob) -> Axis | None:
    """The axis of a knob as the session found it; None where it can not move."""
    if knob.scale in (Scale.CHOICE, Scale.FLIP):
        wanted: Sequence[Value | None]
        wanted = [value_of(knob, choice) for choice in knob.choices] if knob.choices else [not knob.value]
        texts = [knob.holding(value).shown for value in wanted if value is not None]
        options = tuple(dict.fromkeys([knob.shown, *texts]))
        return Axis(knob, options) if len(options) > 1 else None
    ends = _ends(knob)
    if ends is None or not ends[1] - ends[0] > 1e-9:
        return None
    bare = Axis(knob, (), *ends)
    levels = _levels(bare)
    return Axis(knob, (), *ends, levels) if len(levels) != 1 else None


def _ends(knob: Knob) -> tuple[float, float] | None:
    """The range in the knob's coordinate, widened until what it is now lies in it; None where it has no place."""
    here = coordinate(knob, knob.value)
    bounds = [
        there
        for bound in (knob.low, knob.high)
        if bound is not None and (there := coordinate(knob, _typed(knob, bound))) is not None
    ]
    if len(bounds) == 2:
        low, high = sorted(bounds)  # of a negative number the coordinate is that of its size
        return (low, high) if here is None else (min(low, here), max(high, here))
    if here is None:
        return None
    if knob.scale is Scale.EXPONENT:
        return here - 4 * math.log(2), here + 4 * math.log(2)
    if knob.scale is Scale.LOGIT:
        return here - math.log(8), here + math.log(8)
    if isinstance(knob.value, int):
        return max(here - REACH, 0.0), max(here + REACH, math.log(4))
    return here - REACH, here + REACH


def _typed(knob: Knob, bound: float) -> Value:
    return int(bound) if isinstance(knob.value, int) and not isinstance(knob.value, bool) else bound


def _levels(axis: Axis) -> tuple[float, ...]:
    """The places of all values of a whole number, none where there are many."""
    if not isinstance(axis.knob.value, int):
        return ()
    shown: dict[str, float] = {}
    for index in range(4 * _MOST_LEVELS + 1):
        text = axis.shown_at(index / (4 * _MOST_LEVELS))
        shown.setdefault(text, axis.place(text))
        if len(shown) > _MOST_LEVELS:
            return ()
    return tuple(sorted(set(shown.values())))
