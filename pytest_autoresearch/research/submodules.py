"""Submodules: a commit names them, the checkout holds their objects. A run gets their files at the commit named.

Their contents come from the submodule's own repository by commit, so that its checkout may be at another one, or dirty.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_autoresearch.errors import LabError, NotebookError
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.experiment import FileEntry

GITLINK = "160000"


class Submodules:
    """The states of one repository with the files of its submodules, and the contents of both."""

    def __init__(self, git: Git) -> None:
        self._git = git
        self._opened: dict[Path, Git | None] = {}
        self._owner: dict[str, Git] = {}  # of a blob, where it is not the repository's own
        self._latest: tuple[Mapping[str, FileEntry], Mapping[str, FileEntry]] = ({}, {})
        self._lock = threading.Lock()  # slots and desks ask from threads of their own

    def close(self) -> None:
        """End the git processes."""
        for git in self._opened.values():
            if git is not None:
                git.close()

    def expanded(self, state: Mapping[str, FileEntry]) -> Mapping[str, FileEntry]:
        """The state with the files of every submodule that the checkout has; others stay as they are.

        Raises LabError where the checkout has a submodule without the commit that the state names.
        """
        with self._lock:
            if state is not self._latest[0]:
                links = {path: entry.blob for path, entry in state.items() if entry.mode == GITLINK}
                full = self._with_files(state, links) if links else state
                self._latest = (state, full)
            return self._latest[1]

    def read(self, blobs: Sequence[str]) -> Mapping[str, bytes]:
        """Contents by blob id."""
        if not self._owner:
            return self._git.read(blobs)
        by_owner: dict[Git, list[str]] = {}
        for blob in blobs:
            by_owner.setdefault(self._owner.get(blob, self._git), []).append(blob)
        return {blob: data for git, own in by_owner.items() for blob, data in git.read(own).items()}

    def _with_files(self, state: Mapping[str, FileEntry], links: Mapping[str, str]) -> Mapping[str, FileEntry]:
        full = dict(state)
        for path, commit in links.items():
            files = self._files(path, commit)
            if files is not None:
                del full[path]
                full |= files
        return full

    def _files(self, path: str, commit: str) -> dict[str, FileEntry] | None:
        """What a submodule holds and its own submodules, by path relative to the top; None if it is not here."""
        git = self._repository(self._git.top / path)
        if git is None:
            return None
        if git.resolve(commit) is None:
            raise LabError(
                f"the submodule {path} does not hold the commit {commit[:12]} that is needed of it\n"
                f"  fetch it with: git submodule update --init {path}"
            )
        inside = {f"{path}/{name}": entry for name, entry in git.files(commit).items()}
        self._owner |= {entry.blob: git for entry in inside.values()}
        deeper = {name: entry.blob for name, entry in inside.items() if entry.mode == GITLINK}
        return dict(self._with_files(inside, deeper)) if deeper else inside

    def _repository(self, place: Path) -> Git | None:
        """The repository of a submodule that is checked out; without its own the one around it would be found."""
        if place not in self._opened:
            found = None
            if (place / ".git").exists():
                try:
                    found = Git.discover(place)
                except NotebookError:
                    found = None
            self._opened[place] = found
        return self._opened[place]
