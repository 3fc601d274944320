"""What a person answered to an `init` that was interrupted, beside the sessions' state until a config is written."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path

from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.results import replace


class Answers:
    """The answers for one directory of a repository, by flag, as they were typed."""

    def __init__(self, git: Git, directory: str) -> None:
        self._path = git.common_dir / "autoresearch" / "init.json"
        self._directory = directory
        self.said: dict[str, str] = {}
        with suppress(OSError, ValueError, AttributeError, RecursionError):
            said = json.loads(self._path.read_text("utf-8")).get(directory, {})
            self.said = {str(flag): str(text) for flag, text in said.items()}

    def keep(self, flag: str, text: str) -> None:
        """Remember an answer; a disk that does not take it costs a person only that."""
        self.said[flag] = text
        with suppress(Exception):
            self._path.parent.mkdir(parents=True, exist_ok=True)
            replace(self._path, json.dumps({self._directory: self.said}, ensure_ascii=False).encode())

    def forget(self) -> None:
        """A config has them now."""
        with suppress(OSError):
            Path(self._path).unlink(missing_ok=True)
