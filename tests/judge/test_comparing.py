"""The gain that is claimed: Welch's interval from either commit's own runs, the percentage from the log ratio."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from pytest_autoresearch.judge.comparing import Residuals, compared
from pytest_autoresearch.protocol.model import Direction

START, HEAD = [10, 10.4, 9.8, 10.2, 9.6], [1, 1.04, 0.97, 1.02, 0.99]
LEVELS = st.lists(st.floats(1e-3, 1e3), min_size=2, max_size=6)


def test_the_numbers_of_the_rule() -> None:
    found = compared(Direction.LOWER, START, HEAD, Residuals(0.5, 5), Residuals(0.004, 4))
    assert found.gain == pytest.approx(8.996)
    assert found.interval == pytest.approx((8.674702, 9.317298), abs=5e-7)
    assert found.percent == pytest.approx(89.96)
    assert found.percent_interval == pytest.approx((89.541200, 90.362030), abs=5e-7)


def test_alone_it_is_scipys_two_sample_interval_at_whole_degrees_of_freedom() -> None:
    start, head = [3.0, 4.5, 3.2, 4.1], [1.0, 2.5, 2.2, 1.4]
    expected = stats.ttest_ind(start, head, equal_var=False)
    found = compared(Direction.LOWER, start, head)
    reach = stats.t.ppf(0.975, int(expected.df)) * (sum(map(stats.tvar, (start, head))) / 4) ** 0.5
    assert found.interval == pytest.approx((1.925 - reach, 1.925 + reach))
    other = compared(Direction.HIGHER, start, head)
    assert other.gain == -found.gain and other.interval == pytest.approx((-1.925 - reach, -1.925 + reach))


def test_earlier_runs_of_either_commit_narrow_the_interval() -> None:
    start, head = [3.0, 4.5], [1.0, 2.5]
    alone = compared(Direction.LOWER, start, head).interval
    known = compared(Direction.LOWER, start, head, Residuals(9.0, 9), Residuals(9.0, 9)).interval
    assert alone is not None and known is not None and known[1] - known[0] < (alone[1] - alone[0]) / 1.5


@given(LEVELS, LEVELS)
def test_no_time_is_shortened_by_more_than_all_of_it(start: list[float], head: list[float]) -> None:
    found = compared(Direction.LOWER, start, head)
    assert found.percent is not None and found.percent_interval is not None
    assert found.percent_interval[0] <= found.percent + 1e-9 and found.percent <= found.percent_interval[1] + 1e-9
    assert found.percent_interval[1] <= 100


def test_a_noise_far_above_the_level_is_a_wide_interval_and_no_error() -> None:
    percent = compared(Direction.LOWER, [1e-9, 8.0], [1.0, 1e-9]).percent_interval
    assert percent is not None and percent[0] < 0 and 87 < percent[1] <= 100


def test_more_is_better_in_percent_of_the_start_too() -> None:
    found = compared(Direction.HIGHER, [2.0, 2.1, 1.9], [4.0, 4.2, 3.8])
    assert found.percent == pytest.approx(100.0)
    assert found.percent_interval is not None and found.percent_interval[0] < 100 < found.percent_interval[1]


def test_single_runs_have_no_interval_and_a_mean_at_zero_or_below_no_percentage() -> None:
    assert compared(Direction.LOWER, [4.0], [1.0]) == compared(Direction.LOWER, [4.0], [1.0], Residuals(1.0, 5))
    assert compared(Direction.LOWER, [4.0], [1.0]).interval is None
    assert compared(Direction.LOWER, [-4.0, -4.1], [-5.0, -5.1]).percent is None
    assert compared(Direction.LOWER, [4.0, 4.0], [1.0, 1.0]).interval == (3.0, 3.0)
