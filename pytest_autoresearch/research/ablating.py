"""What each keep is worth today: the head against the head without it, as many runs as the judge wants."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.judge import Judge, JudgeSettings, JudgeState, Policy, Step, Verdict
from pytest_autoresearch.notebook.drop import DropConflict, head_without
from pytest_autoresearch.protocol.experiment import Experiment, FileEntry, Role, Status
from pytest_autoresearch.research.session import Research

ABLATE_SEEDS = 2_000_000


@dataclass(frozen=True)
class Contribution:
    """One keep's share in the head. ``verdict`` compares the head (candidate) with the head without it (incumbent).

    ``entangled``: a later keep builds on it, so it can not be taken out alone. ``failed``: the head without it gives no
    metric, so the keep is needed.
    """

    keep: Experiment
    verdict: Verdict | None = None
    entangled: bool = False
    failed: bool = False

    @property
    def useless(self) -> bool:
        """Whether the head is not certainly better with it, nor as good and shorter."""
        return self.verdict is not None and self.verdict.status is not Status.KEEP


def ablate(research: Research) -> Iterator[Contribution]:
    """The contribution of each keep, one after the other, as they are measured. Records nothing, moves nothing.

    Judged as ``certified`` whatever kept them, and the keeps share one error budget: of the contributions that are
    claimed, at most the judge's alpha are not there.
    """
    spent = JudgeState()
    for keep in research.notebook.history.keeps:
        try:
            without = research.parts.git.files(head_without(research.notebook, keep.number))
        except DropConflict:
            yield Contribution(keep, entangled=True)
            continue
        verdict, spent = _compare(research, keep.number, without, spent)
        yield Contribution(keep, verdict, failed=verdict is None)


def _compare(
    research: Research, number: int, without: Mapping[str, FileEntry], spent: JudgeState
) -> tuple[Verdict | None, JudgeState]:
    """The judge's verdict on the head as a candidate against the head without one keep, None if that fails.

    Beside it what has then been spent of the error that all keeps share.
    LabError where the head fails.
    """
    metric = research.protocol.metric
    settings = JudgeSettings(metric.direction, Policy.CERTIFIED, min_delta=metric.min_delta)
    judge = Judge(settings, spent)
    judge.recalibrate()
    states = {Step.INCUMBENT: without, Step.CANDIDATE: research.drafts.incumbent}
    index = ABLATE_SEEDS
    step: Step | Verdict | None = judge.calibrate()
    while not isinstance(step, Verdict):
        if step is None:
            step = judge.start(complexity_change=-research.drafts.lines_gained(without))
        role = Role.INCUMBENT if step is Step.INCUMBENT else Role.CANDIDATE
        research.phase(number, f"ablate, {judge.progress()}", budget=research.runs.budget)
        measured = research.runs.measure(states[step], role, number, index)
        index += 1
        if measured.value is None:
            # The head has run before, so once may be bad luck. Where it was without a keep, that is needed if it runs.
            measured = research.runs.measure(research.drafts.incumbent, Role.CANDIDATE, number, index)
            index += 1
            if measured.value is None:
                raise LabError(f"the head itself gives no metric: {measured.detail}\n  run its command by hand first")
            if step is Step.INCUMBENT:
                return None, judge.state()
        step = judge.tell(measured.value)
    return step, judge.state()
