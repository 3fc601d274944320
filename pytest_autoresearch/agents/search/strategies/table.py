"""The trials of a session as points of a space, with the places that the models reckon with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pytest_autoresearch.agents.search.axis import Axis
from pytest_autoresearch.agents.search.space import Point, Space
from pytest_autoresearch.agents.search.trials import Trial, Trials

Places = tuple[float, ...]
"""One place for every axis."""


@dataclass(slots=True)
class Table:
    """Points, places and losses of all trials in order. ``losses`` are infinite where a state was blocked."""

    points: list[Point] = field(default_factory=list)
    places: list[Places] = field(default_factory=list)
    losses: list[float] = field(default_factory=list)
    known: set[Point] = field(default_factory=set)
    """Points that had their verdict or their probe."""
    judged: set[Point] = field(default_factory=set)
    """Points that were more than probed."""
    flying: list[Places] = field(default_factory=list)
    axes: tuple[Axis, ...] = ()
    _taken: set[Point] = field(default_factory=set)
    _of: tuple[object, ...] = ()
    _read: int = 0

    def follow(self, space: Space, trials: Trials, in_flight: Sequence[Mapping[str, str]]) -> None:
        """Take in what is new; everything where the space or the history is another one."""
        of = (space.axes, space.modelled, trials.version, trials.epoch)
        if of != self._of:
            self.points, self.places, self.losses, self.known, self.judged = [], [], [], set(), set()
            self._of, self._read, self.axes = of, 0, space.axes
        for trial in trials.states[self._read :]:
            self._take(space, trials, trial)
        self._read = len(trials.states)
        here = space.at(space.tip)
        flying = [tuple({**here, **values}[name] for name in space.modelled) for values in in_flight]
        self.flying = [self.places_of(point) for point in flying]
        self._taken = set(flying)

    def may_be_judged(self, point: Point) -> bool:
        """Whether a point had no verdict yet, at most its probe, and is not being measured."""
        return point not in self.judged and point not in self._taken

    def is_open(self, point: Point) -> bool:
        """Whether nobody has measured a point, or is about to."""
        return point not in self.known and point not in self._taken

    def places_of(self, point: Point) -> Places:
        """Where a point lies."""
        return tuple(axis.place(shown) for axis, shown in zip(self.axes, point, strict=True))

    def point_at(self, places: Sequence[float]) -> Point:
        """The point whose values lie nearest to these places."""
        return tuple(axis.shown_at(place) for axis, place in zip(self.axes, places, strict=True))

    def _take(self, space: Space, trials: Trials, trial: Trial) -> None:
        values = (trials.value(trial, name) for name in space.modelled)
        point = tuple(tip if shown is None else shown for shown, tip in zip(values, space.tip, strict=True))
        self.points.append(point)
        self.places.append(self.places_of(point))
        self.losses.append(trials.loss(trial))
        self.known.add(point)
        if not trial.probe:
            self.judged.add(point)
