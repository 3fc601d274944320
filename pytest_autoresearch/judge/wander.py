"""What the machine does between runs, and whether states scatter alike: told from pairs of runs of one state. Pure.

White noise makes two runs of one state differ by as much an hour apart as back to back. A level that wanders makes them
differ more the more runs have passed; a machine that takes steps does so too, but most pairs do not show it. Where some
states, or some runs, scatter more than others, pairs differ more at any distance. A handful of such laws, each with
several sizes of noise, is weighed by its likelihood.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from itertools import pairwise
from typing import NamedTuple

from pytest_autoresearch.judge.scatter import States, Weights


class Law(NamedTuple):
    """How a level moves: ``rate`` variances of a run with each run; a step with ``chance``, of variance ``jump``."""

    rate: float = 0.0
    chance: float = 0.0
    jump: float = 0.0


UNEVEN = 1
LAWS = (
    Law(),
    Law(),  # as still, but the variance of a pair is one of SCATTER: heavy tails
    *(Law(rate) for rate in (0.03, 0.1, 0.3, 1.0)),
    *(Law(0.0, chance, jump) for jump in (8.0, 50.0) for chance in (0.01, 0.03, 0.1)),
)
STEPS = 6  # the first law that takes steps
PRIOR = (0.4, 0.05, *[0.02] * (len(LAWS) - 2))
UNLIKE = 0.35  # that every state has a noise of its own. To expect it costs little where it is not so
SIZES = (0.25, 0.4, 0.6, 0.85, 1.2, 1.7, 2.5)  # of the variance of a run, in that of the calibration
SCATTER = (
    0.12,
    0.26,
    0.58,
    1.28,
    2.76,
)  # variances of states that differ 23-fold, 5-fold in deviation; their mean is 1
FEWEST = 8  # pairs; what fewer say is luck
LIKELY = 0.15  # that it drifts: from there on it is reckoned with, which costs nothing where it does not
# The chance and the variance of a step, which is reckoned with on every machine: where it takes none that costs
# nothing, and where steps are three times as frequent hardly less is gained than by knowing it.
STEP = (0.01, 50.0)
OWN = 0.9  # that states scatter unlike each other: from there on their variances matter more than what the machine does
CERTAIN = 0.95  # from there on it is said
LONGEST = 64  # runs; no machine wanders off for ever, so a longer gap says nothing more
LEAST = 1e-12  # of a density: beyond is an outlier, and no law is ruled out by one


class Moves(NamedTuple):
    """How the machine is taken to move. ``size``: variance of a run in that of the first pair; None: as the session's.

    Where it drifts, what the session takes for the noise has the drift in it.
    """

    law: Law
    size: float | None = None


@dataclass(frozen=True, slots=True)
class Wander:
    """The log likelihood of each of :data:`LAWS` with each of :data:`SIZES`, over ``pairs`` of runs of one state.

    ``level`` is where the first pair lay, and ``variance`` that of one run as it was then known there. ``states`` is
    the hypothesis that the machine stands still and every state scatters in its own way.
    """

    likelihoods: tuple[float, ...] = (0.0,) * (len(LAWS) * len(SIZES))
    pairs: int = 0
    level: float | None = None
    variance: float = 0.0
    states: States = field(default_factory=States)

    def seen(self, square: float, gap: int, own: Weights | None = None) -> Wander:
        """With one more pair, ``gap`` runs apart, its squared difference in variances of a run.

        ``own``: how likely its candidate has each variance; None for the incumbent.
        """
        logs = _log_likelihoods(square, min(gap, LONGEST))
        held = tuple(round(held + log, 4) for held, log in zip(self.likelihoods, logs, strict=True))
        return replace(self, likelihoods=held, pairs=self.pairs + 1, states=self.states.seen(square, own))

    def joined(self, before: Wander, mine: Wander) -> Wander:
        """With the pairs by which ``mine`` has seen more than ``before``; this one has seen others since."""
        if self == before:
            return mine
        logs = zip(self.likelihoods, mine.likelihoods, before.likelihoods, strict=True)
        return Wander(
            likelihoods=tuple(round(a + b - c, 4) for a, b, c in logs),
            pairs=self.pairs + mine.pairs - before.pairs,
            level=mine.level if self.level is None else self.level,
            variance=mine.variance if self.level is None else self.variance,
            states=self.states.joined(before.states, mine.states),
        )

    def of_tip(self, own: Weights | None) -> Wander:
        """Where another state is the incumbent, of which this is known."""
        return replace(self, states=replace(self.states, tip=own))

    @property
    def moves(self) -> Moves | None:
        """How the machine is followed; None where it stands still and every state has a noise of its own."""
        if self.pairs < FEWEST:
            return Moves(Law(0.0, *STEP))
        return None if _shares(self._all)[-1][0] > OWN else _moves(self._all)

    @property
    def moving(self) -> float:
        """The probability that the machine drifts or takes steps."""
        return sum(map(sum, _shares(self._all)[UNEVEN + 1 : -1])) if self.pairs >= FEWEST else 0.0

    @property
    def unlike(self) -> float:
        """The probability that every state has a noise of its own, given that the machine stands still."""
        if self.pairs < FEWEST:
            return UNLIKE
        return min(_shares(self._all)[-1][0] / max(1 - self.moving, LEAST), 1.0)  # sums are rounded

    @property
    def rate(self) -> float:
        """Variances of one run by which a drift moves the level with each run; 0 unless likely."""
        moves = self.moves
        return 0.0 if moves is None else moves.law.rate

    @property
    def word(self) -> str:
        """``drift``, ``steps`` or ``uneven noise`` where that is certain, else nothing."""
        if self.pairs < FEWEST:
            return ""
        shares = [sum(row) for row in _shares(self._all)]
        if self.moving >= CERTAIN:
            return "drift" if sum(shares[UNEVEN + 1 : STEPS]) >= sum(shares[STEPS:-1]) else "steps"
        return "uneven noise" if shares[UNEVEN] + shares[-1] >= CERTAIN else ""

    @property
    def _all(self) -> tuple[float, ...]:
        return (*self.likelihoods, self.states.likelihood)


def _density(square: float, variance: float) -> float:
    return math.exp(-square / (2 * variance)) / math.sqrt(variance)


def _of_law(index: int, gap: int) -> Callable[[float, float], float]:
    """The density of a pair's squared difference under a law, given the size of the noise, up to a constant."""
    law = LAWS[index]
    if index == UNEVEN:
        return lambda square, size: sum(_density(square, 2 * size * own) for own in SCATTER) / len(SCATTER)
    if not law.chance:
        return lambda square, size: _density(square, size * (2 + law.rate * gap))
    stays = math.pow(1 - law.chance, gap)
    return lambda square, size: (
        stays * _density(square, 2 * size) + (1 - stays) * _density(square, size * (2 + law.jump))
    )


