"""From an agent's edits to a candidate: what changed, whether it may, whether it was tried before."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from pytest_autoresearch.agents.answer import LONGEST_FAILURE, NOTHING_TO_CHANGE
from pytest_autoresearch.agents.base import Proposal
from pytest_autoresearch.judge import Verdict
from pytest_autoresearch.notebook.trees import is_gits_own, remember
from pytest_autoresearch.protocol.experiment import (
    Change,
    Experiment,
    FileEntry,
    Measurement,
    Move,
    Reason,
    Usage,
    differing,
    fingerprint,
)
from pytest_autoresearch.protocol.scope import NO_TARGET, Scope
from pytest_autoresearch.text import clean, last_words, one_line

if TYPE_CHECKING:
    from pytest_autoresearch.notebook.git import Git
    from pytest_autoresearch.notebook.ledger import Pending

LONGEST_WORDS = 10_000  # characters of a description or a hypothesis; an agent of ours says far less
LARGEST_CHANGE = 5_000_000  # bytes; more is not stored in anybody's repository


@dataclass(frozen=True, slots=True)
class Candidate:
    """The state under test. ``edits``: path → blob id of every target that differs from the start commit.

    ``complexity`` is lines added minus removed against the incumbent.
    """

    number: int
    tree: str
    state: Mapping[str, FileEntry]
    edits: Mapping[str, str]
    description: str
    hypothesis: str = ""
    agent: str = ""
    usage: Usage | None = None
    agent_seconds: float = 0.0
    agent_log: str = ""
    complexity: int = 0
    moves: tuple[Move, ...] = ()
    probe: bool = False
    review: str = ""


@dataclass(frozen=True, slots=True)
class Ruling:
    """What was decided, and on which numbers. ``evidence`` and its ``threshold`` as the judge counts them."""

    reason: Reason
    detail: str = ""
    value: float | None = None
    interval: tuple[float, float] | None = None
    evidence: float | None = None
    threshold: float | None = None
    suspicious: bool = False
    provisional: bool = False
    worth: float | None = None
    harm: float | None = None
    against: float | None = None
    """The incumbent's level as the judge believes it now, of a provisional keep; else what was to be beaten."""

    @classmethod
    def of(cls, verdict: Verdict) -> Ruling:
        return cls(
            reason=verdict.reason,
            value=verdict.estimate,
            interval=verdict.interval,
            evidence=verdict.evidence,
            threshold=verdict.threshold,
            suspicious=verdict.suspicious,
            provisional=verdict.provisional,
            worth=verdict.worth,
            harm=verdict.harm,
            against=verdict.against if verdict.provisional else None,
        )

    @classmethod
    def of_probe(cls, measured: Measurement) -> Ruling:
        """Its one run, as evidence for the search that asked for it."""
        if measured.failure is not None:
            return cls(measured.failure, measured.detail)
        return cls(Reason.PROBE, value=measured.value)


