"""The rule that proves each keep by itself (``certified``, ``fast``): screen, certify, measure what was kept. Pure.

A candidate that looks better is measured beside the incumbent until the evidence has reached the threshold that the
session's error budget sets, or is gone.
"""

from __future__ import annotations

import math
from dataclasses import replace

from pytest_autoresearch.judge import evidence, seeds, statistics
from pytest_autoresearch.judge.ending import discarded, kept
from pytest_autoresearch.judge.settings import JudgeSettings, Policy
from pytest_autoresearch.judge.standing import Run, Step
from pytest_autoresearch.judge.trial import Trial
from pytest_autoresearch.protocol.experiment import Reason

AGREEING = 2  # fresh runs of the incumbent that tell a machine that has moved from an outlier
PLAIN = 10.0  # standard deviations
PLAIN_RUNS = 7  # for such a gain in all, its runs beside the incumbent included
MOVED = 2.0  # standard errors between old and fresh runs of the incumbent, beyond which the old ones are forgotten


def answered(trial: Trial) -> Trial:
    """The first run screens; what passes is certified, and what is kept is run 3 times more for its level."""
    numbers, window = trial.settings.numbers, trial.standing.incumbent.window
    if trial.reason is not None:
        if len(trial.kept_runs) < level_runs(trial):
            return trial.asks(Step.CANDIDATE)
        carried = trial.runs[1:] if numbers.carries else ()
        return kept(trial, trial.reason, trial.kept_runs or carried, (*carried, *trial.kept_runs))
    many = trial.settings.workers > 1
    if not trial.runs:
        known = len(window) >= numbers.window or (many and trial.standing.incumbent.level is not None)
        return trial.asks(Step.CANDIDATE if known else Step.INCUMBENT)
    if many and len(window) < numbers.window:  # the first look was at the session's level; more is for this slot's own
        if trial.settings.gain(trial.known_level, trial.runs[0].value) <= 0:
            return discarded(trial, Reason.WORSE)
        return trial.asks(Step.INCUMBENT)
    return _weighed(trial)


def with_incumbent(trial: Trial, run: Run) -> Trial:
    """With a run of the incumbent in the window, and in the noise what it says of it."""
    window = trial.standing.incumbent.window
    if trial.standing.calibrated and trial.standing.noisy and window:
        center = statistics.mean([before.value for before in window])
        distance = run.value - center
        trial = trial.pooled(distance * distance * len(window) / (len(window) + 1), 1, center, (run.value,))
    incumbent = replace(trial.standing.incumbent, window=(*window, run))
    standing = trial.standing
    if standing.calibrated and standing.noisy:
        standing = standing.apart(standing.last, run)
    standing = replace(standing, incumbent=incumbent, unchecked=0)
    trial = replace(trial, standing=standing, fresh=trial.fresh + bool(trial.runs))
    if trial.settings.adapts and trial.fresh >= AGREEING and _has_moved(trial):
        incumbent = replace(incumbent, window=incumbent.window[-trial.fresh :])
        trial = replace(trial, standing=replace(trial.standing, incumbent=incumbent))
    return trial


def level_runs(trial: Trial) -> int:
    """How many runs tell the level of what is kept: fewer where the gain is plain, or has cost enough already."""
    if not _is_plain(trial):
        return trial.settings.numbers.keep_runs
    decided = len(trial.heard) - len(trial.kept_runs)
    least = 0 if trial.settings.numbers.carries else 1
    return max(least, min(trial.settings.numbers.keep_runs - 1, PLAIN_RUNS - decided))


def _is_plain(trial: Trial) -> bool:
    """Whether the gain is so large that a third run for its level would tell nothing that anybody decides by."""
    level = evidence.against(trial.standing)
    gain = trial.settings.gain(level, statistics.mean(trial.values))
    return trial.settings.adapts and gain > PLAIN * trial.standing.spread.deviation(level)


def _has_moved(trial: Trial) -> bool:
    """Whether the runs from before the candidate tell of another machine than the fresh ones.

    A level that has drifted, or taken a step, since the window was run would be taken for the candidate's gain. An
    outlier among the fresh runs is no such thing, so all of them have to be on one side.
    """
    window, spread = trial.standing.incumbent.window, trial.standing.spread
    old, fresh = ([run.value for run in runs] for runs in (window[: -trial.fresh], window[-trial.fresh :]))
    if not old:
        return False
    center, unit = statistics.mean(old), spread.deviation(statistics.median(fresh))
    apart = statistics.mean(fresh) - center
    nearest = min((value - center) * math.copysign(1, apart) for value in fresh)
    return nearest > unit and abs(apart) > MOVED * unit * math.sqrt(1 / len(old) + 1 / len(fresh))


def _weighed(trial: Trial) -> Trial:
    """The evidence from all runs so far, and what follows from it."""
    numbers, runs, window = trial.settings.numbers, len(trial.runs), len(trial.standing.incumbent.window)
    latest = evidence.log_evidence(trial, evidence.shift(trial))
    dropped = latest <= math.log(numbers.drop)
    if trial.first is None and not dropped:
        level = next_level(trial.settings, trial.turn, trial.standing.keeps)
        standing = replace(trial.standing, tests=max(trial.standing.tests, trial.turn))
        trial = replace(trial, standing=standing, first=latest, test=trial.turn, level=level)
    trial = replace(trial, latest=latest)
    if dropped:
        worse = runs == 1 and trial.settings.gain(trial.known_level, trial.runs[0].value) < 0
        return discarded(trial, Reason.WORSE if worse else Reason.NOISE)
    if _reached(trial, latest):
        if trial.fresh < 1 or (trial.settings.adapts and trial.fresh < AGREEING and _has_moved(trial)):
            return trial.asks(Step.INCUMBENT)
        if (len(seeds.pairs(trial)[0]) if seeds.are_compared(trial) else runs) >= 2:
            return answered(replace(trial, reason=_keep_reason(trial)))
    if runs >= trial.settings.most_runs:
        return discarded(trial, Reason.NOISE)
    behind = runs < window and runs - trial.fresh <= numbers.lead
    return trial.asks(Step.CANDIDATE if behind else Step.INCUMBENT)


def _reached(trial: Trial, latest: float) -> bool:
    """Whether the evidence without that of the run that selected the candidate is enough."""
    assert trial.first is not None and trial.level is not None
    return latest - trial.first >= -math.log(trial.level)


def _keep_reason(trial: Trial) -> Reason:
    """A test passed with room for a loss is `improved` only if it also passes without."""
    demanded = trial.settings.demanded(evidence.against(trial.standing))
    return Reason.IMPROVED if _reached(trial, evidence.log_evidence(trial, -demanded)) else Reason.SIMPLER


def next_level(settings: JudgeSettings, test: int, keeps: tuple[int, ...]) -> float:
    """The level of a test. It is counted when a candidate is worth a second run; one ruled out by its first is free."""
    if settings.policy is Policy.FAST:
        return settings.alpha
    if settings.workers > 1:
        return statistics.lond_level(settings.alpha, test, len(keeps))
    return settings.numbers.slack * statistics.lord_level(settings.alpha, test, keeps)
