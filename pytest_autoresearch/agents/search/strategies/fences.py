"""How far each knob may go, by what was blocked: crashes, limits, guards. Pure, for every strategy.

A blocked state has suspects: the knobs that went further in it than in anything that passed, on their side of the
incumbent. They share the blame evenly, and who has a whole state's worth of it is fenced in, half way there; what a
fence explains blames nobody else. So one crash of one knob is enough, and of several knobs the passes tell which it
was. Each further one halves what is left between the fence and what passed. While most states are blocked, fewer knobs
are turned at once, which tells more of each.
"""

from __future__ import annotations

import math
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_autoresearch.agents.search.axis import Axis
from pytest_autoresearch.agents.search.space import Space
from pytest_autoresearch.agents.search.strategies.table import Places, Table
from pytest_autoresearch.agents.search.trials import Trials

LOOK_BEYOND = 16  # every so many experiments a fence is looked over: the other knobs have moved since
_MOST_BLOCKED = 100  # states, the last ones
_MOST_WARY = 12
_ROUNDING = 1e-9  # of shares that make up a whole

_Side = tuple[int, int]
"""The index of an axis, and its side: 1 up, -1 down; of a choice, 2 + the index of the option."""


@dataclass(slots=True)
class Fences:
    """Hold nothing but what a table of trials says."""

    streak: int = 0
    """Blocked states since the last one that passed."""
    _table: Table = field(default_factory=Table)
    _reach: dict[_Side, float] = field(default_factory=dict)
    """The furthest that passed; of an option that it did."""
    _blocked: list[Places] = field(default_factory=list)
    _at: dict[_Side, float] = field(default_factory=dict)
    """Where nothing passes any more."""
    _here: Places = ()
    _wary: int = 0
    """Two more for each blocked state, one less for each that passed."""
    _read: int = 0
    _of: tuple[object, ...] = ()

    def follow(self, space: Space, trials: Trials, in_flight: Sequence[Mapping[str, str]]) -> None:
        """Take in what is new."""
        table = self._table
        table.follow(space, trials, in_flight)
        of = (space.axes, trials.version, trials.epoch)
        if of != self._of:
            self._reach, self._blocked, self._read, self._of, self._here = {}, [], 0, of, ()
            self._wary = self.streak = 0
        here = table.places_of(space.tip)
        if self._read == len(table.losses) and here == self._here:
            return
        for places, loss in zip(table.places[self._read :], table.losses[self._read :], strict=True):
            if loss == math.inf:
                self._blocked = [*self._blocked[1 - _MOST_BLOCKED :], places]
                self._wary = min(self._wary + 2, _MOST_WARY)
                self.streak += 1
            else:
                self._passed(places)
                self._wary = max(self._wary - 1, 0)
                self.streak = 0
        self._read, self._here = len(table.losses), here
        self._at = self._fenced()

    def kept_in(self, space: Space, values: Mapping[str, str], seed: int) -> Mapping[str, str]:
        """The values but for those that lie where nothing passes; fewer at once while most states are blocked."""
        if not self._at and self._wary <= 2:
            return values
        moved, stays = [], {}
        for index, (name, axis) in enumerate(zip(space.modelled, space.axes, strict=True)):
            shown = values.get(name)
            if shown is not None and shown != space.tip[index]:
                if self._is_beyond(index, axis, axis.place(shown)):
                    stays[name] = space.tip[index]
                else:
                    moved.append((name, space.tip[index]))
        most = max(1, math.ceil(len(moved) * 0.5 ** max(0, (self._wary - 2) // 2)))
        if len(moved) > most:
            stays.update(random.Random(seed).sample(moved, len(moved) - most))
        return {**values, **stays} if stays else values

    @staticmethod
    def risk(trials: Trials, values: Mapping[str, str], tip: Mapping[str, str]) -> float:
        """How likely a state is to be blocked, by how often its knobs were when they were turned alone."""
        passes = 1.0
        for name, shown in values.items():
            if tip.get(name) != shown:
                turned = trials.turned.get(name, ())
                passes *= 1 - (sum(each.blocked for each in turned) + 0.5) / (len(turned) + 1)
        return 1 - passes

    def is_open(self, space: Space, values: Mapping[str, str]) -> bool:
        """Whether nobody has measured these values, or is about to."""
        return self._table.is_open(tuple(map(values.get, space.modelled, space.tip)))

    def _is_beyond(self, index: int, axis: Axis, place: float) -> bool:
        if axis.is_choice:
            return (index, 2 + int(place)) in self._at
        up, down = self._at.get((index, 1)), self._at.get((index, -1))
        return (up is not None and place >= up) or (down is not None and place <= down)

    def _passed(self, places: Places) -> None:
        for index, (axis, place) in enumerate(zip(self._table.axes, places, strict=True)):
            if axis.is_choice:
                self._reach[index, 2 + int(place)] = place
            else:
                self._reach[index, 1] = max(self._reach.get((index, 1), place), place)
                self._reach[index, -1] = min(self._reach.get((index, -1), place), place)

    def _suspects(self, places: Places) -> Iterator[tuple[_Side, float]]:
        """The sides on which a blocked state went further than all that passed."""
        for index, (axis, place) in enumerate(zip(self._table.axes, places, strict=True)):
            if axis.is_choice:
                side = (index, 2 + int(place))
                if side not in self._reach and place != self._here[index]:
                    yield side, place
                continue
            here = self._here[index]
            if place > max(here, self._reach.get((index, 1), here)):
                yield (index, 1), place
            elif place < min(here, self._reach.get((index, -1), here)):
                yield (index, -1), place

    def _fenced(self) -> dict[_Side, float]:
        """The fences: who is blamed most first."""
        cases = [dict(self._suspects(places)) for places in self._blocked]
        fences: dict[_Side, float] = {}
        while True:
            blame: dict[_Side, float] = {}
            for case in cases:
                for side in case:
                    blame[side] = blame.get(side, 0.0) + 1 / len(case)
            side = max(blame, key=lambda each: (blame[each], each), default=(0, 0))
            if blame.get(side, 0.0) < 1 - _ROUNDING:
                return fences
            places = [case[side] for case in cases if side in case]
            nearest = max(places) if side[1] == -1 else min(places)
            reach = self._reach.get(side, self._here[side[0]])
            fences[side] = reach + (nearest - reach) * 0.5 ** int(blame[side] + _ROUNDING)
            cases = [case for case in cases if side not in case]
