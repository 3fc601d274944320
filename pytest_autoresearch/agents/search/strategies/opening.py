"""The first points of a model, which knows nothing yet. Pure.

Each knob moves with chance one half, to anywhere in its range; while the start is not among the best third, every other
point moves all of them: it is a poor place to stay near to. Where half of the points crash, the next ones stay near the
best one and move one knob or two.
"""

from __future__ import annotations

import math
import random

from pytest_autoresearch.agents.search.space import Space
from pytest_autoresearch.agents.search.strategies.table import Places, Table

_NEAR = 0.15
_WARY = 3  # points before crashes say anything


def opening_point(space: Space, table: Table, number: int, lots: random.Random) -> Places:
    """The ``number``-th point of an opening."""
    start = table.places_of(space.start)
    crashes = sum(not math.isfinite(loss) for loss in table.losses)
    if len(table.losses) >= _WARY and 2 * crashes >= len(table.losses) - 1:
        best = table.places[min(range(len(table.losses)), key=table.losses.__getitem__)]
        return moved(best, table, lots, count=lots.choice((1, 1, 2)), spread=_NEAR)
    far = tuple(axis.anywhere(lots) for axis in table.axes)
    if number % 2 and not _start_is_good(table):
        return far
    share = [lots.random() < 0.5 for _ in far]
    return tuple(there if moves else here for moves, there, here in zip(share, far, start, strict=True))


def moved(places: Places, table: Table, lots: random.Random, *, count: int, spread: float) -> Places:
    """So many knobs moved a little from these places."""
    there = list(places)
    for index in lots.sample(range(len(there)), min(count, len(there))):
        there[index] = table.axes[index].near(there[index], spread, lots)
    return tuple(there)


def _start_is_good(table: Table) -> bool:
    """Whether the start is among the best third of what was measured; the first trial is the baseline."""
    if len(table.losses) < 3:
        return True
    better = sum(loss < table.losses[0] for loss in table.losses)
    return 3 * better < len(table.losses)
