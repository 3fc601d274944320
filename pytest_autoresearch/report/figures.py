"""Numbers as people read them: the same on every surface. Pure; knows no session."""

from __future__ import annotations

from datetime import timedelta


def number(value: float | None) -> str:
    """A metric for people: seven significant digits."""
    return "-" if value is None else f"{value:.7g}"


def interval(bounds: tuple[float, float] | None) -> str:
    """The 95 % interval in brackets; nothing where one run decides."""
    return "" if bounds is None or bounds[0] == bounds[1] else f" (95 %: {number(bounds[0])} to {number(bounds[1])})"


def seconds(value: float) -> str:
    """A duration as people write it."""
    if value < 120:
        return f"{value:.3g} s"
    return str(timedelta(seconds=round(value)))


def count(n: int, noun: str) -> str:
    return f"{n} {noun}" if n == 1 else f"{n} {noun}s"


def cut(text: str, width: int) -> str:
    return text if len(text) <= width else text[: max(1, width - 1)] + "…"


def percent(part: float, whole: float | None) -> float | None:
    """``part`` in percent of ``whole``; None where there is nothing to compare with."""
    return 100 * part / abs(whole) if whole else None
