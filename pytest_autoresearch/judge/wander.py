"""Whether the machine itself moves: drift and steps, told from two runs of one state that lie apart in time. Pure.

White noise makes two runs differ by as much an hour apart as back to back. A level that wanders makes them differ more
the more runs have passed: as a random walk by ``rate`` variances of one run with each run. A step now and then looks
the same from here, and asks for the same: compare what was run close together.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

RATES = (0.0, 0.01, 0.03, 0.1, 0.3, 1.0)  # variances of a run, per run; beyond 1 no neighbour is near enough
FEWEST = 8  # pairs; what fewer say is luck
CLEAR = 2.5  # of log likelihood: 12 to 1 against a machine that stands still
LARGEST = 9.0  # mean squares of all pairs so far: so an outlier is no drift
LONGEST = 64  # runs; no machine wanders off for ever, so a longer gap says nothing more


@dataclass(frozen=True, slots=True)
class Wander:
    """For each of :data:`RATES`, the sums of which its likelihood is made, over pairs of runs of one state.

    ``level`` is where the first pair lay: squares count in units of the noise there, however much is learned of it.
    """

    squares: tuple[float, ...] = (0.0,) * len(RATES)
    logs: tuple[float, ...] = (0.0,) * len(RATES)
    pairs: int = 0
    level: float | None = None

    def seen(self, square: float, gap: int) -> Wander:
        """With one more pair, ``gap`` runs apart, its squared difference as it would be at ``level``."""
        gap = min(gap, LONGEST)
        if self.pairs >= FEWEST // 2 and self.squares[0]:
            square = min(square, LARGEST * 2 * self.squares[0] / self.pairs)
        expected = [2 + rate * gap for rate in RATES]
        squares = tuple(held + square / of for held, of in zip(self.squares, expected, strict=True))
        logs = tuple(held + math.log(of) for held, of in zip(self.logs, expected, strict=True))
        return replace(self, squares=squares, logs=logs, pairs=self.pairs + 1)

    @property
    def rate(self) -> float:
        """Variances of one run by which the level moves with each run that passes; 0 unless that is clear."""
        if self.pairs < FEWEST or not self.squares[0]:
            return 0.0
        likelihoods = [
            -self.pairs / 2 * math.log(squares / self.pairs) - logs / 2
            for squares, logs in zip(self.squares, self.logs, strict=True)
        ]
        top = max(likelihoods)
        if top - likelihoods[0] < CLEAR:
            return 0.0
        weights = [math.exp(value - top) for value in likelihoods]
        return sum(weight * rate for weight, rate in zip(weights, RATES, strict=True)) / sum(weights)
