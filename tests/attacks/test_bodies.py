"""A program that a body starts gets the number it earns: what it prints, writes or reaches for does not count."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from pytest_autoresearch.lab.executors.local import LocalExecutor
from pytest_autoresearch.lab.job import Job, Site
from pytest_autoresearch.lab.sandbox import Choice
from pytest_autoresearch.protocol.experiment import FileEntry, Measurement, Role, blob_id
from pytest_autoresearch.protocol.model import Direction, Metric, Protocol
from tests.attacks.arena import available
from tests.attacks.bodies import FILES, HONEST, SCORE, SECONDS, STARTED, Started

AHEAD = "bwrap, started ahead"
LEVELS = tuple(pytest.param(level, marks=pytest.mark.slow) for level in ("bwrap", AHEAD, "landlock", "process"))
RUN = "exec python -m pytest -q -p no:cacheprovider --disable-plugin-autoload -p pytest_autoresearch.plugin"


def measure(root: Path, level: str, program: str) -> Measurement:
    is_ahead, level = level == AHEAD, level.partition(",")[0]
    sandbox = available(level)
    if sandbox is None:
        pytest.skip(f"this machine has no {level}")
    (root / "repo").mkdir()
    (root / "cache").mkdir()
    blobs = {blob_id(text.encode()): text.encode() for text in (*FILES.values(), program)}
    site = Site(
        top=root / "repo",
        scratch=root / "cache",
        tag="tag",
        protocol=Protocol(
            goal="",
            metric=Metric("score", Direction.LOWER, bounds=(0.0, 100.0)),
            targets=(),
            run=f"{RUN} --autoresearch-measure score test_it.py::test_it",
            source="test_it.py::test_it",
        ),
        read_blobs=lambda ids: {blob: blobs[blob] for blob in ids},
        interpreter_bin=Path(sys.executable).parent,
        targets=frozenset({"train.py"}),
        readonly=frozenset({"test_it.py", "helper.py"}),
    )
    state = {path: FileEntry("100644", blob_id(text.encode())) for path, text in {**FILES, "train.py": program}.items()}
    lab = LocalExecutor(site, Choice(sandbox, level))
    job = Job(Role.CANDIDATE, 1, 1, state, 60.0, budget=30.0)
    try:
        if is_ahead:  # after one that did what this one does
            lab.measure(job, lambda _: None)
            lab.start_ahead()
            assert lab._main._ahead is not None
        return lab.measure(job, lambda _: None)
    finally:
        lab.close()


@pytest.mark.parametrize("started", STARTED, ids=lambda started: started.name)
@pytest.mark.parametrize("level", LEVELS)
def test_a_started_program_ends_as_the_security_model_says(level: str, started: Started, tmp_path: Path) -> None:
    measured = measure(tmp_path, level, started.program)
    if measured.failure is not None:
        assert started.outcome != HONEST and measured.failure.value in ("error", "timeout"), measured
        return
    assert measured.value == SCORE, measured
    assert measured.secondary["duration"] >= SECONDS, measured
    assert measured.secondary["peak_memory"] > started.memory and measured.secondary["peak_mb"] > 1.0
    assert not any(name.startswith(("benchmark.", "autoresearch_", "instructions")) for name in measured.secondary)


def test_what_a_started_program_prints_or_writes_down_is_not_what_the_harness_measured(tmp_path: Path) -> None:
    everything = "\n".join(started.program for started in STARTED[:5])
    test_a_started_program_ends_as_the_security_model_says("bwrap", Started("several", everything), tmp_path)
