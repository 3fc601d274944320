"""What the runs beside a base that was left behind make likely of a change, which is judged anew beside another. Pure.

They are no evidence: the merged candidate is run beside the new incumbent, and its group is proven on fresh pairs. But
under ``grouped`` they say how likely each effect is before its first run, as all other experiments do. Without that a
gain has to be found twice, and with 16 slots a third of the gains were lost on the way.
"""

from __future__ import annotations

from pytest_autoresearch.judge import statistics, tip
from pytest_autoresearch.judge.standing import Step
from pytest_autoresearch.judge.trial import Trial
from pytest_autoresearch.judge.weighing import followed_at_seeds, on_panel

DOUBTED = 1.0  # times the variance: what a change is worth on another base may differ


def expected(trial: Trial) -> tuple[float, float] | None:
    """The effect that a trial has measured, and its variance, in standard deviations of one run, positive is better.

    With what was expected before it, weighed by precision. None where nothing is known, or another rule judges.
    """
    if on_panel(trial):
        return _at_seeds(trial)
    opening, settings = tip.aged(trial.settings, trial.opening), trial.settings
    belief, doubt, spread = opening.belief, opening.doubt, opening.spread
    own = [heard.value for heard in trial.heard if heard.step is Step.CANDIDATE and heard.value is not None]
    tips = [heard.value for heard in trial.heard if heard.step is Step.INCUMBENT and heard.value is not None]
    unit = spread.deviation(belief.mean)
    is_known = settings.grouped and opening.calibrated and opening.noisy and unit > 0
    if not is_known or not own or (doubt is None and not tips):
        return trial.expected
    mean, level = statistics.mean(own), belief.mean
    doubt = None if doubt is None else doubt + tip.staleness(settings, opening) * len(trial.heard)
    if tips:
        weight = 1.0 if doubt is None else doubt / (doubt + 1 / len(tips))
        level += weight * (statistics.mean(tips) - level)
        doubt = 1 / len(tips) if doubt is None else doubt * (1 - weight)
    assert doubt is not None
    return _joined(trial, settings.gain(level, mean) / unit, DOUBTED * (1 / len(own) + doubt))


def _at_seeds(trial: Trial) -> tuple[float, float] | None:
    """As expected, by what its runs differ by from the tip's of the same seed."""
    unit = trial.standing.spread.deviation(trial.standing.belief.mean)
    state = followed_at_seeds(trial, unit) if unit else None
    if state is None or not state.square:
        return trial.expected
    return _joined(trial, state.effect, DOUBTED / state.square)


def _joined(trial: Trial, gain: float, variance: float) -> tuple[float, float]:
    if trial.expected is None:
        return gain, variance
    before, other = trial.expected
    total = 1 / variance + 1 / other
    return (gain / variance + before / other) / total, 1 / total
