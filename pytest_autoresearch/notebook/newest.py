"""The newest record once more, beside git's objects.

A ``git gc --prune=now`` that began before a ref led to a commit takes that commit away; a session writes it again, but
one that dies in that moment can not. Without the ledger's head nothing of the ledger would be found.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Sequence
from pathlib import Path

from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.results import draft_of


class Newest:
    """The commits of one tag's newest record, in the file ``path``."""

    def __init__(self, git: Git, path: Path) -> None:
        self._git, self._path = git, path

    def keep(self, commits: Sequence[str]) -> None:
        """Remember these, as far as this session wrote them. Nothing depends on it while git behaves."""
        found = [self._git.objects.written(commit) for commit in commits]
        texts = [data.decode("latin-1") for data in found if data is not None]
        draft = draft_of(self._path)
        with contextlib.suppress(OSError):
            with open(draft, "wb") as file:
                file.write(json.dumps(texts).encode())
            os.replace(draft, self._path)  # no sync: this is for the death of a process, not of a machine

    def restore(self) -> None:
        """Write again what is not there any more."""
        draft_of(self._path).unlink(missing_ok=True)
        with contextlib.suppress(OSError, ValueError):
            for text in json.loads(self._path.read_text()):
                data = text.encode("latin-1")
                if self._git.objects.lookup(self._git.objects.id_of("commit", data))[0] is None:
                    self._git.objects.store("commit", data)
        self._git.objects.flush()
