"""A session as its experiments see it: what they ask of it, and what they share.

The supervisor decides alone: an agent only edits files, a run only produces a log and files.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_autoresearch.agents.base import Agent
from pytest_autoresearch.judge import JudgeState
from pytest_autoresearch.judge.carried import expected
from pytest_autoresearch.judge.rule import left_behind
from pytest_autoresearch.judge.trial import Trial
from pytest_autoresearch.lab.job import Executor
from pytest_autoresearch.notebook.merging import merged
from pytest_autoresearch.notebook.pending import Pending
from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Place, Reason
from pytest_autoresearch.research.candidate import Candidate, Ruling
from pytest_autoresearch.research.case import Case
from pytest_autoresearch.research.crowding import Crowding
from pytest_autoresearch.research.diagnosis import Diagnosis
from pytest_autoresearch.research.guards import suite_of
from pytest_autoresearch.research.line import Line
from pytest_autoresearch.research.memory import Memory
from pytest_autoresearch.research.parts import Parts
from pytest_autoresearch.research.proposing import Proposer
from pytest_autoresearch.research.referee import Referee
from pytest_autoresearch.research.runs import Runs
from pytest_autoresearch.research.stopping import Tally
from pytest_autoresearch.research.trying import granted
from pytest_autoresearch.research.work import Script
from pytest_autoresearch.text import one_line


class Research:
    """One session. ``cases`` are the experiments under way, by number; ``unrecorded`` counts those that were closed."""

    def __init__(self, parts: Parts) -> None:
        self.parts = parts
        self.protocol, self.settings, self.notebook = parts.protocol, parts.settings, parts.notebook
        self.judge, self.watch, self.slots = parts.judge, parts.watch, parts.slots
        self.drafts = parts.drafts
        self.cases: dict[int, Case] = {}
        self.unrecorded = 0
        self.line = Line()
        self.tally = Tally()
        self.crowding = Crowding(parts.protocol.metric, self.history)
        self.runs = Runs(parts, self.tally, self.phase)
        self.referee = Referee(
            parts.protocol,
            self.phase,
            suite=suite_of(parts.protocol, self.drafts.start, parts.settings.guard_workers),
            checkout=parts.git.top,
            history=lambda: self.history,
        )
        self.proposer = Proposer(
            agents=parts.agents,
            scope=parts.scope,
            git=parts.git,
            drafts=self.drafts,
            watch=parts.watch,
            isolation=parts.isolation,
            session_seed=parts.session.seed,
            told=parts.told_by_people,
            left=lambda: self.tally.left(self.settings, len(self.cases) - 1),
            spend=self.tally.spend,
            memory=Memory(parts.git, parts.session),
            grant=lambda: granted(
                parts.protocol, parts.settings, self.drafts.start, self.runs.deadline, self.runs.budget
            ),
        )

    # What stands

    @property
    def lab(self) -> Executor:
        """The executor of the first slot, which measures what is not an experiment's."""
        return self.parts.lab

    @property
    def place(self) -> Place:
        """Where that is."""
        return self.parts.place

    @property
    def history(self) -> Sequence[Experiment]:
        """Every experiment so far, the baseline first."""
        return self.notebook.history.experiments

    @property
    def incumbent(self) -> Experiment:
        """The best kept state so far. Only asked for when there is a baseline."""
        incumbent = self.notebook.history.incumbent
        assert incumbent is not None
        return incumbent

    @property
    def certified(self) -> Experiment:
        """The best state that needs no group to prove it. Only asked for when there is a baseline."""
        certified = self.notebook.history.certified
        assert certified is not None
        return certified

    @property
    def position(self) -> int:
        """How many records of the ledger have the judge's state; the next one too, once its trial is closed."""
        return len(self.history) + len(self.notebook.history.groups) + self.unrecorded

    @property
    def next_number(self) -> int:
        """The number of the next proposal."""
        return self.notebook.next_number([ticket.number for ticket in self.slots.live])

    def phase(self, number: int, text: str, *, budget: float | None = None) -> None:
        """Tell those who watch what an experiment does now; ``budget`` seconds are expected at most."""
        self.slots.phase(number, text, budget)

    def diagnosis(self) -> Diagnosis:
        """What to do about a command that failed."""
        return Diagnosis(self.protocol, self.parts.git, self.lab, self.drafts.start)

    # What a script asks for

    def proposed(self, case: Case, agent: Agent) -> Script[tuple[Candidate, Ruling | None]]:
        """The candidate that an agent makes, and what refuses it without a run."""
        seed = self.runs.seed(case.number, -1)
        case.agent, case.thinks = agent.name, True
        candidate, refusal = yield from self.proposer.propose(
            case, agent, self.notebook.history, seed, self._beside(case)
        )
        case.thinks, case.moves = False, candidate.moves
        if self.proposer.is_exhausted(case.base.commit):
            self.tally.exhausted = candidate.description
        return candidate, refusal

    def mended(self, case: Case, candidate: Candidate, failed: Measurement) -> Script[Candidate | None]:
        """The candidate after its author had a second try, None if nothing usable came of it."""
        seed = self.runs.seed(case.number, -3)
        self.phase(case.number, f"{candidate.agent} mends a slip", budget=self.settings.agent_deadline)
        others = self._beside(case)
        return (yield from self.proposer.mend(case, candidate, failed, self.notebook.history, seed, others))

    def _beside(self, case: Case) -> Sequence[Case]:
        return [each for each in self.cases.values() if each is not case]

    def is_stale(self, case: Case) -> bool:
        """Whether another experiment was kept since the case began."""
        return self.incumbent.commit != case.base.commit

    def is_behind(self, case: Case) -> bool:
        """Whether it is stale, or somebody is ahead of it in line."""
        return self.is_stale(case) or self.line.ahead(case.number) is not None

    def merged(self, case: Case, candidate: Candidate, onto: str) -> Candidate | None:
        """The candidate on another state than its base; None where both change the same lines, or to the same."""
        changes = merged(self.parts.git, base=case.base.commit, ours=onto, theirs=candidate.tree, by_line=True)
        return self.drafts.carried(candidate, onto, changes) if changes and not isinstance(changes, str) else None

    def carried(self, case: Case, candidate: Candidate) -> tuple[Candidate, Ruling | None]:
        """The candidate on the incumbent of now, to be judged anew under its number; or why it can not be."""
        head = self.incumbent
        changes = merged(self.parts.git, base=case.base.commit, ours=head.commit, theirs=candidate.tree, by_line=True)
        if case.trial is not None:  # what was spent on it stays spent
            case.expected = expected(case.trial)
            case.spent.append(left_behind(case.trial))
            case.trial = None
        case.earlier, case.measurements = [*case.earlier, *case.measurements], []
        if isinstance(changes, str):
            words = f"{head.number:04d} was kept meanwhile and changes the same lines of {changes}"
            return candidate, Ruling(Reason.STALE, one_line(words))
        case.base, case.state, case.to_beat = head, self.drafts.incumbent, head.value
        candidate = self.drafts.carried(candidate, head.commit, changes)
        if not changes:
            return candidate, Ruling(Reason.DUPLICATE, f"{head.number:04d} was kept meanwhile and is the same")
        if (known := self.drafts.known(candidate)) is not None:
            return candidate, Ruling(Reason.DUPLICATE, f"the same state as experiment {known:04d}")
        return candidate, None

    def announce(self, case: Case, candidate: Candidate) -> None:
        """Put the proposal where a dying machine can not lose it, before it is measured."""
        self.drafts.announced(candidate)
        self.notebook.begin(
            candidate.number,
            tree=candidate.tree,
            parent=case.base.commit,
            description=candidate.description,
            hypothesis=candidate.hypothesis,
            agent=candidate.agent,
            usage=candidate.usage,
            agent_seconds=candidate.agent_seconds,
            moves=candidate.moves,
            probe=candidate.probe,
            seen=case.seen,
            tests=case.tests,
        )

    def keep_progress(self, case: Case, judge: JudgeState) -> None:
        """Keep how far the measuring of a proposal got."""
        self.notebook.progress(case.number, case.measurements, judge.to_json(), case.opened, case.tests)

    def close(self, case: Case) -> None:
        """Let the judge take what the case's trials have shown, so that the ledger says where it stood then."""
        for trial in (*case.spent, case.trial):
            if trial is not None:
                self.judge.close(trial)
        self.unrecorded += 1

    def reopened(self, pending: Pending) -> Trial | None:
        """The trial of a proposal that is resumed, as far as it had got, where its numbers still compare."""
        if not self.parts.compares or not pending.judge:
            return None
        return self.judge.reopen(JudgeState.from_json(pending.judge))
