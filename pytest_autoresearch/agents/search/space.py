"""What the embedded agents work on: the knobs of the target files in the workspace, and the way to turn them.

Files are parsed again only when their bytes changed. A file that does not parse has no knobs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pytest_autoresearch.agents.base import Briefing, Desk
from pytest_autoresearch.agents.search.finders import find_knobs
from pytest_autoresearch.agents.search.finders.choosing import choose
from pytest_autoresearch.agents.search.knob import Knob, Scale, begun_with, relocated, splice
from pytest_autoresearch.agents.search.literals import Value

_TURNS_REMEMBERED = 32  # more than there are workers


@dataclass(frozen=True, slots=True)
class Move:
    """One knob turned: as it was found, and as it is wanted."""

    name: str
    found: Knob
    wanted: Knob

    def __str__(self) -> str:
        return f"{self.name} {self.found.shown} -> {self.wanted.shown}"


@dataclass(slots=True)
class Bench:
    """The knobs of one workspace. :meth:`look` first, once per proposal."""

    knobs: tuple[Knob, ...] = ()
    several: bool = False
    changes: int = 0
    """How often :meth:`look` found other knobs than before."""
    _contents: dict[str, bytes] = field(default_factory=dict)
    _found: dict[str, tuple[Knob, ...]] = field(default_factory=dict)
    _turned: dict[tuple[str, bytes], tuple[tuple[Knob, ...], list[tuple[Knob, Knob]]]] = field(default_factory=dict)
    _asked: tuple[object, ...] | None = None

    def look(self, briefing: Briefing, desk: Desk, origins: Mapping[str, str]) -> tuple[Knob, ...]:
        """The knobs as they stand now, the most likely first. ``origins`` has the first values of those that moved."""
        contents = {target: desk.read(target) for target in desk.targets}
        asked = (briefing.protocol.knobs, dict(origins))
        if contents == self._contents and asked == self._asked:
            return self.knobs
        for target, data in contents.items():
            if self._contents.get(target) != data:
                self._found[target] = self._find(target, data)
        self._contents, self._asked = contents, asked
        self.several = len(contents) > 1
        labels = {name.rpartition(": ")[2] for name in origins}
        found = [self._begun(knob, origins) for target in contents for knob in self._found[target]]
        knobs = choose(found, briefing.protocol.knobs, labels)
        if knobs != self.knobs:
            self.knobs, self.changes = knobs, self.changes + 1
        return self.knobs

    def _begun(self, knob: Knob, origins: Mapping[str, str]) -> Knob:
        shown = origins.get(self.name_of(knob))
        return knob if shown is None else begun_with(knob, shown)

    def _find(self, target: str, data: bytes) -> tuple[Knob, ...]:
        """The knobs of a file; what was only turned here, and kept, needs no parser."""
        if (target, data) in self._turned:
            return relocated(*self._turned[target, data])
        return find_knobs(target, data)

    def name_of(self, knob: Knob) -> str:
        """The knob's name in descriptions: with its file when there are several targets."""
        return f"{knob.file}: {knob.label}" if self.several else knob.label

    def moves_to(self, knobs: Sequence[Knob], point: Sequence[Value]) -> tuple[Move, ...]:
        """What leads from the knobs' values to ``point``. A number only becomes zero where its range holds it."""
        moves = []
        for knob, value in zip(knobs, point, strict=True):
            vanishes = value == 0 and knob.scale in (Scale.LOG, Scale.LOGIT)
            if value != knob.value and not vanishes:
                moves.append(Move(self.name_of(knob), knob, knob.holding(value)))
        return tuple(moves)

    def edits(self, moves: Sequence[Move]) -> Mapping[str, bytes]:
        """The target files with these knobs turned."""
        return {file: splice(self._contents[file], changes) for file, changes in _by_file(moves).items()}

    def turn(self, desk: Desk, moves: Sequence[Move]) -> bool:
        """Turn these knobs in the workspace, unless that is a state that was tried."""
        edits = self.edits(moves)
        if desk.tried(edits):
            return False
        if len(self._turned) > _TURNS_REMEMBERED:
            self._turned.clear()
        for file, changes in _by_file(moves).items():
            desk.write(file, edits[file])
            self._turned[file, edits[file]] = self._found[file], changes
        return True


def _by_file(moves: Sequence[Move]) -> dict[str, list[tuple[Knob, Knob]]]:
    files: dict[str, list[tuple[Knob, Knob]]] = {}
    for move in moves:
        files.setdefault(move.found.file, []).append((move.found, move.wanted))
    return files
