"""What the embedded agents work on: the knobs of the target files in the workspace, and the way to turn them.

Files are parsed again only when their bytes changed. A file that does not parse has no knobs.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pytest_autoresearch.agents.base import Briefing, Desk
from pytest_autoresearch.agents.search.axis import Axis, axis_of
from pytest_autoresearch.agents.search.finders import find_knobs
from pytest_autoresearch.agents.search.finders.choosing import choose
from pytest_autoresearch.agents.search.knob import Knob, Rank, begun_with, relocated, splice, value_of
from pytest_autoresearch.errors import AgentError
from pytest_autoresearch.protocol.experiment import Move
from pytest_autoresearch.protocol.model import Protocol

_TURNS_REMEMBERED = 32  # more than there are workers
_MOST_MODELLED = 48  # knobs that the models turn; more of them are the sweep's

Point = tuple[str, ...]
"""One shown value for every axis of a space."""


@dataclass(frozen=True, slots=True)
class Change:
    """One knob as it was found, and as it is wanted."""

    name: str
    found: Knob
    wanted: Knob

    @property
    def move(self) -> Move:
        """As it is recorded."""
        return Move(self.name, self.found.shown, self.wanted.shown)


@dataclass(frozen=True, slots=True)
class Space:
    """The knobs of the incumbent, the most likely first, and of those that the models turn, where they may go.

    ``axes[i]`` is that of ``modelled[i]``; ``tip`` is where the incumbent is, ``start`` where the session began.
    ``named``: the protocol says which knobs these are. ``one_variable``: it allows no point of several knobs.
    """

    knobs: tuple[Knob, ...] = ()
    names: tuple[str, ...] = ()
    modelled: tuple[str, ...] = ()
    axes: tuple[Axis, ...] = ()
    tip: Point = ()
    start: Point = ()
    commit: str = ""
    metric: str = ""
    named: bool = False
    one_variable: bool = False
    left: int | None = None
    """How many experiments are left, where that is known."""

    def changes_to(self, values: Mapping[str, str]) -> tuple[Change, ...]:
        """What leads from the knobs' values to these."""
        changes = []
        for name, knob in zip(self.names, self.knobs, strict=True):
            shown = values.get(name, knob.shown)
            value = None if shown == knob.shown else value_of(knob, shown)
            if value is not None and value != knob.value:
                changes.append(Change(name, knob, knob.holding(value)))
        return tuple(changes)

    def at(self, point: Point) -> Mapping[str, str]:
        """The values of a point by the names of the knobs."""
        return dict(zip(self.modelled, point, strict=True))


