"""The door to whoever shows what is going on while it goes on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol as Interface

SHORT_WAIT = 1.0  # s, of which nobody has to be told


class Watch(Interface):
    """Told by the loop; must not fail, and decides nothing."""

    def phase(self, number: int, text: str, *, budget: float | None = None) -> None:
        """Something has begun; ``budget`` seconds are expected at most."""

    def tick(self, elapsed: float) -> None:
        """It still lasts, for ``elapsed`` seconds now."""

    def remark(self, text: str) -> None:
        """A line that the user should see once."""


class Watchers:
    """Several who watch as one; who comes later is told from then on."""

    def __init__(self, watchers: Sequence[Watch]) -> None:
        self._watchers = list(watchers)

    def join(self, watcher: Watch) -> None:
        self._watchers.append(watcher)

    def phase(self, number: int, text: str, *, budget: float | None = None) -> None:
        for watcher in self._watchers:
            watcher.phase(number, text, budget=budget)

    def tick(self, elapsed: float) -> None:
        for watcher in self._watchers:
            watcher.tick(elapsed)

    def remark(self, text: str) -> None:
        for watcher in self._watchers:
            watcher.remark(text)


def waiting(watch: Watch) -> Callable[[float], None]:
    """Says once what the session waits for."""
    said = [False]

    def tick(elapsed: float) -> None:
        if not said[0] and elapsed > SHORT_WAIT:
            said[0] = True
            watch.remark("waiting for a GPU: other sessions hold all that this one may use")

    return tick
