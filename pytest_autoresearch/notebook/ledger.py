"""The notebook of one tag, held by lock: every finished experiment is in the ledger exactly once.

The one commit point is the move of the ledger's ref. Branch and results.tsv are derived from it, at once while all goes
well, and by the next start when this process dies in between.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from typing import Any, final

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook import chain as chains
from pytest_autoresearch.notebook.branch import Branch, Refs, read_refs, refuse_branch, refuse_tag
from pytest_autoresearch.notebook.chain import Chain, ledger_ref, read_chain, sessions
from pytest_autoresearch.notebook.claim import claim, table_lock
from pytest_autoresearch.notebook.codec import encode
from pytest_autoresearch.notebook.deferral import uninterrupted
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.lock import Lock
from pytest_autoresearch.notebook.pending import Pending, Waiting, remove_stale_locks
from pytest_autoresearch.notebook.record import (
    Attribution,
    Drop,
    Group,
    History,
    Level,
    Note,
    Record,
    Session,
    Verification,
)
from pytest_autoresearch.notebook.results import Table, header, render, row
from pytest_autoresearch.notebook.text import candidate_message
from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Move, Usage

__all__ = ["Notebook", "Pending", "sessions"]

REPACK_EVERY = 250
"""Experiments between two repacks of our loose objects: 3,000 experiments are 50 MB loose and 2 MB packed."""
Hear = Callable[[str], None]


def _nothing(text: str) -> None:
    pass


@final
class Notebook:
    """Open with :meth:`open`; a context manager that gives the lock back.

    ``history`` is what the ledger says, ``judged`` its newest record with the judge's state, ``pending`` the proposals
    without a verdict by number, ``notices`` what the user should be told, each thing once;
    ``say`` hears it as it comes up. ``boundary`` is called after every lasting effect, for tests that die there.
    """

    def __init__(self, git: Git, tag: str, *, table: Path, metric: str, say: Hear, boundary: Hear) -> None:
        self.git, self.tag, self.metric, self.table = git, tag, metric, table
        self.notices: list[str] = []
        self.history = chains.unbegun(tag)
        self.judged: Experiment | Group | None = None
        self.pending: dict[int, Pending] = {}
        self._locks: list[Lock] = []
        self._hear, self._boundary = say, boundary
        self._head = git.zero
        self._stale = False
        self._recorded: set[int] = set()
        self._lowest = 0  # below it all numbers are recorded
        self._results = Table(table, self._say)
        self._branch = Branch(git, tag, self._say)
        self._waiting = Waiting(git, tag, state_directory(git, tag), boundary)

    @classmethod
    def open(
        cls, git: Git, tag: str, *, table: Path, metric: str, say: Hear = _nothing, boundary: Hear = _nothing
    ) -> Notebook:
        """Lock the tag and its table, and repair what a session that died has left.

        NotebookError, before anything is changed, where somebody else is at work or the user's branch, table or
        repository would have to suffer.
        """
        refuse_tag(git, tag)
        notebook = cls(git, tag, table=table, metric=metric, say=say, boundary=boundary)
        try:
            notebook._lock()
            notebook._repair()
        except BaseException:
            notebook.close()
            raise
        return notebook

    @property
    def session(self) -> Session | None:
        """Record 0, None while the session has not begun."""
        return None if self._head == self.git.zero else self.history.session

    def next_number(self, under_way: Collection[int] = ()) -> int:
        """The lowest number that is neither recorded nor pending nor ``under_way``.

        One whose agent was cut off in its turn, while a later one was recorded, is given again.
        """
        while self._lowest in self._recorded:
            self._lowest += 1
        return next(
            each
            for each in count(self._lowest)
            if not (each in self._recorded or each in self.pending or each in under_way)
        )

    @property
    def unmeasured(self) -> Experiment | None:
        """The incumbent, if a drop has changed what its commit holds since it was judged; see :meth:`level`."""
        incumbent = self.history.incumbent
        return incumbent if incumbent is not None and self._stale else None

    # -- writing ----------------------------------------------------------------------------------------------------

    def begin_session(self, session: Session) -> None:
        """Write record 0, put the branch at the start commit and the header into the table."""
        with uninterrupted():
            self._append(session, ())
            self.history = History(session)
            with self._derived():
                self._branch.follow(None, session.start)
                self._boundary("branch created")
            with self._derived():
                claim(self.git, self._results, self._locks[-1], self.tag)
                self._results.write(header(self.metric))
                self._boundary("table begun")

    def begin(
        self,
        number: int,
        *,
        tree: str,
        parent: str,
        description: str,
        hypothesis: str = "",
        agent: str = "",
        usage: Usage | None = None,
        agent_seconds: float = 0.0,
        moves: tuple[Move, ...] = (),
        probe: bool = False,
        seen: int | None = None,
        tests: int = 0,
    ) -> Pending:
        """Keep a proposal before it is measured. Called again for a pending one, it counts one attempt more."""
        with uninterrupted():
            old = self.pending.get(number)
            if old is not None and old.tree == tree and old.parent == parent:
                pending = replace(old, attempts=old.attempts + 1, tests=max(old.tests, tests))
            else:
                now = datetime.now(timezone.utc)
                commit = self.git.commit(tree, [parent], f"experiment {number} is being measured", now)
                pending = Pending(
                    number,
                    tree,
                    commit,
                    parent,
                    description,
                    hypothesis,
                    agent,
                    usage,
                    agent_seconds,
                    moves,
                    probe,
                    started=now,
                    seen=seen,
                    tests=tests,
                )
            self._waiting.start(pending)
            self.pending[number] = pending
        return pending

    def progress(
        self,
        number: int,
        measurements: Sequence[Measurement],
        judge: Mapping[str, Any],
        opened: int | None = None,
        tests: int = 0,
    ) -> None:
        """Keep how far the measuring of a pending proposal got, and after how many records it was first compared."""
        with uninterrupted():
            old = self.pending[number]
            so_far = replace(old, measurements=tuple(measurements), judge=judge, opened=opened)
            self.pending[number] = replace(so_far, tests=max(old.tests, tests))
            self._waiting.save(self.pending[number])

    def put_off(self) -> None:
        """Let what is pending wait for the next session: a person has ended this one, so it is no attempt."""
        with uninterrupted():
            for number, pending in self.pending.items():
                self.pending[number] = replace(pending, attempts=max(0, pending.attempts - 1))
                self._waiting.save(self.pending[number])

    def record(self, experiment: Experiment) -> Experiment:
        """Write a finished experiment down, and return it with its commit.

        NotebookError where the ledger could not be written: nothing is recorded then, and the proposal stays pending.
        """
        with uninterrupted():
            if experiment.number in self._recorded:
                raise NotebookError(f"experiment {experiment.number} of {self.tag} is recorded already")
            recorded = self._minted(experiment)
            self._boundary("candidate minted")
            self._append(recorded, (recorded.commit,))
            self._remember(recorded)
            with self._derived():
                self._branch.advance(self._derived_head())
                self._boundary("branch moved")
            with self._derived():
                self._results.append(row(recorded), lambda: render(self.history, self.metric))
                self._boundary("row written")
            self.pending.pop(recorded.number, None)
            with self._derived():
                self._waiting.finish(recorded.number)
                if recorded.number % REPACK_EVERY == 0 and recorded.number:
                    self.git.plumbing.run("repack", "-d", "-q")
        return recorded

    def note(self, kind: str, text: str) -> None:
        """Write a line for the record; before the session has begun there is no record to write it to."""
        if self.session is not None:
            note = Note(kind, text, datetime.now(timezone.utc))
            with uninterrupted():
                self._append(note, ())
                self.history = replace(self.history, notes=(*self.history.notes, note))

    def verification(self, verification: Verification) -> None:
        """Write down how start and head compared on fresh runs."""
        with uninterrupted():
            self._append(verification, ())
            self.history = replace(self.history, verifications=(*self.history.verifications, verification))

    def group(self, group: Group) -> None:
        """Write down how provisional keeps fared together; where they failed the branch goes back, and rows change."""
        before = render(self.history, self.metric)
        with uninterrupted():
            self._append(group, ())
            experiments = tuple(chains.grouped(self.history.experiments, group))
            self.history = replace(self.history, experiments=experiments, groups=(*self.history.groups, group))
            self.judged = group
            with self._derived():
                self._branch.advance(self._derived_head())
                self._boundary("branch moved")
                self._results.write(render(self.history, self.metric), known=(before,))
                self._boundary("table written")

    def attribution(self, attribution: Attribution) -> None:
        """Write down what each keep is worth by itself."""
        with uninterrupted():
            self._append(attribution, ())
            self.history = replace(self.history, attributions=(*self.history.attributions, attribution))

    def level(self, level: Level) -> None:
        """Write down what a kept state measures after a drop."""
        before = render(self.history, self.metric)
        with uninterrupted():
            self._append(level, ())
            experiments = chains.measured_anew(self.history.experiments, level)
            self.history = replace(self.history, experiments=tuple(experiments))
            self._stale = False
            with self._derived():
                self._results.write(render(self.history, self.metric), known=(before,))

    def drop(self, drop: Drop) -> None:
        """Take a keep out: the branch is at the newest moved keep, the row becomes a discard."""
        before = render(self.history, self.metric)
        head = [*drop.moved.values()][-1] if drop.moved else ""
        with uninterrupted():
            self._append(drop, (head,) if head else ())
            experiments = chains.dropped(self.history.experiments, drop)
            self.history = replace(self.history, experiments=tuple(experiments), drops=(*self.history.drops, drop))
            self._stale = True
            with self._derived():
                self._branch.advance(self._derived_head())
                self._boundary("branch moved")
                self._results.write(render(self.history, self.metric), known=(before,))
            for number in [*self.pending]:  # they were built on what is gone now
                del self.pending[number]
                with self._derived():
                    self._waiting.finish(number)

    def close(self) -> None:
        """Give the locks back."""
        self.git.objects.let_go()
        self.git.plumbing.close()
        self.git.plumbing.inherit = ()
        while self._locks:
            lock = self._locks.pop()
            # The table's lock stays when a tag has signed it: the next tag learns from it whose table that is.
            lock.release(remove=not self._locks or not lock.owner)

    def __enter__(self) -> Notebook:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- how --------------------------------------------------------------------------------------------------------

    def _lock(self) -> None:
        self._locks.append(tag_lock(self.git, self.tag))
        self._locks.append(table_lock(self.git, self.table))
        self.git.plumbing.close()
        self.git.plumbing.inherit = tuple(lock.fd for lock in self._locks)

    def _repair(self) -> None:
        """Bring refs, branch, table and pending proposal to what the ledger says."""
        remove_stale_locks(self.git, self.tag)
        self.git.objects.keep_in(chains.kept_directory(self.git, self.tag))
        refs = read_refs(self.git, self.tag)
        chain = read_chain(self.git, ledger_ref(self.tag))
        refuse_branch(self.git, refs, chain, self.tag)
        self._results.refuse_odd()
        if chain is None:
            self._waiting.recover(refs.pending, refs.running, None)
        else:
            self._take_over(chain, refs)
        self._boundary("repaired")

    def _take_over(self, chain: Chain, refs: Refs) -> None:
        self.history, self._head = chain.history, chain.head
        self.judged = chain.judged
        self._stale = chain.ends_in_a_drop
        self._branch.follow(refs.branch, self._derived_head())
        self._boundary("branch repaired")
        claim(self.git, self._results, self._locks[-1], self.tag)
        before = chain.before_last_rewrite()
        known = () if before is None else (render(before, self.metric),)
        self._results.write(render(self.history, self.metric), known=known)
        self._boundary("table repaired")
        self._recorded = {experiment.number for experiment in self.history.experiments}
        self.pending = self._waiting.recover(refs.pending, refs.running, self._recorded)

    def _derived_head(self) -> str:
        incumbent = self.history.incumbent
        return self.history.session.start if incumbent is None else incumbent.commit

    def _minted(self, experiment: Experiment) -> Experiment:
        """The experiment with its final commit: the same tree, a message with the numbers, 7 digits of its own."""
        if experiment.number == 0:
            return replace(experiment, commit=self.history.session.start)
        baseline = self.history.experiments[0].value if self.history.experiments else None
        commit = self.git.commit_unique(
            experiment.tree,
            [experiment.parent],
            lambda nonce: candidate_message(experiment, self.metric, baseline, nonce),
        )
        return replace(experiment, commit=commit)

    def _append(self, record: Record, parents: Sequence[str]) -> None:
        """The commit point: before it nothing has happened, after it the record is there for good."""
        previous = () if self._head == self.git.zero else (self._head,)
        text = encode(record, in_order=not isinstance(record, Experiment) or record.number == len(self._recorded))
        commit = self.git.commit(self.git.empty_tree, [*previous, *parents], text)
        self._boundary("record written")
        self.git.move_ref(ledger_ref(self.tag), commit, self._head)
        self._head = commit
        self._boundary("ledger moved")
        with self._derived():
            self.git.objects.settle()

    def _remember(self, recorded: Experiment) -> None:
        self.judged = recorded
        self._stale = False
        self._recorded.add(recorded.number)
        self.history = self.history.followed_by(recorded)

    @contextlib.contextmanager
    def _derived(self) -> Iterator[None]:
        """What follows the commit point may fail (a full disk): it is said, and made good by the next start."""
        try:
            yield
        except (NotebookError, OSError) as error:
            self._say(f"{error}\n  the ledger has the experiment; the next start makes this good")

    def _say(self, text: str) -> None:
        if text not in self.notices:
            self.notices.append(text)
            self._hear(text)


def state_directory(git: Git, tag: str) -> Path:
    """Where the lock, running.json and logs of a tag are."""
    return git.common_dir / "autoresearch" / tag


def tag_lock(git: Git, tag: str) -> Lock:
    """The lock of a session."""
    return Lock.acquire(state_directory(git, tag) / "lock", f"the session {tag}")
