"""The pictures of a session: the staircase of the best state, and what stands below it. Pure: a story in, SVG out."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Sequence
from html import escape
from itertools import pairwise

from pytest_autoresearch.protocol.experiment import Experiment, Status
from pytest_autoresearch.protocol.model import Direction
from pytest_autoresearch.report.figures import count, cut, number
from pytest_autoresearch.report.story import Point, Story
from pytest_autoresearch.report.svg import Scale, axes, picture, ranged, steps, tag, text
from pytest_autoresearch.report.words import headline, status_word
from pytest_autoresearch.text import shown

WIDTH, HEIGHT = 960, 400
LEFT, RIGHT, TOP, BOTTOM = 72, 24, 34, 48
MOST_LABELS = 6
LABEL_LENGTH = 28  # characters
LABEL_WIDTH = 170.0
BEYOND = 3.0
"""A value is drawn at the edge where it lies further from the levels than so many times their range."""
COLOURS = ("#3b82f6", "#2da44e", "#e5534b", "#a475f9", "#b7791f", "#1f9aa8", "#d9622b", "#768390")
"""Of lines: 3 : 1 or better on both papers."""
DASHES = (None, "7 4", "2 3")
MOST_NAMED = 16
NARROW, NARROW_HEIGHT, NARROW_LEFT = 460, 320, 62
SMALL_HEIGHT = 170
Series = Sequence[tuple[str, Sequence[tuple[float, float]]]]
"""Lines by name, each with one place or more."""
LOG_FROM = 10.0
"""A metric whose levels are so many times apart, all above zero, is drawn on a logarithmic scale."""
MANY = 500
"""From so many experiments on dots are drawn smaller, and a page's script says what they are."""


def staircase(story: Story, theme: str | None = None) -> str:
    """The level of the best kept state, every experiment as a dot by its status, the noise and the keeps' intervals.

    ``theme`` is ``light`` or ``dark`` for a picture that stands alone, None for one inside of a page.
    """
    x = _numbers(story)
    y = _levels_scale(story, HEIGHT)
    parts = [
        *axes(x, y, "experiment", _y_title(story, y)),
        _band(story.points, x, y),
        *_dots(story, x, y, is_named=theme is not None or len(story.points) <= MANY),
        tag("path", d=steps(_levels(story, x, y), x.end), class_="level"),
        *_keeps(story, x, y),
    ]
    return picture(filter(None, parts), WIDTH, HEIGHT, *_described(story), theme)


def incumbent_levels(points: Sequence[Point]) -> list[float]:
    """The level of the best kept state after each experiment."""
    return [point.level for point in points if point.level is not None]


def strip(
    story: Story, title: str, unit: str, value: Callable[[Point], float | None], bound: float | None = None
) -> str:
    """A small picture for a page: one number per experiment, '' where nothing has it; a line where it is bounded."""
    shown = [(point, it) for point in story.points if (it := value(point)) is not None]
    if len(shown) < 2:
        return ""
    x = Scale(0, max(1, story.points[-1].at), NARROW_LEFT, NARROW - RIGHT)
    bounds = [] if bound is None else [bound]
    y = Scale(*ranged([0.0, *bounds, *(it for _, it in shown)]), SMALL_HEIGHT - 28, TOP)
    lines = [tag("line", x1=x.start, x2=x.end, y1=y(each), y2=y(each), class_="bound") for each in bounds]
    dots = tag("path", d=_specks((x(point.at), y(it)) for point, it in shown), class_="speck")
    named = f"{title} ({unit})" if unit else title
    described = f"{title} of {count(len(shown), 'experiment')}, the last {number(shown[-1][1])} {unit}".strip() + "."
    if bound is not None:
        described += f" The line is the bound of {number(bound)}."
    parts = [*axes(x, y, "", named), *lines, dots]
    return picture(parts, NARROW, SMALL_HEIGHT, title, described, None)


