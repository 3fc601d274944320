"""The default agent: one literal at a time, by what the history says of each. Needs no model and keeps nothing on disk.

The same history gives the same proposal, from an old object and from a fresh one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from pytest_autoresearch.agents.base import Briefing, Desk, Proposal
from pytest_autoresearch.agents.search.knob import Knob, Rank
from pytest_autoresearch.agents.search.space import Bench, Move
from pytest_autoresearch.agents.search.strategies.prospects import (
    BOLD,
    Profile,
    Prospect,
    Tier,
    profile,
    prospects,
    steps,
)
from pytest_autoresearch.agents.search.trials import Memory, Trial

BOLD_TURN = 10


def nothing_left(knobs: Sequence[Knob]) -> Proposal:
    """What a search says at its end."""
    if knobs:
        return Proposal("every move of every value was tried", exhausted=True)
    return Proposal("no value to turn is in the targets; a coding agent can rewrite code", exhausted=True)


@dataclass(slots=True)
class _Chart:
    """One knob of the incumbent: what is known about it, and what it may still do, the most promising first."""

    knob: Knob
    known: Profile
    open: list[Prospect]


@dataclass(frozen=True, slots=True)
class _View:
    """One knob as its trials show it, whatever the other knobs are: it outlives a change of the incumbent."""

    knob: Knob
    trials: int
    known: Profile
    prospects: Sequence[Prospect]

    @classmethod
    def of(cls, knob: Knob, trials: Sequence[Trial]) -> _View:
        known = profile(knob, trials)
        return cls(knob, len(trials), known, prospects(known, steps(knob), knob.rank))

    def is_of(self, knob: Knob, trials: int) -> bool:
        """Whether it still holds; where the knob stands in its file does not matter."""
        return trials == self.trials and replace(knob, start=self.knob.start, end=self.knob.end) == self.knob


class Sweep:
    """x2 and x0.5 of the likeliest knobs first, then what won again, then finer steps; every tenth turn is bold."""

    name = "sweep"
    reads = False

    def __init__(self) -> None:
        self._bench, self._memory = Bench(), Memory()
        self._charts: list[_Chart] = []
        self._names: list[str] = []
        self._views: dict[str, _View] = {}
        self._drawn_for: tuple[int, str] | None = None

    def propose(self, briefing: Briefing, desk: Desk) -> Proposal:
        """Turn the most promising knob that does not lead to a state that was tried."""
        self._memory.read(briefing.history, briefing.protocol.metric.direction)
        knobs = self._bench.look(briefing, desk, self._memory.origins)
        self._draw(knobs, briefing.incumbent.commit)
        bold = briefing.number % BOLD_TURN == 0
        while (best := self._best(bold=bold)) is not None:
            chart, prospect = best
            chart.open.remove(prospect)
            move = Move(self._bench.name_of(chart.knob), chart.knob, prospect.step.knob)
            if self._bench.turn(desk, [move]):
                return Proposal(str(move), _hypothesis(chart, prospect, briefing.protocol.metric.name))
        return nothing_left(knobs)

    def _draw(self, knobs: Sequence[Knob], incumbent: str) -> None:
        """Charts for all knobs; while the incumbent stays, only those with new trials are drawn anew."""
        fresh = (self._bench.changes, incumbent) != self._drawn_for
        self._drawn_for = self._bench.changes, incumbent
        if fresh:
            self._names = [self._bench.name_of(knob) for knob in knobs]
            self._charts = [self._chart(knob, name, incumbent) for knob, name in zip(knobs, self._names, strict=True)]
        for index, name in enumerate(self._names):
            if self._memory.count(name) != self._views[name].trials:
                self._charts[index] = self._chart(knobs[index], name, incumbent)

    def _chart(self, knob: Knob, name: str, incumbent: str) -> _Chart:
        view = self._views.get(name)
        if view is None or not view.is_of(knob, self._memory.count(name)):
            view = self._views[name] = _View.of(knob, self._memory.trials.get(name, []))
        tried = self._memory.tried.get(incumbent, {}).get(name, set())
        return _Chart(knob, view.known, [each for each in view.prospects if each.step.knob.shown not in tried])

    def _best(self, *, bold: bool) -> tuple[_Chart, Prospect] | None:
        """The most promising move of all; on a bold turn the most promising bold one, if there is any."""
        if bold:
            boldest = min(self._bold_moves(), default=None)
            if boldest is not None:
                *_, index, _, prospect = boldest
                return self._charts[index], prospect
        firsts = [(chart.open[0][:2], index) for index, chart in enumerate(self._charts) if chart.open]
        if not firsts:
            return None
        chart = self._charts[min(firsts)[1]]
        return chart, chart.open[0]

    def _bold_moves(self) -> Iterator[tuple[bool, bool, float, float, int, int, Prospect]]:
        """Bold moves with their sort keys: into the unknown before past a loss, knobs that made a difference first."""
        for index, chart in enumerate(self._charts):
            for prospect in chart.open:
                if prospect.step.factor in BOLD and prospect.tier is not Tier.BLOCKED:
                    dead, unnamed = prospect.tier is Tier.DEAD, chart.knob.rank is Rank.LITERAL
                    yield dead, unnamed, prospect.loss, -chart.known.response, index, prospect.order, prospect


def _hypothesis(chart: _Chart, prospect: Prospect, metric: str) -> str:
    """One honest sentence: why this move."""
    knob, known, step = chart.knob, chart.known, prospect.step
    label, wanted = knob.label, step.knob.shown
    if step.factor in BOLD and prospect.tier is not Tier.BLOCKED:
        return f"A bold step of {label}: {metric} may be better in a region that small steps never reach."
    match prospect.tier:
        case Tier.PUSH:
            way = "up" if (step.place or 0) > 0 else "down"
            return (
                f"Moving {label} {way} improved {metric} by {known.gain:.2%}; there may be more in the same direction."
            )
        case Tier.FINE:
            return f"The values of {label} measured so far predict {-prospect.loss:.2%} better {metric} at {wanted}."
        case Tier.SMALL:
            return f"A smaller step of {label} than those tried: {metric} may have its best between them."
        case Tier.AGAIN:
            was = f"{abs(prospect.loss):.2%} {'worse' if prospect.loss > 0 else 'better'}"
            return f"{metric} was {was} with {label} at {wanted}, but other knobs have moved since."
        case Tier.DEAD:
            return f"{label} has made no difference to {metric} yet; {wanted} is tried because little else is left."
        case Tier.BLOCKED:
            return f"{label} failed at or before {wanted} in an earlier state; it is tried because little else is left."
    if known.losses:
        return f"Moving {label} the other way made {metric} {known.response:.2%} worse, so {wanted} may be better."
    return f"{label} was never moved: {wanted} shows whether {metric} reacts to it."
