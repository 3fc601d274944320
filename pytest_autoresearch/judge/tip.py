"""The branch tip of ``grouped``: where its level is believed to lie, and what tells of it. Pure.

Its own runs tell, and so does every candidate beside it: one that is discarded lies below it by what it is believed to
be worse, and one that is kept is the tip from then on.
"""

from __future__ import annotations

import math
from dataclasses import replace

from pytest_autoresearch.judge import evidence, statistics, tracking, unlike
from pytest_autoresearch.judge.settings import JudgeSettings
from pytest_autoresearch.judge.standing import WINSOR, Belief, Level, Run, Standing
from pytest_autoresearch.judge.trial import Trial
from pytest_autoresearch.judge.weighing import Followed, Weighed, moving

STALE = 0.001  # variances of a run that a level loses in certainty with each run that passes; .004 cost .9 sigma


def staleness(settings: JudgeSettings, standing: Standing) -> float:
    """Variances of one run that the tip's level loses in certainty with each run that passes.

    The clock counts the runs of all slots, and a machine moves in the time that each of them takes.
    """
    return max(STALE, standing.wander.rate if settings.adapts else 0.0) / settings.workers


def aged(settings: JudgeSettings, standing: Standing) -> Standing:
    """With a tip whose level is the less certain the more runs have passed since."""
    belief, passed = standing.belief, standing.clock - standing.belief.clock
    if belief.variance is None or not passed:
        return standing
    one = 1.0 if belief.counted else standing.spread.variance(belief.mean)
    variance = belief.variance + staleness(settings, standing) * passed * one
    belief = replace(belief, variance=variance, levels=(), clock=standing.clock)
    return replace(standing, belief=belief)


def with_aged_tip(trial: Trial) -> Trial:
    """With an aged tip; on a machine that moves as of the opening, its runs since then are followed one by one."""
    if trial.heard and moving(trial) is not None:
        return trial
    return replace(trial, standing=aged(trial.settings, trial.standing))


def with_tip(trial: Trial, run: Run) -> Trial:
    """With a run of the tip: its level moves by as much as the run knows better (Kalman 1960), outliers pulled in."""
    before = with_aged_tip(replace(trial, standing=replace(trial.standing, clock=trial.standing.clock - 1)))
    standing = replace(before.standing, clock=trial.standing.clock, unchecked=0)
    standing = standing.apart(standing.last, run)
    belief, spread, doubt = standing.belief, standing.spread, standing.doubt
    trial = replace(trial, standing=standing, fresh=trial.fresh + bool(trial.runs))
    if belief.variance is None or doubt is None:
        belief = belief.known(run.value, 1.0, spread.deviation(run.value), spread)
    elif moving(trial) is not None:  # the level is followed through all of the trial's runs together
        return trial
    else:
        tips = unlike.tip_scatter(trial)
        own = 1.0 if tips is None else tips.mean
        distance, weight = run.value - belief.mean, doubt / (doubt + own)
        reach = WINSOR * spread.deviation(belief.mean) * math.sqrt(doubt + own)
        trial = trial.pooled(distance * distance / (doubt + 1), 1, belief.mean, (run.value,))
        mean = belief.mean + weight * max(-reach, min(reach, distance))
        belief = replace(belief, mean=mean, variance=belief.variance * (1 - weight), levels=())
    belief = replace(belief, clock=run.clock, calibrated_at=belief.calibrated_at or belief.mean)
    return replace(trial, standing=replace(trial.standing, belief=belief))


def as_kept(settings: JudgeSettings, standing: Standing, at: Weighed) -> Belief:
    """The candidate's level, by its own runs and the old tip's."""
    if at.followed is not None:
        return _after(settings, standing, at, at.followed, is_kept=True)
    old, known = standing.belief, 1 / at.tip
    moved = at.unit * (known * at.believed.mean + at.told * at.gain) / (known + at.told)
    doubt = (at.deviation * known / (known + at.told)) ** 2 + 1 / (known + at.told)
    return old.known(settings.moved(old.mean, moved), doubt, at.unit, standing.spread)


def as_discarded(settings: JudgeSettings, standing: Standing, at: Weighed) -> Belief:
    """What a discard tells of the tip: it is as far from the candidate as the effect is believed to be."""
    belief, known = standing.belief, 1 / at.tip
    if at.followed is not None:
        return _after(settings, standing, at, at.followed, is_kept=False)
    doubt = (at.deviation * at.told / (at.told + known)) ** 2 + 1 / (at.told + known)
    if doubt >= at.tip:
        return belief
    moved = at.unit * (at.gain - at.believed.mean) * at.told / (at.told + known)
    return belief.known(settings.moved(belief.mean, moved), doubt, at.unit, standing.spread)


def _after(settings: JudgeSettings, standing: Standing, at: Weighed, followed: Followed, *, is_kept: bool) -> Belief:
    """The level of what is the tip now, where the machine moves."""
    belief, unit = standing.belief, standing.spread.deviation(standing.belief.mean) or at.unit
    levels, size = tracking.levels_after(followed.tracks, followed.joint, at.believed, is_kept), (at.unit / unit) ** 2
    moved, doubt = tracking.as_one(levels)
    known = belief.known(settings.moved(belief.mean, at.unit * moved), doubt * size, unit, standing.spread)
    one = size * (1.0 if known.counted else unit * unit)
    at_levels = tuple((w, settings.moved(belief.mean, at.unit * mean), v * one) for w, mean, v in levels)
    return replace(known, clock=standing.clock, levels=at_levels if len(levels) > 1 else ())


def level_of(standing: Standing) -> Level:
    """The tip's level with its 95 % interval, as believed."""
    belief, spread = standing.belief, standing.spread
    doubt = 1.0 if standing.doubt is None else standing.doubt
    reach = statistics.t_quantile(0.975, max(spread.freedom, 1)) * math.sqrt(doubt) * spread.deviation(belief.mean)
    return Level(belief.mean, evidence.around(belief.mean, reach, spread))
