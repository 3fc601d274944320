"""One literal at a time, by what the history says of each: coarse steps, then what won again, then finer ones. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_autoresearch.agents.search.knob import Knob, Rank
from pytest_autoresearch.agents.search.space import Space
from pytest_autoresearch.agents.search.strategies import Suggestion, turned_alone
from pytest_autoresearch.agents.search.strategies.prospects import (
    BOLD,
    Profile,
    Prospect,
    Tier,
    profile,
    prospects,
    steps,
)
from pytest_autoresearch.agents.search.trials import Trials, Turned

BOLD_TURN = 10


@dataclass(slots=True)
class _Chart:
    """One knob of the incumbent: what is known about it, and what it may still do, the most promising first."""

    name: str
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
    def of(cls, knob: Knob, trials: Sequence[Turned]) -> _View:
        known = profile(knob, trials)
        return cls(knob, len(trials), known, prospects(known, steps(knob), knob.rank))

    def is_of(self, knob: Knob, trials: int) -> bool:
        """Whether it still holds; where the knob stands in its file does not matter."""
        return trials == self.trials and knob._replace(start=self.knob.start, end=self.knob.end) == self.knob


class Sweep:
    """x2 and x0.5 of the likeliest knobs first, then what won again, then finer steps; every tenth turn is bold."""

    name = "sweep"

    def __init__(self) -> None:
        self._charts: list[_Chart] = []
        self._views: dict[str, _View] = {}
        self._drawn_for: tuple[object, ...] = ()

    def plan(self, space: Space) -> str:
        return ""

    def ask(
        self, space: Space, trials: Trials, in_flight: Sequence[Mapping[str, str]], seed: int
    ) -> Iterator[Suggestion]:
        """Single moves, the most promising first. A knob that is being turned alone waits until that is known."""
        self._draw(space, trials)
        busy = turned_alone(in_flight)
        charts = [_Chart(c.name, c.knob, c.known, list(c.open)) for c in self._charts if c.name not in busy]
        bold = (trials.number + len(in_flight)) % BOLD_TURN == 0
        while (best := _best(charts, bold=bold)) is not None:
            chart, prospect = best
            chart.open.remove(prospect)
            why = _hypothesis(chart, prospect, space.metric)
            hopeful = prospect.tier <= Tier.OPEN_NAMED
            yield Suggestion({chart.name: prospect.step.knob.shown}, why, hopeful=hopeful)

    def _draw(self, space: Space, trials: Trials) -> None:
        """Charts for all knobs; while the incumbent stays, only those with new trials are drawn anew."""
        drawn_for = (trials.version, space.commit, space.names, space.knobs)
        fresh = drawn_for != self._drawn_for
        self._drawn_for = drawn_for
        if fresh:
            self._charts = [
                self._chart(knob, name, space.commit, trials)
                for knob, name in zip(space.knobs, space.names, strict=True)
            ]
        for index, name in enumerate(space.names):
            if trials.count(name) != self._views[name].trials:
                self._charts[index] = self._chart(space.knobs[index], name, space.commit, trials)

    def _chart(self, knob: Knob, name: str, incumbent: str, trials: Trials) -> _Chart:
        view = self._views.get(name)
        if view is None or not view.is_of(knob, trials.count(name)):
            view = self._views[name] = _View.of(knob, trials.turned.get(name, []))
        tried = trials.tried.get(incumbent, {}).get(name, set())
        return _Chart(name, knob, view.known, [each for each in view.prospects if each.step.knob.shown not in tried])


def _best(charts: Sequence[_Chart], *, bold: bool) -> tuple[_Chart, Prospect] | None:
    """The most promising move of all; on a bold turn the most promising bold one, if there is any."""
    if bold:
        boldest = min(_bold_moves(charts), default=None)
        if boldest is not None:
            *_, index, _, prospect = boldest
            return charts[index], prospect
    firsts = [(chart.open[0][:2], index) for index, chart in enumerate(charts) if chart.open]
    if not firsts:
        return None
    chart = charts[min(firsts)[1]]
    return chart, chart.open[0]


def _bold_moves(charts: Sequence[_Chart]) -> Iterator[tuple[bool, bool, float, float, int, int, Prospect]]:
    """Bold moves with their sort keys: into the unknown before past a loss, knobs that made a difference first."""
    for index, chart in enumerate(charts):
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
