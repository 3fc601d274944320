"""The branch of a tag: derived from the ledger, never the other way round; the user's moves are respected."""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.chain import (
    BRANCHES,
    LEDGERS,
    Chain,
    branch_ref,
    ledger_ref,
    pending_ref,
    running_ref,
)
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.patterns import regex

TAG_LENGTH = 60
_PUBLISHED = regex(r"autoresearch/[^/]+/(results\.tsv|progress-(light|dark)\.svg)")


@dataclass(frozen=True, slots=True)
class Refs:
    """Where a tag's refs are, None for one that does not exist; ``checkout`` is where the branch is checked out."""

    branch: str | None
    ledger: str | None
    running: str | None
    checkout: str = ""
    pending: Mapping[int, str] = field(default_factory=dict)


class OtherSpelling(NotebookError):
    """There is a tag that some file systems can not tell from this one."""


def refuse_spelling(tag: str, refs: Iterable[str], where: str) -> None:
    """OtherSpelling for a new tag that differs from one that ``refs`` name in upper and lower case alone.

    Both are one name to the file systems of macOS and Windows, and one group to the concurrency of GitHub's workflows.
    """
    there = set(refs)
    if there & {branch_ref(tag), ledger_ref(tag)}:
        return
    below = [(ref, ref.removeprefix(f"{place}/")) for ref in sorted(there) for place in (BRANCHES, LEDGERS)]
    known = (name.partition("/")[0] for ref, name in below if name != ref)
    other = next((each for each in known if each != tag and folded(each) == folded(tag)), None)
    if other is not None:
        raise OtherSpelling(
            f"{where}: there is a session or branch {other}, from which {tag} differs only in upper and lower case\n"
            f"  go on with {other}, or choose another tag: some file systems take both for one"
        )


def folded(tag: str) -> str:
    """What a tag is to a file system that does not know upper from lower case."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFC", tag).casefold())


def refuse_tag(git: Git, tag: str) -> None:
    """NotebookError for a tag that can not name a branch, or that is another one's name in another spelling."""
    if not tag or "/" in tag or len(tag) > TAG_LENGTH:
        raise NotebookError(f"tag {tag!r}: a tag has no slash and 1 to {TAG_LENGTH} characters\n  choose another --tag")
    out = git.plumbing.run("check-ref-format", "--normalize", branch_ref(tag), check=False)
    if tag.startswith("-") or out.decode("utf-8", "replace").strip() != branch_ref(tag):
        raise NotebookError(f"tag {tag!r}: git allows no branch {BRANCHES[11:]}/{tag}\n  use letters, digits, - and _")
    refuse_spelling(tag, git.refs(BRANCHES, LEDGERS), str(git.top))


def read_refs(git: Git, tag: str) -> Refs:
    """The refs of a tag. NotebookError where a branch of another kind blocks its name."""
    form = "--format=%(refname)%00%(objectname)%00%(worktreepath)"
    out = git.plumbing.run("for-each-ref", form, BRANCHES, f"{LEDGERS}/{tag}")
    found: dict[str, list[str]] = {}
    for line in os.fsdecode(out).split("\n"):
        name, *rest = line.split("\0")
        found[name] = rest
    branch = branch_ref(tag)
    blocking = [name for name in found if name == BRANCHES or name.startswith(branch + "/")]
    if blocking:
        name = blocking[0][11:]
        raise NotebookError(f"the branch {name} is in the way of {branch[11:]}\n  git branch -m {name} another-name")
    at = {name: rest[0] for name, rest in found.items() if rest}
    checkout = found[branch][1] if branch in found else ""
    before = pending_ref(tag, 0).removesuffix("0")
    pending = {int(name.removeprefix(before)): commit for name, commit in at.items() if name.startswith(before)}
    return Refs(at.get(branch), at.get(ledger_ref(tag)), at.get(running_ref(tag)), checkout, pending)


def is_sessions(git: Git, chain: Chain, at: str) -> bool:
    """Whether a commit has been the branch's head, with or without what publishing puts on top of it."""
    own = chain.own_commits()
    if at in own:
        return True
    parents = git.parents(at)
    if len(parents) != 1 or parents[0] not in own:
        return False
    out = git.plumbing.run("diff-tree", "-r", "-z", "--name-only", "--no-renames", "--end-of-options", parents[0], at)
    return all(_PUBLISHED.fullmatch(os.fsdecode(path)) for path in out.split(b"\0") if path)


def refuse_branch(git: Git, refs: Refs, chain: Chain | None, tag: str) -> None:
    """NotebookError where deriving the branch would take something from the user."""
    name = branch_ref(tag)[11:]
    another = "or choose another --autoresearch-tag"
    if refs.checkout:
        raise NotebookError(f"{name} is checked out in {refs.checkout}\n  git switch - there, {another}")
    if refs.branch is None:
        return
    if chain is None:
        raise NotebookError(
            f"the branch {name} exists, but has no ledger\n"
            f"  pytest-autoresearch fetch --tag {tag}, git branch -m {name} mine, {another}"
        )
    if not is_sessions(git, chain, refs.branch):
        raise NotebookError(f"{name} holds commits that are not the session's\n  git branch -m {name} mine, {another}")


class Branch:
    """One branch that follows the ledger as long as nobody else moves it."""

    def __init__(self, git: Git, tag: str, say: Callable[[str], None]) -> None:
        self._git, self._tag, self._say = git, tag, say
        self._ref, self.name = branch_ref(tag), branch_ref(tag)[11:]
        self._at, self._ours = git.zero, True

    def follow(self, at: str | None, head: str) -> None:
        """Bring the branch from ``at`` to ``head`` at the start of a session."""
        self._at = at or self._git.zero
        self.advance(head)

    def advance(self, head: str) -> None:
        """Move on to a new head, unless the user took the branch over: that is said once."""
        if not self._ours or head == self._at:
            return
        refs = read_refs(self._git, self._tag)
        found = refs.branch or self._git.zero
        if found != self._at or refs.checkout:
            self._ours = False
            what = f"was checked out in {refs.checkout}" if refs.checkout else "was moved"
            self._say(f"{self.name} {what} meanwhile: it is left alone, the ledger goes on")
            return
        self._git.move_ref(self._ref, head, self._at)
        self._at = head
