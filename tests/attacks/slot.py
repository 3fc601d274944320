"""The slot that lists of candidates are measured on: ``train.py`` is theirs, at one level, in a place of its own."""

from __future__ import annotations

import sys
from collections.abc import Collection, Mapping
from pathlib import Path

import pytest

from pytest_autoresearch.lab.executors.local import LocalExecutor
from pytest_autoresearch.lab.job import Job, Site
from pytest_autoresearch.lab.sandbox import Choice
from pytest_autoresearch.protocol.experiment import FileEntry, Measurement, Role, blob_id
from pytest_autoresearch.protocol.model import Protocol
from tests.attacks.arena import available


class Slot:
    """An executor below ``root``, to be closed; a level that this machine has not got skips the test."""

    def __init__(self, root: Path, level: str, protocol: Protocol, readonly: Collection[str]) -> None:
        sandbox = available(level)
        if sandbox is None:
            pytest.skip(f"this machine has no {level}")
        for name in ("repo", "cache"):
            (root / name).mkdir(parents=True, exist_ok=True)
        self._blobs: dict[str, bytes] = {}
        site = Site(
            top=root / "repo",
            scratch=root / "cache",
            tag="tag",
            protocol=protocol,
            read_blobs=lambda ids: {blob: self._blobs[blob] for blob in ids},
            interpreter_bin=Path(sys.executable).parent,
            targets=frozenset({"train.py"}),
            readonly=frozenset(readonly),
        )
        self.executor = LocalExecutor(site, Choice(sandbox, level))

    def measure(
        self,
        files: Mapping[str, str],
        number: int = 1,
        *,
        role: Role = Role.CANDIDATE,
        timeout: float = 60.0,
        budget: float = 10.0,
        command: str | None = None,
        extract: str | None = None,
    ) -> Measurement:
        """One run on a state of these files."""
        state: dict[str, FileEntry] = {}
        for path, text in files.items():
            blob = blob_id(text.encode())
            self._blobs[blob] = text.encode()
            state[path] = FileEntry("100644", blob)
        job = Job(role, number, 1, state, timeout, budget, command=command, extract=extract)
        return self.executor.measure(job, lambda _: None)

    def close(self) -> None:
        self.executor.close()
