"""Start against head on fresh runs: the gain that may be claimed, its interval and its percentage. Pure."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pytest_autoresearch.judge import statistics
from pytest_autoresearch.protocol.model import Direction

Interval = tuple[float, float]


class Residuals(NamedTuple):
    """What earlier runs of one commit say of its noise: sum of squared residuals, degrees of freedom.

    Only runs that selected nothing: the one that made a candidate look good is not among them.
    """

    squares: float = 0.0
    freedom: int = 0

    @classmethod
    def of(cls, values: Sequence[float]) -> Residuals:
        """Of runs of one state."""
        return cls(statistics.squared_residuals(values), len(values) - 1) if values else cls()


NONE = Residuals()


@dataclass(frozen=True, slots=True)
class Compared:
    """``gain`` in metric units, positive is better; ``percent`` of the start as it was measured beside the head.

    Intervals leave out 2.5 % on either side, None on single runs. ``percent`` is None where a mean is not above zero.
    """

    gain: float
    interval: Interval | None = None
    percent: float | None = None
    percent_interval: Interval | None = None


def compared(
    direction: Direction,
    start: Sequence[float],
    head: Sequence[float],
    own_start: Residuals = NONE,
    own_head: Residuals = NONE,
    tail: float = 0.025,
) -> Compared:
    """The gain of the means, with Welch's interval (1947: two samples that do not scatter alike).

    The noise of a state comes from that state's own runs alone. Pooled over the session it is that of other levels,
    and an interval made of it covered .53 where a level had fallen to a tenth. The percentage and its interval come
    from the logarithm of the ratio, so that no time is shortened by more than 100 %.
    """
    before, after = statistics.mean(start), statistics.mean(head)
    one, other = (_variance(runs, own) for runs, own in ((start, own_start), (head, own_head)))
    gain = direction.gain(before, after)
    ratio = after / before if before > 0 and after > 0 else None
    percent = None if ratio is None else 100 * direction.gain(1.0, ratio)
    if min(len(start), len(head)) < 2:
        return Compared(gain, None, percent, None)
    half = _half(one, other, tail)
    interval = (gain - half, gain + half)
    if ratio is None:
        return Compared(gain, interval)
    half = _half((one[0] / before**2, one[1]), (other[0] / after**2, other[1]), tail)
    bounds = sorted(100 * direction.gain(1.0, bound) for bound in statistics.scaled(ratio, half))
    return Compared(gain, interval, percent, (bounds[0], bounds[1]))


def compared_pairs(
    direction: Direction, start: Sequence[float], head: Sequence[float], tail: float = 0.025
) -> Compared:
    """As :func:`compared`, of runs that share a seed with their partner: the interval is that of the paired t.

    What both of a pair have from their seed is no difference, however much that is; nothing of earlier runs is used,
    as these tell how a commit scatters over seeds.
    """
    before, after = statistics.mean(start), statistics.mean(head)
    gain, pairs = direction.gain(before, after), len(start)
    ratio = after / before if before > 0 and after > 0 else None
    percent = None if ratio is None else 100 * direction.gain(1.0, ratio)
    if pairs < 2:
        return Compared(gain, None, percent, None)
    reach = statistics.t_quantile(1 - tail, pairs - 1) / math.sqrt(pairs * (pairs - 1))
    half = reach * math.sqrt(statistics.squared_residuals([y - x for x, y in zip(start, head, strict=True)]))
    if ratio is None:
        return Compared(gain, (gain - half, gain + half))
    logs = [y / after - x / before for x, y in zip(start, head, strict=True)]  # of the ratio, to first order
    scaled = statistics.scaled(ratio, reach * math.sqrt(statistics.squared_residuals(logs)))
    bounds = sorted(100 * direction.gain(1.0, bound) for bound in scaled)
    return Compared(gain, (gain - half, gain + half), percent, (bounds[0], bounds[1]))


def _variance(runs: Sequence[float], own: Residuals) -> tuple[float, int]:
    """Of the mean of the runs, and the degrees of freedom it is known by."""
    freedom = len(runs) - 1 + own.freedom
    return (statistics.squared_residuals(runs) + own.squares) / max(freedom, 1) / len(runs), freedom


def _half(one: tuple[float, int], other: tuple[float, int], tail: float) -> float:
    """Half of Welch's interval for the difference of two means, given the variance of each and its freedom."""
    total = one[0] + other[0]
    if total == 0:
        return 0.0
    freedom = total**2 / (one[0] ** 2 / one[1] + other[0] ** 2 / other[1])
    return statistics.t_quantile(1 - tail, int(freedom)) * math.sqrt(total)
