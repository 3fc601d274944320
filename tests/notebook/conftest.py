"""Repositories for the notebook's tests, in memory where there is room: its syncs then cost nothing."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.notebook.diary import new_repository

MEMORY = Path("/dev/shm")


@pytest.fixture
def room(tmp_path: Path) -> Iterator[Path]:
    """An empty directory."""
    if not os.access(MEMORY, os.W_OK) or shutil.disk_usage(MEMORY).free < 200_000_000:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir=MEMORY, prefix="autoresearch-tests-") as directory:
        yield Path(directory)


@pytest.fixture
def root(room: Path) -> Path:
    """A repository with one commit: the protocol and ``train.py``."""
    return new_repository(room / "repository")
