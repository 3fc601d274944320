"""What becomes of work whose place is gone, such as a node of a cluster that has died: it is measured again elsewhere.

What was measured there is no evidence any more: a comparison stays on one place.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from pytest_autoresearch.errors import PlaceLost
from pytest_autoresearch.protocol.experiment import Reason
from pytest_autoresearch.research.candidate import Ruling
from pytest_autoresearch.research.case import Case
from pytest_autoresearch.research.session import Research
from pytest_autoresearch.text import one_line

_T = TypeVar("_T")


def begin_anew(research: Research, case: Case) -> None:
    """Judge an experiment from the beginning, at another place. Its runs stay in the record, and are no evidence."""
    if case.trial is not None:
        research.judge.forget(case.trial)
        case.trial = None
    case.earlier = [*case.earlier, *case.measurements, *case.made]
    case.measurements, case.made = [], []
    research.notebook.progress(case.number, (), {})


def displaced(research: Research, case: Case, lost: PlaceLost) -> Ruling | None:
    """What an experiment is after its place was lost: nothing yet, as it begins anew, or the second time a crash."""
    begin_anew(research, case)
    case.displaced += 1
    if case.displaced > 1:
        return Ruling(Reason.INTERRUPTED, one_line(f"{lost}, as the place before"))
    if research.slots.size == 1:  # nobody else knows the levels, and the new place is another
        research.judge.recalibrate()
    return None


def elsewhere(research: Research, make: Callable[[Research], _T]) -> _T:
    """What is measured while no experiment is under way, begun anew once where its place is lost."""
    try:
        return make(research)
    except PlaceLost:
        research.judge.recalibrate(research.place.slot)
        return make(research)
