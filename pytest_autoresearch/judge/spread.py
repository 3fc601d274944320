"""How a run scatters, as a power of the level at which it is made. Pure; knows no state and no policy.

A time that has become ten times shorter scatters ten times less; a loss may scatter the same everywhere. The session's
own runs decide between noise that is constant, that goes with the root of the level, and that goes with the level.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache

POWERS = (0.0, 0.5, 1.0)  # of the level: constant, as counts scatter (their root), in proportion
_Squares = tuple[float, float, float]


@dataclass(frozen=True, slots=True)
class Spread:
    """The squared residuals of runs, pooled over states of different levels, under each of :data:`POWERS`.

    ``squares[i]`` is the sum of ``ss / level^(2p)`` for power p; ``freedom`` the degrees of freedom; ``logs`` the sum
    of ``df * ln(level)``. ``sign`` is that of the metric (0: nothing seen). ``flat``: the metric has been 0, or of
    both signs, so that no power of it makes sense and the noise counts as constant for good.
    """

    squares: _Squares = (0.0, 0.0, 0.0)
    freedom: int = 0
    logs: float = 0.0
    sign: int = 0
    flat: bool = False

    def pooled(self, squares: float, freedom: int, level: float, values: Sequence[float] = ()) -> Spread:
        """With the squared residuals of runs at ``level``; their ``values`` show whether there are two signs."""
        seen = self._with_signs((level, *values))
        size = abs(level)
        if seen.flat or not 0 < size * size < math.inf:  # beyond floats, as good as zero
            first = seen.squares[0] + squares
            return replace(seen, squares=(first, 0.0, 0.0), freedom=seen.freedom + freedom, logs=0.0, flat=True)
        one, two, three = (held + squares / math.pow(size, 2 * p) for held, p in zip(seen.squares, POWERS, strict=True))
        logs = seen.logs + freedom * math.log(size)
        return replace(seen, squares=(one, two, three), freedom=seen.freedom + freedom, logs=logs)

    def weights(self) -> tuple[float, ...]:
        """How probable each power is, by its likelihood: all runs at one level say nothing and leave a third each."""
        return (1.0, 0.0, 0.0) if self.flat else _weights(self.squares, self.freedom, self.logs)

    def variance(self, level: float) -> float:
        """Of one run at ``level``, in metric units squared; 0 where nothing has scattered."""
        if not self.freedom or not all(self.squares[:1] if self.flat else self.squares):
            return 0.0
        size = abs(level)
        if self.flat or size == 0.0:
            return self.squares[0] / self.freedom
        parts = zip(self.weights(), self.squares, POWERS, strict=True)
        return sum(w * squares / self.freedom * math.pow(size, 2 * p) for w, squares, p in parts)

    def deviation(self, level: float) -> float:
        """The standard deviation of one run at ``level``."""
        return math.sqrt(self.variance(level))

    def _with_signs(self, values: Sequence[float]) -> Spread:
        if self.flat:
            return self
        signs = {(value > 0) - (value < 0) for value in values} | ({self.sign} if self.sign else set())
        one = signs.pop()
        return replace(self, flat=True) if signs or one == 0 else replace(self, sign=one)


@lru_cache(maxsize=8)
def _weights(squares: _Squares, freedom: int, logs: float) -> tuple[float, ...]:
    likelihoods = [-freedom / 2 * math.log(s / freedom) - p * logs for s, p in zip(squares, POWERS, strict=True)]
    top = max(likelihoods)
    raw = [math.exp(value - top) for value in likelihoods]
    total = sum(raw)
    return tuple(value / total for value in raw)
