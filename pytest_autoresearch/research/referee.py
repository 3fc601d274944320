"""What may turn a keep into a discard: limits, the budget, guards and the hidden measurement. Nothing turns back."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from pytest_autoresearch.lab.job import Executor, Tick
from pytest_autoresearch.lab.limits import broken_limit, over_budget
from pytest_autoresearch.protocol.experiment import Measurement, Reason, Role
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.research.candidate import Candidate, Ruling

SHORTEST_GUARD = 600.0  # s; a test suite may well take longer than one run


class Referee:
    """Objects to keeps. Asks for the cheapest thing first, and only for candidates that would be kept."""

    def __init__(self, protocol: Protocol, lab: Executor, phase: Callable[[int, str], None], tick: Tick) -> None:
        self._protocol, self._lab, self._phase, self._tick = protocol, lab, phase, tick

    def uphold(
        self,
        ruling: Ruling,
        candidate: Candidate,
        measurements: Sequence[Measurement],
        baseline: Sequence[Measurement],
        *,
        budget: float,
        deadline: float,
        hidden: Callable[[], tuple[Measurement, Measurement]],
    ) -> Ruling:
        """The ruling, or the same numbers with the reason that overturns it.

        ``hidden`` measures incumbent and candidate by the holdout; it is called when everything else has agreed.
        """
        objection = self._over_limit(measurements, baseline, budget) or self._guard_fails(candidate, deadline)
        if objection is None and self._protocol.holdout is not None:
            objection = self._loses(*hidden())
        return ruling if objection is None else replace(ruling, reason=objection.reason, detail=objection.detail)

    def _over_limit(
        self, measurements: Sequence[Measurement], baseline: Sequence[Measurement], budget: float
    ) -> Ruling | None:
        candidates = [m for m in measurements if m.role is Role.CANDIDATE]
        broken = broken_limit(self._protocol.limits, candidates, baseline)
        if broken is None and not self._protocol.budget_soft:
            beside = [m for m in measurements if m.role is Role.INCUMBENT] or baseline
            broken = over_budget(candidates, beside, budget)
        return None if broken is None else Ruling(Reason.LIMIT, broken)

    def _guard_fails(self, candidate: Candidate, deadline: float) -> Ruling | None:
        for guard in self._protocol.guard:
            self._phase(candidate.number, f"guard: {guard}")
            done = self._lab.guard(guard, candidate.state, max(deadline, SHORTEST_GUARD), self._tick)
            if done.exit_code != 0:
                return Ruling(Reason.GUARD, _guard_words(guard, done.stdout, timed_out=done.timed_out))
        return None

    def _loses(self, incumbent: Measurement, candidate: Measurement) -> Ruling | None:
        if candidate.value is None:
            return Ruling(Reason.HOLDOUT, "the hidden measurement failed")
        if incumbent.value is not None and self._protocol.metric.direction.better(incumbent.value, candidate.value):
            return Ruling(Reason.HOLDOUT, "worse in the hidden measurement")
        return None


def _guard_words(guard: str, output: bytes, *, timed_out: bool) -> str:
    """The guard and the first test that failed in it, or its last words."""
    if timed_out:
        return f"{guard}: timed out"
    lines = [line.strip() for line in output.decode("utf-8", "replace").splitlines() if line.strip()]
    failed = next((line for line in lines if line.startswith("FAILED ")), lines[-1] if lines else "failed")
    return f"{guard}: {failed}"
