"""What a run said that is worth another's reading: the end of its log, and a number's course in few points.

The course is of what is declared as progress, else of the metric, else of the loss.

Pure. Reads the log that was kept, whose middle may be missing; decides nothing.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from pytest_autoresearch.lab.metrics import tail
from pytest_autoresearch.lab.numbers import parse_number
from pytest_autoresearch.lab.progress import progress_line
from pytest_autoresearch.protocol.experiment import Measurement, Role
from pytest_autoresearch.protocol.model import Protocol

POINTS = 20
LINES = 12  # at the end of a log with a metric
FEWEST = 3  # numbers; two are no curve
LOSS = "loss"


@dataclass(frozen=True, slots=True)
class Curve:
    """Its ``name``, and at most POINTS of its numbers in the order printed: the first, the last, and evenly between."""

    name: str = ""
    points: tuple[float, ...] = ()


def with_course(measured: Measurement, log: bytes, protocol: Protocol) -> Measurement:
    """The same with the end of the log, and the course of what ended well; of a hidden run only why it failed."""
    if measured.failure is not None:
        return replace(measured, log_tail=tail(log))
    if measured.role is Role.HOLDOUT:
        return measured
    curve = curve_of(log, protocol)
    return replace(measured, log_tail=tail(log, LINES), curve=curve.points, curve_name=curve.name)


def curve_of(log: bytes, protocol: Protocol) -> Curve:
    """The first of the names that the log has a curve of; an empty one where there is none."""
    for name in dict.fromkeys((protocol.progress or protocol.metric.name, protocol.metric.name, LOSS)):
        found = (match[1].decode("ascii", "replace") for match in progress_line(name).finditer(log))
        numbers = [value for text in found if (value := parse_number(text)) is not None]
        if len(numbers) >= FEWEST:
            return Curve(name, _thinned(numbers))
    return Curve()


def _thinned(numbers: list[float]) -> tuple[float, ...]:
    last = len(numbers) - 1
    if last < POINTS:
        return tuple(numbers)
    return tuple(numbers[round(index * last / (POINTS - 1))] for index in range(POINTS))
