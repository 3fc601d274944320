"""How an experiment ends where its own runs prove it: the keep, the discard, and what they leave. Pure."""

from __future__ import annotations

from dataclasses import replace

from pytest_autoresearch.judge import evidence, seeds
from pytest_autoresearch.judge.standing import Belief, Incumbent, Level, Provisional, Run
from pytest_autoresearch.judge.trial import Trial, Undo
from pytest_autoresearch.judge.verdict import Verdict
from pytest_autoresearch.protocol.experiment import Reason, Status


def kept(trial: Trial, reason: Reason, measured: tuple[Run, ...], window: tuple[Run, ...]) -> Trial:
    """The candidate is the incumbent: ``measured`` tell its level, ``window`` opens the next comparison."""
    old, ended = trial.standing.incumbent, _closed(trial)
    if trial.standing.noisy:
        ended = ended.pooled_runs([run.value for run in measured])
    verdict = _verdict(trial, ended, Status.KEEP, reason, measured)
    assert verdict.estimate is not None and verdict.against is not None
    gain = trial.settings.gain(verdict.against, verdict.estimate)
    debt = max(0.0, old.debt - gain) if reason is Reason.IMPROVED else old.debt + max(0.0, -gain)
    belief = _on_top(trial, gain)
    standing = replace(
        ended.standing,
        keeps=ended.standing.keeps if trial.test is None else (*ended.standing.keeps, trial.test),
        incumbent=Incumbent(window, Level(verdict.estimate, verdict.interval), debt),
        unchecked=0,
        last=window[-1],
        belief=belief,
    )
    undo = Undo(old, trial.standing.belief, trial.standing.last, trial.test)
    return replace(ended, standing=standing, undo=undo).ended(replace(verdict, provisional=bool(belief.stack)))


def discarded(trial: Trial, reason: Reason) -> Trial:
    """The incumbent stays."""
    ended = _closed(trial)
    return ended.ended(_verdict(trial, ended, Status.DISCARD, reason, trial.runs))


def _closed(trial: Trial) -> Trial:
    ended = trial.closed()
    return seeds.learned(ended) if trial.settings.paired and trial.standing.noisy else ended


def _on_top(trial: Trial, gain: float) -> Belief:
    """What stands on proven ground is the new base; on keeps that are not proven, it waits with them."""
    belief = trial.standing.belief
    if not belief.stack:
        return replace(belief, base=trial.number, variance=None)
    noise = trial.standing.spread.deviation(trial.known_level) or 1.0
    return replace(belief, stack=(*belief.stack, Provisional(trial.number, gain / noise, 0.0)), variance=None)


def _verdict(trial: Trial, ended: Trial, status: Status, reason: Reason, measured: tuple[Run, ...]) -> Verdict:
    """Levels as the experiment leaves them; what was compared is as it stood before its end."""
    values = [run.value for run in measured]
    level, against = evidence.level(trial.settings, ended.standing, values), evidence.against(trial.standing)
    return Verdict(
        status=status,
        reason=reason,
        estimate=level.estimate,
        interval=level.interval,
        samples=len(measured),
        evidence=trial.evidence,
        threshold=trial.threshold,
        against=against,
        suspicious=evidence.is_suspicious(
            trial.settings, trial.standing, trial.settings.gain(against, level.estimate), against
        ),
    )
