"""Ends a run whose progress says that it can no longer matter. Sees lines of output only; off unless declared.

A candidate is given up when it learns at less than half the speed: at three progress lines in a row its best number
is worse than what every run of the incumbent had reached after half as many lines, by more than three times their
standard deviation there; and not in the first quarter of the incumbent's lines.
"""

from __future__ import annotations

import re
import statistics
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from pytest_autoresearch.lab.numbers import parse_number
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.model import Direction

IN_A_ROW = 3  # lines; one bad evaluation is no verdict
SPREADS = 3.0
EARLIEST = 4  # a quarter of the lines that a run of the incumbent prints
FEWEST_CURVES = 2
MOST_CURVES = 12  # the newest; the incumbent changes
MOST_LINES = 100_000
LONGEST_LINE = 65_536  # bytes

_LINE_END = regex(rb"[\r\n]")


def progress_line(name: str) -> re.Pattern[bytes]:
    """Finds what stands for a number after ``name`` in a line of output."""
    return re.compile(rb"(?<![\w.])" + re.escape(name.encode()) + rb"(?:[ \t]*[:=][ \t]*|[ \t]+)([^\s,;|]+)")


class GivenUp(Exception):
    """Raised from the tick of a run that lags hopelessly, to end it."""


class Progress:
    """The progress of the incumbent's runs, and what it means for a candidate's."""

    def __init__(self, name: str, direction: Direction) -> None:
        self._name, self._direction = name, direction
        self._line = progress_line(name)
        self._curves: deque[list[float]] = deque(maxlen=MOST_CURVES)

    def follow(self) -> Course:
        """Feed it a run's output, while it runs."""
        return Course(self._read)

    def learn(self, course: Course) -> None:
        """Remember a run of the incumbent that ended well."""
        self._curves.append(course.best)

    def lag(self, course: Course) -> str:
        """Why the run should be given up, in words for people; nothing while it may still matter."""
        lines = len(course.best)
        if not all(self._lags(course.best, line) for line in range(lines - IN_A_ROW + 1, lines + 1)):
            return ""
        best = course.best[-1] if self._direction is Direction.HIGHER else -course.best[-1]
        return (
            f"given up after {lines} lines of progress: {self._name} {best:.6g} is behind the incumbent at half of them"
        )

    def _lags(self, best: list[float], line: int) -> bool:
        half = line // 2
        if half < 1:
            return False
        marks = [curve[half - 1] for curve in self._curves if half <= len(curve) <= EARLIEST * line]
        if len(marks) < FEWEST_CURVES:
            return False
        return best[line - 1] < min(marks) - SPREADS * statistics.stdev(marks)

    def _read(self, line: bytes) -> float | None:
        """The number of a progress line, higher is better."""
        found = self._line.search(line)
        value = None if found is None else parse_number(found[1].decode("ascii", "replace"))
        return value if value is None or self._direction is Direction.HIGHER else -value


@dataclass
class Course:
    """One run's progress so far: ``best`` is the best number by line, higher is better."""

    read: Callable[[bytes], float | None]
    best: list[float] = field(default_factory=list)
    _rest: bytes = b""

    def feed(self, data: bytes) -> None:
        """Take what the run has just printed."""
        *lines, rest = _LINE_END.split(self._rest + data)
        self._rest = rest[-LONGEST_LINE:]
        for line in lines:
            value = self.read(line[-LONGEST_LINE:])
            if value is not None and len(self.best) < MOST_LINES:
                self.best.append(max(value, self.best[-1]) if self.best else value)
