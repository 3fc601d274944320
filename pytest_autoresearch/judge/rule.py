"""From one run to the next: how a trial is opened, told a metric, closed and taken back. Pure.

A decision is a function of the standing at the candidate's opening and the trial's own runs. ``closed`` then folds what
was learned into the standing of the moment, in the order in which experiments end.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import replace
from itertools import count

from pytest_autoresearch.judge import beside, calibrating, certified, evidence, exact, grouped, seeds, tip
from pytest_autoresearch.judge.settings import JudgeError, JudgeSettings
from pytest_autoresearch.judge.standing import Level, Run, Standing, Step
from pytest_autoresearch.judge.trial import Heard, Trial, Undo
from pytest_autoresearch.judge.verdict import Verdict
from pytest_autoresearch.protocol.experiment import Reason, Status

LARGEST = 1e150  # beyond it squares overflow; no metric is there


def calibration(settings: JudgeSettings, standing: Standing) -> Trial:
    """Runs of the incumbent alone; its answer is None once they are enough."""
    return _answered(Trial(settings, standing, standing, calibrates=True))


def opened(
    settings: JudgeSettings,
    standing: Standing,
    complexity: int = 0,
    number: int | None = None,
    taken: Collection[int] = (),
    expected: tuple[float, float] | None = None,
    *,
    paired: bool = False,
) -> Trial:
    """An experiment on this standing; ``taken`` are the ``turn`` of other trials that are open beside it.

    ``expected`` is what :func:`carried.expected` says of a candidate that was merged onto another base; ``paired``:
    that base was run on the same slot.
    """
    recent = tuple(run for run in standing.incumbent.window if standing.clock - run.clock < settings.numbers.span)
    begun = replace(
        standing,
        incumbent=replace(standing.incumbent, window=recent),
        unchecked=standing.unchecked + 1,
        experiments=standing.experiments + 1,
    )
    turn = next(turn for turn in count(standing.tests + 1) if turn not in taken)
    number = begun.experiments if number is None else number
    return _answered(Trial(settings, standing, begun, complexity, number, turn, expected=expected, paired=paired))


def told(trial: Trial, value: float | None) -> Trial:
    """The trial after the run that it asked for; None for a run that gave no metric, and so is what is not finite.

    A crashed candidate is a verdict; a crashed incumbent is asked for once more, then JudgeError is raised.
    """
    step = trial.answer
    if not isinstance(step, Step):
        raise JudgeError("the judge is told a value it did not ask for")
    sound = float(value) if value is not None and abs(value) < LARGEST else None
    seed = seeds.next_seed(trial)
    standing = replace(trial.standing, clock=trial.standing.clock + 1)
    trial = replace(trial, standing=standing, heard=(*trial.heard, Heard(step, sound, seed)))
    trial = seeds.with_seed(trial, step, seed)
    if sound is None:
        return _failed(trial, step, Reason.ERROR if value is None else Reason.BAD_METRIC)
    run = Run(standing.clock, sound, seed)
    trial = _with_incumbent(trial, run) if step is Step.INCUMBENT else _with_candidate(trial, run)
    return _answered(_watched(trial, run, step))


def closed(standing: Standing, trial: Trial) -> Standing:
    """The standing after a trial has ended: all it knows where it was the only one, else what it adds."""
    standing = standing.at(trial.opening.slot)
    if standing is trial.opening or standing == trial.opening:
        return trial.standing
    return beside.folded(standing, trial)


def abandoned(trial: Trial) -> Trial:
    """The trial without a verdict of the judge's: somebody else has decided. What was spent on it stays spent."""
    if trial.runs and trial.standing.calibrated and trial.standing.noisy and trial.settings.grouped:
        return replace(grouped.given_up(trial), answer=None)
    return replace(trial.closed(), answer=None)


