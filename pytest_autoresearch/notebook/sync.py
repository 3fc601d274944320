"""Ledger and branch between clones. No ledger is forced, merged or renumbered: one that went another way parts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from enum import Enum
from itertools import count

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.branch import TAG_LENGTH, is_sessions, read_refs, refuse_spelling
from pytest_autoresearch.notebook.chain import BRANCHES, LEDGERS, PARTED, Chain, branch_ref, ledger_ref, read_chain
from pytest_autoresearch.notebook.claim import table_lock
from pytest_autoresearch.notebook.codec import encode
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.ledger import state_directory, tag_lock
from pytest_autoresearch.notebook.record import History, Note
from pytest_autoresearch.notebook.results import table_path

Env = Mapping[str, str] | None


class Relation(str, Enum):
    """How the remote's ledger of a tag compares with ours."""

    NONE = "none"
    """The remote has no ledger of this tag."""
    SAME = "same"
    BEHIND = "behind"
    """The remote's lacks records of ours."""
    AHEAD = "ahead"
    """The remote's has more records; after :func:`fetch` so have we."""
    DIVERGED = "diverged"
    """Each has records that the other lacks; :func:`fetch` gives ours a tag of their own."""


class Overtaken(NotebookError):
    """The remote's ledger holds records that ours lacks: whoever wrote them goes on with the tag, and we do not."""

    def __init__(self, remote: str, tag: str) -> None:
        super().__init__(
            f"{remote}: somebody else went on with the session {tag}: its ledger there holds records that are not "
            f"here\n  nothing was written over; `pytest-autoresearch fetch --tag {tag}` takes them, and keeps what "
            "differs here under a tag of its own"
        )


@dataclass(frozen=True, slots=True)
class Fetched:
    """What a fetch found. ``parted`` is the tag that our own records have now, where they went another way."""

    relation: Relation
    parted: str | None = None


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push got through; ``refusals`` are the remote's words."""

    branch: bool
    ledger: bool
    refusals: tuple[str, ...] = ()


def compare(git: Git, remote: str, tag: str, *, env: Env = None) -> tuple[Relation, str]:
    """How the remote's ledger stands to ours, and its newest commit, whose objects are here afterwards."""
    theirs = _remote_ref(git, remote, ledger_ref(tag), env)
    ours = git.resolve(ledger_ref(tag))
    if theirs is None:
        return Relation.NONE, ""
    if ours == theirs:
        return Relation.SAME, theirs
    if git.resolve(theirs) is None:
        refspec = f"+{ledger_ref(tag)}:{_kept(tag)}"
        _remote_command(git, "fetch", "-q", "--no-tags", "--no-write-fetch-head", "--", remote, refspec, env=env)
        theirs = git.resolve(_kept(tag)) or theirs
    if ours is None or git.is_ancestor(ours, theirs):
        return Relation.AHEAD, theirs
    return (Relation.BEHIND if git.is_ancestor(theirs, ours) else Relation.DIVERGED), theirs


def fetch(git: Git, remote: str, tag: str, *, env: Env = None) -> Fetched:
    """Bring a remote's ledger here; ours moves only forward, so call this before the notebook is opened.

    Where both went on, the remote's is the tag's from now on, and ours goes on under a tag of its own. OtherSpelling
    for a tag that the remote does not have, and has in other letters' case.
    """
    relation, theirs = compare(git, remote, tag, env=env)
    if relation is Relation.NONE:
        refuse_other_spelling(git, remote, tag, env=env)
    parted = None
    if relation in (Relation.AHEAD, Relation.DIVERGED):
        lock = tag_lock(git, tag)  # under a running session the ledger must not move
        try:
            ours = read_chain(git, ledger_ref(tag))
            if ours is not None and relation is Relation.DIVERGED:
                parted = _part(git, remote, ours, env)
            git.move_ref(ledger_ref(tag), theirs, git.zero if ours is None else ours.head)
            if ours is not None and parted is not None:
                _follow(git, tag, ours, theirs)
        finally:
            lock.release(remove=True)
    at = git.resolve(_kept(tag))
    if at is not None:
        git.delete_ref(_kept(tag), at)
    return Fetched(relation, parted)


def refuse_other_spelling(git: Git, remote: str, tag: str, *, env: Env = None) -> None:
    """OtherSpelling for a tag that the remote has in other letters' case only."""
    out = _remote_command(git, "ls-remote", "--", remote, f"{LEDGERS}/*", f"{BRANCHES}/*", env=env)
    lines = out.decode("utf-8", "replace").splitlines()
    refuse_spelling(tag, (line.partition("\t")[2] for line in lines), remote)


def push(git: Git, remote: str, tag: str, *, env: Env = None) -> Pushed:
    """Push the ledger, then the branch. Overtaken, with nothing pushed, where the remote holds records that we lack."""
    refusals: list[str] = []
    head = git.resolve(ledger_ref(tag))
    assert head is not None
    refused = push_ledger(git, remote, tag, head, env=env)
    if refused is not None:
        refusals.append(str(refused))
    branch = branch_ref(tag)
    try:
        _remote_command(git, "push", "-q", "--", remote, f"{proven_head(git, tag)}:{branch}", env=env)
    except NotebookError as error:
        return Pushed(False, refused is None, (*refusals, str(error)))
    return Pushed(True, refused is None, tuple(refusals))


