"""Time at work: pauses and the hours between two invocations do not count, and what overlaps counts once."""

from __future__ import annotations

from datetime import datetime, timedelta, timezone

from hypothesis import given
from hypothesis import strategies as st

from pytest_autoresearch.report.times import PAUSE, Times

BEGAN = datetime(2026, 3, 1, tzinfo=timezone.utc)
SPANS = st.lists(st.tuples(st.integers(0, 2000), st.integers(0, 300)), max_size=30)


def total(*spans: tuple[float, float]) -> float:
    times = Times()
    for began, ended in spans:
        times.add(BEGAN + timedelta(seconds=began), BEGAN + timedelta(seconds=ended))
    return times.total


def test_a_pause_does_not_count_and_a_short_gap_does() -> None:
    assert total((0, 100), (130, 200)) == 200
    assert total((0, 100), (4000, 4100)) == 200


def test_a_stop_parts_what_would_be_one_and_nothing_that_lasts_over_it() -> None:
    times = Times()
    times.stopped(BEGAN + timedelta(seconds=12))
    for began, ended in ((0, 5), (5, 10), (30, 40), (41, 45), (28, 30)):
        times.add(BEGAN + timedelta(seconds=began), BEGAN + timedelta(seconds=ended))
    assert times.total == 10 + 17
    times.add(BEGAN + timedelta(seconds=9), BEGAN + timedelta(seconds=29))
    assert times.total == 45


def test_lanes_beside_each_other_count_once() -> None:
    assert total((0, 100), (0, 50), (50, 100)) == 100
    assert total((0, 10), (500, 510), (5, 520)) == 520


def test_a_clock_that_was_set_back_counts_nothing() -> None:
    assert total((0, 10), (8, 4)) == 10


@given(SPANS)
def test_it_is_the_union_in_whatever_order_it_is_told(spans: list[tuple[int, int]]) -> None:
    found = [(began, began + length) for began, length in spans]
    seconds = {at for began, ended in found for at in range(began, ended)}
    expected, last = 0.0, None
    for at in sorted(seconds):
        gap = 0 if last is None else at - last - 1
        expected += 1 + (gap if gap <= PAUSE.total_seconds() else 0)
        last = at
    measured = [(began, ended) for began, ended in found if ended > began]
    assert total(*measured) == total(*reversed(measured)) == expected
