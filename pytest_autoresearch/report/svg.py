"""Pictures as SVG text: scales, axes and marks. Pure; knows no session.

All pictures of the product are drawn here and in chart.py: no library, no font, no script, so they are the same in a
report, in a pull request and on a machine without a network.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise

PALETTES = {
    "light": {
        "ink": "#1f2328",
        "faint": "#59636e",
        "line": "#d1d9e0",
        "paper": "#ffffff",
        "keep": "#1a7f37",
        "discard": "#818b98",
        "crash": "#cf222e",
        "band": "#ddf4e4",
        "accent": "#0969da",
    },
    "dark": {
        "ink": "#f0f6fc",
        "faint": "#9198a1",
        "line": "#3d444d",
        "paper": "#0d1117",
        "keep": "#3fb950",
        "discard": "#848d97",
        "crash": "#f85149",
        "band": "#12261e",
        "accent": "#4493f8",
    },
}
"""Colours by use; the names are those of the page's custom properties. Contrast of text is 4.5 : 1 or better."""


@dataclass(frozen=True, slots=True)
class Scale:
    """A linear map from ``low`` … ``high`` to ``start`` … ``end`` in pixels; what lies outside sticks to the edge."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low
        part = 0.5 if span <= 0 else (value - self.low) / span
        return self.start + min(1.0, max(0.0, part)) * (self.end - self.start)

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high

    def ticks(self, most: int) -> list[float]:
        """At most ``most`` round values inside: multiples of 1, 2 or 5 times a power of ten."""
        span = self.high - self.low
        if not (math.isfinite(span) and span > 0):
            return [self.low]
        raw = span / max(1, most)
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        return [first_ * step for first_ in range(first, first + most + 1) if first_ * step <= self.high + 1e-9 * span]


def ranged(values: Iterable[float], *, margin: float = 0.06) -> tuple[float, float]:
    """The range of finite values with a margin on both sides; never empty."""
    finite = [value for value in values if math.isfinite(value)]
    low, high = min(finite, default=0.0), max(finite, default=1.0)
    room = margin * (high - low) or abs(high) * margin or 1.0
    return low - room, high + room


def tick_text(value: float, ticks: Sequence[float]) -> str:
    """A tick's number with as many digits as its neighbours need to differ."""
    step = min((abs(b - a) for a, b in pairwise(ticks)), default=abs(value) or 1.0)
    largest = max(map(abs, ticks), default=0.0)
    if largest >= 1e6 or (0 < largest < 1e-4):
        return f"{value:.3g}"
    return f"{value:.{max(0, -math.floor(math.log10(step) + 1e-9)) if step < 1 else 0}f}"


def tag(name: str, body: str = "", /, **attributes: object) -> str:
    """One element; names of attributes lose a trailing underscore and get hyphens, values are escaped."""
    given = "".join(
        f' {key.rstrip("_").replace("_", "-")}="{escape(_short(value))}"'
        for key, value in attributes.items()
        if value is not None
    )
    return f"<{name}{given}>{body}</{name}>" if body else f"<{name}{given}/>"


def text(x: float, y: float, words: str, /, **attributes: object) -> str:
    """Words at a place; foreign ones are text and nothing else."""
    return tag("text", escape(words), x=x, y=y, **attributes)


def steps(points: Sequence[tuple[float, float]], end: float) -> str:
    """The path of a staircase: each level holds until the next point, the last one until ``end``."""
    if not points:
        return ""
    x, y = points[0]
    parts = [f"M{_short(x)} {_short(y)}"]
    for x, y in points[1:]:
        parts.append(f"H{_short(x)}V{_short(y)}")
    return "".join([*parts, f"H{_short(end)}"])


def axes(x: Scale, y: Scale, x_title: str, y_title: str) -> Iterator[str]:
    """Grid lines, numbers and titles of both axes. Whole numbers below."""
    ticks = y.ticks(5)
    for value in ticks:
        at = y(value)
        yield tag("line", x1=x.start, x2=x.end, y1=at, y2=at, class_="grid")
        yield text(x.start - 8, at + 4, tick_text(value, ticks), text_anchor="end", class_="tick")
    for value in x.ticks(8):
        if value == int(value):
            yield text(x(value), max(y.start, y.end) + 18, str(int(value)), text_anchor="middle", class_="tick")
    yield text((x.start + x.end) / 2, max(y.start, y.end) + 36, x_title, text_anchor="middle", class_="title")
    yield text(x.start - 8, min(y.start, y.end) - 10, y_title, text_anchor="start", class_="title", dx=-40)


def picture(parts: Iterable[str], width: int, height: int, title: str, description: str, theme: str | None) -> str:
    """A whole SVG. ``theme`` None: colours are the page's; else written into it, for a place of its own."""
    style = "" if theme is None else f"<style>{_stylesheet(PALETTES[theme])}</style>"
    named = tag("title", escape(title)) + tag("desc", escape(description))
    paper = "" if theme is None else tag("rect", width=width, height=height, class_="paper")
    body = "\n".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" role="img" '
        f'aria-label="{escape(title)}" class="chart">{style}{named}{paper}\n{body}\n</svg>'
    )


RULES = """\
text{font:12px system-ui,-apple-system,"Segoe UI",Roboto,sans-serif;fill:var(--faint)}
text.title{fill:var(--ink)}
text.label{fill:var(--ink);font-size:11px;paint-order:stroke;stroke:var(--paper);stroke-width:3px}
.paper{fill:var(--paper)}.grid{stroke:var(--line);stroke-width:1}
.level{fill:none;stroke:var(--keep);stroke-width:2}.band{fill:var(--band);stroke:none}
.whisker{stroke:var(--keep);stroke-width:1.5}.hidden{fill:none;stroke:var(--accent);stroke-width:1.5}
.keep{fill:var(--keep);stroke:var(--paper);stroke-width:1}
.discard{fill:none;stroke:var(--discard);stroke-width:1.2}
.crash{fill:none;stroke:var(--crash);stroke-width:1.5}
.bar{fill:var(--accent)}.bar.loss{fill:var(--crash)}.dot{fill:var(--accent)}.lane{fill:var(--keep)}"""
"""The looks of every mark; a page gives the colours as custom properties."""


def _stylesheet(palette: dict[str, str]) -> str:
    rules = RULES
    for name, colour in palette.items():
        rules = rules.replace(f"var(--{name})", colour)
    return rules


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return str(value)
