"""Gains that the metric's own arithmetic or reading explains: found before a keep, and never chased by a search.

Two kinds. An exact 0 that no bound or target says is possible: what a script prints that found no number (``${x:-0}``).
And a metric that moves with one literal by a plain power, at two of its values: a factor of the metric was turned.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pytest_autoresearch.agents.search.finders import read_knobs
from pytest_autoresearch.agents.search.knob import Knob, splice
from pytest_autoresearch.protocol.model import Metric

POWERS = (0.5, 1.0, 2.0, -0.5, -1.0, -2.0)
ERRORS = 3.0  # of the measured ratio, within which it is the power's
CLEAR = 6.0  # standard deviations of a run that the ratio has to be away from none
EXACT = 0.004  # relative error where the metric has no noise: what rounding in the log may hide


@dataclass(frozen=True, slots=True)
class Turned:
    """The one number that an edit changed: where, from what, to what."""

    path: str
    knob: Knob
    old: float
    new: float

    def at(self, data: bytes, value: float) -> bytes:
        """The file as it was, with another value there."""
        whole = isinstance(self.knob.value, int)
        return splice(data, [(self.knob, self.knob.holding(int(value) if whole else float(value)))])

    def another(self) -> float | None:
        """A second value to look at: half way, by sizes, or else as far beyond; None where there is none."""
        ratio = self.new / self.old
        for there in (self.old * math.sqrt(ratio), self.new * ratio):
            value = float(round(there)) if isinstance(self.knob.value, int) else float(f"{there:.4g}")
            if value and value not in (self.old, self.new) and math.isfinite(value):
                return value
        return None


def is_unsaid_zero(metric: Metric, value: float | None, before: float | None) -> bool:
    """Whether a gain is an exact 0 that neither ``Bounds`` nor ``Target`` say is possible."""
    if value != 0 or not before or metric.target == 0 or metric.direction.gain(before, 0.0) <= 0:
        return False
    low, high = metric.bounds
    declared = low is not None or high is not None
    return not (declared and (low is None or low <= 0) and (high is None or high >= 0))


def turned_number(before: Mapping[str, bytes], after: Mapping[str, bytes]) -> Turned | None:
    """The one literal in which two states of the changed files differ; None where they differ in more, or in words."""
    if len(after) != 1 or before.keys() != after.keys():
        return None
    ((path, new),) = after.items()
    old = before[path]
    found, now = read_knobs(path, old).knobs, read_knobs(path, new).knobs
    if len(found) != len(now):
        return None
    differing = [(one, other) for one, other in zip(found, now, strict=True) if one.text != other.text]
    if len(differing) != 1:
        return None
    one, other = differing[0]
    numbers = [
        knob.value for knob in (one, other) if isinstance(knob.value, (int, float)) and type(knob.value) is not bool
    ]
    if len(numbers) != 2 or one.prefix or numbers[0] * numbers[1] <= 0 or numbers[0] == numbers[1]:
        return None
    if splice(old, [(one, other)]) != new:
        return None
    return Turned(path, one, float(numbers[0]), float(numbers[1]))


def power(metric_ratio: float, value_ratio: float, deviation: float) -> float | None:
    """The power by which a metric moved with a literal; None where no plain one explains it.

    ``log(metric ratio) = p log(value ratio)`` with p of :data:`POWERS`. ``deviation`` is that of the logarithm of the
    metric, 0 where it has no noise.
    """
    if metric_ratio <= 0 or value_ratio <= 0 or value_ratio == 1:
        return None
    moved, size = math.log(metric_ratio), math.log(value_ratio)
    error = deviation or EXACT * abs(moved)
    if abs(moved) <= CLEAR * deviation or abs(moved) < 1e-6:
        return None
    return next((p for p in POWERS if abs(moved - p * size) <= ERRORS * error), None)


def explained(
    turned: Turned, before: float, after: float, deviation: float, measure: Callable[[float], float | None]
) -> str:
    """In words, how the literal alone explains a gain, at the value that was tried and at another; '' if it does not.

    ``measure`` runs the state with another value of the literal, and is asked only where the first one fits.
    """
    if not before or after / before <= 0:
        return ""
    first = power(after / before, turned.new / turned.old, deviation)
    value = turned.another() if first is not None else None
    if first is None or value is None:
        return ""
    other = measure(value)
    if other is None or other / before <= 0:
        return ""
    if power(other / before, value / turned.old, deviation) != first:
        return ""
    return (
        f"the metric moves with {turned.knob.label} to the power {first:g}, at {turned.new:g} and at {value:g}: "
        "a factor of the metric, not a gain"
    )
