from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autoresearch.protocol.durations import (
    format_duration,
    format_float,
    parse_duration,
    parse_float,
    says_none,
)


@pytest.mark.parametrize(
    ("written", "seconds"),
    [
        ("90s", 90),
        ("5m", 300),
        ("8h", 28_800),
        ("1h30m", 5400),
        ("300", 300),
        ("0.5", 0.5),
        ("500ms", 0.5),
        ("5 minutes", 300),
        ("5 MINUTES per experiment", 300),
        ("2 min (single run)", 120),
        ("1 hour 30 minutes", 5400),
        ("1 h, 30 min", 5400),
        ("~5 minutes", 300),
        ("max. 20 min", 1200),
        ("2 min on one A100", 120),
        ("300 per experiment", 300),
        ("600 seconds per experiment", 600),
        ("`10m`", 600),
        ("5 Minuten", 300),
        ("1,5 Minuten", 90),
        ("30 秒", 30),
        ("30 秒（编译 + 检查）", 30),
        ("１０分钟", 600),
        ("2 天", 172_800),
        ("5 minutes - most of it is compiling", 300),
    ],
)
def test_durations_are_read_as_people_write_them(written: str, seconds: float) -> None:
    assert parse_duration(written) == seconds


@pytest.mark.parametrize(
    "written",
    [
        "",
        "soon",
        "nan",
        "inf",
        "-5s",
        "0",
        "0s",
        "5x",
        "5 experiments",
        "1:30",
        "five minutes",
        "1e400s",
        "2e9",
        "5m 30",
    ],
)
def test_what_is_no_duration_is_refused_with_an_example(written: str) -> None:
    with pytest.raises(ValueError, match="`90s`, `5 minutes`, `1h30m`"):
        parse_duration(written)


@pytest.mark.parametrize(
    "written", ["10-15 minutes", "5 - 10 min", "5 to 10 minutes", "5-10 分钟 (Emily)", "5 min bis 10 min"]
)
def test_a_range_is_no_budget(written: str) -> None:
    with pytest.raises(ValueError, match="is a range"):
        parse_duration(written)


@given(st.floats(min_value=1e-3, max_value=1e9))
def test_a_written_duration_reads_back_exactly(seconds: float) -> None:
    assert parse_duration(format_duration(seconds)) == seconds


@pytest.mark.parametrize(
    ("seconds", "written"), [(90, "90s"), (60, "1m"), (5400, "1h30m"), (3601, "1h1s"), (0.25, "0.25s")]
)
def test_durations_are_written_in_the_units_people_use(seconds: float, written: str) -> None:
    assert format_duration(seconds) == written


@given(st.text(max_size=30))
def test_any_text_gives_a_positive_duration_or_a_value_error(text: str) -> None:
    try:
        assert parse_duration(text) > 0
    except ValueError:
        pass


@pytest.mark.parametrize("text", ["none", "no limit", "-", "Kein festes Limit — Feedback genügt", "无", "n/a"])
def test_there_are_many_ways_to_say_none(text: str) -> None:
    assert says_none(text)


@pytest.mark.parametrize("text", ["5m", "- 5 minutes", "nonesuch.py", ""])
def test_a_value_is_not_none(text: str) -> None:
    assert not says_none(text)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_written_number_reads_back_exactly(value: float) -> None:
    assert parse_float(format_float(value)) == value


@pytest.mark.parametrize("text", ["nan", "inf", "1e999", "0x10", "1_000", "½", "", "1.2.3"])
def test_numbers_are_plain_and_finite(text: str) -> None:
    with pytest.raises(ValueError):
        parse_float(text)
