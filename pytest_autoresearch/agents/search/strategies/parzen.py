"""A multivariate Parzen estimator, after Bergstra and others, Algorithms for Hyper-Parameter Optimization (2011).

The best tenth of the trials against the rest and what is in flight: of some draws near the good ones, the one where the
ratio of the two densities is largest. Plain Python, so that it works everywhere.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence

from pytest_autoresearch.agents.search.space import Space
from pytest_autoresearch.agents.search.strategies import Suggestion
from pytest_autoresearch.agents.search.strategies.opening import opening_point
from pytest_autoresearch.agents.search.strategies.table import Places, Table
from pytest_autoresearch.agents.search.trials import Trials

OPENING = 10
_DRAWS = 48
_BEST, _MOST_BEST = 0.1, 25
_MOST_REST = 120  # kernels of the rest; more of them cost time and say little
_WIDTH, _LEAST_WIDTH = 0.2, 0.03
_PRIOR_SPREAD = 0.25  # half of the prior's draws lie so near to the start
_SAME, _OTHER = math.log(0.9), math.log(0.1)  # of a choice
_ATTEMPTS = 40
_ROOT = math.log(math.sqrt(2 * math.pi))


class Parzen:
    """All likely knobs at once; ten points of an opening first."""

    name = "parzen"

    def __init__(self) -> None:
        self._table = Table()

    def plan(self, space: Space) -> str:
        return ""

    def ask(
        self, space: Space, trials: Trials, in_flight: Sequence[Mapping[str, str]], seed: int
    ) -> Iterator[Suggestion]:
        """Draws with the largest density ratio first, then points from anywhere."""
        self._table.follow(space, trials, in_flight)
        for point in open_points(self.draw(space, self._table, random.Random(seed)), self._table):
            yield Suggestion(space.at(point), WHY)

    @staticmethod
    def draw(space: Space, table: Table, lots: random.Random) -> Iterator[Places]:
        """Places to measure, the most promising first."""
        if not table.axes:
            return
        asked = len(table.losses) + len(table.flying) - 1
        if asked < OPENING:
            for _ in range(_ATTEMPTS):
                yield opening_point(space, table, lots)
        else:
            yield from _Estimate(space, table).draws(lots)
        for _ in range(_ATTEMPTS):
            yield tuple(axis.anywhere(lots) for axis in table.axes)


WHY = "A model of all experiments so far expects a gain here (the values of the best ones are close)."


def open_points(places: Iterator[Places], table: Table) -> Iterator[tuple[str, ...]]:
    """The points at these places that nobody has measured, each once."""
    seen = set()
    for there in places:
        point = table.point_at(there)
        if point not in seen and table.is_open(point):
            seen.add(point)
            yield point


class _Estimate:
    """The two densities of one table."""

    def __init__(self, space: Space, table: Table) -> None:
        order = sorted(range(len(table.losses)), key=table.losses.__getitem__)
        good = min(math.ceil(_BEST * len(order)), _MOST_BEST)
        rest = order[good:]
        stride = max(1, math.ceil(len(rest) / _MOST_REST))
        self.axes, self.start = table.axes, table.places_of(space.start)
        self.good = [table.places[index] for index in order[:good]]
        self.rest = [*(table.places[index] for index in rest[::stride]), *table.flying]

    def draws(self, lots: random.Random) -> list[Places]:
        """Some draws, the largest density ratio first."""
        found = [self._snapped(self._drawn(lots)) for _ in range(_DRAWS)]
        good, rest = self._density(found, self.good), self._density(found, self.rest)
        ratio = [a - b for a, b in zip(good, rest, strict=True)]
        return [found[index] for index in sorted(range(len(found)), key=lambda index: -ratio[index])]

    def _snapped(self, places: Places) -> Places:
        return tuple(a.snapped(p) if not a.is_choice else p for a, p in zip(self.axes, places, strict=True))

    def _drawn(self, lots: random.Random) -> Places:
        index = lots.randrange(len(self.good) + 1)
        if index < len(self.good):
            return self._near(self.good[index], self._width(len(self.good)), lots)
        if lots.random() < 0.5:
            return tuple(axis.anywhere(lots) for axis in self.axes)
        return self._near(self.start, _PRIOR_SPREAD, lots)

    def _near(self, places: Places, width: float, lots: random.Random) -> Places:
        there = []
        for axis, place in zip(self.axes, places, strict=True):
            if axis.is_choice:
                there.append(axis.anywhere(lots) if lots.random() < 0.2 else place)
            else:
                there.append(min(max(place + lots.gauss(0, width), 0.0), 1.0))
        return tuple(there)

    def _width(self, count: int) -> float:
        return max(_WIDTH * math.pow(max(count, 1), -1 / (len(self.axes) + 4)), _LEAST_WIDTH)

    def _density(self, found: Sequence[Places], centres: Sequence[Places]) -> list[float]:
        """The log density at each draw: a kernel on every centre, and one that is flat."""
        width = self._width(len(centres))
        numbers = [index for index, axis in enumerate(self.axes) if not axis.is_choice]
        choices = [index for index, axis in enumerate(self.axes) if axis.is_choice]
        scale, constant = 0.5 / width**2, -len(numbers) * (math.log(width) + _ROOT)
        flat = sum(-math.log(len(self.axes[index].options)) for index in choices)
        densities = []
        for draw in found:
            logs = [flat]
            at = [draw[index] for index in numbers]
            for centre in centres:
                square = sum((a - centre[index]) ** 2 for a, index in zip(at, numbers, strict=True))
                same = sum(_SAME if draw[index] == centre[index] else _OTHER for index in choices)
                logs.append(constant - scale * square + same)
            top = max(logs)
            densities.append(top + math.log(sum(math.exp(each - top) for each in logs) / len(logs)))
        return densities