def proven_head(git: Git, tag: str) -> str:
    """What of a branch others may see: its last commit that needs no group to prove it."""
    chain = read_chain(git, ledger_ref(tag))
    assert chain is not None
    certified = chain.history.certified
    return chain.history.session.start if certified is None else certified.commit


def push_ledger(git: Git, remote: str, tag: str, head: str, *, env: Env = None) -> NotebookError | None:
    """Push our ledger as it was at ``head``. The refusal where the remote does not take such refs at all.

    Overtaken where it holds records that ours lacks. NotebookError where nobody knows what it holds.
    """
    try:
        _remote_command(git, "push", "-q", "--", remote, f"{head}:{ledger_ref(tag)}", env=env)
    except NotebookError as error:
        relation, _ = compare(git, remote, tag, env=env)
        if relation in (Relation.AHEAD, Relation.DIVERGED):
            raise Overtaken(remote, tag) from None
        return error
    return None


def remote_has(git: Git, remote: str, ref: str, *, at: str | None = None, env: Env = None) -> bool:
    """Whether the remote's ``ref`` is where ours is, or ``at`` this commit."""
    return _remote_ref(git, remote, ref, env) == (at or git.resolve(ref))


def parted_from(history: History) -> str | None:
    """The tag that a session had before it went another way, None for one that never did."""
    notes = [note.text for note in history.notes if note.kind == PARTED]
    return notes[-1].partition(" ")[0] if notes else None


def _part(git: Git, remote: str, chain: Chain, env: Env) -> str:
    """Our ledger and branch under a tag that is free here and there. Repeated after a crash it gives the same one."""
    history = chain.history
    tag = history.session.tag
    new = next(name for name in _names(tag) if _is_free(git, remote, name, chain, env))
    text = f"{tag} went on elsewhere; what was done with it here goes on as {new}"
    note = encode(Note(PARTED, text, datetime.now(timezone.utc)))
    if git.resolve(ledger_ref(new)) is None:
        git.move_ref(ledger_ref(new), git.commit(git.empty_tree, [chain.head], note), git.zero)
    if git.resolve(branch_ref(new)) is None:
        git.move_ref(branch_ref(new), _derived(history), git.zero)
    _hand_on(git, tag, new)
    lock = table_lock(git, table_path(git, history.session.source, tag))
    try:
        if lock.owner in ("", tag):
            lock.sign(new)  # the table has our rows: who opens the other session renames it
    finally:
        lock.release(remove=False)
    return new


def _is_free(git: Git, remote: str, name: str, chain: Chain, env: Env) -> bool:
    """Whether nobody has the tag, or it holds this ledger already."""
    known = git.resolve(ledger_ref(name))
    if known is not None:
        return git.is_ancestor(chain.head, known)
    return git.resolve(branch_ref(name)) is None and _remote_ref(git, remote, ledger_ref(name), env) is None


def _hand_on(git: Git, tag: str, new: str) -> None:
    """What is being measured was built on our records: it goes with them."""
    below = f"{LEDGERS}/{tag}/"
    for ref, at in git.refs(f"{LEDGERS}/{tag}").items():
        if ref.removeprefix(below).partition("/")[0] in ("running", "pending"):
            git.move_ref(f"{LEDGERS}/{new}/{ref.removeprefix(below)}", at, git.zero)
            git.delete_ref(ref, at)
    old, kept = state_directory(git, tag), state_directory(git, new)
    for path in [*old.glob("running.json"), *old.glob("pending*")]:
        kept.mkdir(parents=True, exist_ok=True)
        path.rename(kept / path.name)


def _follow(git: Git, tag: str, ours: Chain, theirs: str) -> None:
    """Bring the branch along, unless it is not ours or is checked out: the next start says so then."""
    refs, chain = read_refs(git, tag), read_chain(git, theirs)
    if chain is not None and refs.branch is not None and not refs.checkout and is_sessions(git, ours, refs.branch):
        head = _derived(chain.history)
        if head != refs.branch:
            git.move_ref(branch_ref(tag), head, refs.branch)


def _derived(history: History) -> str:
    return history.session.start if history.incumbent is None else history.incumbent.commit


def _names(tag: str) -> Iterator[str]:
    return (f"{tag[: TAG_LENGTH - 4]}-{n}" for n in count(2))


def _kept(tag: str) -> str:
    """Keeps the remote's records from being pruned while they are looked at."""
    return f"{LEDGERS}/{tag}/theirs"


def _remote_ref(git: Git, remote: str, ref: str, env: Env) -> str | None:
    out = _remote_command(git, "ls-remote", "--", remote, ref, env=env).decode("utf-8", "replace")
    lines = [line.split("\t") for line in out.splitlines()]
    return next((commit for commit, name in lines if name == ref), None)


def _remote_command(git: Git, *args: str, env: Env) -> bytes:
    return git.plumbing.run(*args, users_config=True, env=env)
