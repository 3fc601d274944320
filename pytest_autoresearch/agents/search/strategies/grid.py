"""The proposer that walks every combination. It knows the history alone."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations, product

from pytest_autoresearch.agents.base import Briefing, Desk, Proposal
from pytest_autoresearch.agents.search.knob import Knob, value_of
from pytest_autoresearch.agents.search.space import Bench, Move
from pytest_autoresearch.agents.search.strategies.prospects import steps
from pytest_autoresearch.agents.search.strategies.sweep import nothing_left
from pytest_autoresearch.agents.search.trials import Memory

_GRID_KNOBS = 8
_GRID_FACTORS = (2.0, 0.5, 4.0, 0.25, None)


class Grid:
    """x2, x0.5, x4 and x0.25 of the eight likeliest knobs in every combination, fewest changes first.

    The grid lies around the values the session began with and does not move with the incumbent.
    """

    name = "grid"
    reads = False

    def __init__(self) -> None:
        self._bench, self._memory = Bench(), Memory()
        self._points: Iterator[Sequence[Move]] = iter(())
        self._laid_for = -1

    def propose(self, briefing: Briefing, desk: Desk) -> Proposal:
        """The first combination that was not tried."""
        self._memory.read(briefing.history, briefing.protocol.metric.direction)
        knobs = self._bench.look(briefing, desk, self._memory.origins)[:_GRID_KNOBS]
        if self._laid_for != self._bench.changes:
            self._points, self._laid_for = self._combinations(knobs), self._bench.changes
        for moves in self._points:
            if moves and self._bench.turn(desk, moves):
                return Proposal(", ".join(map(str, moves)), "The next point of the grid around the first values.")
        return nothing_left(knobs)

    def _combinations(self, knobs: Sequence[Knob]) -> Iterator[Sequence[Move]]:
        origins = [self._origin(knob) for knob in knobs]
        levels = [[s.knob.value for s in steps(origin) if s.factor in _GRID_FACTORS] for origin in origins]
        for count in range(1, len(knobs) + 1):
            for chosen in combinations(range(len(knobs)), count):
                for values in product(*(levels[index] for index in chosen)):
                    point = [origin.value for origin in origins]
                    for index, value in zip(chosen, values, strict=True):
                        point[index] = value
                    yield self._bench.moves_to(knobs, point)

    def _origin(self, knob: Knob) -> Knob:
        """The knob as the session found it."""
        shown = self._memory.origins.get(self._bench.name_of(knob))
        value = None if shown is None else value_of(knob, shown)
        return knob if value is None else knob.holding(value)
