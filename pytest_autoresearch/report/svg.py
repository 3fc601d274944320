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

from pytest_autoresearch.text import shown

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
    """A map from ``low`` … ``high`` to ``start`` … ``end`` in pixels; what lies outside sticks to the edge.

    Linear, or of the logarithms where ``is_log``; then ``low`` is above zero.
    """

    low: float
    high: float
    start: float
    end: float
    is_log: bool = False

    def __call__(self, value: float) -> float:
        value, low, high = (value, self.low, self.high) if not self.is_log else self._logs(value)
        part = 0.5 if high <= low else (value - low) / (high - low)
        return self.start + min(1.0, max(0.0, part)) * (self.end - self.start)

    def _logs(self, value: float) -> tuple[float, float, float]:
        return math.log(max(value, self.low)), math.log(self.low), math.log(self.high)

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high

    def ticks(self, most: int) -> list[float]:
        """At most ``most`` round values inside: multiples of 1, 2 or 5 times a power of ten, or these themselves."""
        if self.is_log:
            return self._log_ticks(most)
        span = self.high - self.low
        if not (math.isfinite(span) and span > 0):
            return [self.low]
        raw = span / max(1, most)
        power = 10.0 ** math.floor(math.log10(raw))
        step = next(factor * power for factor in (1, 2, 5, 10) if factor * power >= raw * (1 - 1e-9))
        first = math.ceil(self.low / step - 1e-9)
        return [first_ * step for first_ in range(first, first + most + 1) if first_ * step <= self.high + 1e-9 * span]

    def _log_ticks(self, most: int) -> list[float]:
        """Powers of ten, and as many of their double and fivefold as there is room for."""
        powers = range(math.floor(math.log10(self.low)), math.ceil(math.log10(self.high)) + 1)
        for factors in ((1, 2, 5), (1, 3), (1,)):
            found = [factor * 10.0**power for power in powers for factor in factors]
            found = [value for value in found if self.low <= value <= self.high]
            if len(found) <= most:
                break
        return found[:: max(1, math.ceil(len(found) / max(1, most)))] or [self.low]


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
    smallest = min((abs(tick) for tick in ticks if tick), default=0.0)
    if smallest and largest / smallest >= 100:
        return f"{value:g}"
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
    return tag("text", escape(shown(words)), x=x, y=y, **attributes)


def steps(points: Sequence[tuple[float, float]], end: float) -> str:
    """The path of a staircase: each level holds until the next point, the last one until ``end``."""
    if not points:
        return ""
    x, y = points[0]
    parts = [f"M{_short(x)} {_short(y)}"]
    for x, y in points[1:]:
        parts.append(f"H{_short(x)}V{_short(y)}")
    return "".join([*parts, f"H{_short(end)}"])


def axes(x: Scale, y: Scale, x_title: str, y_title: str, *, is_counted: bool = True) -> Iterator[str]:
    """Grid lines, numbers and titles of both axes; ``is_counted``: whole numbers only below."""
    ticks = y.ticks(5)
    for value in ticks:
        at = y(value)
        yield tag("line", x1=x.start, x2=x.end, y1=at, y2=at, class_="grid")
        yield text(x.start - 8, at + 4, tick_text(value, ticks), text_anchor="end", class_="tick")
    below = x.ticks(8 if x.end - x.start > 600 else 4)
    below = [*filter(float.is_integer, map(float, below))] if is_counted else below
    for value in below:
        yield text(x(value), max(y.start, y.end) + 18, tick_text(value, below), text_anchor="middle", class_="tick")
    if x_title:
        yield text((x.start + x.end) / 2, max(y.start, y.end) + 36, x_title, text_anchor="middle", class_="title")
    yield text(6, min(y.start, y.end) - 12, y_title, class_="title")


def picture(parts: Iterable[str], width: int, height: int, title: str, description: str, theme: str | None) -> str:
    """A whole SVG. ``theme`` None: colours are the page's; else written into it, for a place of its own."""
    style = "" if theme is None else f"<style>{_stylesheet(PALETTES[theme])}</style>"
    title, description = shown(title), shown(description)
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
.keep.provisional{fill:var(--paper);stroke:var(--keep);stroke-width:2}
.discard{fill:none;stroke:var(--discard);stroke-width:1.2}
.crash{fill:none;stroke:var(--crash);stroke-width:1.5}.bound{stroke:var(--crash);stroke-dasharray:4 3}
.speck{fill:none;stroke:var(--accent);stroke-width:4;stroke-linecap:round}.speck.discard{stroke:var(--discard)}
.speck.crash{stroke:var(--crash)}.speck.keep{stroke:var(--keep);stroke-width:8}"""
"""The looks of every mark; a page gives the colours as custom properties."""
SMALL = """\
@media (max-width:600px){text.tick{font-size:20px}text.title{font-size:20px}text.label{display:none}
.level{stroke-width:4}.discard{stroke-width:2.5}.crash{stroke-width:3}}"""
"""What a picture of its own is on a phone, where it is shrunk to a third: the width is that of the image as shown."""


def _stylesheet(palette: dict[str, str]) -> str:
    rules = f"{RULES}\n{SMALL}"
    for name, colour in palette.items():
        rules = rules.replace(f"var(--{name})", colour)
    return rules


def _short(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.1f}".removesuffix(".0")
    return str(value)
