"""Points drawn anywhere in the ranges. It weighs nothing and knows of the history only what was tried."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence

from pytest_autoresearch.agents.search.space import Space
from pytest_autoresearch.agents.search.strategies import Suggestion
from pytest_autoresearch.agents.search.strategies.table import Table
from pytest_autoresearch.agents.search.trials import Trials

_DRAWS = 300


class Random:
    """Every knob anywhere in its range; with ``one_variable`` one knob anywhere in its range."""

    name = "random"

    def __init__(self) -> None:
        self._table = Table()

    def plan(self, space: Space) -> str:
        return ""

    def ask(
        self, space: Space, trials: Trials, in_flight: Sequence[Mapping[str, str]], seed: int
    ) -> Iterator[Suggestion]:
        """Draws that were not measured; the lots depend on the seed alone."""
        self._table.follow(space, trials, in_flight)
        lots = random.Random(seed)
        for _ in range(_DRAWS if space.axes else 0):
            point = self._table.point_at([axis.anywhere(lots) for axis in space.axes])
            if space.one_variable:
                index = lots.randrange(len(point))
                point = (*space.tip[:index], point[index], *space.tip[index + 1 :])
            if self._table.is_open(point):
                yield Suggestion(space.at(point), "Drawn at random; nothing speaks for it or against it.")
