"""The first step of the method: brief an agent, give it its turn, and take from the workspace what it changed."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import lru_cache

from pytest_autoresearch.agents.answer import NOTHING_TO_CHANGE
from pytest_autoresearch.agents.base import Agent, Briefing, Proposal
from pytest_autoresearch.agents.briefing import MOST_QUOTED, write_briefing, write_retry
from pytest_autoresearch.agents.digest import Digest
from pytest_autoresearch.agents.turns import whose_turn
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.protocol.experiment import Change, Experiment, FileEntry, Measurement, Reason, Usage
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.scope import Scope
from pytest_autoresearch.research.candidate import Candidate, Drafts, Ruling
from pytest_autoresearch.research.case import Case
from pytest_autoresearch.research.desk import Taken
from pytest_autoresearch.research.memory import Memory
from pytest_autoresearch.research.trying import Grant
from pytest_autoresearch.research.watch import Watch
from pytest_autoresearch.research.work import Script, Think

_DIFFS_KEPT = 16  # a briefing shows fewer, and mostly those of the one before


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
        drafts: Drafts,
        watch: Watch,
        isolation: str,
        session_seed: int,
        told: Callable[[], tuple[Protocol, Sequence[str]]],
        left: Callable[[], int | None] = lambda: None,
        spend: Callable[[Usage | None], None],
        memory: Memory,
        grant: Callable[[], Grant | None],
    ) -> None:
        self._agents, self._scope, self._git, self._isolation = agents, scope, git, isolation
        self._drafts, self._watch = drafts, watch
        self._session_seed, self._told, self._left, self._memory, self._grant = session_seed, told, left, memory, grant
        self._spend = spend
        self._introduced: set[str] = set()
        self._digest: Digest | None = None
        self._change = lru_cache(_DIFFS_KEPT)(lambda old, new: git.diff(old, new)[:MOST_QUOTED])  # never another one
        self._spent: dict[str, str] = {}  # agents with nothing left to propose, by the commit that was to be changed

    def whose_turn(self, history: History, under_way: Sequence[str] = ()) -> Agent:
        """The agent that proposes next, while those named have experiments under way."""
        incumbent = history.incumbent
        assert incumbent is not None
        willing = [agent for agent in self._agents if self._spent.get(agent.name) != incumbent.commit] or self._agents
        return willing[
            whose_turn([agent.name for agent in willing], history.experiments, self._session_seed, under_way)
        ]

    def propose(
        self, case: Case, agent: Agent, history: History, seed: int, others: Sequence[Case]
    ) -> Script[tuple[Candidate, Ruling | None]]:
        """The case's candidate, and what refuses it without a run. ``others`` are under way beside it."""
        briefing = self._brief(case, history, seed, others, reads=getattr(agent, "reads", True))
        introduces = agent.name not in self._introduced
        self._introduced.add(agent.name)
        tree = self._git.tree(case.base.commit)  # a drop has changed it where it moved the commit
        taken: Taken = yield self._think(case, agent, briefing, case.state, tree, introduces=introduces)
        self._spend(taken.proposal.usage)
        if taken.plan:
            self._watch.remark(taken.plan)
        if taken.proposal.exhausted or _is_sure(agent.name, taken, history.experiments):
            self._spent[agent.name] = case.base.commit
        return self._drafts.draft(
            case.number,
            agent.name,
            taken.proposal,
            taken.changes,
            taken.duration,
            state=case.state,
            tree=tree,
            base=case.state,
        )

    def network_of(self, name: str) -> str:
        """How far the network of an agent's program goes; empty for one without."""
        return next((reached_by(agent, self._isolation) for agent in self._agents if agent.name == name), "")

    def is_exhausted(self, incumbent: str) -> bool:
        """Whether no agent has anything left to propose from this commit."""
        return all(self._spent.get(agent.name) == incumbent for agent in self._agents)

    def mend(
        self,
        case: Case,
        candidate: Candidate,
        failed: Measurement,
        history: History,
        seed: int,
        others: Sequence[Case],
    ) -> Script[Candidate | None]:
        """A run that died of a slip goes back to its author once; None if nothing usable came of it."""
        agent = next((a for a in self._agents if a.name == candidate.agent and getattr(a, "mends", False)), None)
        if agent is None:
            return None
        briefing = self._brief(case, history, seed, others, reads=True)
        briefing = replace(briefing, text=write_retry(briefing.text, candidate.description, failed))
        taken: Taken = yield self._think(case, agent, briefing, candidate.state, candidate.tree)
        self._spend(taken.proposal.usage)
        proposal = replace(
            taken.proposal,
            description=taken.proposal.description or candidate.description,
            usage=both(candidate.usage, taken.proposal.usage),
        )
        seconds = candidate.agent_seconds + taken.duration
        mended, refusal = self._drafts.draft(
            candidate.number,
            agent.name,
            proposal,
            taken.changes,
            seconds,
            state=candidate.state,
            tree=candidate.tree,
            base=case.state,
        )
        return mended if refusal is None else None

    def _brief(self, case: Case, history: History, seed: int, others: Sequence[Case], *, reads: bool) -> Briefing:
        protocol, hints = self._told()
        text = ""
        if reads:
            if self._digest is None or self._digest.direction is not protocol.metric.direction:
                self._digest = Digest(protocol.metric.direction)
            text = write_briefing(
                protocol,
                self._scope.targets,
                history.experiments,
                self._diff,
                hints=hints,
                tended=self._tended(protocol),
                besides=self._memory.besides(protocol, history.experiments, case.number),
                number=case.number,
                digest=self._digest,
            )
        return Briefing(
            number=case.number,
            protocol=protocol,
            incumbent=case.base,
            history=history.experiments,
            text=text,
            seed=seed,
            in_flight=[each.moves for each in others if each.moves],
            left=self._left(),
        )

    def _think(
        self,
        case: Case,
        agent: Agent,
        briefing: Briefing,
        state: Mapping[str, FileEntry],
        tree: str,
        *,
        introduces: bool = False,
    ) -> Think:
        """A turn at a desk that holds ``state``, with what it may try there."""

        def edited(changes: Sequence[Change]) -> tuple[Mapping[str, FileEntry] | None, str]:
            tried = Proposal("a try")
            draft, refusal = self._drafts.draft(
                case.number, agent.name, tried, changes, 0.0, state=state, tree=tree, base=case.state
            )
            return (draft.state, "") if refusal is None else (None, f"{refusal.reason.value}: {refusal.detail}")

        return Think(agent, briefing, state, introduces, self._grant(), edited)

    def _tended(self, protocol: Protocol) -> Sequence[str]:
        """The knobs of the incumbent that a search among the agents turns."""
        searching = [tends for agent in self._agents if (tends := getattr(agent, "tends", None)) is not None]
        if not searching:
            return ()
        blobs = {path: entry.blob for path, entry in self._drafts.incumbent.items() if path in self._scope.targets}
        found = self._git.read(list(blobs.values()))
        names: Sequence[str] = searching[0](protocol, {path: found[blob] for path, blob in blobs.items()})
        return names

    def _diff(self, experiment: Experiment) -> str:
        return self._change(experiment.parent, experiment.commit)


def _is_sure(agent: str, turn: Taken, history: Sequence[Experiment]) -> bool:
    """Whether an agent has said twice in a row, of the same state, that there is nothing to change."""
    if not turn.proposal.nothing or turn.changes:
        return False
    before = next((e for e in reversed(history) if e.kept or e.agent == agent), None)
    return before is not None and before.reason is Reason.NO_CHANGE and before.detail.startswith(NOTHING_TO_CHANGE)


def both(first: Usage | None, second: Usage | None) -> Usage | None:
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
        tries=first.tries + second.tries,
        try_seconds=first.try_seconds + second.try_seconds,
    )


def reached_by(agent: Agent, isolation: str) -> str:
    """How far the network of an agent's program really goes: a level may not be able to refuse it."""
    asked = str(getattr(agent, "network", ""))
    return "yes" if asked == "no" and isolation == "process" else asked
