"""What is written down of an experiment that has ended: candidate, ruling, runs, and where they were made."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Role

if TYPE_CHECKING:
    from pytest_autoresearch.research.candidate import Candidate, Ruling
    from pytest_autoresearch.research.loop import Research


def finished(
    research: Research, candidate: Candidate, ruling: Ruling, measurements: Sequence[Measurement], began: datetime
) -> Experiment:
    """The experiment as the ledger will have it, without its commit. Its value is the mean of its state's own runs."""
    against = research.notebook.history.incumbent
    mine = Role.INCUMBENT if against is None else Role.CANDIDATE
    values = [m.value for m in measurements if m.role is mine and m.value is not None]
    mean = statistics.fmean(values) if values else None
    return Experiment(
        number=candidate.number,
        status=ruling.reason.status,
        reason=ruling.reason,
        description=candidate.description,
        hypothesis=candidate.hypothesis,
        commit="",
        parent=research.parts.session.start if against is None else against.commit,
        tree=candidate.tree,
        fingerprint=research.drafts.fingerprint(candidate.edits),
        value=mean if ruling.value is None else ruling.value,
        interval=ruling.interval,
        against=None if against is None else research.to_beat,
        detail=ruling.detail,
        measurements=tuple(measurements),
        suspicious=ruling.suspicious,
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
        machine=research.parts.place.machine,
        place=research.parts.place,
        started=began,
        ended=datetime.now(timezone.utc),
        judge=research.judge.state().to_json(),
    )
