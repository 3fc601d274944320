"""Where a tip lies at each of a few seeds, and what a candidate's run on one of them tells beside it. Pure.

What a seed does to every state alike is no difference between two of them. So the tip's level is one number for each
seed, known together: a vector with its covariance, followed by a Kalman filter (1960). Given the effect of a candidate
its run on a seed lies at the tip's level there, so that the likelihood is a parabola in the effect, and all that is
believed of effects is as it is without seeds. Nothing is assumed of how much the seed does: where that is nothing, the
levels are the same number, and where states answer a seed unlike each other it is noise.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from pytest_autoresearch.judge import statistics
from pytest_autoresearch.judge.tracking import TINY, Track

SEEDS = 8  # as many runs as a candidate gets at most
WINSOR = 3.0  # as standing has it, which holds a panel
UNKNOWN = 1e4  # variances of a run: where the first run finds a level
Vector = tuple[float, ...]
Matrix = tuple[Vector, ...]


@dataclass(frozen=True, slots=True)
class Panel:
    """The tip's level at each seed, in metric units, and the covariance of these; ``shared``: a seed's variance."""

    means: Vector
    doubts: Matrix
    shared: float

    @classmethod
    def of(cls, data: Mapping[str, Any]) -> Panel:
        """The panel that gave this JSON."""
        return cls(tuple(data["means"]), tuple(map(tuple, data["doubts"])), data["shared"])

    @classmethod
    def opened(cls, runs: Sequence[tuple[int, float]], own: float, shared: float) -> Panel:
        """From the tip's first runs, each with its seed; ``own``, above 0: the variance that no seed explains."""
        runs = runs[:SEEDS]
        far = UNKNOWN * (own + shared)
        doubts = tuple(tuple(far + shared * (i == j) for j in range(SEEDS)) for i in range(SEEDS))
        state = Followed((statistics.mean([value for _, value in runs]),) * SEEDS, doubts)
        unit = math.sqrt(own)
        state = replace(state, levels=tuple(m / unit for m in state.levels)).scaled(1 / own)
        for seed, value in runs:
            state = state.told(seed % SEEDS, value / unit, 0.0)
        return cls(tuple(m * unit for m in state.levels), state.scaled(own).doubts, shared)

    @property
    def level(self) -> float:
        """On average over the seeds."""
        return statistics.mean(self.means)

    @property
    def variance(self) -> float:
        """Of that."""
        return sum(map(sum, self.doubts)) / SEEDS**2

    def moved(self, by: float, variance: float) -> Panel:
        """Another state, or later: the level has moved by this much at every seed, known with this variance."""
        doubts = tuple(tuple(doubt + variance for doubt in row) for row in self.doubts)
        return replace(self, means=tuple(mean + by for mean in self.means), doubts=doubts)


@dataclass(frozen=True, slots=True)
class Followed:
    """What runs have told, in standard deviations of one, positive is better: as :class:`tracking.Track`, at each seed.

    Given effect g the levels are N(``levels`` + ``slopes`` g, ``doubts``). ``squares`` of the ``count`` runs about what
    was expected of them, in their variances.
    """

    levels: Vector
    doubts: Matrix
    slopes: Vector = (0.0,) * SEEDS
    height: float = 0.0
    linear: float = 0.0
    square: float = 0.0
    squares: float = 0.0
    count: int = 0

    def scaled(self, by: float) -> Followed:
        """With its variances in another unit."""
        return replace(self, doubts=tuple(tuple(by * doubt for doubt in row) for row in self.doubts))

    def told(self, seed: int, value: float, has_effect: float) -> Followed:
        """After a run of the tip, or with ``has_effect`` 1 of the candidate; an outlier counts as lying at WINSOR.

        The candidate's first run is taken as it is: before it nothing is known of it.
        """
        row = self.doubts[seed]
        doubt, share = row[seed] + 1, self.slopes[seed] + has_effect
        if self.square > TINY or not share:
            effect, known = (self.linear / self.square, 1 / self.square) if share else (0.0, 0.0)
            center, reach = self.levels[seed] + share * effect, WINSOR * math.sqrt(doubt + share * share * known)
            value = max(center - reach, min(center + reach, value))
        off = value - self.levels[seed]
        gains = [each / doubt for each in row]
        return Followed(
            tuple(level + gain * off for level, gain in zip(self.levels, gains, strict=True)),
            tuple(
                tuple(a - gain * b for a, b in zip(each, row, strict=True))
                for each, gain in zip(self.doubts, gains, strict=True)
            ),
            tuple(slope - gain * share for slope, gain in zip(self.slopes, gains, strict=True)),
            self.height - math.log(doubt) / 2 - off * off / (2 * doubt),
            self.linear + off * share / doubt,
            self.square + share * share / doubt,
            self.squares + off * off / doubt,
            self.count + 1,
        )

    def later(self, variance: float) -> Followed:
        """After the machine has moved by this variance, at all seeds alike."""
        if not variance:
            return self
        return replace(self, doubts=tuple(tuple(doubt + variance for doubt in row) for row in self.doubts))

    @property
    def track(self) -> Track:
        """As one level: the likelihood of effects is the same."""
        return Track(self.levels[0], self.doubts[0][0], self.slopes[0], self.height, self.linear, self.square)

    @property
    def effect(self) -> float:
        """That suits the runs best; 0 before the candidate's first."""
        return self.linear / self.square if self.square > TINY else 0.0

    @property
    def residual(self) -> tuple[float, int]:
        """The squares that no effect explains, in the variance of a run, and their degrees of freedom."""
        explained = self.linear * self.linear / self.square if self.square > TINY else 0.0
        return max(self.squares - explained, 0.0), self.count - (self.square > TINY)

    def told_by(self, seed: int, has_effect: float) -> float:
        """The variance of the effect after another run."""
        share = self.slopes[seed] + has_effect
        return 1 / (self.square + share * share / (self.doubts[seed][seed] + 1))

    def after(self, effect: float, deviation: float, *, is_kept: bool) -> tuple[Vector, Matrix]:
        """The levels of what is the tip then, and their covariance, with what is believed of the effect."""
        shares = [slope + is_kept for slope in self.slopes]
        levels = tuple(level + share * effect for level, share in zip(self.levels, shares, strict=True))
        doubts = tuple(
            tuple(doubt + one * other * deviation * deviation for doubt, other in zip(row, shares, strict=True))
            for row, one in zip(self.doubts, shares, strict=True)
        )
        return levels, doubts
