"""The first line claims what was measured side by side."""

from __future__ import annotations

from dataclasses import replace

from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.protocol.experiment import Measurement, Role
from pytest_autoresearch.report.story import story
from pytest_autoresearch.report.terminal import headline
from tests.github.histories import history


def told(found: History) -> str:
    summary = story(found)
    assert summary is not None
    return headline(summary)


def measured(*values: float) -> tuple[Measurement, ...]:
    return tuple(Measurement(Role.INCUMBENT, value) for value in values)


def test_on_a_machine_that_has_drifted_the_session_s_own_sum_is_not_claimed() -> None:
    found = history(9, verified=True)
    (verification,) = found.verifications
    drifted = replace(
        verification, start_runs=measured(0.7, 0.8), head_runs=measured(0.74, 0.75), gain=0.005, interval=(-0.1, 0.11)
    )
    assert told(replace(found, verifications=(drifted,))) == "loss: start 0.75 → best 0.745, 0.67 % better"
    lost = replace(drifted, start_runs=measured(0.7, 0.7), head_runs=measured(0.77, 0.77), gain=-0.07)
    assert told(replace(found, verifications=(lost,))) == "loss: start 0.7 → best 0.77, 10.00 % worse"


def test_an_exact_metric_is_told_as_recorded() -> None:
    found = history(9, verified=True)
    exact = replace(found.verifications[0], interval=None)
    assert "start 1 → best 0.9991" in told(replace(found, verifications=(exact,)))