class Drafts:
    """Knows the states of a session: the start, the incumbent's, and every one that was proposed.

    ``forgiven`` are experiments whose discard has lost its reason: they may be proposed again.
    """

    def __init__(
        self, git: Git, scope: Scope, start: str, history: Sequence[Experiment], forgiven: Collection[int] = ()
    ) -> None:
        self._git, self._scope = git, scope
        self.start = git.files(start)
        self._tried = {
            e.fingerprint: e.number
            for e in reversed(history)
            if e.number not in forgiven and _says_something_of_its_state(e)
        }
        self._under_way: dict[str, int] = {}
        self._lines_of: OrderedDict[str, int] = OrderedDict()
        head = next((e for e in reversed(history) if e.kept), None)
        self.incumbent: Mapping[str, FileEntry] = git.files(head.commit) if head is not None else self.start

    def recorded(self, experiment: Experiment, candidate: Candidate) -> None:
        """Remember a state that was proposed, and the new incumbent if it was kept."""
        self._under_way = {state: number for state, number in self._under_way.items() if number != candidate.number}
        if _says_something_of_its_state(experiment):
            self._tried.setdefault(experiment.fingerprint, experiment.number)
        if experiment.kept:
            self.incumbent = candidate.state

    def went_back(self, commit: str) -> None:
        """The incumbent is another state: a group was no proven gain, or a keep was dropped."""
        self.incumbent = self._git.files(commit)

    def baseline(self, tree: str) -> Candidate:
        return Candidate(0, tree, self.start, {}, "baseline run, no changes")

    def head(self, number: int, tree: str) -> Candidate:
        """The incumbent as it stands, before experiment ``number``."""
        return Candidate(number, tree, self.incumbent, {}, "the head, no changes")

    def resumed(self, pending: Pending, base: Mapping[str, FileEntry]) -> Candidate:
        """The proposal that was running when the last session died: the agent is not paid again."""
        state = self._git.files(pending.tree)
        return Candidate(
            number=pending.number,
            tree=pending.tree,
            state=state,
            edits=self._edits_of(state),
            description=pending.description,
            hypothesis=pending.hypothesis,
            agent=pending.agent,
            usage=pending.usage,
            agent_seconds=pending.agent_seconds,
            complexity=self.lines_gained(state, base),
            moves=pending.moves,
            probe=pending.probe,
        )

    def carried(self, candidate: Candidate, onto: str, changes: Sequence[Change]) -> Candidate:
        """The candidate as these changes of the commit ``onto``, which is the incumbent by now."""
        state = dict(self._git.files(onto))
        for change in changes:
            if change.data is None:
                state.pop(change.path, None)
            else:
                state[change.path] = FileEntry(change.mode, self._git.blob_id(change.data))
        return replace(
            candidate,
            tree=self._git.write_tree(self._git.tree(onto), changes),
            state=state,
            edits=self._edits_of(state),
            complexity=self.lines_gained(state, self._git.files(onto)),
        )

    def known(self, candidate: Candidate) -> int | None:
        """The number under which the candidate's state was proposed by another experiment, recorded or under way."""
        state = self.fingerprint(candidate.edits)
        known = self._tried.get(state, self._under_way.get(state))
        return None if known == candidate.number else known

    def announced(self, candidate: Candidate) -> None:
        """Remember a state that is being measured."""
        self._under_way = {state: number for state, number in self._under_way.items() if number != candidate.number}
        self._under_way[self.fingerprint(candidate.edits)] = candidate.number

    def draft(
        self,
        number: int,
        agent: str,
        proposal: Proposal,
        changes: Sequence[Change],
        seconds: float,
        *,
        state: Mapping[str, FileEntry],
        tree: str,
        base: Mapping[str, FileEntry],
    ) -> tuple[Candidate, Ruling | None]:
        """The candidate that these changes of ``state`` (whose tree is ``tree``) make, and what refuses it.

        ``base`` is the state of the incumbent that it is to beat.
        """
        changes = self._with_cells_only(self._without_leftovers(changes, state), state)
        refusal, stored = self._refuse(proposal, changes, state)
        state = dict(state)
        for change in stored:
            if change.data is None:
                state.pop(change.path, None)
            else:
                state[change.path] = FileEntry(change.mode, self._git.blob_id(change.data))
        candidate = Candidate(
            number=number,
            tree=self._git.write_tree(tree, stored) if stored else tree,
            state=state,
            edits=self._edits_of(state),
            description=one_line(proposal.description, LONGEST_WORDS) or "(no description)",
            hypothesis=clean(proposal.hypothesis[:LONGEST_WORDS]).strip(),
            agent=agent,
            usage=_with_clean_name(proposal.usage),
            agent_seconds=seconds,
            agent_log="" if refusal is None else clean(proposal.log),
            complexity=self.lines_gained(state, base),
            moves=proposal.moves,
            probe=proposal.probe,
        )
        return candidate, refusal or self._refuse_state(candidate, stored, base)

    def was_tried(self, state: Mapping[str, FileEntry], edits: Mapping[str, str]) -> bool:
        """Whether a state with these blobs is one that was already proposed."""
        found = self.fingerprint({**self._edits_of(state), **edits})
        return found in self._tried or found in self._under_way

    def fingerprint(self, edits: Mapping[str, str]) -> str:
        """The fingerprint of a state; an edit back to the start's content is no edit."""
        start = self.start
        return fingerprint({p: b for p, b in edits.items() if p not in start or start[p].blob != b})

    def lines_gained(self, state: Mapping[str, FileEntry], base: Mapping[str, FileEntry] | None = None) -> int:
        """Lines added minus removed against ``base``, the incumbent if it is not said."""
        before = self.incumbent if base is None else base
        changed = differing(before, state)
        return sum(self._lines(state.get(path)) - self._lines(before.get(path)) for path in changed)

    def _refuse(
        self, proposal: Proposal, changes: Sequence[Change], state: Mapping[str, FileEntry]
    ) -> tuple[Ruling | None, Sequence[Change]]:
        """What the changes themselves decide without a run, and the part of them that may be stored."""
        if proposal.failure is not None:
            return Ruling(Reason.AGENT_ERROR, last_words(proposal.failure, LONGEST_FAILURE)), ()
        if not changes:
            return _nothing(proposal), ()
        if sum(change.size for change in changes) > LARGEST_CHANGE:
            return Ruling(Reason.OUT_OF_SCOPE, f"more than {LARGEST_CHANGE // 1_000_000} MB changed"), ()
        outside = {change.path: why for change in changes if (why := self._refuse_path(change))}
        within = [change for change in changes if change.path not in outside]
        if not outside:
            return None, within
        path, why = next(iter(outside.items()))
        if path not in state and why.endswith(NO_TARGET):
            why += "; new files that git ignores are left out"  # what a tool leaves behind, say
        # A file's name is the agent's words: it may hold anything but a slash.
        return Ruling(Reason.OUT_OF_SCOPE, one_line(why)), within

    def _without_leftovers(self, changes: Sequence[Change], state: Mapping[str, FileEntry]) -> Sequence[Change]:
        """Without new files that are no target's and that git would not see: an agent's own notes, not its proposal.

        They are in no tree and never reach a run: the workspace is filled anew before it.
        """
        beside = [c.path for c in changes if c.path not in state and self._refuse_path(c) is not None]
        ignored = self._git.ignored_among(beside) if beside else ()
        return [change for change in changes if change.path not in ignored]

    def _with_cells_only(self, changes: Sequence[Change], state: Mapping[str, FileEntry]) -> Sequence[Change]:
        """The same, where of a notebook only the code cells are changed: what a tool rewrites beside them stays."""
        from pytest_autoresearch.reading.cells import with_code_of

        kept = []
        for change in changes:
            is_notebook = change.path.lower().endswith(".ipynb") and change.kind == "file" and change.data is not None
            old = self._blob(state.get(change.path)) if is_notebook else None
            spliced = with_code_of(change.data or b"", old) if old is not None else None
            if spliced is None:
                kept.append(change)
            elif spliced != old:
                kept.append(replace(change, data=spliced, size=len(spliced)))
        return kept

    def _refuse_path(self, change: Change) -> str | None:
        if is_gits_own(change.path):
            return f"{change.path} is a name of git's own"
        return self._scope.refusal(change.path, change.kind)

    def _refuse_state(
        self, candidate: Candidate, changes: Sequence[Change], base: Mapping[str, FileEntry]
    ) -> Ruling | None:
        known = self.known(candidate)
        if known is not None:
            return Ruling(Reason.DUPLICATE, f"the same state as experiment {known:04d}")
        from pytest_autoresearch.reading.seeds import only_moves_seeds

        moves = [(c.path, self._blob(base.get(c.path)), c.data) for c in changes]
        if all(old is not None and new is not None and only_moves_seeds(path, old, new) for path, old, new in moves):
            return Ruling(Reason.SEED_ONLY, "only a seed was changed")
        return None

    def _edits_of(self, state: Mapping[str, FileEntry]) -> dict[str, str]:
        return {path: state[path].blob if path in state else "" for path in differing(self.start, state)}

    def _lines(self, entry: FileEntry | None) -> int:
        if entry is None:
            return 0
        if entry.blob not in self._lines_of:
            remember(self._lines_of, entry.blob, _lines(self._blob(entry)), most=500)
        return self._lines_of[entry.blob]

    def _blob(self, entry: FileEntry | None) -> bytes | None:
        return None if entry is None else self._git.read([entry.blob])[entry.blob]


