"""Whether a session may be published: its ledger may come from a machine that ran foreign code. Knows no network."""

from __future__ import annotations

import os
from collections.abc import Iterator

from pytest_autoresearch.errors import PublishError
from pytest_autoresearch.notebook.chain import Chain, branch_ref
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import Session
from pytest_autoresearch.notebook.text import trailers
from pytest_autoresearch.protocol.experiment import Experiment
from pytest_autoresearch.protocol.markdown import parse
from pytest_autoresearch.protocol.scope import Scope, resolve_paths
from pytest_autoresearch.protocol.serialise import digests, from_json

_KINDS = {"100644": "file", "100755": "file", "000000": "deleted", "120000": "symlink"}


def check(git: Git, chain: Chain, ledger: str, tag: str) -> None:
    """PublishError, naming the commit, unless the session is what its ledger at the ref ``ledger`` says.

    The keeps are a line of commits from the start commit, each changes only target files, and every record of the
    ledger holds the commit it speaks of.
    """
    session = chain.records[0]
    assert isinstance(session, Session)
    if session.tag != tag:
        raise PublishError(f"{ledger} is the ledger of {session.tag}, not of {tag}\n  publish it under its own tag")
    _check_ledger(git, chain, ledger)
    protocol = from_json(session.protocol)
    scope = resolve_paths(protocol, git.files(session.start).keys())
    before = session.start
    for keep in chain.history.keeps:
        _check_keep(git, keep, before, scope)
        before = keep.commit


def check_scope(git: Git, session: Session) -> str | None:
    """PublishError unless the session's targets are those of the config in its start commit.

    For sessions from a machine that is not trusted. The protocol of a marked test can not be read without running it:
    then a line for the reviewer is returned.
    """
    entry = git.files(session.start).get(session.source)
    if entry is None or not session.source.endswith(".md"):
        targets = ", ".join(rule.pattern for rule in from_json(session.protocol).targets)
        return f"the runner's word was taken for what may change: {targets}; look at the changed files"
    text = git.read([entry.blob])[entry.blob].decode("utf-8", "replace")
    said, meant = digests(from_json(session.protocol)), digests(parse(text, file=session.source))
    changed = [name for name in ("targets", "readonly", "metric", "direction") if said[name] != meant[name]]
    if changed:
        raise PublishError(
            f"the session's {' and '.join(changed)} differ from {session.source} at {session.start[:12]}\n"
            "  commit the config that the session is to follow, and begin a session with a new tag"
        )
    return None


def check_start(git: Git, session: Session, base: str, base_commit: str) -> None:
    """PublishError unless the base has the commit that the session began from."""
    if not git.is_ancestor(session.start, base_commit):
        raise PublishError(
            f"{branch_ref(session.tag)[11:]} begins at {session.start[:12]}, which {base} does not have\n"
            f"  push that commit to {base} first, or name another branch with --base"
        )


def _check_ledger(git: Git, chain: Chain, ledger: str) -> None:
    out = git.plumbing.run("rev-list", "--first-parent", "--reverse", "--parents", ledger, "--")
    for line, record in zip(out.decode().splitlines(), chain.records, strict=True):
        _, *parents = line.split(" ")
        if isinstance(record, Experiment) and parents[1:] != [record.commit]:
            raise PublishError(
                f"{ledger}: record {record.number} speaks of {record.commit[:12]}, but does not hold it\n"
                "  the ledger was not written by this product; nothing was published"
            )


def _check_keep(git: Git, keep: Experiment, before: str, scope: Scope) -> None:
    name = f"keep {keep.number:04d} ({keep.commit[:12]})"
    if git.resolve(keep.commit) is None or git.parents(keep.commit) != [before]:
        raise PublishError(f"{name} does not follow on {before[:12]}\n  nothing was published")
    named = [value for key, value in trailers(git.message(keep.commit)) if key == "Autoresearch-Experiment"]
    if named != [str(keep.number)]:
        raise PublishError(f"{name} is not the commit of that experiment\n  nothing was published")
    for path, kind in _changes(git, before, keep.commit):
        refusal = scope.refusal(path, kind)
        if refusal is not None:
            raise PublishError(f"{name} changes more than target files: {refusal}\n  nothing was published")


def _changes(git: Git, old: str, new: str) -> Iterator[tuple[str, str]]:
    """Changed paths and what they are now."""
    out = git.plumbing.run("diff-tree", "-r", "-z", "--raw", "--no-renames", "--end-of-options", old, new)
    fields = os.fsdecode(out).split("\0")
    for head, path in zip(fields[::2], fields[1::2], strict=False):
        yield path, _KINDS.get(head.split(" ")[1], "special")
