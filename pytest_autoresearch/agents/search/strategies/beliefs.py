"""What is believed of points that nobody has measured, from the trials so far."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING
from typing import Protocol as Interface

from pytest_autoresearch.agents.search.space import Point
from pytest_autoresearch.agents.search.strategies.table import Places, Table

if TYPE_CHECKING:
    from pytest_autoresearch.agents.search.strategies.gaussian import Gaussian

_WIDTH = 0.2  # of the kernel, as a share of the range
_MOST = 150  # trials that are reckoned with, the best ones


class Beliefs(Interface):
    """Losses on a scale of their own; ``noise`` is the standard deviation of one run on it."""

    noise: float

    def best(self, table: Table, allowed: Callable[[Point], bool]) -> Point | None:
        """The measured point that is believed to be the best of those allowed."""

    def means(self, points: Sequence[Point], table: Table) -> Sequence[float]:
        """The losses that points are believed to have."""


class Smooth:
    """A measured point is what it measured; others are a mean of their surroundings. Needs nothing."""

    def __init__(self, table: Table, noise: float) -> None:
        self.noise = noise
        finite = [index for index, loss in enumerate(table.losses) if math.isfinite(loss)]
        self._taken = sorted(finite, key=table.losses.__getitem__)[:_MOST]
        self._measured = {table.points[index]: table.losses[index] for index in finite}

    def best(self, table: Table, allowed: Callable[[Point], bool]) -> Point | None:
        return next((table.points[index] for index in self._taken if allowed(table.points[index])), None)

    def means(self, points: Sequence[Point], table: Table) -> Sequence[float]:
        return [
            self._measured[point] if point in self._measured else self._mean(table.places_of(point), table)
            for point in points
        ]

    def _mean(self, places: Places, table: Table) -> float:
        """Nadaraya-Watson with a Gaussian kernel."""
        weights = []
        for index in self._taken:
            apart = sum(
                (0.5 * (a != b) if axis.is_choice else (a - b) ** 2)
                for axis, a, b in zip(table.axes, places, table.places[index], strict=True)
            )
            weights.append(-apart / (2 * _WIDTH**2))
        top = max(weights)
        shares = [math.exp(weight - top) for weight in weights]
        losses = (share * table.losses[index] for share, index in zip(shares, self._taken, strict=True))
        return sum(losses) / sum(shares)


class Posterior:
    """What a Gaussian process believes. ``noise`` in the metric's units; without any, measured is measured."""

    def __init__(self, model: Gaussian, table: Table, noise: float) -> None:
        self.noise, self._model = noise * model.unit, model
        measured = zip(table.points, model.losses, strict=True) if noise == 0 else ()
        self._measured = {point: float(loss) for point, loss in measured}

    def best(self, table: Table, allowed: Callable[[Point], bool]) -> Point | None:
        model = self._model
        means = [float(each) for each in (model.losses[model.taken] if self._measured else model.means)]
        order = sorted(range(len(means)), key=lambda index: (means[index], model.taken[index]))
        finite = (model.taken[index] for index in order if math.isfinite(table.losses[model.taken[index]]))
        return next((table.points[index] for index in finite if allowed(table.points[index])), None)

    def means(self, points: Sequence[Point], table: Table) -> Sequence[float]:
        mean, _ = self._model.predict([table.places_of(point) for point in points])
        return [self._measured.get(point, float(each)) for point, each in zip(points, mean, strict=True)]
