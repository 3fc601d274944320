"""What a trial adds to a standing in which others have ended since it was opened. Pure.

The trial has decided from the standing that it met; here only what it has learned is brought in: runs, noise, effects,
the tip's level, and its keep, which can be one only while the tip is the one that it was measured beside.
"""

from __future__ import annotations

from dataclasses import replace

from pytest_autoresearch.judge import scatter
from pytest_autoresearch.judge.spread import Spread
from pytest_autoresearch.judge.standing import Belief, Incumbent, Run, Standing, Step
from pytest_autoresearch.judge.trial import REMEMBERED, Trial
from pytest_autoresearch.judge.verdict import Verdict
from pytest_autoresearch.protocol.experiment import Status


def folded(standing: Standing, trial: Trial) -> Standing:
    """The standing with what the trial adds to it."""
    before, mine = trial.opening, trial.standing
    spread = standing.spread
    for pooled in trial.pools:
        spread = spread.pooled(*pooled)
    ran_incumbent = any(heard.step is Step.INCUMBENT for heard in trial.heard)
    changed = replace(
        standing,
        clock=standing.clock + len(trial.heard),
        experiments=standing.experiments + 1,
        tests=max(standing.tests, trial.test or 0),
        unchecked=0 if ran_incumbent else standing.unchecked + 1,
        check=max(standing.check, mine.check),
        spread=spread,
        seeded=max(standing.seeded, mine.seeded),
        beside=mine.beside if standing.beside == before.beside else standing.beside,
        differences=_with_new(standing.differences, before.differences, mine.differences),
    )
    if mine.noisy and not standing.noisy:
        return _noisy(changed)
    if not standing.noisy:
        changed = replace(changed, agreements=standing.agreements + max(0, mine.agreements - before.agreements))
    if standing.places == before.places and standing.calibrated:  # whatever is the tip by now, it is the same machine
        changed = replace(changed, wander=standing.wander.joined(before.wander, mine.wander))
    if standing.tip != before.tip:
        belief = _learned(standing.belief, before.belief, mine.belief)
        wander = changed.wander.of_tip(standing.wander.states.tip)
        return replace(changed, wander=wander, belief=belief)
    if not standing.calibrated:
        return _calibrated(changed, mine) if mine.calibrated else changed
    belief = _belief(standing.belief, before.belief, mine.belief, changed.clock)
    kept = isinstance(trial.answer, Verdict) and trial.answer.status is Status.KEEP
    if kept:
        keeps = changed.keeps if trial.test is None else (*changed.keeps, trial.test)
        wander = changed.wander.of_tip(mine.wander.states.tip)
        changed = replace(changed, keeps=keeps, wander=wander, last=mine.last, seeded=mine.seeded)
        return replace(changed, incumbent=mine.incumbent, belief=belief, unchecked=0)
    window = _with_runs(standing, before, mine)
    last = mine.last if mine.last != before.last else standing.last
    incumbent = replace(standing.incumbent, window=window)
    return replace(changed, incumbent=incumbent, belief=belief, last=last)


def proven(standing: Standing, before: Standing, mine: Standing) -> Standing:
    """The standing with the runs and the test of a group that was opened on ``before`` and ends as ``mine``."""
    passed, tests = mine.clock - before.clock, max(standing.tests, mine.tests)
    changed = replace(standing, clock=standing.clock + passed, tests=tests)
    if standing.calibrated or not mine.calibrated or standing.tip != before.tip:
        return changed
    return _calibrated(changed, mine)


def _noisy(standing: Standing) -> Standing:
    """The metric does not repeat itself, as this trial has seen: the incumbent is measured anew, as at a beginning."""
    incumbent = Incumbent(level=standing.incumbent.level, debt=standing.incumbent.debt)
    return replace(standing, noisy=True, calibrated=False, spread=Spread(), agreements=0, incumbent=incumbent)


def _calibrated(standing: Standing, mine: Standing) -> Standing:
    """With the calibration that the trial has made."""
    belief = replace(mine.belief, clock=standing.clock)
    return replace(
        standing,
        calibrated=True,
        noisy=mine.noisy,
        spread=mine.spread,
        incumbent=mine.incumbent,
        wander=mine.wander,
        last=mine.last,
        check=mine.check,
        belief=belief,
    )


def _with_new(now: tuple[float, ...], before: tuple[float, ...], mine: tuple[float, ...]) -> tuple[float, ...]:
    return now if mine == before or not mine else (*now, mine[-1])[-REMEMBERED:]


def _with_runs(standing: Standing, before: Standing, mine: Standing) -> tuple[Run, ...]:
    """The slot's window with the incumbent's runs of this trial."""
    known = set(before.incumbent.window)
    return (*standing.incumbent.window, *(run for run in mine.incumbent.window if run not in known))


def _learned(now: Belief, before: Belief, mine: Belief) -> Belief:
    """With what the trial has learned of the effects at large, whatever is the tip by now."""
    return replace(
        now,
        prior=scatter.joined(now.prior, before.prior, mine.prior),
        experiments=now.experiments + mine.experiments - before.experiments,
    )


def _belief(now: Belief, before: Belief, mine: Belief, clock: int) -> Belief:
    """What is believed with what the trial has learned: its keep, the tip's level, the effects at large."""
    learned = replace(_learned(now, before, mine), won=now.won + mine.won - before.won)
    if mine.stack != before.stack or mine.base != before.base:  # it was kept: the tip is its own
        stack = (*now.stack, *mine.stack[len(before.stack) :])  # a group may have proven what it stands on
        known = replace(mine, prior=learned.prior, experiments=learned.experiments, won=learned.won, clock=clock)
        base = now.base if mine.base == before.base else mine.base
        return replace(known, base=base, stack=stack, due=now.due)
    if now.panel is not None:  # what its runs of the tip told is taken where nobody else has told of it meanwhile
        same = now.panel == before.panel and mine.panel is not None
        return replace(learned, panel=mine.panel, mean=mine.mean, variance=mine.variance) if same else learned
    if mine.variance is None or before.variance is None or now.variance is None or not mine.variance:
        return learned
    gained = 1 / mine.variance - 1 / before.variance  # as much as its runs told, in the form that adds up
    if gained <= 0:
        return learned
    told = (mine.mean / mine.variance - before.mean / before.variance) / gained
    variance = 1 / (1 / now.variance + gained)
    return replace(learned, mean=variance * (now.mean / now.variance + told * gained), variance=variance, levels=())
