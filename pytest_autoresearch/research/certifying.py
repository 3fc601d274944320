"""Provisional keeps proven together: the tip against the last certified commit, on runs that selected nothing."""

from __future__ import annotations

import statistics
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from pytest_autoresearch.judge import Step
from pytest_autoresearch.notebook.record import Group
from pytest_autoresearch.protocol.experiment import Measurement, Outcome, Role

if TYPE_CHECKING:
    from pytest_autoresearch.judge import GroupVerdict
    from pytest_autoresearch.research.loop import Research

GROUP_SEEDS = 5_000_000  # where the seeds of these runs begin, far from those of experiments and verifications
SEEDS_OF_ONE = 1_000  # a group that goes on is measured again, on other seeds
RESERVED_RUNS = 8  # so many runs before the end of its duration a session stops to propose, for its last group


def prove(research: Research) -> None:
    """Certify while the judge wants to, before the next experiment begins."""
    while research.judge.due:
        certify(research)


def certify(research: Research) -> Group:
    """Measure tip and base in turn (ABBA) until the judge has a verdict on the group, and record it.

    Where it fails the branch is at the base again. Nothing is recorded, and the next start begins anew, where the
    session dies in between.
    """
    history, number = research.notebook.history, research.next_number
    base = history.certified
    assert base is not None
    states = {Step.BASE: research.parts.git.files(base.commit), Step.INCUMBENT: research.drafts.incumbent}
    runs: dict[Step, list[Measurement]] = {Step.BASE: [], Step.INCUMBENT: []}
    first = GROUP_SEEDS + SEEDS_OF_ONE * len(history.groups)
    answer: Step | GroupVerdict = research.judge.certify()
    while isinstance(answer, Step):
        index = first + sum(map(len, runs.values()))
        research.watch.phase(number, f"{research.judge.progress()}", budget=research.budget)
        measured = research.measure(states[answer], Role.INCUMBENT, number, index)
        runs[answer].append(measured)
        answer = research.judge.tell_group(measured.value)
    group = Group(
        keeps=answer.keeps,
        base=base.number,
        outcome=answer.outcome,
        gain=answer.gain,
        interval=answer.interval,
        pairs=answer.pairs,
        base_runs=tuple(runs[Step.BASE]),
        tip_runs=tuple(runs[Step.INCUMBENT]),
        when=datetime.now(timezone.utc),
        evidence=answer.evidence,
        threshold=answer.threshold,
        isolation=research.lab.isolation,
        place=research.parts.place,
        judge=research.judge.state().to_json(),
    )
    research.notebook.group(group)
    if group.outcome is Outcome.ROLLED_BACK:
        research.drafts.went_back(base.commit)
    research.watch.remark(_words(group))
    return group


def reserve(research: Research) -> float:
    """Seconds that the proof of what is provisional needs."""
    if not research.judge.stack:
        return 0.0
    return RESERVED_RUNS * statistics.median(run.duration for run in research.history[0].measurements)


def _words(group: Group) -> str:
    keeps = f"{group.keeps[0]:04d}" if len(group.keeps) == 1 else f"{group.keeps[0]:04d} to {group.keeps[-1]:04d}"
    what = f"group of {len(group.keeps)} ({keeps}), measured on {group.pairs} fresh pairs"
    gain = "" if group.gain is None else f", gain {group.gain:.4g}"
    if group.outcome is Outcome.CERTIFIED:
        return f"{what}{gain}: certified"
    if group.outcome is Outcome.GOES_ON:
        return f"{what}{gain}: not shown yet, its keeps stay provisional"
    return f"{what}{gain}: no proven gain, the branch is at {group.base:04d} again"
