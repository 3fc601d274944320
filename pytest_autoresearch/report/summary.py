"""What a session has achieved, as numbers: start → best, counts, who found what. Reads the notebook only."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_autoresearch.notebook.record import History, Verification
from pytest_autoresearch.notebook.shares import Share, who_found_what
from pytest_autoresearch.protocol.experiment import Experiment, Role, Status
from pytest_autoresearch.protocol.model import Direction
from pytest_autoresearch.protocol.serialise import from_json
from pytest_autoresearch.protocol.trust import marks, times_asked

_BY_NUMBER = ("worse", "noise", "equal", "unproven")


@dataclass(frozen=True, slots=True)
class Summary:
    """One session in numbers. ``gain`` in metric units, positive is better; US dollars for ``cost``.

    ``best`` is the best state that needs no group to prove it, ``keeps`` are those that led there; ``provisional`` ones
    stand on it and are yet to be proven.
    """

    metric: str
    direction: Direction
    start: Experiment
    best: Experiment
    keeps: tuple[Experiment, ...]
    provisional: tuple[Experiment, ...]
    counts: dict[Status, int]
    verified: Verification | None
    cost: float | None
    shares: tuple[Share, ...]
    promised: float
    """What the best single run promised: the gain from the first run of the start to the best first run."""
    marks: tuple[str, ...] = ()
    """What rests on the run's own word, see :mod:`pytest_autoresearch.protocol.trust`."""

    @property
    def gain(self) -> float:
        return self.direction.gain(self.start.value or 0.0, self.best.value or 0.0)

    @property
    def gain_percent(self) -> float | None:
        """Of the start's level; None where that is zero."""
        return percent(self.gain, self.start.value)

    @property
    def experiments(self) -> int:
        return sum(self.counts.values())


def summarise(history: History) -> Summary | None:
    """The summary of a session, None before its baseline."""
    best = history.certified
    if best is None:
        return None
    metric = history.session.protocol["metric"]
    tried = [e for e in history.experiments if e.number > 0]
    counted = Counter(e.status for e in tried)
    costs = [e.usage.cost for e in tried if e.usage is not None and e.usage.cost is not None]
    return Summary(
        metric=str(metric["name"]),
        direction=Direction(metric["direction"]),
        start=history.experiments[0],
        best=best,
        keeps=tuple(keep for keep in history.keeps if not keep.provisional),
        provisional=history.provisional,
        counts={status: counted[status] for status in Status},
        verified=next((v for v in reversed(history.verifications) if v.head == best.commit), None),
        cost=sum(costs) if costs else None,
        shares=tuple(who_found_what(history.experiments, Direction(metric["direction"]))),
        promised=_best_single_run(history.experiments, Direction(metric["direction"])),
        marks=tuple(marks(from_json(history.session.protocol), times_asked(history.experiments))),
    )


def _best_single_run(experiments: Sequence[Experiment], direction: Direction) -> float:
    """From single runs of what was not refused for another reason, as a person with a table would count."""
    firsts = []
    for experiment in experiments:
        role = Role.CANDIDATE if experiment.number else Role.INCUMBENT
        first = next((m.value for m in experiment.measurements if m.role is role and m.value is not None), None)
        if first is not None and not is_refused(experiment):
            firsts.append(first)
    return max((direction.gain(firsts[0], value) for value in firsts), default=0.0) if firsts else 0.0


def is_refused(experiment: Experiment) -> bool:
    """Whether something else than the number has refused it: its first run promised nothing that could be had."""
    return experiment.status is not Status.KEEP and experiment.reason.value not in _BY_NUMBER


def percent(part: float, whole: float | None) -> float | None:
    """``part`` in percent of ``whole``; None where there is nothing to compare with."""
    return 100 * part / abs(whole) if whole else None
