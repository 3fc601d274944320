"""What a session says at its end of the time that it took, and of how it goes on."""

from __future__ import annotations

import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_autoresearch import running
from pytest_autoresearch.research import loop
from pytest_autoresearch.research.stopping import Tally


def selected(experiments: int | None) -> Any:
    """A session that was asked for so many experiments."""
    typed = None if experiments is None else str(experiments)
    config = SimpleNamespace(getoption=lambda name: typed if name.endswith("experiments") else None)
    return SimpleNamespace(
        settings=SimpleNamespace(targets=(), experiments=experiments),
        protocol=SimpleNamespace(source="config.md"),
        git=SimpleNamespace(top=Path.cwd()),
        seed=SimpleNamespace(config=config),
    )


@pytest.mark.parametrize(
    ("asked", "done", "said"),
    [
        (6, 2, " --autoresearch-experiments 4"),
        (6, 0, " --autoresearch-experiments 6"),
        (6, 6, " --autoresearch-experiments 6"),
        (None, 2, ""),
    ],
)
def test_the_line_that_resumes_asks_for_what_is_owed(
    asked: int | None, done: int, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(running, "options_of_runs", lambda config: [])
    assert running._resuming(selected(asked), done) == f"pytest --autoresearch config.md{said}"


def test_time_in_a_pause_is_neither_a_run_nor_beside_one(monkeypatch: pytest.MonkeyPatch) -> None:
    clock = itertools.count(100.0, 7.0)  # s, 7 between any two looks
    monkeypatch.setattr(loop, "time", SimpleNamespace(monotonic=lambda: next(clock), sleep=lambda seconds: None))
    pauses, tally = iter([True, True, False]), Tally()
    parts = SimpleNamespace(
        paused=lambda: next(pauses), stop_requested=iter([None, None, "asked"]).__next__, session=None
    )
    research = SimpleNamespace(parts=parts, tally=tally, phase=lambda *_: None, next_number=1, slots=None)
    assert loop.Loop(cast("Any", research)).reason_to_stop() == "asked"
    assert tally.paused == 14.0
