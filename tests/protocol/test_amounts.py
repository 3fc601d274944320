from __future__ import annotations

import pytest
from hypothesis import given

from pytest_autoresearch.protocol.amounts import (
    format_amount,
    format_bounds,
    parse_amount,
    parse_bounds,
    parse_limit,
    parse_memory,
    parse_target,
    saturated,
)
from pytest_autoresearch.protocol.model import Amount, Direction, Limit, Metric
from tests.protocol.generated import amounts, bounds


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0.001", Amount(0.001)),
        ("1e-3", Amount(0.001)),
        ("0.5%", Amount(0.005, relative=True)),
        ("2 %", Amount(0.02, relative=True)),
    ],
)
def test_a_min_delta_is_absolute_or_in_percent(text: str, amount: Amount) -> None:
    assert parse_amount(text) == amount


@given(amounts)
def test_an_amount_reads_back_exactly(amount: Amount) -> None:
    assert parse_amount(format_amount(amount)) == amount


@pytest.mark.parametrize("text", ["-1", "-0", "nan%", "small", "%"])
def test_a_min_delta_is_a_number_of_zero_or_more(text: str) -> None:
    with pytest.raises(ValueError):
        parse_amount(text)


@pytest.mark.parametrize(
    ("text", "low", "high"),
    [
        ("0 to 1", 0, 1),
        ("0..10", 0, 10),
        ("[0, 10]", 0, 10),
        ("-5 to 5", -5, 5),
        ("between 0 and 1", 0, 1),
        ("0 – 8 (bits)", 0, 8),
        (">= 0", 0, None),
        ("≤ 100", None, 100),
        ("0 <= val_bpb <= 8", 0, 8),
        ("(0, inf)", 0, None),
    ],
)
def test_bounds_are_read_in_every_common_notation(text: str, low: float | None, high: float | None) -> None:
    assert parse_bounds(text) == (low, high)


@pytest.mark.parametrize("text", ["1 to 0", "1..1", "positive", "0 to", ""])
def test_bounds_that_hold_nothing_are_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_bounds(text)


@given(bounds)
def test_bounds_read_back_exactly(pair: tuple[float | None, float | None]) -> None:
    text = format_bounds(pair)
    assert (parse_bounds(text) if text else (None, None)) == pair


@pytest.mark.parametrize(
    ("text", "value"), [("0.9", 0.9), ("< 1.0", 1), (">= 93", 93), (">0 (at least one)", 0), ("≤0.95", 0.95)]
)
def test_a_target_may_say_from_which_side_it_is_reached(text: str, value: float) -> None:
    assert parse_target(text) == value


def test_a_target_in_percent_is_refused_since_nobody_knows_what_the_metric_prints() -> None:
    with pytest.raises(ValueError, match=r"`0\.93` or `93`"):
        parse_target(">93% of all cases")


@pytest.mark.parametrize(
    ("text", "megabytes"),
    [("512", 512), ("512 MB", 512), ("2GB", 2000), ("1 GiB", 1073.741824), ("0.5T", 500_000), ("1000000 b", 1)],
)
def test_memory_is_megabytes_unless_it_says_otherwise(text: str, megabytes: float) -> None:
    assert parse_memory(text) == pytest.approx(megabytes)


@pytest.mark.parametrize("text", ["0", "-1 MB", "much", "5 parsecs", "1e30 TB"])
def test_memory_has_a_size(text: str) -> None:
    with pytest.raises(ValueError, match="`512 MB` or `2 GiB`"):
        parse_memory(text)


def test_a_limit_bounds_one_side() -> None:
    assert parse_limit("peak_mb <= 512") == Limit("peak_mb", at_most=512)
    assert parse_limit("accuracy>=0.9") == Limit("accuracy", at_least=0.9)
    with pytest.raises(ValueError, match="peak_mb <= 512"):
        parse_limit("not too much memory")


@pytest.mark.parametrize(
    ("metric", "level", "is_said"),
    [
        (Metric("val_acc", Direction.HIGHER), 1.0, True),
        (Metric("val_acc", Direction.HIGHER), 0.99, False),
        (Metric("val_acc", Direction.LOWER), 1.0, False),
        (Metric("score", Direction.HIGHER), 1.0, False),
        (Metric("score", Direction.HIGHER, bounds=(0.0, 10.0)), 10.0, True),
        (Metric("loss", Direction.LOWER, bounds=(0.0, None)), 0.0, True),
        (Metric("loss", Direction.LOWER, bounds=(0.0, None)), 0.1, False),
        (Metric("val_acc", Direction.HIGHER), None, False),
    ],
)
def test_a_metric_that_nothing_can_beat_says_so(metric: Metric, level: float | None, is_said: bool) -> None:
    assert bool(saturated(metric, level)) is is_said
