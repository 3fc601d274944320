"""Looks up in git what a session changed: once for each commit, however often it is asked. Reads only."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from pytest_autoresearch.errors import AutoresearchError
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.scope import resolve_paths
from pytest_autoresearch.report.changes import NOTHING, Change, Seen, read, regions
from pytest_autoresearch.report.story import Story

AT_ONCE = 100  # commits
HELD = 4_000_000
"""Characters of diffs that are held, more than a page has room for; of older ones that were not kept only what they
touched is remembered, so that a session may last as long as it likes."""
MOST_SOURCES = 50
SOURCES = frozenset({".py", ".pyx", ".rs", ".go", ".js", ".ts", ".jl", ".kt", ".swift", ".scala", ".lua", ".php"})
"""Where :func:`pytest_autoresearch.report.changes.regions` finds functions."""


class Look:
    """What git knows of one session, for one thread at a time."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._changes: dict[str, Change] = {}
        self._regions: dict[str, tuple[str, ...]] | None = None

    def at(self, story: Story) -> Seen:
        """The changes of all experiments, of keeps first where not all of them fit, and the targets' functions."""
        kept = [keep.commit for keep in reversed((*story.keeps, *story.provisional))]
        others = [each.commit for each in reversed(story.experiments[1:]) if not each.kept]
        commits, room = [*kept, *others], HELD
        for first in range(0, len(commits), AT_ONCE):
            some = commits[first : first + AT_ONCE]
            if room > 0:
                self._read([commit for commit in some if commit not in self._changes])
            for commit in some:
                change = self._changes.get(commit, NOTHING)
                room -= len(change.patch)
                if room < 0 and change.patch:
                    self._changes[commit] = replace(change, patch="")
        if self._regions is None:
            self._regions = self._functions(story)
        return Seen(dict(self._changes), self._regions)

    def kept(self, story: Story) -> Seen:
        """The changes of keeps alone."""
        commits = [keep.commit for keep in story.keeps]
        self._read([commit for commit in commits if commit not in self._changes])
        return Seen({commit: self._changes[commit] for commit in commits if commit in self._changes})

    def change(self, commit: str) -> Change:
        """What one commit changed."""
        if commit not in self._changes:
            self._read([commit])
        return self._changes[commit]

    def _read(self, commits: Sequence[str]) -> None:
        """What is too large to be read changes nothing that is known, and is not asked for again."""
        found = self._git.diffs(commits) if commits else {}
        self._changes.update((commit, read(found[commit]) if commit in found else NOTHING) for commit in commits)

    def _functions(self, story: Story) -> dict[str, tuple[str, ...]]:
        files = self._git.files(story.session.start)
        try:
            scope = resolve_paths(story.protocol, files.keys())
        except AutoresearchError:  # the ledger of another machine may name what this version does not know
            return {}
        targets = sorted(path for path in files if Path(path).suffix in SOURCES and scope.admits(path))
        blobs = {path: files[path].blob for path in targets[:MOST_SOURCES]}
        texts = self._git.read(list(blobs.values()))
        named = {path: regions(texts[blob].decode("utf-8", "replace")) for path, blob in blobs.items()}
        return {path: names for path, names in named.items() if names}
