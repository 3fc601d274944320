"""What a candidate is likely to be worth, learned from all that came before: the arithmetic of ``grouped``. Pure.

Effects are counted in standard deviations of one run, positive is better. Every experiment tells how gains and losses
are spread in this session (empirical Bayes), so a run is made only where it may change what is done.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import NormalDist

HALF = (0.2, 0.4, 0.6, 0.8, 1, 1.25, 1.5, 1.75, 2, 2.5, 3, 3.5, 4, 5, 6, 8, 11, 16, 32)
GRID = (0.0, *(side * size for size in HALF for side in (1, -1)))
"""Effects that a candidate may have: dense where one run hardly tells them apart, wide where it does at once."""

# The prior before anything is known: what agents propose is rarely a gain (.05, of about 1 sigma), often nothing (.4),
# mostly a loss (.55, of about 3 sigma). After 25 experiments the session's own count for as much.
NOTHING, GAINS, GAIN_SIZE, LOSS_SIZE = 0.4, 0.05, 1.0, 3.0
PRIOR_WEIGHT = 25
NORMAL = NormalDist()


def first_prior() -> tuple[float, ...]:
    """The probability of each effect of :data:`GRID` before the first experiment."""
    edges = [HALF[0] / 2, *((a + b) / 2 for a, b in pairwise(HALF)), HALF[-1]]
    widths = [high - low for low, high in pairwise(edges)]
    gains = [width * math.exp(-size / GAIN_SIZE) for width, size in zip(widths, HALF, strict=True)]
    losses = [width * math.exp(-size / LOSS_SIZE) for width, size in zip(widths, HALF, strict=True)]
    prior = [NOTHING]
    for gain, loss in zip(gains, losses, strict=True):
        prior += [GAINS * gain / sum(gains), (1 - NOTHING - GAINS) * loss / sum(losses)]
    return tuple(prior)


FIRST_PRIOR = first_prior()


@dataclass(frozen=True, slots=True)
class Posterior:
    """What is believed of one candidate: ``mean`` and ``deviation`` of its effect, ``harm``: P(it is no gain).

    ``weights`` over :data:`GRID`; None where the candidate lies beyond the grid's say, and the data speak alone.
    """

    mean: float
    deviation: float
    harm: float
    weights: tuple[float, ...] | None = None


FAR = 6.0  # standard errors; there a prior that has hardly seen such an effect would talk a clear one down


def posterior(prior: Sequence[float], gain: float, variance: float, demanded: float = 0.0) -> Posterior:
    """Of a candidate with this measured gain, known with this variance (of the difference, in runs' variances).

    ``demanded`` is what a gain has to exceed; below it, a candidate does harm.
    """
    if abs(gain) > FAR * math.sqrt(variance):
        return Posterior(gain, math.sqrt(variance), float(gain < demanded))
    half = 1 / (2 * variance)
    logs = [math.log(p + 1e-12) - (gain - g) * (gain - g) * half for p, g in zip(prior, GRID, strict=True)]
    top = max(logs)
    raw = [math.exp(value - top) for value in logs]
    total = sum(raw)
    weights = tuple(value / total for value in raw)
    mean = sum(w * g for w, g in zip(weights, GRID, strict=True))
    square = sum(w * g * g for w, g in zip(weights, GRID, strict=True))
    harm = sum(w for w, g in zip(weights, GRID, strict=True) if g < demanded)
    return Posterior(mean, math.sqrt(max(square - mean * mean, 1e-9)), harm, weights)


def learned(prior: Sequence[float], weights: Sequence[float], experiments: int) -> tuple[float, ...]:
    """The prior after one more experiment, the ``experiments``-th (predictive recursion: Newton 2002)."""
    rate = 1 / (PRIOR_WEIGHT + experiments)
    return tuple(p + (w - p) * rate for p, w in zip(prior, weights, strict=True))


def worth_of_a_run(mean: float, deviation: float, variance: float, then: float) -> float:
    """How much the run that brings ``variance`` down to ``then`` raises the expected gain, in sigma.

    The knowledge gradient (Frazier, Powell, Dayanik 2008): a run is worth what the better decision after it brings.
    """
    noise = 1 / (1 / then - 1 / variance)
    moves = deviation * deviation / math.sqrt(deviation * deviation + noise)
    z = mean / moves
    return moves * NORMAL.pdf(z) - abs(mean) * NORMAL.cdf(-abs(z))


# A keep may be harmful with probability .05; where the session wins more than .03 sigma a run, so many gains are about
# that waiting for certainty costs more than the harm, and up to .25 is accepted. (.08 for all costs an eighth of the
# gain of a plentiful session, .2 for all doubles the harm of a scarce one.)
DOUBT, MOST_DOUBT, SCARCE, STEEP = 0.05, 0.25, 0.03, 5.0


def accepted_harm(won: float, runs: int) -> float:
    """The largest chance of harm at which a candidate is kept, ``won`` sigma having been won in so many runs."""
    return min(MOST_DOUBT, max(DOUBT, DOUBT + STEEP * (won / (runs + 100) - SCARCE)))
