"""Whether there is room for a run: a disk that fills up in the middle of one is told by nobody in words."""

from __future__ import annotations

import shutil
from pathlib import Path

from pytest_autoresearch.errors import LabError

LEAST_SPACE = 256 * 1024 * 1024  # bytes; nothing but this gate stops the disk from filling up


def require_space(scratch: Path) -> None:
    """LabError where the disk that ``scratch`` lies on is too full, or ``scratch`` is gone."""
    try:
        free = shutil.disk_usage(scratch).free
    except OSError as error:
        gone = f"{scratch}, where experiments run, can not be reached: {error.strerror}"
        raise LabError(f"{gone}\n  nothing is lost; the same command goes on") from None
    if free < LEAST_SPACE:
        raise LabError(
            f"only {free // 1024**2} MB are free at {scratch}, {LEAST_SPACE // 1024**2} MB are needed\n"
            "  free some space, or set XDG_CACHE_HOME to a larger disk"
        )