def lines(title: str, x_title: str, y_title: str, series: Series, theme: str | None = None) -> str:
    """Several lines in one picture, each named in its corner; told apart by colour and by dashes."""
    places = [place for _, line in series for place in line]
    x = Scale(0.0, max((a for a, _ in places), default=0.0) or 1.0, LEFT, WIDTH - RIGHT)
    y = Scale(*ranged([0.0, *(b for _, b in places)]), HEIGHT - BOTTOM, TOP)
    parts = [*axes(x, y, x_title, y_title, is_counted=False)]
    for index, (name, line) in enumerate(series):
        colour, dashes = COLOURS[index % len(COLOURS)], DASHES[index // len(COLOURS) % len(DASHES)]
        looks = {"fill": "none", "stroke": colour, "stroke_width": 2, "stroke_dasharray": dashes}
        path = steps(_thinned([(x(a), y(b)) for a, b in line]), x(line[-1][0]))
        parts.append(tag("path", d=path, **looks))
        if index < MOST_NAMED:
            at = TOP + 10 + 16 * index
            parts.append(tag("path", d=f"M{LEFT + 10} {at}h22", **looks))
            parts.append(text(LEFT + 38, at + 4, cut(name, 40), class_="label"))
    best = max(series, key=lambda each: each[1][-1][1])
    described = f"{best[0]} ends highest at {number(best[1][-1][1])}."
    return picture(parts, WIDTH, HEIGHT, title, described, theme)


def narrow(story: Story) -> str:
    """The staircase for a phone: the same without names."""
    x = Scale(0, max(1, story.points[-1].at), NARROW_LEFT, NARROW - RIGHT)
    y = _levels_scale(story, NARROW_HEIGHT)
    parts = [*axes(x, y, "experiment", _y_title(story, y)), _band(story.points, x, y)]
    for status, looks in (
        (Status.DISCARD, "speck discard"),
        (Status.CRASH, "speck crash"),
        (Status.KEEP, "speck keep"),
    ):
        worst = y.end if story.direction is Direction.LOWER else y.start
        places = [
            (x(point.at), worst if point.value is None else y(point.value))
            for point in story.points
            if point.status is status
        ]
        parts.append(tag("path", d=_specks(places), class_=looks) if places else "")
    parts.append(tag("path", d=steps(_levels(story, x, y), x.end), class_="level"))
    return picture(filter(None, parts), NARROW, NARROW_HEIGHT, *_described(story), None)


def _specks(places: Iterable[tuple[float, float]]) -> str:
    """A path that is a dot at each place, drawn by the round ends of its strokes."""
    return "".join(f"M{x:.1f} {y:.1f}h0" for x, y in places)


def _y_title(story: Story, y: Scale) -> str:
    return f"{story.metric} ({story.direction.value} is better{', log scale' * y.is_log})"


def _described(story: Story) -> tuple[str, str]:
    """Title and description for who does not see it."""
    said = f"{headline(story)}. {count(story.tried, 'experiment')}, {count(len(story.keeps), 'keep')}."
    return f"{story.metric} of every experiment", said


# Parts of the staircase


def _numbers(story: Story) -> Scale:
    return Scale(0, max(1, story.points[-1].at), LEFT, WIDTH - RIGHT)


def _levels_scale(story: Story, height: int) -> Scale:
    """Holds the levels and what lies near them; a candidate that was ten times worse must not flatten the stairs."""
    levels = incumbent_levels(story.points)
    low, high = min(levels, default=0.0), max(levels, default=1.0)
    is_log = low > 0 and high / low >= LOG_FROM
    if is_log:
        least, most = low / BEYOND, high * BEYOND
    else:
        noise = max((point.spread for point in story.points if point.spread is not None), default=0.0)
        reach = BEYOND * max(high - low, 2 * noise, abs(high) * 1e-6)
        least, most = low - reach, high + reach
    values = [point.value for point in story.points if point.value is not None]
    values += [bound for keep in (*story.keeps, *story.provisional) for bound in keep.interval or ()]
    shown = [*levels, *(value for value in values if least <= value <= most)]
    if not is_log:
        return Scale(*ranged(shown), height - BOTTOM, TOP)
    bottom, top = ranged(map(math.log, shown), margin=0.04)
    return Scale(math.exp(bottom), math.exp(top), height - BOTTOM, TOP, is_log=True)


def _levels(story: Story, x: Scale, y: Scale) -> list[tuple[float, float]]:
    changes: list[tuple[float, float]] = []
    before: float | None = None
    for point in story.points:
        if point.level is not None and point.level != before:
            changes.append((x(point.at), y(point.level)))
            before = point.level
    return changes


def _band(points: Sequence[Point], x: Scale, y: Scale) -> str:
    """Where single runs of the best state lie, two standard deviations on both sides."""
    known = [p for p in points if p.level is not None and p.spread]
    if not known:
        return ""
    upper = [(x(p.at), y((p.level or 0.0) + 2 * (p.spread or 0.0))) for p in known]
    lower = [(x(p.at), y((p.level or 0.0) - 2 * (p.spread or 0.0))) for p in known]
    corners = [*_stepped(_thinned(upper)), *reversed(_stepped(_thinned(lower)))]
    return tag("polygon", points=" ".join(f"{a:.1f},{b:.1f}" for a, b in corners), class_="band")


def _stepped(line: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """With the corner before each point: a level holds until the next one."""
    return [line[0], *(place for (_, b), (c, d) in pairwise(line) for place in ((c, b), (c, d)))]


def _thinned(line: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    """Without the points that can not be told from those before and after them."""
    kept = [line[0]]
    for at, (a, b) in enumerate(line[1:], 1):
        if at == len(line) - 1 or abs(b - kept[-1][1]) >= 0.2 or abs(line[at + 1][1] - b) >= 0.2:
            kept.append((a, b))
    return kept


def _dots(story: Story, x: Scale, y: Scale, *, is_named: bool) -> Iterator[str]:
    """Discards and crashes; a keep is drawn with its interval, above all others. ``is_named``: each says what it is."""
    worst = TOP if story.direction is Direction.LOWER else HEIGHT - BOTTOM  # a crash has no value, so it stands there
    small = 2.6 if len(story.points) <= MANY else 1.6
    for experiment, point in zip(story.experiments, story.points, strict=True):
        if point.status is Status.KEEP:
            continue
        at = x(point.at)
        common = {"class_": point.status.value, "data_n": point.number}
        said = tag("title", _hover(experiment)) if is_named else ""
        if point.value is None:
            yield tag("path", said, d=f"M{at - 3:.1f} {worst - 3:.1f}l6 6m0-6l-6 6", **common)
        elif not y.holds(point.value):
            tip = -5 if y(point.value) <= min(y.start, y.end) else 5
            yield tag("path", said, d=f"M{at - 3:.1f} {y(point.value):.1f}h6l-3 {tip}z", **common)
        else:
            yield tag("circle", said, cx=at, cy=y(point.value), r=small, **common)


def _keeps(story: Story, x: Scale, y: Scale) -> Iterator[str]:
    """Each keep with its interval, hollow where its group has yet to prove it; the largest have their names."""
    most = MOST_LABELS if len(story.points) <= MANY else 0  # among thousands of dots nobody can read them
    places = {point.number: point.at for point in story.points}
    kept = sorted((*story.keeps, *story.provisional), key=lambda keep: places[keep.number])
    labelled = {keep.number for keep in sorted(kept, key=lambda keep: -_gained(story, keep))[:most]}
    taken: list[tuple[float, float]] = []
    large = 4.5 if len(story.points) <= MANY else 3.0
    for keep in (story.start, *kept):
        if keep.value is None:
            continue
        at, level = x(places[keep.number]), y(keep.value)
        if keep.interval is not None and keep.interval[0] < keep.interval[1]:
            low, high = map(y, keep.interval)
            ends = f"M{at - 4:.1f} {low:.1f}h8M{at - 4:.1f} {high:.1f}h8"
            yield tag("path", d=f"M{at:.1f} {low:.1f}V{high:.1f}{ends}", class_="whisker")
        looks = "keep provisional" if keep.provisional else "keep"
        yield tag("circle", tag("title", _hover(keep)), cx=at, cy=level, r=large, class_=looks, data_n=keep.number)
        if keep.number in labelled:
            place = _free_place(at, level, taken, is_above=story.direction is Direction.LOWER)
            if place is not None:
                is_left = at > WIDTH - 220
                taken.append((place[0] - LABEL_WIDTH if is_left else place[0], place[1]))
                anchor = "end" if is_left else "start"
                yield text(place[0], place[1], cut(keep.description, LABEL_LENGTH), text_anchor=anchor, class_="label")


def _free_place(
    at: float, level: float, taken: Sequence[tuple[float, float]], *, is_above: bool
) -> tuple[float, float] | None:
    """Where a label stands without lying over another one, on the side that the staircase leads away from; or None."""
    side = -7.0 if at > WIDTH - 220 else 7.0
    first, step = (-8.0, -14.0) if is_above else (16.0, 14.0)
    for floor in range(MOST_LABELS):
        x, y = at + side, level + first + floor * step
        left = x - LABEL_WIDTH if side < 0 else x
        if TOP <= y <= HEIGHT - BOTTOM and all(abs(left - a) > LABEL_WIDTH or abs(y - b) > 12 for a, b in taken):
            return x, y
    return None


def _gained(story: Story, keep: Experiment) -> float:
    if keep.value is None or keep.against is None:
        return 0.0
    return story.direction.gain(keep.against, keep.value)


def _hover(experiment: Experiment) -> str:
    name = "baseline" if experiment.number == 0 else f"{experiment.number:04d}"
    return escape(
        shown(f"{name} {status_word(experiment)} {number(experiment.value)} {cut(experiment.description, 80)}")
    )
