"""The first line claims what was measured side by side."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.protocol.experiment import Measurement, Role
from pytest_autoresearch.report.markdown.body import opening, title
from pytest_autoresearch.report.markdown.parts import Links
from pytest_autoresearch.report.story import story
from pytest_autoresearch.report.terminal import Ending, summary_lines
from pytest_autoresearch.report.words import headline
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


def test_a_noisy_session_that_was_not_verified_claims_nothing() -> None:
    noisy = {"standing": {"noisy": True}}
    found = history(9, verified=False)
    found = replace(found, experiments=(*found.experiments[:-1], replace(found.experiments[-1], judge=noisy)))
    assert told(found) == "loss: start 1 → best 0.9991, not verified"
    shown = title(story(found), "mar4")
    assert shown.count("not verified") == 1 and "better" not in shown
    (verification,) = history(9, verified=True).verifications
    failed = replace(verification, gain=None, interval=None)
    assert told(replace(found, verifications=(failed,))).endswith("not verified")
    repeating = replace(
        verification, start_runs=measured(0.8, 0.8), head_runs=measured(0.6, 0.6), gain=0.2, interval=(0.2, 0.2)
    )
    assert told(replace(found, verifications=(repeating,))).startswith("loss: start 0.8 → best 0.6")


@pytest.mark.parametrize("word", ["drift", "steps", "uneven noise"])
def test_a_machine_that_moves_is_said_in_summary_and_pull_request(word: str) -> None:
    moving = {"machine": word, "standing": {"noisy": True}}
    found = history(9, verified=True)
    found = replace(found, experiments=(*found.experiments[:-1], replace(found.experiments[-1], judge=moving)))
    summary = story(found)
    assert summary is not None
    ending = Ending("enough", "results.tsv", "autoresearch/t", "abc", "pytest --autoresearch")
    assert any(line.startswith(f"machine {word}: ") for line, _ in summary_lines(summary, ending))
    assert f"machine {word}" in opening(summary, Links("o/r"))


def test_an_exact_metric_is_told_as_recorded() -> None:
    found = history(9, verified=True)
    exact = replace(found.verifications[0], interval=None)
    assert "start 1 → best 0.9991" in told(replace(found, verifications=(exact,)))