def _nothing(proposal: Proposal) -> Ruling:
    """A turn that left everything as it was: on purpose, in vain, or because the agent's model was not there."""
    if proposal.failure_if_unchanged and not proposal.nothing:
        return Ruling(Reason.AGENT_ERROR, last_words(proposal.failure_if_unchanged, LONGEST_FAILURE))
    why = one_line(proposal.nothing, LONGEST_FAILURE)
    return Ruling(Reason.NO_CHANGE, f"{NOTHING_TO_CHANGE}{why}" if why else "the agent changed nothing")


def _says_something_of_its_state(experiment: Experiment) -> bool:
    """Whether the state had its verdict.

    Not where something beside the targets was changed: the state without that is recorded, and was never run. And not
    where it was only probed: the steps that lead to it may end there. A duplicate says what the first one said.
    """
    if experiment.reason in (Reason.PROBE, Reason.DUPLICATE, Reason.STALE):
        return False
    return bool(experiment.measurements) or experiment.reason is not Reason.OUT_OF_SCOPE


def _with_clean_name(usage: Usage | None) -> Usage | None:
    """The model's name is whatever a program printed."""
    return usage and replace(usage, model=usage.model and one_line(usage.model))


def _lines(data: bytes | None) -> int:
    """As many as ``splitlines`` makes, without making them."""
    if not data:
        return 0
    ends = data.count(b"\n")
    if b"\r" in data:
        ends += data.count(b"\r") - data.count(b"\r\n")
    return ends + (data[-1:] not in (b"\n", b"\r"))
