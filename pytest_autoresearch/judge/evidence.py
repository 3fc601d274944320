"""What is read from a trial's numbers: evidence, levels, what is beyond belief. Pure functions."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_autoresearch.judge import paired, seeds, statistics
from pytest_autoresearch.judge.settings import JudgeSettings
from pytest_autoresearch.judge.spread import Spread
from pytest_autoresearch.judge.standing import WINSOR, Level, Standing
from pytest_autoresearch.judge.trial import Trial

TENFOLD = 10.0
SUSPICIOUS = 5.0  # standard deviations
FEWEST_DIFFERENCES = 5  # below these nothing is usual yet
MAD = 1.4826  # median absolute deviations in a standard deviation, for a normal distribution


def log_evidence(trial: Trial, shift: float) -> float:
    """Natural logarithm of the evidence that the candidate's gain over the incumbent is above ``-shift``.

    From the candidate's runs and the incumbent's window, outliers winsorised.
    """
    if seeds.are_compared(trial):
        before, after = seeds.pairs(trial)
        if not before:
            return 0.0
        return paired.evidence_beside(trial.settings, trial.standing, before, after, -shift, seeds.noise_beside(trial))
    window = [run.value for run in trial.standing.incumbent.window]
    center = statistics.median(window)
    before = [trial.settings.gain(center, value) for value in window]
    after = [trial.settings.gain(center, value) + shift for value in trial.values]
    spread = trial.standing.spread
    deviation = spread.deviation(center)
    if deviation > 0:
        before = statistics.winsorised(before, WINSOR * deviation)
        after = statistics.winsorised(after, WINSOR * deviation)
    return statistics.log_evidence(
        gain=statistics.mean(after) - statistics.mean(before),
        scale=1 / math.sqrt(1 / len(before) + 1 / len(after)),
        squares=spread.freedom * deviation**2 + statistics.squared_residuals(after),
        freedom=spread.freedom + len(after) - 1,
    )


def shift(trial: Trial) -> float:
    """What is added to the measured gain: the loss that fewer lines may still cost, else minus what is demanded."""
    level = against(trial.standing)
    room = trial.settings.tolerated(level) - trial.standing.incumbent.debt
    return room if trial.complexity < 0 and room > 0 else -trial.settings.demanded(level)


def against(standing: Standing) -> float:
    """The incumbent's level as the candidate beside it meets it."""
    window, known = standing.incumbent.window, standing.incumbent.level
    if window and (standing.noisy or known is None):
        return statistics.mean([run.value for run in window])
    assert known is not None
    return known.estimate


def level(settings: JudgeSettings, standing: Standing, values: Sequence[float]) -> Level:
    """The mean of a state's runs, with its 95 % interval from the session's noise."""
    center = statistics.mean(values)
    if settings.classic:
        return Level(center)
    if not standing.noisy:
        return Level(center, (center, center))
    deviation = standing.spread.deviation(center)
    reach = statistics.t_quantile(0.975, standing.spread.freedom) * deviation / math.sqrt(len(values))
    return Level(center, around(center, reach, standing.spread))


def around(center: float, reach: float, spread: Spread) -> tuple[float, float]:
    """The interval, on the logarithm where it would cross zero and the metric never has."""
    if spread.flat or not center or reach < abs(center):
        return (center - reach, center + reach)
    bounds = sorted(statistics.scaled(center, reach / abs(center)))
    return (bounds[0], bounds[1])


def _is_tenfold(before: float, after: float) -> bool:
    """Whether one is at least ten times the other; a level of 0, or of another sign, is no multiple."""
    return before * after > 0 and max(before / after, after / before) >= TENFOLD


def is_suspicious(settings: JudgeSettings, standing: Standing, gain: float, level: float) -> bool:
    """Whether a gain is beyond what noise, or in exact mode the differences seen so far, make likely; or tenfold."""
    if gain > 0 and _is_tenfold(level, settings.moved(level, gain)):
        return True
    if standing.noisy:
        return gain > SUSPICIOUS * standing.spread.deviation(level)
    seen = standing.differences
    return len(seen) >= FEWEST_DIFFERENCES and gain > SUSPICIOUS * MAD * statistics.median(seen)