def overturned(trial: Trial) -> Trial:
    """The trial after somebody else has said no, to its keep or while it was under way: it earns nothing."""
    if isinstance(trial.answer, Verdict):
        kept = trial.undo is not None and trial.answer.status is Status.KEEP
        standing = taken_back(trial.standing, trial.undo) if kept and trial.undo is not None else trial.standing
        return replace(trial, standing=standing, answer=None)
    return abandoned(trial)


def left_behind(trial: Trial) -> Trial:
    """The trial of a candidate that is judged anew beside another base: its effect is counted there, and once."""
    ended, known = overturned(trial), trial.opening.belief
    belief = replace(ended.standing.belief, prior=known.prior, experiments=known.experiments)
    return replace(ended, standing=replace(ended.standing, belief=belief))


def taken_back(standing: Standing, undo: Undo) -> Standing:
    """The standing with its newest keep undone: it earns nothing, and what was learned by it stays known."""
    keeps = tuple(kept for kept in standing.keeps if kept != undo.test)
    back = replace(standing, incumbent=undo.incumbent, belief=undo.belief, keeps=keeps, last=undo.last)
    return replace(back, wander=back.wander.of_tip(None))


def level(settings: JudgeSettings, standing: Standing) -> Level:
    """The incumbent's level. Raises JudgeError before the calibration has ended."""
    if standing.incumbent.level is None:
        raise JudgeError("the incumbent has no level yet; calibrate the judge first")
    if settings.grouped and standing.noisy and standing.belief.variance is not None:
        return tip.level_of(standing)
    return standing.incumbent.level


def _answered(trial: Trial) -> Trial:
    if not trial.standing.calibrated:
        trial = replace(trial, standing=calibrating.finished(trial.settings, trial.standing))
        if not trial.standing.calibrated:
            return trial.asks(Step.INCUMBENT)
    if trial.calibrates:
        return replace(trial, answer=None)
    if trial.settings.classic or not trial.standing.noisy:
        return exact.answered(trial)
    return grouped.answered(trial) if trial.settings.grouped else certified.answered(trial)


def _with_incumbent(trial: Trial, run: Run) -> Trial:
    trial = replace(trial, failed=False)
    known = trial.standing.calibrated and trial.standing.noisy
    return tip.with_tip(trial, run) if known and trial.settings.grouped else certified.with_incumbent(trial, run)


def _with_candidate(trial: Trial, run: Run) -> Trial:
    if trial.reason is not None:
        return replace(trial, kept_runs=(*trial.kept_runs, run))
    if trial.settings.grouped and trial.standing.noisy:
        return grouped.with_candidate(trial, run)
    return replace(trial, runs=(*trial.runs, run))


def _watched(trial: Trial, run: Run, step: Step) -> Trial:
    """Leave exact mode as soon as one state has given two values; the incumbent is then calibrated."""
    standing = trial.standing
    if standing.noisy or not standing.calibrated or trial.settings.classic:
        return trial
    same = trial.known_level
    if step is Step.CANDIDATE:
        if len(trial.runs) == 1:
            return trial
        same = trial.runs[0].value
    if run.value == same:
        return replace(trial, standing=replace(standing, agreements=standing.agreements + 1))
    return replace(trial, standing=replace(standing, noisy=True, calibrated=False))


def _failed(trial: Trial, step: Step, reason: Reason) -> Trial:
    if step is Step.CANDIDATE:
        against = _against(trial)
        if trial.undo is not None:  # it was as good as kept
            trial = replace(trial, standing=taken_back(trial.standing, trial.undo))
        belief = trial.standing.belief
        if trial.settings.grouped and trial.undo is None:
            belief = replace(belief, experiments=belief.experiments + 1)
        return replace(trial, standing=replace(trial.standing, belief=belief)).crashed(reason, against)
    if trial.failed:
        raise JudgeError(
            "the incumbent gave no metric twice in a row, so nothing can be compared with it; "
            "run the kept state by hand, then start again to resume"
        )
    return replace(trial, failed=True)


def _against(trial: Trial) -> float:
    if trial.settings.grouped and trial.standing.noisy:
        return trial.standing.belief.mean
    return evidence.against(trial.standing)
