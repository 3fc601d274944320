"""What may turn a keep into a discard: limits, the budget, guards and the hidden measurement. Nothing turns back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.judge.comparing import compared
from pytest_autoresearch.lab.job import Finished
from pytest_autoresearch.lab.limits import broken_limit, over_budget
from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Place, Reason, Role
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.research.candidate import Candidate, Ruling
from pytest_autoresearch.research.contexts import touching_tests
from pytest_autoresearch.research.guards import (
    AFFECTED,
    Suite,
    blamed,
    build_fails,
    failure_words,
    has_summary,
    start_fails,
)
from pytest_autoresearch.research.work import Check, Script, Work, drive
from pytest_autoresearch.text import one_line

if TYPE_CHECKING:
    from pytest_autoresearch.lab.remedies import Remedy

    Diagnose = Callable[[str, float, Callable[[], object]], Sequence[Remedy]]
    """What to do about a command, by what it said, the seconds it took, and a way to run it again."""

LOST = 0.05  # how likely a candidate that is as good as the incumbent loses a noisy holdout
SHORTEST_GUARD = 600.0  # s; a test suite may well take longer than one run

_LATE = (
    "it was added while the session was under way: leave it out again, drop the keep that breaks it, or mend it, "
    "commit and begin another session: --autoresearch-tag NAME"
)

TESTS_FAILED = 1  # pytest's exit code; with another, tests that failed earlier may only have another name now


class Referee:
    """Objects to keeps. Asks for the cheapest thing first, and only for candidates that would be kept."""

    def __init__(
        self,
        protocol: Protocol,
        phase: Callable[[int, str], None],
        *,
        suite: Suite,
        checkout: Path,
        history: Callable[[], Sequence[Experiment]],
    ) -> None:
        self._protocol, self._phase = protocol, phase
        self._suite, self._checkout, self._history = suite, checkout, history

    def start_fails(
        self, start: Candidate, deadline: float, diagnose: Diagnose, perform: Callable[[Work], Any]
    ) -> str | None:
        """What to tell the user of a guard that fails on the start commit, None when all are green."""
        red = self._red(self._protocol.guard, start, deadline, diagnose, perform)
        if red is None:
            return None
        guard, done, told = red
        if done.building:
            return build_fails(self._protocol.build or "", _text(done), told)
        return start_fails(guard, _text(done), told, timed_out=done.timed_out)

    def head_fails(
        self,
        guards: Sequence[str],
        head: Candidate,
        where: str,
        deadline: float,
        diagnose: Diagnose,
        perform: Callable[[Work], Any],
    ) -> str | None:
        """As :meth:`start_fails`, of guards that the head of a session, ``where`` in words, was never tried with."""
        red = self._red(guards, head, deadline, diagnose, perform)
        if red is None:
            return None
        guard, done, told = red
        if done.building:
            return build_fails(self._protocol.build or "", _text(done), told, where=where)
        return start_fails(guard, _text(done), told, timed_out=done.timed_out, where=where, mend=_LATE)

    def _red(
        self,
        guards: Sequence[str],
        state: Candidate,
        deadline: float,
        diagnose: Diagnose,
        perform: Callable[[Work], Any],
    ) -> tuple[str, Finished, Sequence[str]] | None:
        """The first of these guards that fails on a state, how it ended, and remedies; None when all are green."""

        def failing(guard: str) -> Finished | None:
            return drive(self._failing(guard, state, deadline, fail_fast=False), perform)

        for guard in guards:
            done = failing(guard)
            if done is not None:
                again = partial(failing, guard)
                found = diagnose(_text(done), done.duration, again)
                return guard, done, [remedy.line for remedy in found]
        return None

    def uphold(
        self,
        ruling: Ruling,
        candidate: Candidate,
        measurements: Sequence[Measurement],
        baseline: Sequence[Measurement],
        *,
        budget: float,
        deadline: float,
        hidden: Callable[[], Script[tuple[Sequence[Measurement], Sequence[Measurement]]]],
    ) -> Script[Ruling]:
        """The ruling, or the same numbers with the reason that overturns it.

        ``hidden`` measures incumbent and candidate by the holdout; it is called when everything else has agreed.
        """
        objection = self._over_limit(measurements, baseline, budget) or (
            yield from self._guard_fails(candidate, deadline)
        )
        if objection is None and self._protocol.holdout is not None and self._protocol.holdout.when == "keep":
            objection = self._loses(*(yield from hidden()))
        return ruling if objection is None else replace(ruling, reason=objection.reason, detail=objection.detail)

    def probed(self, measured: Measurement, baseline: Sequence[Measurement], budget: float) -> Ruling:
        """What a probe's one run is: evidence, or what no run may be."""
        if measured.failure is None and (objection := self._over_limit([measured], baseline, budget)) is not None:
            return objection
        return Ruling.of_probe(measured)

    def _over_limit(
        self, measurements: Sequence[Measurement], baseline: Sequence[Measurement], budget: float
    ) -> Ruling | None:
        candidates = [m for m in measurements if m.role is Role.CANDIDATE]
        broken = broken_limit(self._protocol.limits, candidates, baseline)
        if broken is None and not self._protocol.budget_soft:
            beside = [m for m in measurements if m.role is Role.INCUMBENT] or baseline
            broken = over_budget(candidates, beside, budget)
        return None if broken is None else Ruling(Reason.LIMIT, broken)

    def _guard_fails(self, candidate: Candidate, deadline: float) -> Script[Ruling | None]:
        for guard in self._protocol.guard:
            done = yield from self._failing(guard, candidate, deadline, fail_fast=True)
            if done is not None:
                return Ruling(Reason.GUARD, one_line(failure_words(guard, _text(done), timed_out=done.timed_out)))
        return None

    def _failing(
        self, guard: str, candidate: Candidate, deadline: float, *, fail_fast: bool
    ) -> Script[Finished | None]:
        """How the guard ended, None when it is green."""
        self._phase(candidate.number, f"guard: {guard}")
        first = self._likely_to_fail(candidate) if guard == AFFECTED else []
        *hasty, whole = self._suite.commands(guard, fail_fast=fail_fast, first=first)
        for command in (*hasty, whole):
            done: Finished = yield Check(command, candidate.state, max(deadline, SHORTEST_GUARD))
            if done.exit_code == TESTS_FAILED or (command == whole and done.exit_code != 0):
                return done
            if command == whole and self._suite.is_for_pytest(guard) and not has_summary(_text(done)):
                return replace(done, stdout=done.stdout + b"\npytest was ended before its summary")
        return None

    def _likely_to_fail(self, candidate: Candidate) -> list[str]:
        """Tests that failed in guards before, then those that have touched the changed files, as far as is known."""
        if not candidate.edits:
            return []
        before = blamed(e.detail for e in self._history() if e.reason is Reason.GUARD)
        touching = touching_tests(candidate.edits, top=self._checkout, root=self._checkout / self._suite.root)
        return list(dict.fromkeys([*before, *(test for test in touching if self._suite.has(test))]))

    def _loses(self, incumbent: Sequence[Measurement], candidate: Sequence[Measurement]) -> Ruling | None:
        before, after = [m.value for m in incumbent], [m.value for m in candidate]
        if None in after:
            return Ruling(Reason.HOLDOUT, "the hidden measurement failed")
        if None in before:
            return None
        found = compared(self._protocol.metric.direction, _known(before), _known(after), tail=LOST)
        at_best = found.gain if found.interval is None else found.interval[1]
        return Ruling(Reason.HOLDOUT, "worse in the hidden measurement") if at_best < 0 else None


def refuse_another_place(measured: Measurement, place: Place) -> None:
    """An executor that wanders gives numbers that compare with nothing; a plugin's may."""
    if measured.place not in (None, place):
        raise LabError(
            f"the executor measured at {measured.place} what is compared with runs at {place}\n"
            "  an executor keeps one place for a session's life: see `occupy` in docs/extending.md"
        )


def _known(values: Sequence[float | None]) -> list[float]:
    return [value for value in values if value is not None]


def _text(done: Finished) -> str:
    return done.stdout.decode("utf-8", "replace")
