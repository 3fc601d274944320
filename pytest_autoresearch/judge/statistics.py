"""The judge's arithmetic: evidence, error spending, quantiles. Pure functions on floats, standard library only.

Gains are oriented: positive means better. Knows no state, no policy, no direction of a metric.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from statistics import NormalDist

EFFECTS = (1.0, 2.0, 4.0)
"""The gains, in standard deviations of one run, that the evidence is spread over with equal weight."""

POINTS = 48
ZETA = 2.2857656656801293
"""Riemann's zeta(1.6): makes the weights t^-1.6 sum to one."""


def log_evidence(gain: float, scale: float, squares: float, freedom: int) -> float:
    """Natural logarithm of the evidence that the true gain is above zero, against none.

    The mean over :data:`EFFECTS` of the noncentral-t to central-t density ratio at ``t = gain * scale / s`` with
    ``freedom`` degrees of freedom: the Bayes factor of the two-sample t test under the right Haar prior on level and
    spread (Hendriksen, de Heide, Grunwald 2021, "Optional stopping with Bayes factors"). Over growing data it is a
    test martingale under no gain, so Ville's inequality bounds the chance that it ever reaches x by 1/x, at any
    stopping rule (Ville 1939; Perez-Ortiz et al. 2024, "E-statistics, group invariance and anytime-valid testing").

    ``gain`` is the difference of the two means, ``scale`` is ``1 / sqrt(1/m + 1/n)`` for m and n runs, ``squares`` the
    sum of squared residuals that has ``freedom`` degrees of freedom.
    """
    shift = gain * scale
    length = math.hypot(shift, math.sqrt(squares))
    direction = shift / length if length > 0 else 0.0
    order = freedom + 1
    base = log_moment(order, 0.0)
    terms = []
    for effect in EFFECTS:
        noncentrality = effect * scale
        terms.append(log_moment(order, noncentrality * direction) - base - noncentrality * noncentrality / 2)
    top = max(terms)
    return top + math.log(sum(math.exp(term - top) for term in terms) / len(terms))


def log_moment(order: int, slope: float) -> float:
    """Logarithm of the integral over u > 0 of ``u^(order-1) exp(-u^2/2 + slope*u)``, the heart of the noncentral t.

    The integrand is log-concave; left of its mode it falls faster than the Gaussian with its curvature there, right of
    it faster than the unit Gaussian and than a few exponential scales. All but 1e-15 lies on the stretch taken, where
    a Gauss-Legendre rule is exact to rounding.
    """
    if slope == 0.0:
        return (order / 2 - 1) * math.log(2) + math.lgamma(order / 2)
    power = order - 1
    root = math.sqrt(slope * slope + 4 * power)
    mode = (slope + root) / 2 if slope > 0 else 2 * power / (root - slope)
    width = mode / math.hypot(mode, math.sqrt(power)) if power else 1.0
    low = max(0.0, mode - 9 * width)
    half = (mode + min(9.0, 40 * width) - low) / 2
    middle = low + half
    log, exp = math.log, math.exp
    top = (power * log(mode) if power else 0.0) - mode * mode / 2 + slope * mode
    total = 0.0
    for node, weight in _gauss_legendre(POINTS):
        u = middle + half * node
        total += weight * exp(power * log(u) - u * u / 2 + slope * u - top)
    return top + log(total * half)


@lru_cache
def _gauss_legendre(points: int) -> tuple[tuple[float, float], ...]:
    """Nodes and weights on [-1, 1]: Newton's method on the Legendre recurrence (Abramowitz and Stegun 25.4.29)."""
    rule = []
    for index in range(points):
        x = math.cos(math.pi * (index + 0.75) / (points + 0.5))
        for _ in range(100):
            here, before = 1.0, 0.0
            for degree in range(points):
                here, before = ((2 * degree + 1) * x * here - degree * before) / (degree + 1), here
            slope = points * (x * here - before) / (x * x - 1)
            step = here / slope
            x -= step
            if abs(step) < 1e-15:
                break
        rule.append((x, 2 / ((1 - x * x) * slope * slope)))
    return tuple(rule)


