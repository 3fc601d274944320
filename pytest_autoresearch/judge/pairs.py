"""Base against head on pairs of runs: better, worse, or no difference that the noise would carry. Pure.

A pull request asks many benchmarks at once, so each may be wrong with its share of the alarm that the whole may raise.
Benchmarks that look equal after a quarter of their pairs are let go, which can only withhold a verdict; the others get
all their pairs, and are judged once, on all of them: looking often would find differences where there are none. How
many that are depends on what the first pairs have shown of noise and time, and not on what they differ by.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import Enum

from pytest_autoresearch.judge.statistics import t_quantile
from pytest_autoresearch.protocol.model import Direction

ALPHA = 0.006
"""How likely a pull request that changes nothing gets a verdict all the same, over all of its benchmarks."""
POWER = 0.8
FIRST, MOST = 6, 24
LARGEST_STEP = 20.0  # of logarithms: beyond that nobody reads a percentage
TRIMMED = 0.1
"""Share of the pairs left out on either side: a runner that is disturbed for a second says nothing of the code."""
EXACT = 3  # pairs; as often the same two numbers are no accident
FUTILE = 1.0
"""|t| after a quarter of the pairs below which a benchmark is let go."""
KEPT_ON = 0.4
"""Share of benchmarks that are not let go where nothing has changed, rounded up."""
AIM = 0.05
"""A change of that share should be found: where the noise asks for it, and the time allows it, there are more pairs."""
MOST_TIMES = 16
"""Nobody waits for more than so many times the pairs: the noise has fallen to a quarter."""


class Outcome(str, Enum):
    """What base and head differ by, as the metric goes."""

    BETTER = "better"
    WORSE = "worse"
    SAME = "no difference"
    FAILED = "failed"
    SKIPPED = "not compared"


@dataclass(frozen=True, slots=True)
class Plan:
    """How ``benchmarks`` are compared: ``alpha`` for all of them together, pairs until the first look, and all."""

    benchmarks: int
    alpha: float = ALPHA
    first: int = FIRST
    most: int = MOST

    @property
    def tail(self) -> float:
        """On either side, of one benchmark."""
        return self.alpha / (2 * max(1, self.benchmarks))

    def fitted(self, spent: float, left: float) -> Plan:
        """With as many pairs as fit into the time: FIRST of each have taken ``spent`` seconds, ``left`` are left.

        It is the most that a benchmark may get, see :func:`aimed`.
        """
        whole = spent * (1 + KEPT_ON * (self.most / self.first - 1))
        times = max(1, min(MOST_TIMES, int((spent + left) / whole))) if whole > 0 else MOST_TIMES
        return replace(self, first=self.first * times, most=self.most * times)


@dataclass(frozen=True, slots=True)
class Compared:
    """One benchmark's result. ``change`` of head against base as a share, with an interval that holds for all
    benchmarks of the pull request together; ``detectable``: a change that would have been found in 80 % of cases.
    """

    outcome: Outcome
    pairs: int
    base: float | None = None
    head: float | None = None
    change: float | None = None
    interval: tuple[float, float] | None = None
    detectable: float | None = None
    why: str = ""


def aimed(pairs: Sequence[tuple[float, float]], most: Plan) -> Plan:
    """A benchmark's plan after its first pairs: as many as finding AIM takes by their noise, and ``most`` at most."""
    plan = Plan(most.benchmarks, most.alpha)
    if len(pairs) < plan.first or _is_exact(pairs):
        return plan
    error = _trimmed(_steps(pairs))[1]
    step = _detectable(error * math.sqrt(len(pairs)), plan)
    found = _share(step, _is_relative(pairs), statistics.fmean(base for base, _ in pairs))
    times = MOST_TIMES if found is None else math.ceil(min(MOST_TIMES, (found / AIM) ** 2))
    times = max(1, min(times, most.first // plan.first))
    return replace(plan, first=plan.first * times, most=plan.most * times)


def wants_more(pairs: Sequence[tuple[float, float]], plan: Plan) -> bool:
    """Whether another pair of runs (base, head) can still change the verdict."""
    count = len(pairs)
    if count >= plan.most or (count >= EXACT and _is_exact(pairs)):
        return False
    return count != plan.first or abs(_t(_steps(pairs))) >= FUTILE


def compared(pairs: Sequence[tuple[float, float]], direction: Direction, plan: Plan) -> Compared:
    """What the pairs say. What was let go, or has fewer pairs than FIRST, gets no verdict.

    Fewer than the plan has, because the time was over, are judged as they are: nobody looked at them before.
    """
    count = len(pairs)
    if count < 2:
        return Compared(Outcome.SKIPPED, count, why="fewer than two pairs of runs fitted into the time")
    base, head = (statistics.fmean(pair[side] for pair in pairs) for side in (0, 1))
    mean, error, freedom = _trimmed(_steps(pairs))
    is_relative = _is_relative(pairs)
    if _is_exact(pairs) and count >= EXACT:
        outcome = Outcome.SAME if mean == 0 else _outcome(mean, direction)
        change = _share(mean, is_relative, base)
        return Compared(outcome, count, base, head, change, None if change is None else (change, change), 0.0)
    half = t_quantile(1 - plan.tail, freedom) * error
    is_let_go = count == plan.first < plan.most and abs(_t(_steps(pairs))) < FUTILE
    made = plan if is_let_go else replace(plan, first=min(count, plan.first), most=count)  # the time may have ended it
    is_told = count >= FIRST and not is_let_go and abs(mean) > half
    ends = [_share(end, is_relative, base) for end in (mean - half, mean + half)]
    interval = None if ends[0] is None or ends[1] is None else (ends[0], ends[1])
    return Compared(
        _outcome(mean, direction) if is_told else Outcome.SAME,
        count,
        base,
        head,
        _share(mean, is_relative, base),
        interval,
        _share(_detectable(error * math.sqrt(count), made), is_relative, base) if count >= FIRST else None,
    )


def _trimmed(steps: Sequence[float]) -> tuple[float, float, int]:
    """The trimmed mean, its standard error and degrees of freedom (Yuen 1974, one sample)."""
    count = len(steps)
    cut = int(TRIMMED * count)
    ordered = sorted(steps)
    core = ordered[cut : count - cut]
    winsorised = [core[0]] * cut + core + [core[-1]] * cut
    squares = statistics.variance(winsorised) * (count - 1)
    return statistics.fmean(core), math.sqrt(squares / (len(core) * (len(core) - 1))), len(core) - 1


def _detectable(deviation: float, plan: Plan) -> float:
    """The step that is found with POWER by the whole plan, given the standard deviation of one pair's step."""
    beta = statistics.NormalDist().inv_cdf(POWER)
    freedom = plan.most - 2 * int(TRIMMED * plan.most) - 1
    whole = (t_quantile(1 - plan.tail, freedom) + beta) * deviation / math.sqrt(plan.most)
    kept_on = (FUTILE + statistics.NormalDist().inv_cdf(0.95)) * deviation / math.sqrt(plan.first)
    return max(whole, kept_on) if plan.first < plan.most else whole


def _outcome(step: float, direction: Direction) -> Outcome:
    return Outcome.BETTER if direction.gain(0.0, step) > 0 else Outcome.WORSE


def _is_relative(pairs: Sequence[tuple[float, float]]) -> bool:
    """Positive metrics are compared by ratio: their noise is a share of them."""
    return all(value > 0 for pair in pairs for value in pair)


def _steps(pairs: Sequence[tuple[float, float]]) -> list[float]:
    if _is_relative(pairs):
        return [math.log(head) - math.log(base) for base, head in pairs]  # a ratio can be too small for a float
    return [head - base for base, head in pairs]


def _share(step: float, is_relative: bool, base: float) -> float | None:
    """A step as a share of the base; None where that is no number for people."""
    if is_relative:
        return math.expm1(step) if step < LARGEST_STEP else None
    return step / abs(base) if base else None


def _t(steps: Sequence[float]) -> float:
    mean, error, _ = _trimmed(steps)
    return mean / error if error else math.copysign(math.inf, mean) if mean else 0.0


def _is_exact(pairs: Sequence[tuple[float, float]]) -> bool:
    return len(set(pairs)) == 1
