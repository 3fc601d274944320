"""What the judge reads from its memory: evidence, levels, what is beyond belief. Pure functions of a state."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_autoresearch.judge import statistics
from pytest_autoresearch.judge.settings import JudgeSettings
from pytest_autoresearch.judge.spread import Spread
from pytest_autoresearch.judge.state import JudgeState, Level, Run, Trial

WINSOR = 3.0  # standard deviations; what lies further out counts as lying there
SUSPICIOUS = 5.0  # standard deviations
FEWEST_DIFFERENCES = 5  # below these nothing is usual yet
MAD = 1.4826  # median absolute deviations in a standard deviation, for a normal distribution


def log_evidence(settings: JudgeSettings, state: JudgeState, shift: float) -> float:
    """Natural logarithm of the evidence that the candidate's gain over the incumbent is above ``-shift``.

    From the candidate's runs and the incumbent's window, outliers winsorised.
    """
    assert state.trial is not None
    window = [run.value for run in state.incumbent.window]
    center = statistics.median(window)
    before = [settings.gain(center, value) for value in window]
    after = [settings.gain(center, run.value) + shift for run in state.trial.runs]
    deviation = state.spread.deviation(center)
    if deviation > 0:
        before = statistics.winsorised(before, WINSOR * deviation)
        after = statistics.winsorised(after, WINSOR * deviation)
    return statistics.log_evidence(
        gain=statistics.mean(after) - statistics.mean(before),
        scale=1 / math.sqrt(1 / len(before) + 1 / len(after)),
        squares=state.spread.freedom * deviation**2 + statistics.squared_residuals(after),
        freedom=state.spread.freedom + len(after) - 1,
    )


def shift(settings: JudgeSettings, state: JudgeState) -> float:
    """What is added to the measured gain: the loss that fewer lines may still cost, else minus what is demanded."""
    assert state.trial is not None
    level = against(state)
    room = settings.tolerated(level) - state.incumbent.debt
    return room if state.trial.complexity < 0 and room > 0 else -settings.demanded(level)


def against(state: JudgeState) -> float:
    """The incumbent's level as the candidate beside it meets it."""
    window, known = state.incumbent.window, state.incumbent.level
    if window and (state.noisy or known is None):
        return statistics.mean([run.value for run in window])
    assert known is not None
    return known.estimate


def level(settings: JudgeSettings, state: JudgeState, runs: Sequence[Run]) -> Level:
    """The mean of a state's runs, with its 95 % interval from the pooled variance."""
    center = statistics.mean([run.value for run in runs])
    if settings.classic:
        return Level(center)
    if not state.noisy:
        return Level(center, (center, center))
    reach = statistics.t_quantile(0.975, state.spread.freedom) * state.spread.deviation(center) / math.sqrt(len(runs))
    return Level(center, around(center, reach, state.spread))


def around(center: float, reach: float, spread: Spread) -> tuple[float, float]:
    """The interval, on the logarithm where it would cross zero and the metric never has."""
    if spread.flat or reach < abs(center):
        return (center - reach, center + reach)
    bounds = sorted(statistics.scaled(center, reach / abs(center)))
    return (bounds[0], bounds[1])


def is_suspicious(state: JudgeState, gain: float, level: float) -> bool:
    """Whether a gain is beyond what noise, or in exact mode the differences seen so far, make believable."""
    if state.noisy:
        return gain > SUSPICIOUS * state.spread.deviation(level)
    seen = state.differences
    return len(seen) >= FEWEST_DIFFERENCES and gain > SUSPICIOUS * MAD * statistics.median(seen)


def largest_square(state: JudgeState, level: float) -> float:
    """What one run at this level may add to the session's noise; anything while that is not known."""
    variance = state.spread.variance(level)
    return WINSOR**2 * variance if variance > 0 else math.inf


def evidence(trial: Trial) -> float | None:
    """The evidence since the candidate was selected; of the run that ruled it out if it was not."""
    return None if trial.latest is None else math.exp(min(trial.latest - (trial.first or 0.0), 700.0))