def lord_level(alpha: float, test: int, keeps: Sequence[int]) -> float:
    """The level of the ``test``-th test (1-based) by LORD++, given the numbers of the earlier tests that were keeps.

    Levels chosen so bound the false discovery rate by ``alpha`` at every moment of an endless session (Ramdas, Yang,
    Wainwright, Jordan 2017, "Online control of the false discovery rate with decaying memory"), with weights t^-1.6
    and half of ``alpha`` to begin with.
    """
    start = alpha / 2
    level = start * _weight(test)
    for index, kept in enumerate(keeps):
        level += (alpha - start if index == 0 else alpha) * _weight(test - kept)
    return level


def lond_level(alpha: float, test: int, kept: int) -> float:
    """The level of the ``test``-th test after ``kept`` keeps, by e-LOND: valid however the tests depend on each other.

    Xu and Ramdas 2024, "Online multiple testing with e-values". For candidates that are judged side by side.
    """
    return alpha * _weight(test) * (kept + 1)


def _weight(test: int) -> float:
    return float(test**-1.6) / ZETA


def squared_residuals(values: Sequence[float], largest: float = math.inf) -> float:
    """Sum of squared distances from the mean, each winsorised at ``largest``; it has one degree of freedom less."""
    center = mean(values)
    return sum(min((value - center) * (value - center), largest) for value in values)


def mean(values: Sequence[float]) -> float:
    """The plain mean, correctly rounded; a mean of equal values is that value."""
    return math.fsum(values) / len(values)


def scaled(level: float, logs: float) -> tuple[float, float]:
    """``level`` less and more by ``logs`` on the logarithm; as wide as floats are where that is wider."""
    factor = math.exp(min(logs, 300.0))
    return level / factor, level * factor


def median(values: Sequence[float]) -> float:
    """The middle value, or the mean of the middle two."""
    ordered = sorted(values)
    half = len(ordered) // 2
    return ordered[half] if len(ordered) % 2 else (ordered[half - 1] + ordered[half]) / 2


def winsorised(values: Sequence[float], reach: float) -> list[float]:
    """The values, those further than ``reach`` from zero pulled in to that distance (Tukey 1962)."""
    return [min(max(value, -reach), reach) for value in values]


@lru_cache(maxsize=1024)
def t_quantile(probability: float, freedom: int) -> float:
    """The ``probability`` quantile of Student's t, ``probability`` in (.5, 1).

    The Cornish-Fisher expansion (Abramowitz and Stegun 26.7.5), exact to ten digits above 200 degrees of freedom;
    below, Newton's method, which climbs to the root from the normal quantile as the distribution is concave there.
    """
    z = NormalDist().inv_cdf(probability)
    if freedom > 200:
        powers = [z**power for power in range(10)]
        return (
            z
            + (powers[3] + z) / (4 * freedom)
            + (5 * powers[5] + 16 * powers[3] + 3 * z) / (96 * freedom**2)
            + (3 * powers[7] + 19 * powers[5] + 17 * powers[3] - 15 * z) / (384 * freedom**3)
            + (79 * powers[9] + 776 * powers[7] + 1482 * powers[5] - 1920 * powers[3] - 945 * z) / (92160 * freedom**4)
        )
    height = math.exp(math.lgamma((freedom + 1) / 2) - math.lgamma(freedom / 2)) / math.sqrt(freedom * math.pi)
    t, step = z, z
    while step > 1e-12 * t:
        density = height * (1 + t * t / freedom) ** (-(freedom + 1) / 2)
        step = (probability - _t_distribution(t, freedom)) / density
        t += step
    return t


def _t_distribution(t: float, freedom: int) -> float:
    """P(T <= t) for t >= 0 as the finite series of Abramowitz and Stegun 26.7.3 and 26.7.4."""
    angle = math.atan2(t, math.sqrt(freedom))
    sine, cosine = math.sin(angle), math.cos(angle)
    odd = freedom % 2 == 1
    term = cosine if odd else 1.0
    total = term if freedom > 1 else 0.0
    for index in range(3 if odd else 2, freedom - 1, 2):
        term *= cosine * cosine * (index - 1) / index
        total += term
    inside = 2 / math.pi * (angle + sine * total) if odd else sine * total
    return (1 + inside) / 2
