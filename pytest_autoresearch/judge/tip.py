"""The branch tip of ``grouped``: where its level is believed to lie, and what tells of it. Pure.

Its own runs tell, and so does every candidate beside it: one that is discarded lies below it by what it is believed to
be worse, and one that is kept is the tip from then on.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

from pytest_autoresearch.judge import evidence, panel, statistics, tracking, unlike
from pytest_autoresearch.judge.panel import Panel
from pytest_autoresearch.judge.settings import JudgeSettings
from pytest_autoresearch.judge.standing import WINSOR, Belief, Level, Run, Standing
from pytest_autoresearch.judge.trial import Trial
from pytest_autoresearch.judge.weighing import Followed, Weighed, followed_at_seeds, moving, on_panel

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
    if belief.panel is not None:
        moved = staleness(settings, standing) * passed * standing.spread.variance(belief.mean)
        later = at_seeds(belief, belief.panel.moved(0.0, moved))
        return replace(standing, belief=replace(later, clock=standing.clock))
    one = 1.0 if belief.counted else standing.spread.variance(belief.mean)
    variance = belief.variance + staleness(settings, standing) * passed * one
    belief = replace(belief, variance=variance, levels=(), clock=standing.clock)
    return replace(standing, belief=belief)


def with_aged_tip(trial: Trial) -> Trial:
    """With an aged tip; on a machine that moves as of the opening, its runs since then are followed one by one."""
    if trial.heard and (moving(trial) is not None or on_panel(trial)):
        return trial
    return replace(trial, standing=aged(trial.settings, trial.standing))


def with_tip(trial: Trial, run: Run) -> Trial:
    """With a run of the tip: its level moves by as much as the run knows better (Kalman 1960), outliers pulled in."""
    before = with_aged_tip(replace(trial, standing=replace(trial.standing, clock=trial.standing.clock - 1)))
    standing = replace(before.standing, clock=trial.standing.clock, unchecked=0)
    standing = _surprised(before, standing, run) if on_panel(trial) else standing.apart(standing.last, run)
    belief, spread, doubt = standing.belief, standing.spread, standing.doubt
    trial = replace(trial, standing=standing, fresh=trial.fresh + bool(trial.runs))
    if belief.variance is None or doubt is None:
        belief = belief.known(run.value, 1.0, spread.deviation(run.value), spread)
    elif moving(trial) is not None or on_panel(trial):  # the level is followed through all of the trial's runs together
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
    if at.panel is not None:
        return _at_seeds_after(settings, standing, at, at.panel, is_kept=True)
    old, known = standing.belief, 1 / at.tip
    moved = at.unit * (known * at.believed.mean + at.told * at.gain) / (known + at.told)
    doubt = (at.deviation * known / (known + at.told)) ** 2 + 1 / (known + at.told)
    return old.known(settings.moved(old.mean, moved), doubt, at.unit, standing.spread)


def as_discarded(settings: JudgeSettings, standing: Standing, at: Weighed) -> Belief:
    """What a discard tells of the tip: it is as far from the candidate as the effect is believed to be."""
    belief, known = standing.belief, 1 / at.tip
    if at.panel is not None:
        return _at_seeds_after(settings, standing, at, at.panel, is_kept=False)
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


def at_seeds(belief: Belief, found: Panel) -> Belief:
    """With a tip whose level is this at each seed."""
    return replace(belief, panel=found, mean=found.level, variance=found.variance, counted=False, levels=())


def _at_seeds_after(
    settings: JudgeSettings, standing: Standing, at: Weighed, state: panel.Followed, *, is_kept: bool
) -> Belief:
    belief = standing.belief
    assert belief.panel is not None
    levels, doubts = state.after(at.believed.mean, at.deviation, is_kept=is_kept)
    means = tuple(settings.moved(belief.mean, at.unit * level) for level in levels)
    scaled = tuple(tuple(at.unit**2 * doubt for doubt in row) for row in doubts)
    return replace(at_seeds(belief, Panel(means, scaled, belief.panel.shared)), clock=standing.clock)


def _surprised(before: Trial, standing: Standing, run: Run) -> Standing:
    """With what a run of the tip says of the machine: how far it lies from what was expected of its seed."""
    unit = standing.spread.deviation(standing.belief.mean)
    if standing.last is None or run.seed is None or not unit:
        return replace(standing, last=run)
    state = followed_at_seeds(replace(before, heard=before.heard[:-1]), unit)
    seed = run.seed % panel.SEEDS
    off = before.settings.gain(standing.belief.mean, run.value) / unit - state.levels[seed]
    return standing.differing(2 * off * off / (state.doubts[seed][seed] + 1), standing.last, run)


def relearned(trial: Trial, values: Sequence[float]) -> Trial:
    """A tip on another scale, by its runs on the first seeds; what a seed explains there has the share it had.

    Where they are all the same they tell no noise: the one that was known stays.
    """
    standing, center = trial.standing, statistics.mean(values)
    belief, old = standing.belief, standing.belief.panel
    assert old is not None
    own = standing.spread.variance(belief.calibrated_at)
    freedom = len(values) - 1
    size = statistics.squared_residuals(values) / freedom / (own + old.shared) if own else 0.0
    if size:
        trial = trial.pooled(freedom * size * own, freedom, center, values, capped=False)
        everyone = [(run.seed or 0, run.value) for run in (*trial.runs, *trial.kept_runs)]
        belief = at_seeds(belief, Panel.opened(everyone, size * own, size * old.shared))
    belief = replace(belief, clock=standing.clock, calibrated_at=center)
    return replace(trial, standing=replace(trial.standing, belief=belief))


def level_of(standing: Standing) -> Level:
    """The tip's level with its 95 % interval, as believed."""
    belief, spread = standing.belief, standing.spread
    doubt = 1.0 if standing.doubt is None else standing.doubt
    reach = statistics.t_quantile(0.975, max(spread.freedom, 1)) * math.sqrt(doubt) * spread.deviation(belief.mean)
    return Level(belief.mean, evidence.around(belief.mean, reach, spread))
