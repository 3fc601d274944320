"""Bringing one change into another state: a three-way merge of trees, blob by blob, that reads no checkout.

Git's own merge of trees takes attributes from the checkout, where anybody can put ``merge=union``.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.experiment import Change, FileEntry


def merged(git: Git, *, base: str, ours: str, theirs: str, by_line: bool = False) -> list[Change] | str:
    """What to change in ``ours`` to bring in what ``theirs`` did to ``base``, or the path where that conflicts.

    ``by_line``: where nobody has added or removed a line, lines beside each other do not conflict. That is for a result
    which is measured before anybody builds on it.
    """
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
            contents = _merge_contents(git, old, mine, new, by_line=by_line)
            if contents is None:
                return path
            changes.append(Change(path, "file", new.mode, contents, len(contents)))
    return changes


def _change(git: Git, path: str, entry: FileEntry | None) -> Change:
    if entry is None:
        return Change(path, "deleted")
    data = git.read([entry.blob])[entry.blob]
    return Change(path, "file", entry.mode, data, len(data))


def _merge_contents(git: Git, old: FileEntry, mine: FileEntry, new: FileEntry, *, by_line: bool) -> bytes | None:
    """The three-way merge of a file's contents, None for a conflict."""
    contents: Mapping[str, bytes] = git.read([old.blob, mine.blob, new.blob])
    if by_line:
        lines = [contents[entry.blob].splitlines(keepends=True) for entry in (old, mine, new)]
        if len({len(each) for each in lines}) == 1:
            return _merge_lines(*lines)
    with tempfile.TemporaryDirectory() as directory:
        paths = [Path(directory) / name for name in ("ours", "base", "theirs")]
        for path, entry in zip(paths, (mine, old, new), strict=True):
            path.write_bytes(contents[entry.blob])
        try:
            return git.plumbing.run("merge-file", "-p", "-q", *map(str, paths))
        except NotebookError:
            return None


def _merge_lines(old: Sequence[bytes], mine: Sequence[bytes], new: Sequence[bytes]) -> bytes | None:
    """Line by line; None where both have changed one, and not to the same."""
    found = []
    for before, ours, theirs in zip(old, mine, new, strict=True):
        if ours != before and theirs not in (before, ours):
            return None
        found.append(ours if theirs == before else theirs)
    return b"".join(found)
