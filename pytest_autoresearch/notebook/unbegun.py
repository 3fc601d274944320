"""Why a session did not begin: its baseline failed, so there is no ledger that could say it in the morning."""

from __future__ import annotations

import contextlib
from pathlib import Path

NAME = "baseline.txt"


def keep(state: Path, why: str) -> None:
    """Write it down in a tag's state directory. A full disk may be what it is about, so nothing depends on it."""
    with contextlib.suppress(OSError):
        (state / NAME).write_text(f"{why}\n", encoding="utf-8", errors="backslashreplace")


def forget(state: Path) -> None:
    """The session has begun."""
    (state / NAME).unlink(missing_ok=True)


def words(common_dir: Path) -> str:
    """A line about the newest one of a repository, and where all of it stands; nothing where there is none."""
    with contextlib.suppress(OSError, ValueError):
        newest = max(common_dir.glob(f"autoresearch/*/{NAME}"), key=lambda path: path.stat().st_mtime)
        first = newest.read_text("utf-8").partition("\n")[0]
        return f"\n  {newest.parent.name}: {first}\n  all of it: {newest}"
    return ""
