"""Taking a keep out of the branch: the later keeps are applied again without it. No ref moves before all fit."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timezone
from functools import partial

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.ledger import Notebook
from pytest_autoresearch.notebook.merging import merged
from pytest_autoresearch.notebook.record import Drop, History, place_of
from pytest_autoresearch.protocol.experiment import Experiment, Outcome


class DropConflict(NotebookError):
    """A later keep builds on the one to be dropped."""

    exit_code = 1


def drop_keep(notebook: Notebook, number: int, why: str = "") -> Drop:
    """Take experiment ``number`` out of the branch and record that.

    A group proves the sum of its keeps: what was proven in one with it, and all on top of that, is provisional again.
    The head has to be measured again afterwards, see :attr:`Notebook.unmeasured`. NotebookError, with nothing changed,
    where the experiment is no keep or a later keep builds on it.
    """
    keep = next((each for each in notebook.history.keeps if each.number == number), None)
    if keep is None:
        keeps = ", ".join(str(e.number) for e in notebook.history.keeps) or "none"
        raise NotebookError(f"experiment {number} of {notebook.tag} is no keep on the branch\n  the keeps are: {keeps}")
    moved = _replayed(notebook.git, keep, _later(notebook, keep))
    unproven = _proven_with(notebook.history, number)
    drop = Drop(number, keep.commit, moved, datetime.now(timezone.utc), why, unproven)
    notebook.drop(drop)
    return drop


def head_without(notebook: Notebook, number: int) -> str:
    """The commit that the head would be without keep ``number``. DropConflict where a later keep builds on it."""
    keep = notebook.history.at(number)
    later = _later(notebook, keep)
    moved = _replayed(notebook.git, keep, later)
    return moved[later[-1].number] if later else notebook.git.parents(keep.commit)[0]


def _proven_with(history: History, number: int) -> tuple[int, ...]:
    """The other keeps above the base of the newest group that proved this one; none where no group did."""
    proofs = [group for group in history.groups if group.outcome is Outcome.CERTIFIED and number in group.keeps]
    if not proofs:
        return ()
    above = history.experiments[place_of(history.experiments, proofs[-1].base) + 1 :]
    return tuple(each.number for each in above if each.kept and each.number != number)


def _later(notebook: Notebook, keep: Experiment) -> list[Experiment]:
    """The keeps on top of one, in the order of the branch."""
    keeps = notebook.history.keeps
    return list(keeps[keeps.index(keep) + 1 :])


def composed(git: Git, keeps: Sequence[Experiment], held: Sequence[bool]) -> str | tuple[int, int]:
    """The tree with these consecutive keeps of which only those ``held`` are in; two keeps that conflict if they do.

    Of a conflict, the second is the keep that does not fit, and the first the newest one before it that is out.
    """
    tree = git.tree(git.parents(keeps[0].commit)[0])
    out: Experiment | None = None
    for keep, is_in in zip(keeps, held, strict=True):
        if not is_in:
            out = keep
            continue
        if out is None:
            tree = git.tree(keep.commit)
            continue
        changes = merged(git, base=git.parents(keep.commit)[0], ours=tree, theirs=keep.commit)
        if isinstance(changes, str):
            return out.number, keep.number
        tree = git.write_tree(tree, changes)
    return tree


def _replayed(git: Git, without: Experiment, later: list[Experiment]) -> dict[int, str]:
    """New commits of the later keeps, on top of the dropped one's parent."""
    head = git.parents(without.commit)[0]
    moved = {}
    for keep in later:
        base = git.parents(keep.commit)[0]
        changes = merged(git, base=base, ours=head, theirs=keep.commit)
        if isinstance(changes, str):
            raise DropConflict(
                f"experiments {without.number} and {keep.number} change the same or adjacent lines of {changes}\n"
                f"  nothing was changed; drop {keep.number} first"
            )
        tree = git.write_tree(head, changes)
        head = git.commit_unique(tree, [head], partial(_again, git.message(keep.commit).rstrip()))
        moved[keep.number] = head
    return moved


def _again(message: str, nonce: int) -> str:
    return f"{message}\nAutoresearch-Nonce: {nonce}" if nonce else message
