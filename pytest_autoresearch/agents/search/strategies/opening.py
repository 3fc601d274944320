"""The first points of a search, which knows nothing yet. Pure.

What people use lies in the middle of a range more often than at its ends: one point there tells whether a start is
good. Of the first points of a model each knob moves from the tip with chance one third, to anywhere in its range: what
is found is then a few steps away. Where half of the points crash, the next ones stay near the best one and move one
knob or two.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator

from pytest_autoresearch.agents.search.space import Point, Space
from pytest_autoresearch.agents.search.strategies.table import Places, Table
from pytest_autoresearch.agents.search.trials import Trials

_FAR = 0.1  # of a range; a step that is shorter tells little
_NEAR = 0.15
_SHARE = 1 / 3
_WARY = 3  # points before crashes say anything


def middle_of(space: Space) -> Point:
    """Every number in the middle of its range where the session's start lies far from there; choices stay."""
    return tuple(
        shown if axis.is_choice or abs(axis.place(shown) - 0.5) < _FAR else axis.shown_at(axis.snapped(0.5))
        for axis, shown in zip(space.axes, space.start, strict=True)
    )


def steps_to(point: Point, space: Space, trials: Trials) -> Iterator[tuple[str, str]]:
    """A knob and its value there, for those that are elsewhere and were not tried there; the farthest first."""
    away = zip(space.modelled, space.axes, space.tip, point, strict=True)
    found = [(-abs(axis.place(there) - axis.place(here)), name, there) for name, axis, here, there in away]
    for apart, name, there in sorted(found, key=lambda each: each[0]):
        if apart and all(turned.new != there for turned in trials.turned.get(name, ())):
            yield name, there


def opening_point(space: Space, table: Table, lots: random.Random) -> Places:
    """A point of an opening."""
    tip = table.places_of(space.tip)
    crashes = sum(not math.isfinite(loss) for loss in table.losses)
    if len(table.losses) >= _WARY and 2 * crashes >= len(table.losses) - 1:
        best = table.places[min(range(len(table.losses)), key=table.losses.__getitem__)]
        return moved(best, table, lots, count=lots.choice((1, 1, 2)), spread=_NEAR)
    far = tuple(axis.anywhere(lots) for axis in table.axes)
    share = [lots.random() < _SHARE for _ in far]
    return tuple(there if moves else here for moves, there, here in zip(share, far, tip, strict=True))


def moved(places: Places, table: Table, lots: random.Random, *, count: int, spread: float) -> Places:
    """So many knobs moved a little from these places."""
    there = list(places)
    for index in lots.sample(range(len(there)), min(count, len(there))):
        there[index] = table.axes[index].near(there[index], spread, lots)
    return tuple(there)
