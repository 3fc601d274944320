"""The ledger as it is read: a chain of commits whose messages are records, and the history they add up to."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timezone
from pathlib import Path

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.codec import decode
from pytest_autoresearch.notebook.git import Git
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
    place_of,
)
from pytest_autoresearch.protocol.experiment import Experiment, Outcome, Reason, Status

BRANCHES = "refs/heads/autoresearch"
LEDGERS = "refs/autoresearch"
PARTED = "parted"
"""The kind of the note with which a ledger that went another way than the remote's goes on under a tag of its own."""
AT_ONCE = 250
"""Records that are read from git by one command."""
_LOG = ("log", "-z", "--first-parent", "--encoding=UTF-8", "--no-show-signature", "--no-color")


def branch_ref(tag: str) -> str:
    """The branch of a tag: one commit per keep."""
    return f"{BRANCHES}/{tag}"


def ledger_ref(tag: str) -> str:
    """The newest record of a tag."""
    return f"{LEDGERS}/{tag}/log"


def running_ref(tag: str) -> str:
    """The proposal that is being measured, of versions that had one at a time."""
    return f"{LEDGERS}/{tag}/running"


def pending_ref(tag: str, number: int) -> str:
    """A proposal that is being measured."""
    return f"{LEDGERS}/{tag}/pending/{number}"


def kept_directory(git: Git, tag: str) -> Path:
    """Where a session keeps its newest objects once more; see :class:`pytest_autoresearch.notebook.kept.Kept`."""
    return git.common_dir / "autoresearch" / tag / "kept"


def unbegun(tag: str) -> History:
    """The history of a session that has no record yet."""
    session = Session(tag, "", "", {}, {}, "", {}, datetime.now(timezone.utc))
    return History(session)


@dataclass(frozen=True)
class Chain:
    """A ledger as read: its newest commit, its records oldest first."""

    head: str
    records: tuple[Record, ...]

    @property
    def history(self) -> History:
        """What the records add up to."""
        return fold(self.records)

    def before_last_rewrite(self) -> History | None:
        """The history without the newest record that changed earlier rows (drop, level, group); None without one."""
        last = max((i for i, r in enumerate(self.records) if isinstance(r, (Drop, Level, Group))), default=None)
        return None if last is None else fold([r for i, r in enumerate(self.records) if i != last])

    @property
    def ends_in_a_drop(self) -> bool:
        """Whether no experiment came after the newest drop: the judge's state is then of a head that is gone."""
        newest = next((r for r in reversed(self.records) if isinstance(r, (Drop, Experiment, Group))), None)
        return isinstance(newest, Drop)

    @property
    def judged(self) -> Experiment | Group | None:
        """The newest record with the judge's state."""
        return next((r for r in reversed(self.records) if isinstance(r, (Experiment, Group))), None)

    def own_commits(self) -> set[str]:
        """Every commit the branch has ever been at."""
        session = self.records[0]
        assert isinstance(session, Session)
        kept = {r.commit for r in self.records if isinstance(r, Experiment) and r.kept}
        moved = {commit for r in self.records if isinstance(r, Drop) for commit in r.moved.values()}
        return {session.start} | kept | moved


def read_chain(git: Git, ref: str) -> Chain | None:
    """The ledger at ``ref``, None if there is none. NotebookError for one that this version can not read.

    Only the newest record that has it keeps the judge's state: a night's worth of them is megabytes.
    """
    head, judged = "", False
    records: list[Record] = []
    for commit, message in _messages(git, ref):
        head = head or commit
        records.append(decode(message, slim=judged))
        judged = judged or isinstance(records[-1], (Experiment, Group))
    if not records:
        return None
    began = records[-1]
    if not isinstance(began, Session):
        raise NotebookError(f"{ref}: its first record is no session\n  fetch the ref again, or delete it")
    if ref.startswith(f"{LEDGERS}/") and any(isinstance(each, Note) and each.kind == PARTED for each in records):
        records[-1] = replace(began, tag=ref.split("/")[2])
    return Chain(head, tuple(reversed(records)))


def read_records(git: Git, ref: str) -> list[Record]:
    """Records as they were written, oldest first."""
    return [decode(message) for _, message in _messages(git, ref)][::-1]


def _messages(git: Git, ref: str) -> Iterator[tuple[str, str]]:
    """Ledger commits and their messages, newest first; some hundreds at a time, as a night's are megabytes."""
    at = ref if git.resolve(ref) is not None or _put_back(git, ref) else ""
    while at:
        words = (*_LOG, f"--max-count={AT_ONCE}", "--format=%H %P%n%B", at, "--")
        try:
            told = git.plumbing.run(*words)
        except NotebookError:
            if not _put_back(git, ref):
                raise
            told = git.plumbing.run(*words)
        for entry in filter(None, told.split(b"\0")):
            commits, _, message = entry.partition(b"\n")
            commit, *parents = commits.decode().split()
            yield commit, message.decode("utf-8", "replace")
        at = parents[0] if parents else ""


