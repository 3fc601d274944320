"""States that scatter unlike each other: what is believed of one state's own variance, and of its effect with it. Pure.

With one noise for all, a candidate that scatters twice as much as others is taken for a gain far too often. Its own
runs tell its variance, a few of them badly. So it is one of a handful, weighed by how often the session's states have
had it and by the state's own squared residuals (an empirical Bayes of variances: Robbins 1956, Smyth 2004).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pytest_autoresearch.judge.belief import FAR, GRID, Posterior

VARIANCES = tuple(2.0**power for power in range(-4, 5))
"""That a state's runs may have, in that of the calibration."""
WIDTH = 1.1  # deviation of a variance's logarithm before any is known
PATIENCE = 10  # states after which the session's own say as much
MATTERS = 0.01  # probability below which a variance does not
NEGLIGIBLE = 1e-4  # probability below which it is not even reckoned with
LEAST = 1e-12
Weights = tuple[float, ...]


def _first_usual() -> Weights:
    raw = [math.exp(-((math.log(variance) / WIDTH) ** 2) / 2) for variance in VARIANCES]
    return tuple(value / sum(raw) for value in raw)


FIRST_USUAL = _first_usual()


@dataclass(frozen=True, slots=True)
class Scatter:
    """The ``variances`` that a state's runs may have, and how likely each is. The last is that of all others."""

    variances: Sequence[float]
    weights: Weights

    @property
    def mean(self) -> float:
        return sum(v * w for v, w in zip(self.variances, self.weights, strict=True))

    @property
    def own(self) -> Weights:
        """How likely each of VARIANCES is, should states scatter unlike each other."""
        total = sum(self.weights[:-1]) + LEAST
        return tuple((w + LEAST / len(VARIANCES)) / total for w in self.weights[:-1])

    def seen(self, squares: float, freedom: int) -> Scatter:
        """After squared residuals of so many degrees of freedom."""
        if not freedom:
            return self
        logs = [
            math.log(w + LEAST) - freedom / 2 * math.log(v) - squares / (2 * v)
            for v, w in zip(self.variances, self.weights, strict=True)
        ]
        return replace(self, weights=_shares(logs))


@dataclass(frozen=True, slots=True)
class States:
    """That every state has a variance of its own: the log ``likelihood`` of all pairs under it.

    ``usual`` says how often states have had each of VARIANCES, ``count`` how many told; ``tip`` how likely the
    incumbent has each (None: as usual).
    """

    likelihood: float = 0.0
    usual: Weights = FIRST_USUAL
    count: int = 0
    tip: Weights | None = None

    def seen(self, square: float, own: Weights | None) -> States:
        """With a pair of runs of a candidate that has these ``own`` weights by now, or of the tip (None)."""
        before = own or self.tip or self.usual
        raw = [
            w * math.exp(-square / (4 * v)) / math.sqrt(2 * v) + LEAST * w
            for v, w in zip(VARIANCES, before, strict=True)
        ]
        total = sum(raw)
        found = replace(self, likelihood=round(self.likelihood + math.log(total), 4))
        return found if own is not None else replace(found, tip=tuple(value / total for value in raw))

    def joined(self, before: States, mine: States) -> States:
        """With what ``mine`` has learned since ``before``; this one has learned from others since."""
        tip = self.tip
        if tip is None or mine.tip is None or before.tip is None:
            tip = mine.tip if tip is None else tip
        else:
            tip = joined(tip, before.tip, mine.tip)
        return States(
            likelihood=round(self.likelihood + mine.likelihood - before.likelihood, 4),
            usual=joined(self.usual, before.usual, mine.usual),
            count=self.count + mine.count - before.count,
            tip=tip,
        )

    def learned(self, own: Weights) -> States:
        """With what one more state is believed to have (predictive recursion: Newton 2002)."""
        rate = 1 / (PATIENCE + self.count)
        usual = tuple(u + (o - u) * rate for u, o in zip(self.usual, own, strict=True))
        return replace(self, usual=usual, count=self.count + 1)


def joined(now: Sequence[float], before: Sequence[float], mine: Sequence[float]) -> tuple[float, ...]:
    """Probabilities by what ``mine`` has learned since ``before``, and ``now`` from others since."""
    raw = [a * b / c if c > 0 else a for a, b, c in zip(now, mine, before, strict=True)]
    total = sum(raw)
    return tuple(each / total for each in raw) if total > 0 else tuple(now)


def posterior(
    prior: Sequence[float], scatter: Scatter, gain: float, runs: int, tip: float, demanded: float = 0.0
) -> tuple[Posterior, Scatter]:
    """As :func:`belief.posterior`, of a candidate whose own variance is one of those of ``scatter``.

    ``gain`` is the mean of its ``runs``, whose residuals ``scatter`` has seen; ``tip`` the variance of the tip's level.
    All is counted in what one run of the session scatters by. Second is what the effect tells of the variance.
    """
    doubts = [v / runs + tip for v in scatter.variances]
    largest = max(doubt for doubt, w in zip(doubts, scatter.weights, strict=True) if w > MATTERS)
    if abs(gain) > FAR * math.sqrt(largest):
        return Posterior(gain, math.sqrt(scatter.mean / runs + tip), float(gain < demanded)), scatter
    priors = [math.log(p + LEAST) for p in prior]
    squares = [(gain - g) * (gain - g) / 2 for g in GRID]
    logs, places = [], [at for at, weight in enumerate(scatter.weights) if weight > NEGLIGIBLE]
    for at in places:
        height, rate = math.log(scatter.weights[at]) - math.log(doubts[at]) / 2, 1 / doubts[at]
        logs += [height + p - square * rate for p, square in zip(priors, squares, strict=True)]
    joint, count = _shares(logs), len(GRID)
    rows = {at: joint[index * count : (index + 1) * count] for index, at in enumerate(places)}
    weights = tuple(map(sum, zip(*rows.values(), strict=True)))
    mean = sum(w * g for w, g in zip(weights, GRID, strict=True))
    square = sum(w * g * g for w, g in zip(weights, GRID, strict=True))
    harm = sum(w for w, g in zip(weights, GRID, strict=True) if g < demanded)
    believed = Posterior(mean, math.sqrt(max(square - mean * mean, 1e-9)), harm, weights)
    return believed, replace(scatter, weights=tuple(sum(rows.get(at, ())) for at in range(len(doubts))))


def _shares(logs: Sequence[float]) -> Weights:
    top = max(logs)
    raw = [math.exp(value - top) for value in logs]
    total = sum(raw)
    return tuple(value / total for value in raw)
