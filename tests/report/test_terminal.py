"""What a row of the live table says of a number."""

from __future__ import annotations

from dataclasses import replace

import pytest

from pytest_autoresearch.report.figures import cut, number, seconds
from pytest_autoresearch.report.words import change
from tests.github.histories import experiment


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        (2.0, 1.9, "-5.00 %"),
        (2.0, 2.0, "+0.00 %"),
        (1.912374, 1.912337, "-0.002 %"),  # an improvement is never shown as none
        (1.0, 1.0 - 1e-7, "-1e-05 %"),
        (0.0, 0.25, "+0.25"),
        (-4.0, -5.0, "-25.00 %"),
        (1.0, 10.99, "+999.00 %"),
        (1.0, 12.0, "+1100 %"),
        (0.38, 129014.1, "> +9999 %"),  # what ran away stays in its column
        (-0.38, -129014.1, "< -9999 %"),
    ],
)
def test_a_change_is_told_in_percent_of_what_was_to_beat(before: float, after: float, shown: str) -> None:
    assert change(replace(experiment(1), value=after, against=before)) == shown


def test_numbers_and_times_are_told_as_people_write_them() -> None:
    assert [number(value) for value in (None, 1.0, 0.1 + 0.2, 1234567.8)] == ["-", "1", "0.3", "1234568"]
    assert [seconds(value) for value in (0.25, 119.0, 7200.4)] == ["0.25 s", "119 s", "2:00:00"]
    assert cut("a long line", 6) == "a lon…"
