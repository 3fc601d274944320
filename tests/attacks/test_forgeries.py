"""A candidate gets the number it earns, or a refusal; never the number it wants. At every level this machine gives."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_autoresearch.lab.executors.local import LocalExecutor
from pytest_autoresearch.lab.job import Job, Site
from pytest_autoresearch.lab.sandbox import Choice
from pytest_autoresearch.protocol.experiment import FileEntry, Measurement, Role, blob_id
from pytest_autoresearch.protocol.model import Direction, Holdout, Metric, Protocol
from tests.attacks.arena import available
from tests.attacks.forgeries import FILES, FORGERIES, HONEST, PRELUDE, SCORE, Forgery

LEVELS = ("bwrap", *(pytest.param(level, marks=pytest.mark.slow) for level in ("landlock", "process")))


def measure(lab: LocalExecutor, blobs: dict[str, bytes], program: str, number: int, timeout: float) -> Measurement:
    state: dict[str, FileEntry] = {}
    for path, text in {**FILES, "train.py": program}.items():
        blobs[blob_id(text.encode())] = text.encode()
        state[path] = FileEntry("100644", blob_id(text.encode()))
    return lab.measure(Job(Role.CANDIDATE, number, 1, state, timeout, budget=2.0), lambda _: None)


def executor(root: Path, level: str, blobs: Mapping[str, bytes]) -> LocalExecutor:
    sandbox = available(level)
    if sandbox is None:
        pytest.skip(f"this machine has no {level}")
    (root / "repo").mkdir()
    (root / "cache").mkdir()
    site = Site(
        top=root / "repo",
        scratch=root / "cache",
        tag="tag",
        protocol=Protocol(
            goal="",
            metric=Metric("score", Direction.LOWER, extract="python grade.py | cat", bounds=(0.0, 100.0)),
            targets=(),
            run="python train.py",
            holdout=Holdout("python grade.py", files=("secret",)),
        ),
        read_blobs=lambda ids: {blob: blobs[blob] for blob in ids},
        interpreter_bin=Path(sys.executable).parent,
        targets=frozenset({"train.py"}),
        readonly=frozenset({"grade.py", "labels.py"}),
    )
    return LocalExecutor(site, Choice(sandbox, level))


def outcome(measured: Measurement) -> str:
    if measured.failure is not None:
        return measured.failure.value
    return HONEST if measured.value == SCORE else f"FORGED: {measured.value}"


@pytest.mark.slow
@pytest.mark.parametrize("forgery", FORGERIES, ids=lambda forgery: forgery.name)
@pytest.mark.parametrize("level", LEVELS)
def test_a_forgery_ends_as_the_security_model_says(
    level: str, forgery: Forgery, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A shell as careless as many are: programs and libraries are looked for where a run may write.
    monkeypatch.setenv("PATH", f".:{tmp_path}/repo/bin:{os.environ['PATH']}")
    monkeypatch.setenv("LD_LIBRARY_PATH", "/usr/local/lib:")
    blobs: dict[str, bytes] = {}
    lab = executor(tmp_path, level, blobs)
    try:
        measured = measure(lab, blobs, forgery.program, 1, forgery.timeout)
        assert outcome(measured) == forgery.expected(level), measured
        assert measured.detail.isprintable()
        if forgery.leaves:
            assert outcome(measure(lab, blobs, forgery.program, 1, forgery.timeout)) == forgery.expected(level)
            assert outcome(measure(lab, blobs, f"{PRELUDE}\nhonest()\n", 2, 60.0)) == HONEST
    finally:
        lab.close()
    assert list((tmp_path / "repo").iterdir()) == []
