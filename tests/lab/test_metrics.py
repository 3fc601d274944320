"""A number counts only if it can mean one thing."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autoresearch.lab.metrics import (
    read_extract,
    read_log,
    read_secondary,
    signed,
    tail,
)
from pytest_autoresearch.lab.numbers import parse_number
from pytest_autoresearch.protocol.experiment import Reason
from pytest_autoresearch.protocol.model import Direction, Metric

METRIC = Metric("val_bpb", Direction.LOWER)
BOUNDED = Metric("val_bpb", Direction.LOWER, bounds=(0.0, 8.0))

NO_NUMBERS = [
    "nan", "-inf", "inf", "Infinity", "1e400", "1e-400", "0x10", "0.1_5", "1_000", "٠٫٥", "٣", "¹", "1,5", "1,000",
    "12%", "1e", "e5", ".", "+", "--1", "1.2.3", "1j", "True", "None", "0b1", "1e99999", "9" * 500, "1\x000", "½",
]  # fmt: skip


@pytest.mark.parametrize("text", NO_NUMBERS)
def test_what_is_no_plain_finite_number_is_bad(text: str) -> None:
    assert read_extract(text.encode(), METRIC).failure is Reason.BAD_METRIC
    for form in (f"val_bpb: {text}", f"val_bpb={text}"):
        assert read_extract(form.encode(), METRIC).failure is Reason.BAD_METRIC
        assert read_log(form.encode(), METRIC).failure is Reason.BAD_METRIC


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1", 1.0), ("-1.5", -1.5), ("+2", 2.0), (".5", 0.5), ("5.", 5.0), ("1e3", 1000.0), ("1E-3", 0.001),
        ("007", 7.0), ("0", 0.0), ("0.000", 0.0), ("0e5", 0.0), ("-0.0", 0.0),
        ("123456789012345678901234567890", 1.2345678901234568e29),
    ],
)  # fmt: skip
def test_plain_numbers_are_read(text: str, value: float) -> None:
    for form in (text, f"  {text}\r\n", f"val_bpb: {text}", f"val_bpb={text}", f"val_bpb = {text}\n\n"):
        found = read_extract(form.encode(), METRIC).value
        assert found == value
        assert math.copysign(1, found) == math.copysign(1, value)


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_every_float_that_python_prints_is_read_exactly(value: float) -> None:
    assert read_extract(repr(value).encode(), METRIC).value == value
    assert read_log(b"noise\nval_bpb: " + repr(value).encode(), METRIC).value == value


@given(st.binary())
def test_any_bytes_give_a_value_or_a_failure_with_a_safe_line(data: bytes) -> None:
    for read in (read_extract, read_log):
        reading = read(data, METRIC)
        assert (reading.value is None) != (reading.failure is None)
        assert reading.detail.isprintable()


@pytest.mark.parametrize(
    ("text", "inside"), [("0", True), ("8", True), ("8.01", False), ("-0.1", False), ("-0.0", False), ("1e300", False)]
)
def test_a_value_outside_the_bounds_is_bad(text: str, inside: bool) -> None:
    reading = read_extract(text.encode(), BOUNDED)
    assert (reading.failure is None) is inside
    if not inside:
        assert (reading.failure, reading.detail) == (Reason.BAD_METRIC, f"val_bpb: {text} is outside the bounds 0..8")


@pytest.mark.parametrize("output", ["1\n2", "val_bpb: 1\nval_bpb: 1", "val_bpb: 1 2", "loss: 1", "xval_bpb: 1", "x 1"])
def test_an_extract_with_anything_beside_its_number_is_bad(output: str) -> None:
    assert read_extract(output.encode(), METRIC).failure is Reason.BAD_METRIC


@pytest.mark.parametrize(
    ("text", "detail"), [("X1", "'X1' is not one finite number"), ("1 2", "'1 2' is not one finite number")]
)
def test_what_an_extract_said_stands_in_its_failure(text: str, detail: str) -> None:
    assert read_extract(text.encode(), METRIC).detail == f"val_bpb: {detail}"


@pytest.mark.parametrize(("bounds", "shown"), [((None, 8.0), "..8"), ((10.0, None), "10..")])
def test_bounds_that_are_open_are_shown_so(bounds: tuple[float | None, float | None], shown: str) -> None:
    reading = read_log(b"step 3 val_bpb: 9.5 lr: 0.1", Metric("val_bpb", Direction.LOWER, bounds=bounds))
    assert reading.detail == f"val_bpb: 9.5 is outside the bounds {shown}"


def test_a_mark_of_the_byte_order_is_no_part_of_a_number() -> None:
    assert read_extract(b"\xef\xbb\xbf1.5\r\n", METRIC).value == 1.5


def test_an_empty_extract_is_no_metric() -> None:
    reading = read_extract(b" \n\t", METRIC)
    assert (reading.failure, reading.detail) == (Reason.NO_METRIC, "the extract command printed nothing")


@pytest.mark.parametrize(
    ("log", "value"),
    [
        ("val_bpb: 1\nval_bpb: 2\ndone", 2.0),
        ("val_bpb=3", 3.0),
        ("METRIC val_bpb=4\nMETRIC other=5", 4.0),
        ("METRIC val_bpb: 4", 4.0),
        ("\r 10%\r 20%\rval_bpb: 6\r\n", 6.0),
        ("---\nval_bpb:          0.997900\npeak_vram_mb:     45060.2\n", 0.9979),
        ("val_bpb: 7\nstep 3 val_bpb: 9", 7.0),
    ],
)
def test_the_last_line_that_reports_the_metric_counts(log: str, value: float) -> None:
    assert read_log(log.encode(), METRIC).value == value


def test_a_last_report_that_is_no_number_is_not_replaced_by_an_earlier_one() -> None:
    assert read_log(b"val_bpb: 1\nval_bpb: nan\n", METRIC).failure is Reason.BAD_METRIC


def test_a_log_without_the_metric_has_none() -> None:
    reading = read_log(b"xval_bpb: 1\nval_bpb: good and more\nval_bpb2: 1\n\xff\xfe", METRIC)
    assert (reading.failure, reading.detail) == (Reason.NO_METRIC, "no line 'val_bpb: <number>' in the log")


def test_a_metric_may_have_any_name() -> None:
    metric = Metric("p99 (ms)*", Direction.LOWER)
    assert read_log(b"p99 (ms)*: 3", metric).value == 3
    assert read_extract("точность=0.5".encode(), Metric("точность", Direction.HIGHER)).value == 0.5


def test_secondary_metrics_are_the_last_of_their_name_and_a_bounded_number() -> None:
    log = "\n".join(["vram_mb: 1", "loss: nan", "val_bpb: 1", *(f"m{n}: {n}" for n in range(100)), "vram_mb: 2"])
    found = read_secondary(log.encode(), ["m0", "vram_mb", "loss"], metric="val_bpb")
    assert found["vram_mb"] == 2
    assert found["m0"] == 0
    assert found["m99"] == 99
    assert not {"loss", "val_bpb", "m1"} & found.keys()
    assert len(found) == 34


def test_of_other_metrics_too_the_last_line_counts_and_one_that_stands_alone_before_others() -> None:
    log = b"other: 1\nother: 2\nvram: 3\nstep 9: vram 7 of 8\n"
    assert read_secondary(log, ("vram", "gone"), metric="val_bpb") == {"vram": 3.0, "other": 2.0}


def test_of_a_signed_log_only_what_its_author_signed_counts() -> None:
    log = b"  loss: 1 k3y\r\nloss: 2\nk3y loss: 3 other\n k3y\nloss: 4k3y\nloss: 5 k3y k3y \n"
    assert signed(log, "k3y") == b"  loss: 1\n\nloss: 5 k3y"


def test_the_tail_of_a_log_is_its_last_lines_without_terminal_sequences() -> None:
    log = b"\n".join([*(b"line %d" % n for n in range(100)), b"\x1b[31mred\x1b[0m\r\n\n"])
    assert tail(log, 3).split("\n") == ["line 98", "line 99", "red"]
    assert tail(log).split("\n") == [*(f"line {n}" for n in range(81, 100)), "red"]
    assert tail(b"  a \n" + b"x" * 600) == "  a\n" + "x" * 500


def test_numbers_are_parsed_alone() -> None:
    assert parse_number("1.5") == 1.5
    assert parse_number(" 1.5") is None
