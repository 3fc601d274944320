"""A clock that jumps, under the product's own driver: work is done at once and ends when it says that it has."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from itertools import count
from queue import Empty
from typing import Any

from pytest_autoresearch.research import slots as driver


@dataclass
class Clock:
    """Simulated seconds, what ends when, and how long slots were busy. ``turns``: whether a turn takes time."""

    turns: bool = False
    now: float = 0.0
    events: list[tuple[float, int, Any]] = field(default_factory=list)
    order: Any = field(default_factory=count)
    busy: float = 0.0


@contextmanager
def jumping(clock: Clock) -> Iterator[None]:
    """Slots that are opened meanwhile go by this clock."""

    class Queue:
        """What has ended, in simulated time."""

        def put(self, event: Any) -> None:
            raise AssertionError("nothing ends by itself here")

        def get(self, timeout: float | None = None) -> Any:
            if not clock.events:
                raise Empty
            clock.now, _, event = heapq.heappop(clock.events)
            return event

    class Worker(driver.Worker):
        def submit(self, ticket: Any, call: Callable[[Any], Any]) -> None:
            self.ticket, ticket.busy = ticket, self
            try:
                event = driver._Event(self, call(lambda elapsed: None))
            except BaseException as error:
                event = driver._Event(self, error=error)
            lasts = getattr(event.answer, "duration", 0.0) if clock.turns or ticket.lane is self else 0.0
            clock.busy += lasts if ticket.lane is self else 0.0
            heapq.heappush(clock.events, (clock.now + lasts, next(clock.order), event))

        def close(self) -> None:
            """There is no thread."""

    before = {name: vars(driver)[name] for name in ("Worker", "SimpleQueue")}
    vars(driver).update(Worker=Worker, SimpleQueue=Queue)
    try:
        yield
    finally:
        vars(driver).update(before)
