"""The proposer that draws lots. It knows the history alone."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence

from pytest_autoresearch.agents.base import Briefing, Desk, Proposal
from pytest_autoresearch.agents.search.knob import Knob, Scale, coordinate, value_at, value_of
from pytest_autoresearch.agents.search.literals import Value
from pytest_autoresearch.agents.search.space import Bench, Move
from pytest_autoresearch.agents.search.strategies.sweep import nothing_left
from pytest_autoresearch.agents.search.trials import Memory

REACH = math.log(8)  # literals have no bounds of their own: lots are drawn between an eighth and eight times
_DRAWS = 300


class Random:
    """One to three knobs at values drawn between an eighth and eight times what they are, likely knobs more often."""

    name = "random"
    reads = False

    def __init__(self) -> None:
        self._bench, self._memory = Bench(), Memory()

    def propose(self, briefing: Briefing, desk: Desk) -> Proposal:
        """The first draw that is no state that was tried; the lots depend on the briefing's seed alone."""
        self._memory.read(briefing.history, briefing.protocol.metric.direction)
        knobs = self._bench.look(briefing, desk, self._memory.origins)
        lots = random.Random(briefing.seed)
        for _ in range(_DRAWS if knobs else 0):
            moves = _draw(self._bench, knobs, lots)
            if moves and self._bench.turn(desk, moves):
                return Proposal(", ".join(map(str, moves)), "Drawn at random; nothing speaks for it or against it.")
        return nothing_left(knobs)


def _draw(bench: Bench, knobs: Sequence[Knob], lots: random.Random) -> Sequence[Move]:
    count = lots.choice((1, 1, 1, 1, 2, 2, 3))
    weights = [0.25**knob.rank for knob in knobs]
    chosen = dict.fromkeys(lots.choices(range(len(knobs)), weights, k=count))
    point: list[Value] = [knob.value for knob in knobs]
    for index in chosen:
        value = _lot(knobs[index], lots)
        point[index] = knobs[index].value if value is None else value
    return bench.moves_to(knobs, point)


def _lot(knob: Knob, lots: random.Random) -> Value | None:
    if knob.scale is Scale.FLIP:
        return not knob.value
    if knob.scale is Scale.CHOICE:
        return value_of(knob, lots.choice(knob.choices))
    here = coordinate(knob, knob.value)
    return None if here is None else value_at(knob, lots.uniform(here - REACH, here + REACH))
