"""What is written down of an experiment that has ended: candidate, ruling, runs, and where they were made."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from datetime import datetime, timezone

from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Role
from pytest_autoresearch.report.words import machine_line
from pytest_autoresearch.research.candidate import Candidate, Ruling
from pytest_autoresearch.research.case import Case
from pytest_autoresearch.research.runs import speechless
from pytest_autoresearch.research.session import Research


def record(research: Research, case: Case, candidate: Candidate, ruling: Ruling) -> Experiment:
    """Write down how an experiment ended whose case is closed."""
    research.unrecorded -= 1
    return _written(research, _finished(research, case, candidate, ruling), candidate)


def record_start(
    research: Research, candidate: Candidate, ruling: Ruling, runs: Sequence[Measurement], began: datetime
) -> Experiment:
    """Write down the baseline."""
    return _written(research, _begun(research, candidate, ruling, runs, began), candidate)


def _written(research: Research, ended: Experiment, candidate: Candidate) -> Experiment:
    said = research.notebook.history.judge.get("machine")
    recorded = research.notebook.record(ended)
    if (machine := recorded.judge.get("machine")) and machine != said:
        research.watch.remark(machine_line(machine))
    research.drafts.recorded(recorded, candidate)
    if recorded.number > 0:
        research.tally.count(recorded)
    for words in research.crowding.heard(recorded, research.slots.size):
        research.watch.remark(words)
    research.parts.told(recorded)
    return recorded


def in_brief(measurements: Sequence[Measurement], mine: Role) -> tuple[Measurement, ...]:
    """The runs with the words of those that failed, and of the last good one of the experiment's own state."""
    good = [index for index, run in enumerate(measurements) if run.role is mine and run.value is not None]
    speaks = good[-1] if good else None
    return tuple(
        run if run.failure is not None or index == speaks else speechless(run) for index, run in enumerate(measurements)
    )


def _finished(research: Research, case: Case, candidate: Candidate, ruling: Ruling) -> Experiment:
    """The experiment as the ledger will have it, without its commit. Its value is the mean of its state's own runs."""
    values = [m.value for m in case.measurements if m.role is Role.CANDIDATE and m.value is not None]
    mean = statistics.fmean(values) if values else None
    place = case.place or research.place
    return Experiment(
        number=candidate.number,
        status=ruling.reason.status,
        reason=ruling.reason,
        description=candidate.description,
        hypothesis=candidate.hypothesis,
        commit="",
        parent=case.base.commit,
        tree=candidate.tree,
        fingerprint=research.drafts.fingerprint(candidate.edits),
        value=mean if ruling.value is None else ruling.value,
        interval=ruling.interval,
        against=case.to_beat if ruling.against is None else ruling.against,
        detail=ruling.detail,
        measurements=in_brief(case.measurements, Role.CANDIDATE),
        suspicious=ruling.suspicious,
        review=candidate.review,
        provisional=ruling.provisional,
        worth=ruling.worth,
        harm=ruling.harm,
        evidence=ruling.evidence,
        threshold=ruling.threshold,
        agent=candidate.agent,
        agent_network=research.proposer.network_of(candidate.agent),
        usage=candidate.usage,
        agent_seconds=candidate.agent_seconds,
        agent_log=candidate.agent_log,
        moves=candidate.moves,
        complexity=candidate.complexity,
        isolation=research.lab.isolation,
        device=research.lab.device,
        machine=place.machine,
        place=place,
        started=case.began,
        ended=datetime.now(timezone.utc),
        judge=research.judge.state().to_json(),
        seen=case.seen,
        opened=None if case.opened == research.position else case.opened,
        earlier=in_brief(case.earlier, Role.INCUMBENT),
        expected=case.expected,
    )


def _begun(
    research: Research, candidate: Candidate, ruling: Ruling, runs: Sequence[Measurement], began: datetime
) -> Experiment:
    """The baseline as the ledger will have it."""
    return Experiment(
        number=candidate.number,
        status=ruling.reason.status,
        reason=ruling.reason,
        description=candidate.description,
        commit="",
        parent=research.parts.session.start,
        tree=candidate.tree,
        fingerprint=research.drafts.fingerprint(candidate.edits),
        value=ruling.value,
        interval=ruling.interval,
        detail=ruling.detail,
        measurements=in_brief(runs, Role.INCUMBENT),
        moves=candidate.moves,
        isolation=research.lab.isolation,
        device=research.lab.device,
        machine=research.place.machine,
        place=research.place,
        started=began,
        ended=datetime.now(timezone.utc),
        judge=research.judge.state().to_json(),
    )
