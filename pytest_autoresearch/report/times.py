"""The time in which something was under way, however many things at once. Pure."""

from __future__ import annotations

from bisect import bisect_left, insort
from datetime import datetime, timedelta

PAUSE = timedelta(seconds=60)
"""What lies between two experiments and is shorter belongs to the work: records, guards, the next agent's start."""


class Times:
    """A union of intervals, told in any order; those less than PAUSE apart are one. It holds one entry per pause.

    A time at which all ended (:meth:`stopped`) keeps what lies on its two sides apart, if it is told before them.
    """

    def __init__(self) -> None:
        self._spans: list[tuple[datetime, datetime]] = []
        self._stops: list[datetime] = []

    def stopped(self, when: datetime) -> None:
        """Nobody was at work from here to the next interval, however soon that began."""
        insort(self._stops, when)

    def add(self, began: datetime, ended: datetime) -> None:
        """Add an interval; one that ends before it begins (a clock was set) is left out."""
        if ended < began:
            return
        at = len(self._spans)
        while at and self._reaches(self._spans[at - 1][1], began):
            at -= 1
            if self._reaches(ended, self._spans[at][0]):
                began, ended = min(began, self._spans[at][0]), max(ended, self._spans[at][1])
                del self._spans[at]
        self._spans.insert(at, (began, ended))

    def _reaches(self, ended: datetime, began: datetime) -> bool:
        """Whether what ended there goes on with what began here, or lies behind it."""
        if began <= ended:
            return True
        return began <= ended + PAUSE and bisect_left(self._stops, ended) == bisect_left(self._stops, began)

    @property
    def total(self) -> float:
        """Seconds."""
        return sum((ended - began).total_seconds() for began, ended in self._spans)
