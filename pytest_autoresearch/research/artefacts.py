"""Gains that the metric's own arithmetic or reading explains: found before a keep, and never chased by a search.

Two kinds. A default that no bound or target says is possible: what a script prints that found no number (``${x:-0}``).
And a metric that moves with one literal by a plain power, at two of its values: a factor of the metric was turned.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal

from pytest_autoresearch.agents.search.finders import read_knobs
from pytest_autoresearch.agents.search.knob import Knob, splice
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.experiment import Measurement, Role
from pytest_autoresearch.protocol.model import Metric

POWERS = (0.5, 1.0, 2.0, -0.5, -1.0, -2.0)
ERRORS = 3.0  # of the measured ratio, within which it is the power's
CLEAR = 6.0  # standard deviations of a run that the ratio has to be away from none
EXACT = 0.004  # relative error where the metric has no noise: the most that rounding in the log may hide

_NINES = regex("9{3,}")


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


def value_alone(runs: Iterable[Measurement], judged: float | None) -> float | None:
    """The number that all runs of a candidate gave; where they differ, the one that was judged.

    Of a noisy metric that one is weighed with what was known of the incumbent: an exact 0 is none any more.
    """
    own = {run.value for run in runs if run.role is Role.CANDIDATE}
    return own.pop() if len(own) == 1 else judged


def is_unsaid_default(metric: Metric, value: float | None, before: float | None) -> bool:
    """Whether a gain is a value for `no number` that neither ``Bounds`` nor ``Target`` say is possible.

    Those are an exact 0, -1 where numbers were above zero, and nothing but nines, three at least.
    """
    if value is None or not before or value == metric.target or metric.direction.gain(before, value) <= 0:
        return False
    is_default = value == 0 or (value == -1 and before > 0) or _NINES.fullmatch(f"{abs(value):.15g}") is not None
    low, high = metric.bounds
    declared = low is not None or high is not None
    return is_default and not (declared and (low is None or low <= value) and (high is None or high >= value))


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


def power(before: float, after: float, value_ratio: float, deviation: float) -> float | None:
    """The power by which a metric moved with a literal; None where no plain one explains it.

    ``log(after / before) = p log(value ratio)`` with p of :data:`POWERS`. ``deviation`` is that of the logarithm of the
    metric, 0 where it has no noise: then a factor is exact up to the digits that the metric is told with. The error of
    a method that falls as 1/n² does so nearly, and is a gain.
    """
    if not before or after / before <= 0 or value_ratio <= 0 or value_ratio == 1:
        return None
    moved, size = math.log(after) - math.log(before), math.log(value_ratio)
    error = deviation or min(EXACT * abs(moved), _rounding(before) + _rounding(after))
    if abs(moved) <= CLEAR * deviation or abs(moved) < 1e-6:
        return None
    return next((p for p in POWERS if abs(moved - p * size) <= ERRORS * error), None)


def _rounding(value: float) -> float:
    """The relative error of a number by the digits it was told with; those at its end that are 0 are not known of."""
    last = int(Decimal(repr(value)).normalize().as_tuple().exponent)
    return float(f"5e{last - 1}") / abs(value) + 1e-12


def second_value(turned: Turned, before: float, after: float, deviation: float) -> float | None:
    """The value of the literal at which to look again; None where no power of it explains the gain."""
    if power(before, after, turned.new / turned.old, deviation) is None:
        return None
    return turned.another()


def explained(turned: Turned, before: float, after: float, deviation: float, value: float, other: float | None) -> str:
    """In words, how the literal alone explains a gain, at the value that was tried and at another; '' if it does not.

    ``other`` is the metric at ``value``, which :func:`second_value` gave; None where that run failed.
    """
    first = power(before, after, turned.new / turned.old, deviation)
    if first is None or other is None or power(before, other, value / turned.old, deviation) != first:
        return ""
    return (
        f"the metric moves with {turned.knob.label} to the power {first:g}, at {turned.new:g} and at {value:g}: "
        "a factor of the metric, not a gain"
    )
