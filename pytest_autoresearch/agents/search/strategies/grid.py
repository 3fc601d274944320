"""Every combination of a few levels. It weighs nothing: the levels lie around the values the session began with."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations, product

from pytest_autoresearch.agents.search.space import Space
from pytest_autoresearch.agents.search.strategies import Suggestion
from pytest_autoresearch.agents.search.strategies.prospects import steps
from pytest_autoresearch.agents.search.strategies.table import Table
from pytest_autoresearch.agents.search.trials import Trials

_MOST_KNOBS = 8
_FACTORS = (2.0, 0.5, 4.0, 0.25, None)


class Grid:
    """x2, x0.5, x4 and x0.25 of the eight likeliest knobs in every combination, fewest changes first.

    Choices have all of their values as levels. The grid does not move with the incumbent.
    """

    name = "grid"

    def __init__(self) -> None:
        self._table = Table()

    def plan(self, space: Space) -> str:
        """The levels of each knob, and how many points they make."""
        levels = self._levels(space)
        size = math.prod(len(each) for each in levels) - 1
        knobs = ", ".join(f"{name} {'|'.join(each)}" for name, each in zip(space.modelled, levels, strict=False))
        more = len(space.modelled) - len(levels)
        rest = f"; {more} less likely {'knob stays' if more == 1 else 'knobs stay'} as found" if more else ""
        return f"grid: {size} points beside the start: {knobs}{rest}" if size else ""

    def ask(
        self, space: Space, trials: Trials, in_flight: Sequence[Mapping[str, str]], seed: int
    ) -> Iterator[Suggestion]:
        """The combinations that were not measured, in order."""
        self._table.follow(space, trials, in_flight)
        levels = self._levels(space)
        most = 1 if space.one_variable else len(levels)
        for count in range(1, most + 1):
            for chosen in combinations(range(len(levels)), count):
                for texts in product(*(levels[index][1:] for index in chosen)):
                    point = list(space.start)
                    for index, text in zip(chosen, texts, strict=True):
                        point[index] = text
                    if self._table.is_open(tuple(point)):
                        yield Suggestion(space.at(tuple(point)), "The next point of the grid around the first values.")

    @staticmethod
    def _levels(space: Space) -> Sequence[Sequence[str]]:
        """The values of each knob, the one it began with first."""
        origins = [axis.knob for axis in space.axes[:_MOST_KNOBS]]
        return [[k.shown, *(step.knob.shown for step in steps(k) if step.factor in _FACTORS)] for k in origins]
