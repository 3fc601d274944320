"""Ledger and branch between clones. The ledger is never forced: two that went different ways are both kept."""

from __future__ import annotations

import platform
import re
from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.chain import LEDGERS, branch_ref, ledger_ref
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.ledger import tag_lock


class Relation(str, Enum):
    """How the remote's ledger of a tag compares with ours."""

    NONE = "none"
    """The remote has no ledger of this tag."""
    SAME = "same"
    BEHIND = "behind"
    """The remote's lacks records of ours."""
    AHEAD = "ahead"
    """The remote's had more records; after :func:`fetch` so have we."""
    DIVERGED = "diverged"


@dataclass(frozen=True, slots=True)
class Pushed:
    """What a push got through. ``ledger`` names the ref that has our ledger now, None where it was refused.

    ``refusals`` are the remote's words.
    """

    branch: bool
    ledger: str | None
    refusals: tuple[str, ...] = ()


def host_ref(tag: str, host: str | None = None) -> str:
    """Where a ledger that diverged is kept, for this machine if no other is named."""
    name = re.sub(r"[^A-Za-z0-9_-]+", "-", host or platform.node()).strip("-") or "unnamed"
    return f"{LEDGERS}/{tag}/hosts/{name}"


def fetch(git: Git, remote: str, tag: str, *, env: Mapping[str, str] | None = None) -> Relation:
    """Bring a remote's ledger here. Ours moves only forward, so call this before the notebook is opened.

    A ledger that diverged stays under ``hosts/<remote>``; the caller says so and stops, or takes a derived tag.
    """
    kept = host_ref(tag, _short(remote))
    theirs = _remote_ref(git, remote, ledger_ref(tag), env)
    if theirs is None:
        return Relation.NONE
    ours = git.resolve(ledger_ref(tag))
    if ours == theirs:
        return Relation.SAME
    if git.resolve(theirs) is None:
        refspec = f"+{ledger_ref(tag)}:{kept}"
        _remote_command(git, "fetch", "-q", "--no-tags", "--no-write-fetch-head", "--", remote, refspec, env=env)
        theirs = git.resolve(kept) or theirs
    if ours is None or git.is_ancestor(ours, theirs):
        lock = tag_lock(git, tag)  # under a running session the ledger must not move
        try:
            git.move_ref(ledger_ref(tag), theirs, ours or git.zero)
        finally:
            lock.release(remove=True)
        _forget(git, kept)
        return Relation.AHEAD
    if git.is_ancestor(theirs, ours):
        _forget(git, kept)
        return Relation.BEHIND
    return Relation.DIVERGED


def diverged(git: Git, remote: str, tag: str) -> NotebookError:
    """What to tell the user of a ledger that went another way on another machine."""
    where = host_ref(tag, _short(remote))
    return NotebookError(
        f"{git.top}: another machine went on with the session {tag}; its records are under {where}\n"
        f"  go on under another tag: --autoresearch-tag {tag}-2"
    )


def push(git: Git, remote: str, tag: str, *, env: Mapping[str, str] | None = None) -> Pushed:
    """Push ledger and branch, each for itself: a refused ledger does not hold back the branch.

    A ledger that the remote has moved on from goes to ``hosts/<this machine>`` there.
    """
    refusals: list[str] = []
    log = ledger_ref(tag)
    ledger = next((ref for ref in (log, host_ref(tag)) if _pushed(git, remote, log, ref, env, refusals)), None)
    branch = _pushed(git, remote, branch_ref(tag), branch_ref(tag), env, refusals)
    return Pushed(branch, ledger, tuple(refusals))


def remote_has(git: Git, remote: str, ref: str, *, env: Mapping[str, str] | None = None) -> bool:
    """Whether the remote's ``ref`` is where ours is."""
    return _remote_ref(git, remote, ref, env) == git.resolve(ref)


def _pushed(git: Git, remote: str, local: str, ref: str, env: Mapping[str, str] | None, refusals: list[str]) -> bool:
    try:
        _remote_command(git, "push", "-q", "--", remote, f"{local}:{ref}", env=env)
    except NotebookError as error:
        refusals.append(str(error))
        return False
    return True


def _remote_ref(git: Git, remote: str, ref: str, env: Mapping[str, str] | None) -> str | None:
    out = _remote_command(git, "ls-remote", "--", remote, ref, env=env).decode("utf-8", "replace")
    lines = [line.split("\t") for line in out.splitlines()]
    return next((commit for commit, name in lines if name == ref), None)


def _remote_command(git: Git, *args: str, env: Mapping[str, str] | None) -> bytes:
    return git.plumbing.run(*args, users_config=True, env=env)


def _forget(git: Git, ref: str) -> None:
    at = git.resolve(ref)
    if at is not None:
        git.delete_ref(ref, at)


def _short(remote: str) -> str:
    """A remote's name, or the host of its address."""
    return re.sub(r"^[a-z+]+://|^[^@/]*@|[:/].*$", "", remote) or "remote"
