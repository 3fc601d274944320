"""Limits are measured against medians; what is not reported breaks its limit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_autoresearch.lab.limits import broken_limit, measured_budget, over_budget, unreported
from pytest_autoresearch.protocol.experiment import Measurement, Role
from pytest_autoresearch.protocol.model import Limit


def runs(*values: float, name: str = "peak_mb") -> list[Measurement]:
    return [Measurement(Role.CANDIDATE, value=1.0, secondary={name: value}) for value in values]


def lasting(*seconds: float) -> list[Measurement]:
    return [Measurement(Role.CANDIDATE, value=1.0, duration=duration) for duration in seconds]


@pytest.mark.parametrize(
    ("limit", "level", "words"),
    [
        (Limit("peak_mb", at_most=512), 512, None),
        (Limit("peak_mb", at_most=512), 513, "peak_mb 513 is over its limit of 512"),
        (Limit("peak_mb", at_least=0.9), 0.89, "peak_mb 0.89 is under its limit of 0.9"),
        (Limit("peak_mb", at_least=0.9), 0.9, None),
        (Limit("peak_mb", max_regression=0.02), 102, None),
        (Limit("peak_mb", max_regression=0.02), 50, None),
        (Limit("peak_mb", max_regression=0.02), 103, "peak_mb went from 100 to 103, which is 3% worse; 2% is allowed"),
        (Limit("other", at_most=1), 0, "other was not reported"),
    ],
)
def test_a_limit_holds_or_says_how_it_is_broken(limit: Limit, level: float, words: str | None) -> None:
    assert broken_limit([limit], runs(level), runs(100)) == words


@pytest.mark.parametrize(
    ("limit", "level", "holds"),
    [
        (Limit("accuracy", max_regression=0.02), 99, True),
        (Limit("accuracy", max_regression=0.02), 97, False),
        (Limit("accuracy", max_regression=0.02), 150, True),
        (Limit("tokens_per_second", max_regression=0.02), 150, True),
        (Limit("val_acc", max_regression=0.02), 97, False),
        (Limit("x", at_least=0, max_regression=0.02), 97, False),
        (Limit("accumulated_bytes", max_regression=0.02), 97, True),
        (Limit("accumulated_bytes", max_regression=0.02), 103, False),
    ],
)
def test_a_regression_is_on_the_side_that_the_name_makes_worse(limit: Limit, level: float, holds: bool) -> None:
    assert (broken_limit([limit], runs(level, name=limit.name), runs(100, name=limit.name)) is None) is holds


def test_a_regression_from_zero_is_any_rise() -> None:
    limit = Limit("errors", max_regression=0.5)
    assert broken_limit([limit], runs(0, name="errors"), runs(0, name="errors")) is None
    assert broken_limit([limit], runs(1, name="errors"), runs(0, name="errors")) is not None


def test_several_runs_count_by_their_median() -> None:
    limit = Limit("peak_mb", at_most=10)
    assert broken_limit([limit], runs(1, 9, 1000), []) is None
    assert broken_limit([limit], runs(1, 11, 12), []) is not None


def test_a_run_may_take_its_budget_or_a_tenth_more_than_the_incumbent() -> None:
    assert over_budget(lasting(10.2), lasting(5), 10) is None  # "by over 2 %"
    assert over_budget(lasting(10.3), lasting(5), 10) == "a run took 10.3 s of the 10 s it may take"
    assert over_budget(lasting(9, 13), lasting(5), 10) == "the median of 2 runs took 11 s of the 10 s it may take"
    assert over_budget(lasting(22), lasting(20), 10) is None
    assert over_budget(lasting(22.6), lasting(20), 10) is not None
    assert over_budget(lasting(1, 1, 99), lasting(1), 10) is None
    assert over_budget([], lasting(1), 10) is None
    assert over_budget(lasting(11), [], 10) is not None


def test_a_limit_that_the_baseline_does_not_report_names_the_nearest() -> None:
    runs = [Measurement(Role.INCUMBENT, value=1.0, secondary={"peak_mb": 3.0, "size_kb": 1.0})]
    assert unreported([Limit("peak_mb", at_most=9)], runs) is None
    told = unreported([Limit("peak_mb", at_most=9), Limit("peak_bg", at_most=9)], runs)
    assert told is not None and "does not report `peak_bg`" in told and "did you mean `peak_mb`?" in told
    assert "`peak_mb`, `size_kb`" in told
    told = unreported([Limit("peak_gb", at_most=9)], [replace(runs[0], secondary={"Peak_GB": 2.0, "peak_mb": 3.0})])
    assert told is not None and "did you mean `Peak_GB`?" in told


@pytest.mark.parametrize(
    ("durations", "budget"), [([0.05, 0.05], 1.0), ([10.0], 20.0), ([1.0, 3.0], 2 + 5 * 2**0.5), ([4.0, 4.1, 4.2], 8.2)]
)
def test_a_short_run_has_a_second_and_an_unsteady_one_its_spread(durations: list[float], budget: float) -> None:
    assert measured_budget(durations) == pytest.approx(budget)
