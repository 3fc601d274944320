"""What goes on right now: a lane for each experiment under way, on a page and in a file that other processes read."""

from __future__ import annotations

import json
import os
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

from pytest_autoresearch.lab.job import SAID, said_by
from pytest_autoresearch.lab.tailing import end_of
from pytest_autoresearch.protocol.experiment import Experiment

FILE = "lanes.json"
MOST = 64  # lanes that are read from a file
MOMENT = 0.2  # s; what lasts no longer nobody reads


@dataclass(frozen=True, slots=True)
class Lane:
    """One experiment under way: what is being done, since when (seconds since 1970), and how long it may take.

    ``said`` is the end of what its run has said so far, as it stands.
    """

    number: int
    text: str
    began: float
    budget: float | None = None
    said: str = ""


class Lanes:
    """A watcher among others, and a hook that hears of records: tells ``says`` of changes.

    Of what begins at once; what else there is to say of experiments that were told waits for a moment to pass.
    """

    def __init__(self, says: Sequence[Callable[[Sequence[Lane]], None]]) -> None:
        self._says = says
        self._lanes: dict[int, Lane] = {}
        self._told: frozenset[int] = frozenset()
        self._told_at, self._owes = float("-inf"), False

    def phase(self, number: int, text: str, *, budget: float | None = None) -> None:
        self._lanes[number] = Lane(number, text, time.time(), budget)
        self._tell()

    def tick(self, elapsed: float) -> None:
        """Tell what came too soon after something else; who reads a lane counts its seconds."""
        if self._owes:
            self._tell()

    def remark(self, text: str) -> None:
        """Stands in the terminal."""

    def pytest_autoresearch_recorded(self, experiment: Experiment) -> None:
        if self._lanes.pop(experiment.number, None) is not None:
            self._tell()

    def end(self) -> None:
        """Nothing goes on any more."""
        self._lanes.clear()
        self._told_at = float("-inf")
        self._tell()

    def _tell(self) -> None:
        now = time.monotonic()
        self._owes = self._lanes.keys() <= self._told and now - self._told_at < MOMENT
        if self._owes:
            return
        self._told, self._told_at = frozenset(self._lanes), now
        lanes = [self._lanes[number] for number in sorted(self._lanes)]
        for say in self._says:
            say(lanes)


def kept_in(state: Path) -> Callable[[Sequence[Lane]], None]:
    """Writes lanes to the session's state directory, for ``pytest-autoresearch status``; a full disk costs nothing.

    What runs said there whose session was killed is removed.
    """
    with suppress(OSError):
        for left in state.glob(f"{SAID}*"):
            left.unlink()

    place, new = str(state / FILE), str(state / f"{FILE}.new")

    def say(lanes: Sequence[Lane]) -> None:
        told = json.dumps([{name: getattr(lane, name) for name in Lane.__slots__} for lane in lanes])
        with suppress(OSError):
            with open(new, "wb") as file:
                file.write(told.encode())
            os.replace(new, place)

    return say


def read(state: Path) -> list[Lane]:
    """The lanes of a session that runs on this machine, as its process last told them; nothing where it has not."""
    try:
        told = json.loads((state / FILE).read_text(encoding="utf-8", errors="replace"))
        return [
            _with_words(
                Lane(int(each["number"]), str(each["text"]), float(each["began"]), _budget(each["budget"])), state
            )
            for each in told[:MOST]
        ]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def _with_words(lane: Lane, state: Path) -> Lane:
    """With what its newest run says; several slots may be at one number."""
    slots = (end_of(said_by(state, lane.number, slot), lane.began) for slot in range(MOST))
    return replace(lane, said=next(filter(None, slots), b"").decode("utf-8", "replace"))


def _budget(told: object) -> float | None:
    return float(told) if isinstance(told, (int, float)) else None
