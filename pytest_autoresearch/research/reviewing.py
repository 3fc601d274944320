"""An advisory look at a keep before it is final: a fresh agent reads the change and marks it, or does not.

It can neither keep nor discard: whatever it answers, and whether it answers at all, the ruling stays as it is.
"""

from __future__ import annotations

from dataclasses import replace

from pytest_autoresearch.agents.base import Briefing
from pytest_autoresearch.agents.review import read_review, write_review
from pytest_autoresearch.protocol.experiment import Status
from pytest_autoresearch.research.candidate import Candidate, Ruling
from pytest_autoresearch.research.case import Case
from pytest_autoresearch.research.desk import Taken
from pytest_autoresearch.research.proposing import both
from pytest_autoresearch.research.session import Research
from pytest_autoresearch.research.work import Script, Think


def reviewed(research: Research, case: Case, candidate: Candidate, ruling: Ruling) -> Script[Candidate]:
    """The candidate with what a reviewer makes of it, and with what that cost; unchanged where nobody reviews."""
    agent = research.parts.reviewer
    if agent is None or ruling.reason.status is not Status.KEEP:
        return candidate
    research.phase(case.number, f"{agent.name} reviews", budget=research.settings.agent_deadline)
    text = write_review(
        research.protocol,
        candidate.description,
        research.parts.git.diff(case.base.commit, candidate.tree),
        case.to_beat,
        ruling.value,
        case.measurements,
    )
    briefing = Briefing(case.number, research.protocol, case.base, (case.base,), text)
    taken: Taken = yield Think(agent, briefing, candidate.state)
    review = read_review(taken.proposal.description, taken.proposal.failure)
    return replace(
        candidate,
        review=review.words,
        usage=both(candidate.usage, taken.proposal.usage),
        agent_seconds=candidate.agent_seconds + taken.duration,
    )
