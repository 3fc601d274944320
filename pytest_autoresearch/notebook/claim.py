"""A table's place: taken over from another tag, and kept out of ``git status``."""

from __future__ import annotations

from pathlib import Path

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.lock import Lock
from pytest_autoresearch.notebook.results import Table


def table_lock(git: Git, table: Path) -> Lock:
    """The lock of an output file, which remembers the tag that wrote it last."""
    name = git.blob_id(str(table).encode("utf-8", "surrogateescape"))[:16]
    return Lock.acquire(git.common_dir / "autoresearch" / ".tables" / name, str(table))


def claim(git: Git, table: Table, lock: Lock, tag: str) -> None:
    """Make the table's name this tag's; the table of the tag that had it is renamed."""
    aside = table.take_name(lock.owner, tag)
    for path in (table.path, aside):
        if path is not None:
            exclude(git, path)
    lock.sign(tag)


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
