"""What would make a metric less noisy here, and whether the machine moves: read from A/A runs. Pure."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from pytest_autoresearch.judge.wander import Wander

REPEATS = 5  # inside one run: what a benchmark of a few seconds can afford
FEWEST_BLOCKS = 6  # of that many runs; fewer tell no spread
FEWEST_PAIRS = 4  # of runs with one seed
GAPS = (1, 8, 32)  # runs: neighbours, and what lies as far apart as two looks at an incumbent
BLOCK = 5  # runs whose median smooths the level
LIKELY = 0.7  # that the machine moves: a warning before the night costs nothing
JUMP = 8.0  # usual moves of the smoothed level in one: a step. The largest of 40 normal ones is 4 to 5


@dataclass(frozen=True)
class Remedies:
    """``machine``: ``drift``, ``steps``, ``uneven noise`` (runs scatter unlike each other), or empty.

    ``repeats``: the deviation of what a run would report that took the mean, the median or the min of 5 inner repeats,
    in deviations of one; empty for too few runs. ``seed``: the share of the variance that the seed accounts for, so
    that runs of one seed have it in common; None where too few runs shared one.
    """

    machine: str = ""
    repeats: Mapping[str, float] | None = None
    seed: float | None = None


def remedies(values: Sequence[float], seeds: Sequence[int | None]) -> Remedies:
    """From the metrics of runs of one state in the order in which they were made, and their seeds."""
    return Remedies(machine(values), repeats(values), seed_share(values, seeds))


def machine(values: Sequence[float]) -> str:
    """``drift`` or ``steps`` where runs that lie apart differ more than neighbours do; see :class:`Remedies`."""
    found = Wander()
    usual = statistics.fmean([(b - a) ** 2 / 2 for a, b in pairwise(values)]) if len(values) > 1 else 0.0
    for gap in GAPS if usual else ():
        for index in range(0, len(values) - gap, max(1, gap // 4)):
            found = found.seen((values[index + gap] - values[index]) ** 2 / usual, gap)
    smooth = [statistics.median(values[i : i + BLOCK]) for i in range(0, len(values) - BLOCK + 1, BLOCK)]
    moves = [abs(b - a) for a, b in pairwise(smooth)]
    if moves and max(moves) > JUMP * statistics.median(moves):
        return "steps"
    return "drift" if found.moving >= LIKELY else found.word  # many small steps are a drift


def repeats(values: Sequence[float]) -> Mapping[str, float] | None:
    """See :class:`Remedies`; from blocks of neighbours, as the repeats inside a run are neighbours too."""
    blocks = [values[i : i + REPEATS] for i in range(0, len(values) - REPEATS + 1, REPEATS)]
    one = statistics.stdev(values) if len(values) > 1 else 0.0
    if len(blocks) < FEWEST_BLOCKS or not one:
        return None
    ways: Mapping[str, Callable[[Sequence[float]], float]]
    ways = {"mean": statistics.fmean, "median": statistics.median, "min": min}
    return {name: statistics.stdev([way(block) for block in blocks]) / one for name, way in ways.items()}


def seed_share(values: Sequence[float], seeds: Sequence[int | None]) -> float | None:
    """The correlation of two runs that had the same seed."""
    first: dict[int, float] = {}
    apart = []
    for value, seed in zip(values, seeds, strict=True):
        if seed is not None and seed in first:
            apart.append((value - first[seed]) ** 2 / 2)
        elif seed is not None:
            first[seed] = value
    variance = statistics.variance(values) if len(values) > 1 else 0.0
    if len(apart) < FEWEST_PAIRS or not variance:
        return None
    return max(0.0, 1 - statistics.fmean(apart) / variance)
