"""Comparing by pairs of runs made next to each other: what moved both is no difference between them. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_autoresearch.judge import statistics
from pytest_autoresearch.judge.settings import JudgeSettings
from pytest_autoresearch.judge.spread import Spread
from pytest_autoresearch.judge.standing import WINSOR, Standing

OWN = 8  # degrees of freedom that the session's noise is worth against that of the pairs, where these scatter more
FEWEST = 2  # pairs that prove anything: one is two numbers, and either may be an outlier


def log_evidence(
    settings: JudgeSettings, standing: Standing, before: Sequence[float], after: Sequence[float], demanded: float
) -> float:
    """Natural logarithm of the evidence that ``after`` is better by more than ``demanded``, each run beside one before.

    The noise is the session's, more by what the machine moves between neighbours. A state may have been kept for a
    noise above that: where the pairs scatter more, they count for themselves, with the session worth OWN degrees of
    freedom (a moderated variance: Smyth 2004).
    """
    return evidence_beside(settings, standing, before, after, demanded, standing.spread)


def evidence_beside(
    settings: JudgeSettings,
    standing: Standing,
    before: Sequence[float],
    after: Sequence[float],
    demanded: float,
    spread: Spread,
) -> float:
    """As :func:`log_evidence`, with the ``spread`` of a run beside its partner."""
    pairs = len(before)
    variance = (spread.variance(statistics.mean(before)) + spread.variance(statistics.mean(after))) / 2
    variance *= 1 + standing.wander.rate
    gains = [settings.gain(x, y) for x, y in zip(before, after, strict=True)]
    center = statistics.mean(gains)
    residuals = [gain - center for gain in gains]
    if variance:
        residuals = statistics.winsorised(residuals, WINSOR * math.sqrt(2 * variance))
    squares, own, freedom = sum(x * x for x in residuals) / 2, pairs - 1, spread.freedom
    if squares > own * variance:
        freedom = min(OWN, freedom)
    return statistics.log_evidence(
        gain=center + statistics.mean(residuals) - demanded,
        scale=1 / math.sqrt(2 / pairs),
        squares=freedom * variance + squares,
        freedom=freedom + own,
    )
