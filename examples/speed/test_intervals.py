"""What the calendar has to do, however fast: the guard."""

from datetime import datetime

import pytest
from intervals import busiest, free, parse

DAY = ["2026-03-02 09:00-10:30 stand-up", "2026-03-02 10:00-11:00 review", "2026-03-02 11:10-12:00 call"]


def at(text):
    return datetime.strptime(text, "%Y-%m-%d %H:%M")


def test_a_line_is_read():
    assert parse(DAY[0]) == (at("2026-03-02 09:00"), at("2026-03-02 10:30"))


@pytest.mark.parametrize("line", ["", "tomorrow", "2026-03-02 10:00-10:00 nothing", "2026-02-30 09:00-10:00 never"])
def test_what_is_no_appointment_is_refused(line):
    with pytest.raises(ValueError):
        parse(line)


def test_the_first_of_the_busiest_moments():
    assert busiest(DAY) == (at("2026-03-02 10:00"), 2)
    assert busiest(DAY[::-1]) == (at("2026-03-02 10:00"), 2)


def test_an_appointment_that_ends_when_another_begins_does_not_overlap_it():
    assert busiest(["2026-03-02 09:00-10:00 a", "2026-03-02 10:00-11:00 b"]) == (at("2026-03-02 09:00"), 1)


def test_an_empty_calendar_is_an_error():
    with pytest.raises(ValueError, match="empty"):
        busiest([])


def test_short_pauses_are_no_free_time():
    assert free(DAY) == []
    assert free([*DAY, "2026-03-02 12:30-13:00 lunch", "2026-03-03 09:00-10:00 x"]) == [
        (at("2026-03-02 12:00"), at("2026-03-02 12:30"))
    ]


def test_a_long_appointment_covers_the_pauses_of_short_ones():
    lines = ["2026-03-02 09:00-17:00 fair", "2026-03-02 09:00-09:30 a", "2026-03-02 11:00-12:00 b"]
    assert free(lines) == []