def _put_back(git: Git, ref: str) -> bool:
    """Whether something was amiss because a session died as a collection of git's took its newest records."""
    tag = ref.removeprefix(f"{LEDGERS}/").partition("/")[0]
    return ref == ledger_ref(tag) and git.objects.put_back(kept_directory(git, tag))


def read_history(git: Git, tag: str) -> History:
    """What a tag's ledger says, without its lock. NotebookError where there is no such ledger."""
    chain = read_chain(git, ledger_ref(tag))
    if chain is None:
        known = ", ".join(session.tag for session in sessions(git)) or "none yet"
        raise NotebookError(f"{git.top}: no session {tag} in this repository\n  there are: {known}")
    return chain.history


def metric_name(history: History) -> str:
    """The metric's name, from record 0."""
    metric = history.session.protocol.get("metric")
    return str(metric["name"]) if isinstance(metric, dict) and "name" in metric else "metric"


def sessions(git: Git) -> list[Session]:
    """Record 0 of every tag of this repository, in the order they began."""
    refs = {ref.split("/")[2]: ref for ref in git.refs(LEDGERS) if ref.endswith("/log") and ref.count("/") == 3}
    if not refs:
        return []
    # Along first parents a ledger's only root is its first record; candidates are second parents.
    roots = git.plumbing.run(*_LOG, "--max-parents=0", "--format=%B", *refs.values(), "--")
    found = [decode(message.decode("utf-8", "replace")) for message in roots.split(b"\0") if message.strip()]
    begun = {each.tag: each for each in found if isinstance(each, Session) and each.tag in refs}
    for tag in refs.keys() - begun.keys():  # it parted from another, whose first record it shares
        chain = read_chain(git, refs[tag])
        if chain is not None and chain.history.session.tag == tag:
            begun[tag] = chain.history.session
    return sorted(begun.values(), key=lambda session: session.started)


def fold(records: Sequence[Record]) -> History:
    """Add the records up, oldest first."""
    session = records[0]
    assert isinstance(session, Session)
    experiments: list[Experiment] = []
    drops: list[Drop] = []
    verifications: list[Verification] = []
    attributions: list[Attribution] = []
    notes: list[Note] = []
    groups: list[Group] = []
    numbers: set[int] = set()
    for record in records[1:]:
        if isinstance(record, Experiment):
            if record.number in numbers:
                raise NotebookError(f"experiment {record.number} stands in the ledger twice")
            if not experiments and record.number != 0:
                raise NotebookError(f"experiment {record.number} stands where the baseline belongs in the ledger")
            numbers.add(record.number)
            experiments.append(record)
        elif isinstance(record, Drop):
            drops.append(record)
            experiments = dropped(experiments, record)
        elif isinstance(record, Group):
            groups.append(record)
            experiments = grouped(experiments, record)
        elif isinstance(record, Level):
            experiments = measured_anew(experiments, record)
        elif isinstance(record, Verification):
            verifications.append(record)
        elif isinstance(record, Attribution):
            attributions.append(record)
        elif isinstance(record, Note):
            notes.append(record)
    return History(
        session,
        tuple(experiments),
        tuple(drops),
        tuple(verifications),
        tuple(attributions),
        tuple(notes),
        tuple(groups),
    )


def dropped(experiments: Sequence[Experiment], drop: Drop) -> list[Experiment]:
    """A dropped keep reads as a discard with its old hash, later keeps have their new commits and parents.

    Those that have lost their proof with it are provisional again.
    """
    result = list(experiments)
    at = place_of(result, drop.number)
    parent = result[at].parent
    result[at] = replace(
        result[at],
        status=Status.DISCARD,
        reason=Reason.DROPPED,
        detail=drop.why,
        provisional=False,
    )
    for index, keep in enumerate(result):
        if keep.number in drop.moved:
            commit = drop.moved[keep.number]
            result[index] = replace(keep, commit=commit, parent=parent)
            parent = commit
        if keep.number in drop.unproven:
            result[index] = replace(result[index], provisional=True)
    return result


def grouped(experiments: Sequence[Experiment], group: Group) -> list[Experiment]:
    """The keeps of a proven group need no further proof; those of one that failed are discards with their old hash."""
    result = list(experiments)
    if group.outcome is Outcome.GOES_ON:
        return result
    for number in group.keeps:
        at = place_of(result, number)
        keep = result[at]
        if not keep.kept:
            continue  # dropped meanwhile
        if group.outcome is Outcome.CERTIFIED:
            result[at] = replace(keep, provisional=False)
        else:
            why = f"its group of {len(group.keeps)} was measured on {group.pairs} fresh pairs and is no proven gain"
            result[at] = replace(keep, status=Status.DISCARD, reason=Reason.UNPROVEN, detail=why, provisional=False)
    return result


def measured_anew(experiments: Sequence[Experiment], level: Level) -> list[Experiment]:
    """The numbers of a kept state after a drop."""
    result = list(experiments)
    at = place_of(result, level.number)
    result[at] = replace(result[at], value=level.value, interval=level.interval)
    return result
