"""The pictures of a session: the staircase of the best state, and what stands below it. Pure: a story in, SVG out."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from html import escape

from pytest_autoresearch.protocol.experiment import Experiment, Status
from pytest_autoresearch.protocol.model import Direction
from pytest_autoresearch.report.story import Point, Story
from pytest_autoresearch.report.svg import Scale, axes, picture, ranged, steps, tag, text
from pytest_autoresearch.report.terminal import count, cut, headline, number

WIDTH, HEIGHT = 960, 400
LEFT, RIGHT, TOP, BOTTOM = 72, 16, 34, 48
MOST_LABELS = 6
LABEL_LENGTH = 28  # characters
BEYOND = 3.0
"""A value is drawn at the edge where it lies further from the levels than so many times their range."""
SMALL_HEIGHT = 170
MANY = 500
"""From so many experiments on dots are drawn smaller."""


def staircase(story: Story, theme: str | None = None) -> str:
    """The level of the best kept state, every experiment as a dot by its status, the noise and the keeps' intervals.

    ``theme`` is ``light`` or ``dark`` for a picture that stands alone, None for one inside of a page.
    """
    x = _numbers(story)
    y = Scale(*_shown_range(story), HEIGHT - BOTTOM, TOP)
    title = f"{story.metric} of every experiment"
    described = f"{headline(story)}. {count(story.tried, 'experiment')}, {count(len(story.keeps), 'keep')}."
    parts = [
        *axes(x, y, "experiment", f"{story.metric} ({story.direction.value} is better)"),
        _band(story.points, x, y),
        *_dots(story, x, y),
        tag("path", d=steps(_levels(story, x, y), x.end), class_="level"),
        *_keeps(story, x, y),
    ]
    return picture(filter(None, parts), WIDTH, HEIGHT, title, described, theme)


def incumbent_levels(points: Sequence[Point]) -> list[float]:
    """The level of the best kept state after each experiment."""
    return [point.level for point in points if point.level is not None]


def strip(story: Story, title: str, unit: str, value: Callable[[Point], float | None], theme: str | None = None) -> str:
    """A small picture below the staircase: one number per experiment, '' where nothing has it."""
    shown = [(point, it) for point in story.points if (it := value(point)) is not None]
    if len(shown) < 2:
        return ""
    x = _numbers(story)
    y = Scale(*ranged([0.0, *(it for _, it in shown)]), SMALL_HEIGHT - BOTTOM, TOP)
    dots = [
        tag("circle", cx=x(point.number), cy=y(it), r=2, class_="dot", data_status=point.status.value)
        for point, it in shown
    ]
    last = number(shown[-1][1])
    described = f"{title} of {count(len(shown), 'experiment')}, the last {last} {unit}."
    return picture(
        [*axes(x, y, "experiment", f"{title} ({unit})"), *dots], WIDTH, SMALL_HEIGHT, title, described, theme
    )


def bars(title: str, unit: str, rows: Sequence[tuple[str, float, str]], theme: str | None = None) -> str:
    """Horizontal bars with a name, a length and words behind it; '' where there is nothing to compare."""
    if not rows:
        return ""
    height = TOP + 24 * len(rows) + 12
    low, high = min(0.0, *(length for _, length, _ in rows)), max(0.0, *(length for _, length, _ in rows))
    x = Scale(low, high or 1.0, 260, WIDTH - 150)
    parts = [text(16, 20, f"{title} ({unit})", class_="title")]
    for at, (name, length, said) in enumerate(rows):
        y = TOP + 24 * at
        left, right = sorted((x(0.0), x(length)))
        parts.append(text(248, y + 13, cut(name, 36), text_anchor="end", class_="label"))
        looks = "bar" if length >= 0 else "bar loss"
        parts.append(tag("rect", x=left, y=y, width=max(1.0, right - left), height=16, rx=2, class_=looks))
        parts.append(text(right + 6, y + 13, said, class_="tick"))
    described = "; ".join(f"{name}: {said}" for name, _, said in rows[:12])
    return picture(parts, WIDTH, height, title, described, theme)


# Parts of the staircase


def _numbers(story: Story) -> Scale:
    return Scale(0, max(1, story.points[-1].number), LEFT, WIDTH - RIGHT)


def _shown_range(story: Story) -> tuple[float, float]:
    """The levels and what lies near them; a candidate that was ten times worse must not flatten the stairs."""
    levels = incumbent_levels(story.points)
    low, high = min(levels, default=0.0), max(levels, default=1.0)
    noise = max((point.spread for point in story.points if point.spread is not None), default=0.0)
    reach = BEYOND * max(high - low, 2 * noise, abs(high) * 1e-6)
    near = [p.value for p in story.points if p.value is not None and low - reach <= p.value <= high + reach]
    kept = [bound for keep in story.keeps for bound in keep.interval or ()]
    return ranged([*levels, *near, *(bound for bound in kept if low - reach <= bound <= high + reach)])


def _levels(story: Story, x: Scale, y: Scale) -> list[tuple[float, float]]:
    changes: list[tuple[float, float]] = []
    before: float | None = None
    for point in story.points:
        if point.level is not None and point.level != before:
            changes.append((x(point.number), y(point.level)))
            before = point.level
    return changes


def _band(points: Sequence[Point], x: Scale, y: Scale) -> str:
    """Where single runs of the best state lie, two standard deviations on both sides."""
    known = [p for p in points if p.level is not None and p.spread]
    if not known:
        return ""
    upper = [(x(p.number), y((p.level or 0.0) + 2 * (p.spread or 0.0))) for p in known]
    lower = [(x(p.number), y((p.level or 0.0) - 2 * (p.spread or 0.0))) for p in known]
    corners = [*_thinned(upper), *reversed(_thinned(lower))]
    return tag("polygon", points=" ".join(f"{a:.1f},{b:.1f}" for a, b in corners), class_="band")


def _thinned(line: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Without the points that can not be told from those before and after them."""
    kept = [line[0]]
    for at, (a, b) in enumerate(line[1:], 1):
        if at == len(line) - 1 or abs(b - kept[-1][1]) >= 0.2 or abs(line[at + 1][1] - b) >= 0.2:
            kept.append((a, b))
    return kept


