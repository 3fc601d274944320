"""The summary's table of agents."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.protocol.experiment import Experiment, Reason, Status, Usage
from pytest_autoresearch.report.shares import Share
from pytest_autoresearch.report.story import story
from tests.github.histories import session

BASELINE = Experiment(0, Status.KEEP, Reason.IMPROVED, "baseline", "", "", "", "", value=1.0)


def after(history: list[Experiment], agent: str, reason: Reason, **more: object) -> list[Experiment]:
    made = replace(BASELINE, number=len(history), agent=agent, reason=reason, status=reason.status)
    return [*history, replace(made, **more)]  # type: ignore[arg-type]


def test_the_table_tells_who_found_what() -> None:
    usage = Usage(100, 10, cost=0.5)
    history = after([BASELINE], "codex", Reason.ERROR, usage=Usage(7, 3), value=None)
    history = after(history, "claude", Reason.IMPROVED, value=0.9, against=1.0, usage=usage, agent_seconds=2.0)
    history = after(history, "claude", Reason.SIMPLER, value=0.8, against=0.9, usage=usage, agent_seconds=3.0)
    told = story(History(session(), tuple(history)))
    assert told is not None
    claude, codex = told.shares
    assert replace(claude, gain=0.0) == Share("claude", 2, 2, 0, 0.0, 200, 20, 1.0, 5.0)
    assert claude.gain == pytest.approx(0.2)
    assert codex == Share("codex", experiments=1, crashes=1, input_tokens=7, output_tokens=3)
