"""Keeps the table out of ``git status``, in the one file of the repository that nobody shares."""

from __future__ import annotations

from pathlib import Path

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.git import Git


def exclude(git: Git, path: Path) -> None:
    """Have git ignore ``path`` through ``info/exclude``, unless it does already."""
    pattern = "/" + _literal(path.relative_to(git.top).as_posix())
    file = git.common_dir / "info" / "exclude"
    try:
        known = file.read_text("utf-8", "surrogateescape") if file.exists() else ""
        if pattern in known.splitlines() or git.ignores(path):
            return
        file.parent.mkdir(exist_ok=True)
        gap = "" if not known or known.endswith("\n") else "\n"
        with open(file, "a", encoding="utf-8", errors="surrogateescape") as out:
            out.write(f"{gap}{pattern}\n")
    except OSError as error:
        raise NotebookError(f"{file}: can not be written: {error.strerror}\n  make it writable") from None


def _literal(path: str) -> str:
    """A path as an ignore pattern that matches nothing else."""
    escaped = "".join(f"\\{c}" if c in "\\*?[" else c for c in path)
    return escaped[:-1] + "\\ " if escaped.endswith(" ") else escaped
