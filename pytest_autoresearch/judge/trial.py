"""The candidate under test as a value: the standing it met at its opening, and its own runs. No rule is in here.

The rules (``exact``, ``certified``, ``grouped``) are functions from a trial to the same trial with its answer; nothing
but the opening standing and what was heard goes into it, so that a replay of the ledger gives its verdicts.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import NamedTuple

from pytest_autoresearch.judge import statistics
from pytest_autoresearch.judge.belief import posterior
from pytest_autoresearch.judge.settings import JudgeError, JudgeSettings
from pytest_autoresearch.judge.standing import Belief, Incumbent, Run, Standing, Step
from pytest_autoresearch.judge.verdict import Verdict
from pytest_autoresearch.protocol.experiment import Reason, Status

ALIKE = 0.8  # how likely a change is worth on another base what it was worth on its own
REMEMBERED = 25  # differences that say what size is usual in exact mode


class Heard(NamedTuple):
    """What was run, its metric, None for a run that gave none, and which paired seed it had."""

    step: Step
    value: float | None
    seed: int | None = None


class Pooled(NamedTuple):
    """What an experiment adds to the session's noise."""

    squares: float
    freedom: int
    level: float
    values: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Undo:
    """What a keep has replaced, should a guard, a limit or the holdout say no."""

    incumbent: Incumbent
    belief: Belief
    last: Run | None = None
    test: int | None = None


def is_checked(trial: Trial) -> bool:
    """Whether the incumbent is run again only to see what the machine does."""
    standing = trial.standing
    if not trial.settings.adapts or standing.last is None:
        return False
    # the clock counts the runs of all slots, and a machine moves in the time that each of them takes
    return standing.clock - standing.last.clock >= standing.check * trial.settings.workers


@dataclass(frozen=True, slots=True)
class Trial:
    """One experiment, from its opening to its verdict.

    ``expected``: what its runs beside a base that was left behind make likely of its effect, see :mod:`carried`;
    ``paired``: that base was run among them, on the same slot.

    ``standing`` is the opening one with what this trial has added to it so far; ``heard`` all its runs in order.
    ``complexity`` is lines added minus removed, ``number`` the experiment's, ``turn`` that of its test if it comes to
    one. ``fresh`` counts incumbent runs since the candidate's first; ``first`` and ``latest`` are natural logarithms of
    the evidence; ``test`` and ``level`` what was spent on it. ``reason`` is set once its keep is certain, ``draft`` is
    what can be said of it then, and ``kept_runs`` measure its level. ``answer`` is what to run next, or the verdict;
    None at the end of a mere calibration (``calibrates``).
    """

    settings: JudgeSettings
    opening: Standing
    standing: Standing
    complexity: int = 0
    number: int = 0
    turn: int = 1
    calibrates: bool = False
    expected: tuple[float, float] | None = None
    paired: bool = False
    heard: tuple[Heard, ...] = ()
    runs: tuple[Run, ...] = ()
    fresh: int = 0
    first: float | None = None
    latest: float | None = None
    test: int | None = None
    level: float | None = None
    reason: Reason | None = None
    kept_runs: tuple[Run, ...] = ()
    pools: tuple[Pooled, ...] = ()
    failed: bool = False
    undo: Undo | None = None
    draft: Verdict | None = None
    answer: Step | Verdict | None = None

    @property
    def threshold(self) -> float | None:
        """The evidence a keep needs; None while nothing was spent on it."""
        return None if self.level is None else 1 / self.level

    @property
    def evidence(self) -> float | None:
        """The evidence since the candidate was selected; of the run that ruled it out if it was not."""
        return None if self.latest is None else math.exp(min(self.latest - (self.first or 0.0), 700.0))

    @property
    def values(self) -> tuple[float, ...]:
        """The candidate's metrics so far."""
        return tuple(run.value for run in self.runs)

    @property
    def prior(self) -> tuple[float, ...]:
        """How likely each effect of :data:`belief.GRID` was before its first run."""
        prior = self.standing.belief.prior
        known = None if self.expected is None else posterior(prior, *self.expected).weights
        if known is None:
            return prior
        return tuple(ALIKE * k + (1 - ALIKE) * p for k, p in zip(known, prior, strict=True))

    # What every rule does with it

    def asks(self, step: Step) -> Trial:
        """With what to run next."""
        return replace(self, answer=step)

    def ended(self, verdict: Verdict) -> Trial:
        """With its verdict."""
        return replace(self, answer=verdict)

    def pooled(
        self, squares: float, freedom: int, level: float, values: Sequence[float], *, capped: bool = True
    ) -> Trial:
        """With residuals of runs at ``level`` in the noise; if ``capped``, an outlier counts as one at WINSOR."""
        if capped:
            squares = min(squares, freedom * self.standing.largest_square(level))
        spread = self.standing.spread.pooled(squares, freedom, level, values)
        pools = (*self.pools, Pooled(squares, freedom, level, tuple(values)))
        return replace(self, standing=replace(self.standing, spread=spread), pools=pools)

    def pooled_runs(self, values: Sequence[float]) -> Trial:
        """With the residuals of runs of one state in the noise."""
        if len(values) < 2:
            return self
        center = statistics.mean(values)
        squares = statistics.squared_residuals(values, self.standing.largest_square(center))
        return self.pooled(squares, len(values) - 1, center, values)

    def closed(self) -> Trial:
        """With what its runs say of the noise, or of the usual differences, in its standing."""
        if self.standing.noisy and self.standing.calibrated:
            return self.pooled_runs(self.values)
        if not self.runs or not self.standing.calibrated:
            return self
        size = abs(self.settings.gain(self.known_level, self.runs[0].value))
        differences = (*self.standing.differences, size)[-REMEMBERED:] if size > 0 else self.standing.differences
        return replace(self, standing=replace(self.standing, differences=differences))

    def crashed(self, reason: Reason, against: float | None) -> Trial:
        """The candidate gave no number."""
        return self.closed().ended(Verdict(Status.CRASH, reason, against=against))

    @property
    def known_level(self) -> float:
        """The incumbent's level; JudgeError before it has one."""
        if self.standing.incumbent.level is None:
            raise JudgeError("the incumbent has no level yet; calibrate the judge first")
        return self.standing.incumbent.level.estimate
