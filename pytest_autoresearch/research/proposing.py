"""The first step of the method: brief an agent, give it its turn, and take from the workspace what it changed."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_autoresearch.agents.base import Agent, Briefing, Desk, Proposal
from pytest_autoresearch.agents.briefing import write_briefing, write_retry
from pytest_autoresearch.agents.turns import whose_turn
from pytest_autoresearch.errors import AutoresearchError
from pytest_autoresearch.lab.job import Executor
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.protocol.experiment import Change, Experiment, FileEntry, Measurement, Usage
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.scope import Scope
from pytest_autoresearch.research.candidate import Candidate, Drafts, Ruling
from pytest_autoresearch.research.desk import WorkspaceDesk
from pytest_autoresearch.research.watch import Watch


@dataclass(frozen=True)
class Turn:
    """What came out of one turn. Seconds for ``duration``."""

    proposal: Proposal
    changes: Sequence[Change]
    duration: float


class Proposer:
    """Asks the agents of a session.

    ``told`` gives the protocol as people have it now, and their hints; ``left`` how many experiments may still be made,
    where that is known.
    """

    def __init__(
        self,
        *,
        agents: Sequence[Agent],
        scope: Scope,
        git: Git,
        lab: Executor,
        workspace: Path,
        drafts: Drafts,
        watch: Watch,
        deadline: float,
        session_seed: int,
        told: Callable[[], tuple[Protocol, Sequence[str]]],
        left: Callable[[], int | None] = lambda: None,
    ) -> None:
        self._agents, self._scope, self._git, self._lab, self._workspace = agents, scope, git, lab, workspace
        self._drafts, self._watch, self._deadline = drafts, watch, deadline
        self._session_seed, self._told, self._left = session_seed, told, left
        self._introduced: set[str] = set()
        self._spent: dict[str, str] = {}  # agents with nothing left to propose, by the commit that was to be changed

    def propose(self, history: History, seed: int) -> tuple[Candidate, Ruling | None]:
        """The next candidate, and what refuses it without a run."""
        incumbent, number = history.incumbent, len(history.experiments)
        assert incumbent is not None
        willing = [agent for agent in self._agents if self._spent.get(agent.name) != incumbent.commit] or self._agents
        agent = willing[whose_turn([agent.name for agent in willing], history.experiments, self._session_seed)]
        briefing = self._brief(history, seed, reads=getattr(agent, "reads", True))
        self._watch.phase(number, f"{agent.name} proposes", budget=self._deadline)
        turn = self._take_turn(agent, briefing, self._drafts.incumbent)
        if turn.proposal.exhausted:
            self._spent[agent.name] = incumbent.commit
        return self._drafts.draft(
            number,
            agent.name,
            turn.proposal,
            turn.changes,
            turn.duration,
            state=self._drafts.incumbent,
            tree=self._git.tree(incumbent.commit),  # a drop has changed it where it moved the commit
        )

    def network_of(self, name: str) -> str:
        """How far the network of an agent's program goes; empty for one without."""
        return next((reached_by(agent, self._lab) for agent in self._agents if agent.name == name), "")

    def is_exhausted(self, incumbent: str) -> bool:
        """Whether no agent has anything left to propose from this commit."""
        return all(self._spent.get(agent.name) == incumbent for agent in self._agents)

    def mend(self, candidate: Candidate, failed: Measurement, history: History, seed: int) -> Candidate | None:
        """A run that died of a slip goes back to its author once; None if nothing usable came of it."""
        agent = next((a for a in self._agents if a.name == candidate.agent and getattr(a, "mends", False)), None)
        if agent is None:
            return None
        briefing = self._brief(history, seed, reads=True)
        briefing = replace(briefing, text=write_retry(briefing.text, candidate.description, failed))
        self._watch.phase(candidate.number, f"{agent.name} mends a slip", budget=self._deadline)
        turn = self._take_turn(agent, briefing, candidate.state)
        proposal = replace(
            turn.proposal,
            description=turn.proposal.description or candidate.description,
            usage=_sum(candidate.usage, turn.proposal.usage),
        )
        seconds = candidate.agent_seconds + turn.duration
        mended, refusal = self._drafts.draft(
            candidate.number, agent.name, proposal, turn.changes, seconds, state=candidate.state, tree=candidate.tree
        )
        return mended if refusal is None else None

    def _brief(self, history: History, seed: int, *, reads: bool) -> Briefing:
        protocol, hints = self._told()
        assert history.incumbent is not None
        text = ""
        if reads:
            tended = self._tended(protocol)
            text = write_briefing(
                protocol, self._scope.targets, history.experiments, self._diff, hints=hints, tended=tended
            )
        return Briefing(
            number=len(history.experiments),
            protocol=protocol,
            incumbent=history.incumbent,
            history=history.experiments,
            text=text,
            seed=seed,
            left=self._left(),
        )

    def _take_turn(self, agent: Agent, briefing: Briefing, state: Mapping[str, FileEntry]) -> Turn:
        self._lab.fill(state)
        desk = WorkspaceDesk(
            self._lab,
            root=self._workspace,
            directory=briefing.protocol.directory,
            targets=[path for path in self._scope.targets if path in state],
            blob_id=self._git.blob_id,
            was_tried=self._drafts.was_tried,
            deadline=self._deadline,
            tick=self._watch.tick,
        )
        began = time.monotonic()
        try:
            self._introduce(agent, briefing, desk)
            proposal = agent.propose(briefing, desk)
        except AutoresearchError as error:
            proposal = Proposal("", failure=str(error))
        return Turn(proposal, self._lab.changes(), time.monotonic() - began)

    def _tended(self, protocol: Protocol) -> Sequence[str]:
        """The knobs of the incumbent that a search among the agents turns."""
        searching = [tends for agent in self._agents if (tends := getattr(agent, "tends", None)) is not None]
        if not searching:
            return ()
        blobs = {path: entry.blob for path, entry in self._drafts.incumbent.items() if path in self._scope.targets}
        found = self._git.read(list(blobs.values()))
        names: Sequence[str] = searching[0](protocol, {path: found[blob] for path, blob in blobs.items()})
        return names

    def _introduce(self, agent: Agent, briefing: Briefing, desk: Desk) -> None:
        """Tell people what an agent is about to do, before its first turn."""
        if agent.name not in self._introduced:
            self._introduced.add(agent.name)
            plan = getattr(agent, "plan", None)
            said = plan(briefing, desk) if plan is not None else ""
            if said:
                self._watch.remark(said)

    def _diff(self, experiment: Experiment) -> str:
        return self._git.diff(experiment.parent, experiment.commit)


def _sum(first: Usage | None, second: Usage | None) -> Usage | None:
    """What two turns of one experiment cost together."""
    if first is None or second is None:
        return first or second
    costs = [usage.cost for usage in (first, second) if usage.cost is not None]
    return Usage(
        input_tokens=first.input_tokens + second.input_tokens,
        output_tokens=first.output_tokens + second.output_tokens,
        cost=sum(costs) if costs else None,
        turns=(first.turns or 0) + (second.turns or 0) or None,
        model=second.model or first.model,
    )


def reached_by(agent: Agent, lab: Executor) -> str:
    """How far the network of an agent's program really goes: a level may not be able to refuse it."""
    asked = str(getattr(agent, "network", ""))
    return "yes" if asked == "no" and lab.isolation == "process" else asked