def _log_likelihoods(square: float, gap: int) -> list[float]:
    densities = [_of_law(index, gap) for index in range(len(LAWS))]
    return [math.log(density(square, size) + LEAST) for density in densities for size in SIZES]


@lru_cache(maxsize=8)
def _shares(likelihoods: tuple[float, ...]) -> tuple[tuple[float, ...], ...]:
    """How probable each law is with each size of noise, and last that states scatter unlike each other."""
    count = len(SIZES)
    logs = [value + math.log(PRIOR[index // count] / count) for index, value in enumerate(likelihoods[:-1])]
    logs.append(likelihoods[-1] + math.log(UNLIKE))
    top = max(logs)
    raw = [math.exp(value - top) for value in logs]
    total = sum(raw)
    edges = (*range(0, len(raw), count), len(raw))
    return tuple(tuple(value / total for value in raw[low:high]) for low, high in pairwise(edges))


@lru_cache(maxsize=8)
def _moves(likelihoods: tuple[float, ...]) -> Moves:
    drifts = _shares(likelihoods)[UNEVEN + 1 : STEPS]
    shares = [sum(row) for row in drifts]
    likely = sum(shares)
    if likely < LIKELY:
        return Moves(Law(0.0, *STEP))
    rate = sum(share * law.rate for share, law in zip(shares, LAWS[UNEVEN + 1 : STEPS], strict=True))
    size = sum(share * size for row in drifts for share, size in zip(row, SIZES, strict=True)) / likely
    return Moves(Law(rate, *STEP), size)
