"""What has been found of another tool's set-up, and how surely. Pure.

Every finding is a claim with a rank. What is declared in a place made for it beats what a sentence says, which beats
what was only inferred; claims of the best rank that differ, and anything inferred, make a guess that a person confirms.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import IntEnum
from typing import Generic, TypeVar

from pytest_autoresearch.protocol.model import Direction, Limit, PathRule, Section

T = TypeVar("T")


class Rank(IntEnum):
    """How a claim is known; the lower, the surer."""

    DECLARED = 1
    SAID = 2
    INFERRED = 3


@dataclass(frozen=True, slots=True)
class Guess:
    """A value that may be wrong: ``field`` is the flag of `init` that sets it, ``why`` where it comes from."""

    field: str
    value: str
    why: str


@dataclass(slots=True)
class Claims(Generic[T]):
    """What was claimed of one field, in order."""

    found: list[tuple[Rank, T, str]] = field(default_factory=list)

    def add(self, rank: Rank, value: T | None, why: str) -> None:
        if value is not None and value != "":
            self.found.append((rank, value, why))

    def best(self) -> T | None:
        """The first of the surest."""
        return min(self.found, key=lambda claim: claim[0])[1] if self.found else None

    def doubt(self) -> str:
        """Why the best one may be wrong; empty where it is sure."""
        if not self.found:
            return ""
        rank, value, why = min(self.found, key=lambda claim: claim[0])
        others = [other for its_rank, other, _ in self.found if its_rank == rank and other != value]
        if others:
            return f"{why}, and others say {others[0]!s}"
        return why if rank is Rank.INFERRED else ""


@dataclass(slots=True)
class Draft:
    """All of it. ``exists`` tells whether a path, or a pattern, is there beside the session's files."""

    exists: Callable[[str], bool]
    goal: str = ""
    name: Claims[str] = field(default_factory=Claims)
    direction: Claims[Direction] = field(default_factory=Claims)
    run: Claims[str] = field(default_factory=Claims)
    extract: Claims[str] = field(default_factory=Claims)
    target: float | None = None
    printed: list[str] = field(default_factory=list)  # names that its scripts or examples of output print
    grepped: list[str] = field(default_factory=list)  # those that it looks for with `grep "^name:"`
    targets: list[PathRule] = field(default_factory=list)
    readonly: list[PathRule] = field(default_factory=list)
    budget: float | None = None
    kill_timeout: float | None = None
    constraints: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    guard: list[str] = field(default_factory=list)
    limits: list[Limit] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    caches: list[str] = field(default_factory=list)
    experiments: int | None = None
    told: list[str] = field(default_factory=list)  # one line for each thing that has no counterpart here

    def tell(self, line: str) -> None:
        if line not in self.told:
            self.told.append(line)

    def may_change(self, path: str, note: str = "") -> None:
        _add(self.targets, path, note)

    def must_not_change(self, path: str, note: str = "") -> None:
        _add(self.readonly, path, note)


def _add(rules: list[PathRule], pattern: str, note: str) -> None:
    pattern = pattern.strip().removeprefix("./")
    if pattern and all(rule.pattern != pattern for rule in rules):
        rules.append(PathRule(pattern, note))
