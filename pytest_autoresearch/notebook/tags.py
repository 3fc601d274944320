"""The sessions of a repository: which there are, which is meant, and how one is put away."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook import unbegun
from pytest_autoresearch.notebook.branch import read_refs, refuse_branch
from pytest_autoresearch.notebook.chain import LEDGERS, branch_ref, ledger_ref, read_chain, sessions
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.ledger import state_directory, tag_lock
from pytest_autoresearch.notebook.record import Session
from pytest_autoresearch.notebook.sync import proven_head, push, remote_has


@dataclass(frozen=True, slots=True)
class Located:
    """A repository and the session in it that a command is about."""

    git: Git
    tag: str


def locate(path: Path, tag: str | None) -> Located:
    """The session a command means: the tag, else the newest of the config at ``path``, else the newest of all."""
    if not path.exists():
        raise NotebookError(f"{path}: there is no such file or directory")
    git = Git.discover(path)
    known = sessions(git)
    if tag is not None:
        if tag not in {session.tag for session in known}:
            git.close()
            raise NotebookError(f"{git.top}: no session {tag} in this repository\n  there are: {_named(known)}")
        return Located(git, tag)
    source = _source(git, path)
    mine = [session for session in known if source is None or session.source.partition("::")[0] == source] or (
        known if path.is_dir() else []
    )
    if not mine:
        git.close()
        failed = unbegun.words(git.common_dir)
        raise NotebookError(f"{path}: no session was begun here\n  there are: {_named(known)}{failed}")
    return Located(git, mine[-1].tag)


def archive(git: Git, tag: str, remote: str, *, env: Mapping[str, str] | None = None) -> None:
    """Push a session's ledger and branch, and delete them here once the remote has both."""
    with _locked(git, tag):
        pushed = push(git, remote, tag, env=env)
        head = proven_head(git, tag)
        has_branch = git.resolve(branch_ref(tag)) is None or remote_has(git, remote, branch_ref(tag), at=head, env=env)
        if not pushed.ledger or not has_branch:
            said = "; ".join(pushed.refusals).split("\n")[0]
            raise NotebookError(f"{remote} does not have all of {tag}: {said}\n  nothing was deleted here")
        _prune(git, tag)


def delete(git: Git, tag: str) -> None:
    """Delete a session's ledger, branch and state. What was not pushed is gone with the next ``git gc``."""
    with _locked(git, tag):
        _prune(git, tag)


@contextlib.contextmanager
def _locked(git: Git, tag: str) -> Iterator[None]:
    lock = tag_lock(git, tag)
    try:
        refuse_branch(git, read_refs(git, tag), read_chain(git, ledger_ref(tag)), tag)
        yield
    finally:
        lock.release(remove=True)


def _prune(git: Git, tag: str) -> None:
    refs = {**git.refs(f"{LEDGERS}/{tag}"), **git.refs(branch_ref(tag))}
    # The ledger goes last: as long as it is there, everything else can be derived again.
    for ref, at in sorted(refs.items(), key=lambda item: item[0] == ledger_ref(tag)):
        git.delete_ref(ref, at)
    for left in state_directory(git, tag).iterdir():
        if left.name != "lock":
            shutil.rmtree(left) if left.is_dir() else left.unlink()


def _source(git: Git, path: Path) -> str | None:
    """The config or test file ``path`` names, relative to the top; None for a directory that holds no config."""
    file = path / "autoresearch.config.md" if path.is_dir() else path
    with contextlib.suppress(ValueError):
        return file.resolve().relative_to(git.top.resolve()).as_posix() if file.is_file() else None
    return None


def _named(known: Sequence[Session]) -> str:
    return ", ".join(session.tag for session in known) or "none yet; `pytest --autoresearch` begins one"
