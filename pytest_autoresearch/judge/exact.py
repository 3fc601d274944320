"""The rule for a metric that repeats itself, and for ``classic``: one run decides. Pure."""

from __future__ import annotations

from pytest_autoresearch.judge import evidence
from pytest_autoresearch.judge.ending import discarded, kept
from pytest_autoresearch.judge.standing import Step
from pytest_autoresearch.judge.trial import Trial
from pytest_autoresearch.protocol.experiment import Reason

EXACT = 4  # runs that repeated a value, before a metric is taken as exact for good; rounding makes some by chance
CHECK_EVERY = 25  # experiments between two runs of an exact incumbent


def answered(trial: Trial) -> Trial:
    """A keep is run twice; the first one, and one that is too good, again beside the incumbent."""
    settings, standing, level = trial.settings, trial.standing, trial.known_level
    if not trial.runs:
        due = standing.unchecked >= CHECK_EVERY and not settings.classic
        return trial.asks(Step.INCUMBENT if due else Step.CANDIDATE)
    gain = settings.gain(level, trial.runs[0].value)
    if gain > settings.demanded(level):
        reason = Reason.IMPROVED
    elif gain >= 0 and trial.complexity < 0:
        reason = Reason.SIMPLER
    else:
        return discarded(trial, Reason.WORSE if gain < 0 else Reason.EQUAL if gain == 0 else Reason.NOISE)
    if settings.workers > 1 and trial.fresh < 1:  # the level may be another slot's
        return trial.asks(Step.INCUMBENT)
    if not settings.classic:
        if len(trial.runs) < 2:
            return trial.asks(Step.CANDIDATE)
        if standing.agreements < EXACT or evidence.is_suspicious(trial.settings, standing, gain, level):
            if trial.fresh < 1:
                return trial.asks(Step.INCUMBENT)
            if len(trial.runs) < 3:
                return trial.asks(Step.CANDIDATE)
    return kept(trial, reason, trial.runs, trial.runs)
