"""What a judge may be told, and the numbers each policy works with. Knows no state and no arithmetic."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import Enum
from typing import TypeVar

from pytest_autoresearch.errors import AutoresearchError
from pytest_autoresearch.protocol.model import Amount, Direction


class JudgeError(AutoresearchError):
    """The judge can not go on: a setting makes no sense, or the incumbent itself gives no metric any more."""


class Policy(str, Enum):
    """How sure a keep has to be."""

    GROUPED = "grouped"
    """Keeps are provisional until a group of them is proven: of the groups at most ``alpha`` are no gain."""
    CERTIFIED = "certified"
    """The share of false keeps of the whole session stays below ``alpha``."""
    FAST = "fast"
    """Each candidate is falsely kept with probability ``alpha`` at most; nothing is promised for the session."""
    CLASSIC = "classic"
    """The method's plain rule: one run, strictly better."""


@dataclass(frozen=True, slots=True)
class Rule:
    """The numbers of a rule for noisy metrics; benchmarks/judge.py shows what each of them buys.

    A candidate is dropped once its evidence is down to ``drop``. Ville's bound is loose for a rule that stops at
    ``drop``: a false keep happens in .43 to .53 of the cases it allows for, so ``slack`` times the level is spent.
    """

    drop: float = 0.6
    slack: float = 1.0
    most_runs: int = 24
    calibration: int = 6
    window: int = 2
    span: int = 32
    lead: int = 3
    keep_runs: int = 3
    carries: bool = True
    """Whether the runs that certified a keep, but for the one that selected it, open its window too."""


RULES = {
    Policy.GROUPED: Rule(),
    Policy.CERTIFIED: Rule(slack=2.0),
    Policy.FAST: Rule(most_runs=16),
    Policy.CLASSIC: Rule(),
}

_Choice = TypeVar("_Choice", Direction, Policy)


@dataclass(frozen=True, slots=True)
class JudgeSettings:
    """How to judge. Words are taken for the enums, and a number for an absolute :class:`Amount`.

    ``min_delta`` is what a gain has to exceed. ``tolerance`` is the loss that fewer lines are worth on a noisy metric
    (None: nothing). ``workers`` above 1 spends the error so that candidates may be judged side by side.
    ``rule`` overrides the policy's numbers. ``runs``: how many the session may make in all, of which ``grouped`` leaves
    some for its last group (None: as many as there is time for). ``adapts``: whether a machine that wanders and states
    that scatter unlike each other are answered; off in tests of the bare rules only. ``paired``: runs that are compared
    share a seed, see :mod:`seeds`.
    """

    direction: Direction | str = Direction.LOWER
    policy: Policy | str = Policy.CERTIFIED
    alpha: float = 0.05
    min_delta: Amount | float = 0.0
    max_runs: int = 24
    tolerance: Amount | float | None = None
    workers: int = 1
    rule: Rule | None = None
    runs: int | None = None
    adapts: bool = True
    paired: bool = False

    def __post_init__(self) -> None:
        """Raise JudgeError for what makes no sense."""
        object.__setattr__(self, "direction", _choice(Direction, self.direction))
        object.__setattr__(self, "policy", _choice(Policy, self.policy))
        _demand(0 < self.alpha < 1, f"alpha is {self.alpha}; it is a probability between 0 and 1, such as 0.05")
        _demand(self.max_runs >= 2, f"max_runs is {self.max_runs}; a noisy candidate needs at least 2 runs")
        _demand(self.workers >= 1, f"workers is {self.workers}; at least 1 judges")
        for name in ("min_delta", "tolerance"):
            amount = getattr(self, name)
            if amount is None:
                continue
            amount = amount if isinstance(amount, Amount) else Amount(float(amount))
            _demand(0 <= amount.value < math.inf, f"{name} is {amount.value}; it is a size, 0 or more")
            object.__setattr__(self, name, amount)

    @property
    def numbers(self) -> Rule:
        """The numbers to judge with."""
        return RULES[Policy(self.policy)] if self.rule is None else self.rule

    @property
    def most_runs(self) -> int:
        """How many runs a candidate gets at most."""
        return min(self.max_runs, self.numbers.most_runs)

    @property
    def classic(self) -> bool:
        return self.policy is Policy.CLASSIC

    @property
    def grouped(self) -> bool:
        return self.policy is Policy.GROUPED

    def moved(self, level: float, gain: float) -> float:
        """The level that is better than ``level`` by ``gain``."""
        return level - gain if self.direction is Direction.LOWER else level + gain

    def gain(self, start: float, best: float) -> float:
        """Improvement of level ``best`` over level ``start``, positive is better."""
        return Direction(self.direction).gain(start, best)

    def demanded(self, level: float) -> float:
        """The gain over ``level`` that does not count yet."""
        return _size(self.min_delta, level)

    def tolerated(self, level: float) -> float:
        """The loss below ``level`` that fewer lines are worth."""
        return 0.0 if self.tolerance is None else _size(self.tolerance, level)


def _size(amount: Amount | float, level: float) -> float:
    return amount.at(level) if isinstance(amount, Amount) else amount


def _choice(kind: type[_Choice], value: _Choice | str) -> _Choice:
    try:
        return kind(value)
    except ValueError:
        known = ", ".join(member.value for member in kind)
        raise JudgeError(f"there is no {kind.__name__.lower()} {value!r}; choose one of: {known}") from None


def _demand(holds: bool, message: str) -> None:
    if not holds:
        raise JudgeError(f"judge: {message}")
