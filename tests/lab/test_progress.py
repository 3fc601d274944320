"""A run is given up only when it lags hopelessly behind every run of the incumbent."""

from __future__ import annotations

import random
from collections.abc import Iterable

import pytest

from pytest_autoresearch.lab.progress import LONGEST_LINE, Progress
from pytest_autoresearch.protocol.model import Direction


def given_up_at(progress: Progress, values: Iterable[float]) -> int | None:
    """The line after which a run with these numbers is given up."""
    course = progress.follow()
    for line, value in enumerate(values, 1):
        course.feed(b"step %d loss: %r\n" % (line, value))
        if progress.lag(course):
            return line
    return None


def learn(progress: Progress, values: Iterable[float]) -> None:
    course = progress.follow()
    for value in values:
        course.feed(f"loss: {value!r}\n".encode())
    progress.learn(course)


def falling(speed: float, noise: random.Random | None = None) -> list[float]:
    """A loss that falls to 1."""
    luck = noise or random.Random(0)
    return [1.0 + 1.0 / (1.0 + speed * line) + (luck.gauss(0.0, 0.01) if noise else 0.0) for line in range(40)]


@pytest.fixture
def known() -> Progress:
    progress, noise = Progress("loss", Direction.LOWER), random.Random(1)
    for _ in range(6):
        learn(progress, falling(1.0, noise))
    return progress


def test_a_run_that_diverges_is_given_up_early(known: Progress) -> None:
    line = given_up_at(known, [2.0] * 40)
    assert line is not None and 10 <= line <= 12


def test_a_run_that_is_as_good_or_a_bit_slower_is_never_given_up(known: Progress) -> None:
    noise = random.Random(2)
    for speed in (1.0, 0.8, 0.7, 2.0) * 50:
        assert given_up_at(known, falling(speed, noise)) is None


def test_a_late_start_is_forgiven_and_so_is_a_bad_stretch(known: Progress) -> None:
    assert given_up_at(known, [3.0] * 3 + falling(1.0)) is None
    assert given_up_at(known, falling(1.0)[:20] + [3.0] * 20) is None


def test_nothing_is_given_up_before_two_runs_of_the_incumbent_are_known() -> None:
    progress = Progress("loss", Direction.LOWER)
    learn(progress, falling(1.0))
    assert given_up_at(progress, [9.0] * 40) is None
    learn(progress, falling(1.0))
    assert given_up_at(progress, [9.0] * 40) == 12


def test_higher_is_better_where_the_metric_says_so() -> None:
    progress = Progress("accuracy", Direction.HIGHER)
    for _ in range(2):
        course = progress.follow()
        course.feed(b"".join(b"accuracy=%d\n" % line for line in range(20)))
        progress.learn(course)
    good, bad = progress.follow(), progress.follow()
    good.feed(b"".join(b"accuracy=%d\n" % (2 * line) for line in range(20)))
    bad.feed(b"accuracy=-1\n" * 20)
    assert progress.lag(good) == ""
    assert progress.lag(bad).startswith("given up after 20 lines of progress: accuracy -1 is behind")


@pytest.mark.parametrize(
    ("line", "value"),
    [
        (b"loss: 0.5", -0.5),
        (b"step 10 | loss 0.5 | lr 3", -0.5),
        (b"loss=0.5, accuracy=3", -0.5),
        (b"val_loss: 0.5", None),
        (b"loss: nan", None),
        (b"the loss is large", None),
    ],
)
def test_lines_people_print(line: bytes, value: float | None) -> None:
    course = Progress("loss", Direction.LOWER).follow()
    for part in (line[:7], line[7:], b"\r"):
        course.feed(part)
    assert course.best == ([] if value is None else [value])


def test_a_line_without_an_end_takes_no_memory() -> None:
    course = Progress("loss", Direction.LOWER).follow()
    for _ in range(40):
        course.feed(b"x" * LONGEST_LINE)
    assert len(course._rest) == LONGEST_LINE