def _dots(story: Story, x: Scale, y: Scale) -> Iterator[str]:
    """Discards and crashes; a keep is drawn with its interval, above all others."""
    worst = TOP if story.direction is Direction.LOWER else HEIGHT - BOTTOM  # a crash has no value, so it stands there
    small = 2.6 if len(story.points) <= MANY else 1.6
    for experiment, point in zip(story.experiments, story.points, strict=True):
        if point.status is Status.KEEP:
            continue
        at = x(point.number)
        common = {"class_": point.status.value, "data_n": point.number}
        said = tag("title", _hover(experiment))
        if point.value is None:
            yield tag("path", said, d=f"M{at - 3:.1f} {worst - 3:.1f}l6 6m0-6l-6 6", **common)
        elif not y.holds(point.value):
            tip = -5 if y(point.value) <= min(y.start, y.end) else 5
            yield tag("path", said, d=f"M{at - 3:.1f} {y(point.value):.1f}h6l-3 {tip}z", **common)
        else:
            yield tag("circle", said, cx=at, cy=y(point.value), r=small, **common)


def _keeps(story: Story, x: Scale, y: Scale) -> Iterator[str]:
    labelled = {keep.number for keep in sorted(story.keeps, key=lambda keep: -_gained(story, keep))[:MOST_LABELS]}
    taken: list[tuple[float, float]] = []
    large = 4.5 if len(story.points) <= MANY else 3.0
    for keep in (story.start, *story.keeps):
        if keep.value is None:
            continue
        at, level = x(keep.number), y(keep.value)
        if keep.interval is not None and keep.interval[0] < keep.interval[1]:
            low, high = map(y, keep.interval)
            ends = f"M{at - 4:.1f} {low:.1f}h8M{at - 4:.1f} {high:.1f}h8"
            yield tag("path", d=f"M{at:.1f} {low:.1f}V{high:.1f}{ends}", class_="whisker")
        yield tag("circle", tag("title", _hover(keep)), cx=at, cy=level, r=large, class_="keep", data_n=keep.number)
        if keep.number in labelled:
            place = _free_place(at, level, taken)
            if place is not None:
                taken.append(place)
                anchor = "end" if at > WIDTH - 220 else "start"
                yield text(place[0], place[1], cut(keep.description, LABEL_LENGTH), text_anchor=anchor, class_="label")


def _free_place(at: float, level: float, taken: Sequence[tuple[float, float]]) -> tuple[float, float] | None:
    """Where a label stands beside its keep without lying over another one; None where there is no room."""
    side = -7.0 if at > WIDTH - 220 else 7.0
    for rise in (-8.0, 16.0, -22.0, 30.0, -36.0):
        x, y = at + side, level + rise
        if TOP <= y <= HEIGHT - BOTTOM and all(abs(x - a) > 170 or abs(y - b) > 12 for a, b in taken):
            return x, y
    return None


def _gained(story: Story, keep: Experiment) -> float:
    if keep.value is None or keep.against is None:
        return 0.0
    return story.direction.gain(keep.against, keep.value)


def _hover(experiment: Experiment) -> str:
    name = "baseline" if experiment.number == 0 else f"{experiment.number:04d}"
    return escape(f"{name} {experiment.status.value} {number(experiment.value)} {cut(experiment.description, 80)}")