@dataclass(slots=True)
class Bench:
    """The targets of one workspace. :meth:`look` first, once per proposal."""

    space: Space = field(default_factory=Space)
    _contents: dict[str, bytes] = field(default_factory=dict)
    _found: dict[str, tuple[Knob, ...]] = field(default_factory=dict)
    _turned: dict[tuple[str, bytes], tuple[tuple[Knob, ...], list[tuple[Knob, Knob]]]] = field(default_factory=dict)
    _axes: dict[Knob, Axis | None] = field(default_factory=dict)
    _asked: tuple[object, ...] | None = None

    def look(
        self, briefing: Briefing, desk: Desk, origins: Mapping[str, str], suspicious: Collection[str] = ()
    ) -> Space:
        """The knobs as they stand now, without those that are ``suspicious``.

        ``origins`` has the first values of those that moved.
        """
        contents = {target: desk.read(target) for target in desk.targets}
        protocol = briefing.protocol
        asked = (protocol.knobs, protocol.one_variable, dict(origins), briefing.incumbent.commit, frozenset(suspicious))
        if contents == self._contents and asked == self._asked:
            self.space = replace(self.space, left=briefing.left)
            return self.space
        for target, data in contents.items():
            if self._contents.get(target) != data:
                self._found[target] = self._find(target, data, protocol.metric.name)
        self._contents, self._asked = contents, asked
        several = len(contents) > 1
        labels = {name.rpartition(": ")[2] for name in origins}
        found = [_begun(knob, origins, several) for target in contents for knob in self._found[target]]
        knobs = choose(found, protocol.knobs, labels)
        knobs = tuple(knob for knob in knobs if name_of(knob, several) not in suspicious)
        self.space = self._spread_out(briefing, knobs, tuple(name_of(knob, several) for knob in knobs), origins)
        return self.space

    def _spread_out(
        self, briefing: Briefing, knobs: tuple[Knob, ...], names: tuple[str, ...], origins: Mapping[str, str]
    ) -> Space:
        """The space of these knobs. The models turn likely ones, and mere literals only where there is nothing else."""
        sure = sum(knob.rank < Rank.LITERAL for knob in knobs)
        modelled: dict[str, tuple[Axis, str]] = {}
        for name, knob in zip(names, knobs, strict=True):
            if len(modelled) == _MOST_MODELLED:
                break  # the most likely come first
            if sure > 1 and knob.rank is Rank.LITERAL:
                continue
            axis = self._axis(name, knob, origins)
            if axis is not None:
                modelled[name] = axis, knob.shown
        axes = tuple(axis for axis, _ in modelled.values())
        return Space(
            knobs,
            names,
            tuple(modelled),
            axes,
            tuple(shown for _, shown in modelled.values()),
            tuple(axis.knob.shown for axis in axes),
            briefing.incumbent.commit,
            briefing.protocol.metric.name,
            any(not entry.startswith("!") for entry in briefing.protocol.knobs),
            briefing.protocol.one_variable,
            briefing.left,
        )

    def _axis(self, name: str, knob: Knob, origins: Mapping[str, str]) -> Axis | None:
        """The axis of a knob from where it began, made once for each."""
        first = value_of(knob, origins[name]) if name in origins else None
        began = (knob if first is None else knob.holding(first))._replace(start=0, end=0)
        if began not in self._axes:
            self._axes[began] = axis_of(began)
        return self._axes[began]

    def _find(self, target: str, data: bytes, metric: str) -> tuple[Knob, ...]:
        """The knobs of a file; what was only turned here, and kept, needs no parser."""
        if (target, data) in self._turned:
            return relocated(*self._turned[target, data])
        return find_knobs(target, data, metric)

    def turn(self, desk: Desk, changes: Sequence[Change]) -> bool:
        """Turn these knobs in the workspace, unless that is a state that was tried."""
        files = _by_file(changes)
        edits = {file: splice(self._contents[file], pairs) for file, pairs in files.items()}
        if desk.tried(edits):
            return False
        if len(self._turned) > _TURNS_REMEMBERED:
            self._turned.clear()
        for file, pairs in files.items():
            desk.write(file, edits[file])
            self._turned[file, edits[file]] = self._found[file], pairs
        return True


def tended(protocol: Protocol, files: Mapping[str, bytes]) -> tuple[str, ...]:
    """The names of the knobs that a search turns in these files, the most likely first; mere literals have none."""
    try:
        found = choose([knob for file, data in files.items() for knob in find_knobs(file, data)], protocol.knobs)
    except AgentError:
        return ()
    several = len(files) > 1
    return tuple(name_of(knob, several) for knob in found if knob.rank is not Rank.LITERAL)


def name_of(knob: Knob, several: bool) -> str:
    """The knob's name in the record: with its file where there are several targets."""
    return f"{knob.file}: {knob.label}" if several else knob.label


def _begun(knob: Knob, origins: Mapping[str, str], several: bool) -> Knob:
    shown = origins.get(name_of(knob, several))
    return knob if shown is None else begun_with(knob, shown)


def _by_file(changes: Sequence[Change]) -> dict[str, list[tuple[Knob, Knob]]]:
    files: dict[str, list[tuple[Knob, Knob]]] = {}
    for change in changes:
        files.setdefault(change.found.file, []).append((change.found, change.wanted))
    return files
