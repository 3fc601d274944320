"""A program that a body starts gets the number it earns: what it prints, writes or reaches for does not count."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from pytest_autoresearch.protocol.experiment import Measurement
from pytest_autoresearch.protocol.model import Direction, Metric, Protocol
from tests.attacks.bodies import FILES, HONEST, SCORE, SECONDS, STARTED, Started
from tests.attacks.slot import Slot

AHEAD = "bwrap, started ahead"
LEVELS = tuple(pytest.param(level, marks=pytest.mark.slow) for level in ("bwrap", AHEAD, "landlock", "process"))
RUN = "exec python -m pytest -q -p no:cacheprovider --disable-plugin-autoload -p pytest_autoresearch.plugin"


def measure(root: Path, level: str, program: str) -> Measurement:
    metric = Metric("score", Direction.LOWER, bounds=(0.0, 100.0))
    run, source = f"{RUN} --autoresearch-measure score test_it.py::test_it", "test_it.py::test_it"
    protocol = Protocol(goal="", metric=metric, targets=(), run=run, source=source)
    with closing(Slot(root, level.partition(",")[0], protocol, ("test_it.py", "helper.py"))) as slot:
        files = {**FILES, "train.py": program}
        if level == AHEAD:  # after one that did what this one does
            slot.measure(files, budget=30.0)
            slot.executor.start_ahead()
            assert slot.executor._main._ahead is not None
        return slot.measure(files, budget=30.0)


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
