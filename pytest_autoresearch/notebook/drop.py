"""Taking a keep out of the branch: the later keeps are applied again without it. No ref moves before all fit."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from functools import partial
from pathlib import Path

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.ledger import Notebook
from pytest_autoresearch.notebook.record import Drop
from pytest_autoresearch.protocol.experiment import Change, Experiment, FileEntry


class DropConflict(NotebookError):
    """A later keep builds on the one to be dropped."""

    exit_code = 1


def drop_keep(notebook: Notebook, number: int, why: str = "") -> Drop:
    """Take experiment ``number`` out of the branch and record that.

    The head has to be measured again afterwards, see :attr:`Notebook.unmeasured`. NotebookError, with nothing changed,
    where the experiment is no keep or a later keep builds on it.
    """
    experiments = notebook.history.experiments
    if not 0 < number < len(experiments) or not experiments[number].kept:
        keeps = ", ".join(str(e.number) for e in notebook.history.keeps) or "none"
        raise NotebookError(f"experiment {number} of {notebook.tag} is no keep on the branch\n  the keeps are: {keeps}")
    later = [e for e in notebook.history.keeps if e.number > number]
    moved = _replayed(notebook.git, experiments[number], later)
    drop = Drop(number, experiments[number].commit, moved, datetime.now(timezone.utc), why)
    notebook.drop(drop)
    return drop


def head_without(notebook: Notebook, number: int) -> str:
    """The commit that the head would be without keep ``number``. DropConflict where a later keep builds on it."""
    keep = notebook.history.experiments[number]
    later = [e for e in notebook.history.keeps if e.number > number]
    moved = _replayed(notebook.git, keep, later)
    return moved[later[-1].number] if later else notebook.git.parents(keep.commit)[0]


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
        changes = _merged(git, base=git.parents(keep.commit)[0], ours=tree, theirs=keep.commit)
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
        changes = _merged(git, base=base, ours=head, theirs=keep.commit)
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


def _merged(git: Git, *, base: str, ours: str, theirs: str) -> list[Change] | str:
    """What to change in ``ours`` to bring in what ``theirs`` did to ``base``, or the path where that conflicts."""
    before, here, there = git.files(base), git.files(ours), git.files(theirs)
    changes = []
    for path in sorted(path for path in before.keys() | there.keys() if before.get(path) != there.get(path)):
        old, mine, new = before.get(path), here.get(path), there.get(path)
        if mine == new:
            continue
        if mine == old:
            changes.append(_change(git, path, new))
        elif old is None or mine is None or new is None:
            return path
        else:
            merged = _merge_contents(git, old, mine, new)
            if merged is None:
                return path
            changes.append(Change(path, "file", new.mode, merged, len(merged)))
    return changes


def _change(git: Git, path: str, entry: FileEntry | None) -> Change:
    if entry is None:
        return Change(path, "deleted")
    data = git.read([entry.blob])[entry.blob]
    return Change(path, "file", entry.mode, data, len(data))


def _merge_contents(git: Git, old: FileEntry, mine: FileEntry, new: FileEntry) -> bytes | None:
    """The three-way merge of a file's contents, None for a conflict."""
    contents: Mapping[str, bytes] = git.read([old.blob, mine.blob, new.blob])
    with tempfile.TemporaryDirectory() as directory:
        paths = [Path(directory) / name for name in ("ours", "base", "theirs")]
        for path, entry in zip(paths, (mine, old, new), strict=True):
            path.write_bytes(contents[entry.blob])
        try:
            return git.plumbing.run("merge-file", "-p", "-q", *map(str, paths))
        except NotebookError:
            return None
