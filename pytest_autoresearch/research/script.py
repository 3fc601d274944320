"""An experiment as the method reads: propose, measure, judge, record. No thread, no slot and no pytest is in here.

It yields what it wants done and is sent what came of it, so whoever drives it decides how many are under way.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_autoresearch.agents.base import Agent
from pytest_autoresearch.agents.briefing import looks_trivial
from pytest_autoresearch.errors import PlaceLost
from pytest_autoresearch.judge import Step, Verdict
from pytest_autoresearch.judge.belief import DOUBT
from pytest_autoresearch.judge.grouped import wants_its_pair
from pytest_autoresearch.judge.rule import overturned, told
from pytest_autoresearch.judge.seeds import next_seed
from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Reason, Role, Status
from pytest_autoresearch.protocol.marker import ASSERTED
from pytest_autoresearch.report.words import WAITS
from pytest_autoresearch.research.candidate import Candidate, Ruling
from pytest_autoresearch.research.case import Case
from pytest_autoresearch.research.doubting import doubted
from pytest_autoresearch.research.moving import begin_anew, displaced
from pytest_autoresearch.research.moving_up import FIRST_PAIR, in_vain, moved_up
from pytest_autoresearch.research.recording import record
from pytest_autoresearch.research.reviewing import reviewed
from pytest_autoresearch.research.session import Research
from pytest_autoresearch.research.work import Leave, Script, Seat

HIDDEN_PAIRS = 3  # hidden runs of incumbent and candidate each, where the metric is noisy
MOST_ATTEMPTS = 2  # a proposal in which the session died as often is a crash of its own


def experiment(research: Research, case: Case, agent: Agent | None) -> Script[Experiment]:
    """One proposal, measured, judged and recorded. Without an ``agent`` it is one that an earlier session has left."""
    try:
        return (yield from _experiment(research, case, agent))
    finally:
        research.line.leave(case.number)


def _experiment(research: Research, case: Case, agent: Agent | None) -> Script[Experiment]:
    if agent is None:
        candidate, ruling = _resumed(research, case)
    else:
        research.phase(case.number, f"{agent.name} proposes", budget=research.settings.agent_deadline)
        candidate, ruling = yield from research.proposed(case, agent)
    if ruling is None:
        research.announce(case, candidate)  # before it waits for a slot: it was paid for
        if not research.slots.free:
            research.phase(case.number, WAITS)
        case.place = yield Seat()
        if any(run.place not in (None, case.place) for run in case.measurements):
            begin_anew(research, case)  # the last session had it on another slot
    while ruling is None:
        try:
            if research.is_behind(case) and not candidate.probe:  # somebody was faster
                candidate, ruling = yield from moved_up(research, case, candidate)
                continue
            candidate, ruling = yield from _judged(research, case, candidate)
        except PlaceLost as lost:
            research.line.leave(case.number)
            ruling = displaced(research, case, lost)
            if ruling is None:
                case.place = yield Seat()
            continue
        if ruling is not None and ruling.reason.status is Status.KEEP and research.is_stale(case):
            ruling = None
    research.close(case)
    if ruling.reason.status is not Status.KEEP and case.place is not None:  # the next one has nothing to wait for
        yield Leave()
    return record(research, case, candidate, ruling)


def _resumed(research: Research, case: Case) -> tuple[Candidate, Ruling | None]:
    """A proposal that was being measured when the last session died; what was measured counts."""
    pending = case.pending
    assert pending is not None
    candidate = research.drafts.resumed(pending, case.state)
    case.trial = research.reopened(pending)
    if case.trial is not None:
        case.measurements, case.expected = list(pending.measurements), case.trial.expected
        case.opened = pending.opened
    if pending.attempts < MOST_ATTEMPTS:
        return candidate, None
    if case.trial is not None:
        case.trial = overturned(case.trial)
    return candidate, Ruling(Reason.INTERRUPTED, f"the session died in it {pending.attempts} times")


def _judged(research: Research, case: Case, candidate: Candidate) -> Script[tuple[Candidate, Ruling | None]]:
    """The candidate, mended if its author had to have a second try, and what becomes of it.

    None where it looks well and its base was left behind, or somebody is ahead of it in line: it is judged anew beside
    the new base whatever it shows here.
    """
    ruling = yield from _weighed(research, case, candidate)
    if ruling is None:
        return candidate, None
    last = case.measurements[-1]
    if looks_trivial(last) and last.role is Role.CANDIDATE:
        mended = yield from research.mended(case, candidate, last)
        if mended is not None:
            candidate = mended
            case.measurements = []  # the others are of another state; the record is of the mended one
            case.expected = None
            if case.trial is not None:  # and so is their verdict, which the record's runs alone have to give again
                research.judge.forget(case.trial)
                case.trial = None
            research.announce(case, candidate)
            ruling = yield from _weighed(research, case, candidate)
            if ruling is None:
                return candidate, None
    if ruling.reason.status is Status.KEEP and research.judge.settings.grouped:
        if research.is_stale(case) and not case.spent and (ruling.harm or 0.0) > DOUBT:
            return candidate, None  # it is run beside the new base once more before others are run on top of it
        research.line.join(case.number, candidate.tree)
        if research.is_behind(case):
            return candidate, None
    ruling = yield from doubted(research, case, ruling, candidate)
    if ruling.reason.status is Status.KEEP and not research.is_stale(case):
        ruling = yield from _upheld(research, case, candidate, ruling)
    candidate = yield from reviewed(research, case, candidate, ruling)
    return candidate, ruling


def _weighed(research: Research, case: Case, candidate: Candidate) -> Script[Ruling | None]:
    """Measure what the judge asks for until it has a verdict. It has no say in a probe, which can not be kept.

    None where it asks for another look, and the base was left behind.
    """
    if candidate.probe:
        run = yield from _measured(research, case, candidate, Role.CANDIDATE)
        return research.referee.probed(run, research.history[0].measurements, research.runs.most)
    judge = research.judge
    slot = 0 if case.place is None else case.place.slot
    if case.trial is None:
        case.opened = research.position
        case.trial = judge.open(candidate.complexity, candidate.number, slot, case.expected, paired=case.paired)
    trial = case.trial
    while isinstance(step := trial.answer, Step):
        if trial.runs and research.is_stale(case) and not wants_its_pair(trial):
            return None
        role = Role.CANDIDATE if step is Step.CANDIDATE else Role.INCUMBENT
        if role is Role.CANDIDATE:
            case.to_beat = judge.level_beside(trial).estimate  # not the recorded one where it had to be measured anew
        is_first = role is Role.CANDIDATE and all(m.role is not Role.CANDIDATE for m in case.measurements)
        run = yield from _measured(research, case, candidate, role, may_give_up=is_first)
        if run.failure is Reason.WORSE:  # given up on the way
            case.trial = overturned(trial)
            return Ruling(Reason.WORSE, run.detail)
        trial = case.trial = told(trial, run.value)
        if isinstance(trial.answer, Step):  # the run that decides is made again: with its seed it decides the same
            research.keep_progress(case, judge.state_of(trial))
        if role is Role.CANDIDATE and run.failure is not None:
            return Ruling(run.failure, run.detail)
        if is_first and run.secondary.get(ASSERTED) == 0:
            # A body's own assertion screens; what later runs assert is noise, which the judge weighs.
            if isinstance(trial.answer, Step):
                case.trial = overturned(trial)
            return Ruling(Reason.WORSE, "the metric assertion failed", value=run.value)
    assert isinstance(trial.answer, Verdict)
    return Ruling.of(trial.answer)


def _measured(
    research: Research, case: Case, candidate: Candidate, role: Role, *, may_give_up: bool = False
) -> Script[Measurement]:
    """One run of the candidate, or of the incumbent beside it."""
    progress = None if case.trial is None else research.judge.progress(case.trial)
    words = f"{role.value} run" if progress is None else f"{role.value} run, {progress}"
    research.phase(case.number, words, budget=research.runs.budget)
    state = candidate.state if role is Role.CANDIDATE else case.state
    if case.trial is not None:
        pair = next_seed(case.trial)
    else:  # a probe is compared with what has the first seed
        pair = 0 if research.protocol.paired_seeds else None
    index = len(case.measurements)
    if role is Role.CANDIDATE and pair not in (None, FIRST_PAIR):
        in_vain(case)
    if role is Role.CANDIDATE and case.made:
        run = case.made.pop()
    else:
        run = yield from research.runs.of_case(case, state, role, index, pair=pair, may_give_up=may_give_up)
    case.measurements.append(run)
    return run


def _upheld(research: Research, case: Case, candidate: Candidate, ruling: Ruling) -> Script[Ruling]:
    """The keep, or what limits, guards and the holdout make of it."""
    upheld = yield from research.referee.uphold(
        ruling,
        candidate,
        case.measurements,
        research.history[0].measurements,
        budget=research.runs.most,
        deadline=research.runs.deadline,
        hidden=lambda: _hidden(research, case, candidate),
    )
    if upheld.reason.status is not Status.KEEP and case.trial is not None:
        case.trial = overturned(case.trial)
    return upheld


def _hidden(
    research: Research, case: Case, candidate: Candidate
) -> Script[tuple[Sequence[Measurement], Sequence[Measurement]]]:
    """Incumbent and candidate in turn by the holdout, each pair with one seed, until a run of a candidate fails."""
    incumbents: list[Measurement] = []
    candidates: list[Measurement] = []
    standing = research.judge.standing if case.trial is None else case.trial.standing
    for pair in range(HIDDEN_PAIRS if standing.noisy else 1):
        for state, runs in ((case.state, incumbents), (candidate.state, candidates)):
            runs.append((yield from research.runs.hidden_of_case(case, state, pair)))
        case.measurements += [incumbents[-1], candidates[-1]]
        if candidates[-1].value is None:
            break
    return incumbents, candidates
