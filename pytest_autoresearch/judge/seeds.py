"""Which seed the next run has, where runs that are compared share one. Pure.

Seeds are counted from 0. A candidate's runs take those of the incumbent's; what is left over is filled up by the next
runs of the incumbent. On a noisy metric ``grouped`` gives the n-th run of every state the n-th seed. A seed is a
function of what was heard, so that a replay, and a session that goes on after a kill, have the same.
"""

from __future__ import annotations

import math
from dataclasses import replace

from pytest_autoresearch.judge import statistics
from pytest_autoresearch.judge.panel import SEEDS
from pytest_autoresearch.judge.spread import Spread
from pytest_autoresearch.judge.standing import Step
from pytest_autoresearch.judge.trial import Trial

TELLING = 12  # pairs of runs of the incumbent, before a machine is taken to stand still
STILL = 0.05  # probability that it moves
FIRST_SHARE = 0.5  # of a run's variance that its seed is taken to explain before candidates have shown it
FIRST_FREEDOM = 2  # degrees of freedom that this counts for


def next_seed(trial: Trial) -> int | None:
    """The seed of the run that a trial asks for; None where seeds are not paired."""
    if not trial.settings.paired or not isinstance(trial.answer, Step):
        return None
    standing, is_candidate = trial.standing, trial.answer is Step.CANDIDATE
    mine = [heard.seed for heard in trial.heard if heard.step is Step.CANDIDATE]
    if not standing.calibrated:
        return standing.seeded
    if trial.settings.grouped and standing.noisy:
        return len(mine) % SEEDS if is_candidate else standing.seeded % SEEDS
    window = [run.seed for run in standing.incumbent.window]
    if not window and standing.last is not None:
        window = [standing.last.seed]
    wanted, had = (window, mine) if is_candidate else (mine, window)
    lacking = [seed for seed in wanted if seed is not None and seed not in had]
    return lacking[0] if lacking and trial.reason is None else standing.seeded


def with_seed(trial: Trial, step: Step, seed: int | None) -> Trial:
    """After a run that had this seed."""
    if seed is None:
        return trial
    standing = trial.standing
    if trial.settings.grouped and standing.noisy and standing.calibrated:
        seeded = standing.seeded + (step is Step.INCUMBENT)
    else:
        seeded = max(standing.seeded, seed + 1)
    return replace(trial, standing=replace(standing, seeded=seeded))


def are_compared(trial: Trial) -> bool:
    """Whether runs count by their pairs: not while the machine may move, as the incumbent's may be an hour old.

    There the mean of all its runs is what a candidate is held against, as without pairs.
    """
    wander = trial.opening.wander
    return trial.settings.paired and wander.pairs >= TELLING and wander.moving < STILL


def pairs(trial: Trial) -> tuple[list[float], list[float]]:
    """The metrics of incumbent and candidate in runs that share a seed, in the order of the candidate's."""
    window = {run.seed: run.value for run in trial.standing.incumbent.window if run.seed is not None}
    both = [(window[run.seed], run.value) for run in trial.runs if run.seed in window]
    return [before for before, _ in both], [after for _, after in both]


def noise_beside(trial: Trial) -> Spread:
    """The noise of a run beside another of its seed; before any is known, as if seeds explained nothing."""
    standing = trial.standing
    if standing.beside is not None:
        return standing.beside
    level = statistics.median([run.value for run in standing.incumbent.window])
    return Spread().pooled(FIRST_FREEDOM * standing.spread.variance(level), FIRST_FREEDOM, level)


def learned(trial: Trial) -> Trial:
    """With what the pairs of a trial say of the noise that no seed explains."""
    before, after = pairs(trial)
    if len(before) < 2:
        return trial
    known, level = noise_beside(trial), statistics.mean(after)
    squares = statistics.squared_residuals([y - x for x, y in zip(before, after, strict=True)]) / 2
    most = 9 * (len(before) - 1) * known.variance(level) if known.variance(level) else math.inf
    beside = known.pooled(min(squares, most), len(before) - 1, level, after)
    return replace(trial, standing=replace(trial.standing, beside=beside))
