"""The page of a session: one file, for a browser without a network. Jinja2 escapes; a foreign word is text on it.

The page is whole without its script, which sorts, searches, filters and unpacks diffs and logs on demand.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cache, lru_cache, partial
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pytest_autoresearch.protocol.experiment import Experiment
from pytest_autoresearch.protocol.trust import times_asked
from pytest_autoresearch.report import changes as what
from pytest_autoresearch.report.beside import Beside, over
from pytest_autoresearch.report.changes import Paid, Seen
from pytest_autoresearch.report.chart import lines, narrow, staircase, strip
from pytest_autoresearch.report.figures import count, interval, number, seconds
from pytest_autoresearch.report.packing import packed
from pytest_autoresearch.report.story import Point, Story
from pytest_autoresearch.report.svg import PALETTES, RULES
from pytest_autoresearch.report.words import (
    change,
    headline,
    limit_words,
    marks,
    pace,
    several,
    state,
    status_word,
    verdict,
)
from pytest_autoresearch.text import clean

if TYPE_CHECKING:
    from jinja2 import Template

MOST_KEEPS_SHOWN = 200
MOST_COLOURED = 150_000  # characters of diffs; the others open in the table
MOST_BARS = 10
MOST_UNTOUCHED = 10
COLUMNS = (
    *(("#", "number"), ("commit", "text"), ("status", "text"), ("reason", "text"), ("value", "number")),
    *(("change", "number"), ("time in runs", "number"), ("agent", "text"), ("description", "text")),
)
NOTHING_SEEN = Seen()
AXES: Mapping[str, Callable[[Beside], Sequence[float]]] = {
    "runs": lambda each: each.runs,
    "hours": lambda each: each.hours,
    "dollars": lambda each: each.dollars,
}


def page(story: Story, seen: Seen = NOTHING_SEEN, *, stream: str = "", version: str = "") -> str:
    """The page as HTML. ``seen`` is what git knows; A live page of a ``version`` hears at ``stream`` of newer."""
    script = _resource("page.js")
    return _template("page.html.j2").render(
        story=story,
        headline=headline(story),
        verdict=verdict(story),
        marks=(*marks(story), *story.marks),
        facts=tuple(_facts(story)),
        staircase=_safe(staircase(story)),
        narrow=_safe(narrow(story)),
        kept=list(_kept_ones(story, seen)),
        provisional=[_kept(keep, seen, story.trust.get(keep.number, "")) for keep in reversed(story.provisional)],
        paid=tuple(_paid(story, seen)),
        agents=story.shares,
        slots=tuple(_slots(story)),
        next_steps=tuple(_next_steps(story, seen)),
        columns=COLUMNS,
        rows=sorted(_row(each, point) for each, point in zip(story.experiments, story.points, strict=True)),
        strips=[_safe(picture) for picture in _strips(story)],
        rules=tuple(_rules(story)),
        reproduction=_reproduction(story),
        packed=packed(story, seen),
        style=_safe(_style()),
        script=_safe(script),
        script_hash="'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'",
        connect="'self'" if stream else "'none'",
        stream=stream,
        version=version,
        number=number,
        seconds=seconds,
    )


def beside_page(sessions: Sequence[Beside]) -> str:
    """Sessions beside each other, as HTML."""
    metrics = sorted({each.story.metric for each in sessions})
    pictures = []
    for x_title, axis in AXES.items():
        if series := over(sessions, axis):
            pictures.append(_safe(lines(f"Gain over {x_title}", x_title, "gain, percent of the start", series)))
    return _template("beside.html.j2").render(
        title=f"{', '.join(metrics)}: {count(len(sessions), 'session')} side by side",
        remarks=tuple(_unlike(sessions)),
        columns=("start", "best", "gain", "verified", "experiments", "keeps", "runs", "hours", "cost, USD"),
        rows=[_beside_row(each) for each in sessions],
        pictures=pictures,
        style=_safe(_style()),
    )


def _beside_row(each: Beside) -> dict[str, Any]:
    story = each.story
    verified = None if story.verified is None else story.verified.percent
    gain = story.gain_percent
    cells = (
        *(number(story.start.value), number(story.best.value), number(story.gain) if gain is None else f"{gain:.2f} %"),
        *("" if verified is None else f"{verified:.2f} %", str(story.tried), str(len(story.keeps))),
        *(f"{each.runs[-1]:.0f}", f"{each.hours[-1]:.3g}", "" if story.cost is None else f"{story.cost:.2f}"),
    )
    alone = [f"{keep.number:04d} {keep.description} ({change(keep)})" for keep in each.alone]
    return {"tag": story.tag, "verdict": verdict(story).title, "cells": cells, "alone": alone}


def _unlike(sessions: Sequence[Beside]) -> Iterator[str]:
    """What keeps the sessions from being compared number by number."""
    if len({(each.story.metric, each.story.direction) for each in sessions}) > 1:
        yield "the sessions are of different metrics: only their gains compare"
    if len({each.story.session.start for each in sessions}) > 1:
        yield "the sessions began at different commits"
    if len({tuple(each.story.devices) for each in sessions}) > 1:
        yield "the sessions were measured on different devices"


def prepare() -> None:
    """Do what is done once in a process, so that who measures what a page costs does not count it."""
    _template("page.html.j2")
    _coloured("")


# What stands on the page


def _facts(story: Story) -> Iterator[tuple[str, str]]:
    yield "best", number(story.best.value) + interval(story.best.interval)
    waiting = f", {len(story.provisional)} not proven yet" if story.provisional else ""
    yield "experiments", f"{story.tried}, {count(len(story.keeps), 'keep')}{waiting}"
    if said := pace(story):
        yield "pace", said
        yield "time", seconds(story.elapsed)
    yield "cost", "not reported" if story.cost is None else f"{story.cost:.2f} USD"
    if story.input_tokens:
        yield "tokens", f"{story.input_tokens:,} in, {story.output_tokens:,} out"
    yield "state", state(story)


def _kept_ones(story: Story, seen: Seen) -> Iterator[dict[str, Any]]:
    """The newest keeps, with their diffs as long as these have room."""
    room = MOST_COLOURED
    for keep in reversed(story.keeps[-MOST_KEEPS_SHOWN:]):
        room -= len(seen.of(keep.commit).patch)
        yield _kept(keep, seen if room >= 0 else NOTHING_SEEN, story.trust.get(keep.number, ""))


def _kept(keep: Experiment, seen: Seen, trust: str) -> dict[str, Any]:
    known = seen.of(keep.commit)
    return {
        "name": f"{keep.number:04d}",
        "commit": keep.commit,
        "description": keep.description,
        "hypothesis": keep.hypothesis,
        "suspicious": keep.suspicious,
        "trust": trust if trust != "not proven yet" else "",
        "shift": f"{number(keep.against)} → {number(keep.value)}{interval(keep.interval)}",
        "change": change(keep),
        "size": f"+{known.added} −{known.removed}" if known.patch else "in the table below",
        "diff": _safe(_coloured(known.patch)),
    }


def _paid(story: Story, seen: Seen) -> Iterator[tuple[str, list[tuple[Paid, str, float]]]]:
    """Kinds of changes, each with what paid, its gain in words and as a share of the largest."""
    kinds = (("knob", what.by_knob(story)), ("function", what.by_function(story, seen)))
    for kind, paid in (*kinds, ("file", what.by_file(story, seen))):
        shown = [each for each in paid if each.kept][:MOST_BARS]
        most = max((abs(each.gain) for each in shown), default=0.0) or 1.0
        if shown:
            yield kind, [(each, f"{each.gain:.4g}", 100 * max(0.0, each.gain) / most) for each in shown]


def _slots(story: Story) -> Iterator[tuple[str, str, float]]:
    """Each slot with its time inside runs, in words and in percent of the session's; nothing where there is one."""
    if len(story.busy) > 1 and story.elapsed > 0:
        for slot, spent in story.busy.items():
            share = min(100.0, 100 * spent / story.elapsed)
            yield slot, f"{seconds(spent)}, {share:.0f} %", share


def _strips(story: Story) -> Iterator[str]:
    pictures = [
        strip(story, "time in runs", "s", lambda point: point.run_seconds or None),
        strip(story, "time in the agent's turn", "s", lambda point: point.agent_seconds or None),
        strip(story, "peak memory", "MB", lambda point: None if point.memory is None else point.memory / 1e6),
        strip(story, "cost", "USD", lambda point: point.cost),
        strip(story, "holdout", story.metric, lambda point: point.holdout),
    ]
    for at, limit in enumerate(story.protocol.limits):
        pictures.append(strip(story, limit.name, "", partial(_limited, at), limit.at_most or limit.at_least))
    yield from filter(None, pictures)


def _limited(at: int, point: Point) -> float | None:
    return point.limits[at]


def _next_steps(story: Story, seen: Seen) -> Iterator[str]:
    """The method's analysis: what paid, what was nearly enough, what nobody has touched."""
    paying = [each for each in (what.by_knob(story) or what.by_function(story, seen)) if each.kept][:3]
    for each in paying:
        yield f"{each.name} paid: {each.gain:.4g}, {each.kept} of {each.tried} kept"
    dead = [each for each in what.by_knob(story) if not each.kept and each.tried >= 3][:5]
    if dead:
        yield "nothing came of " + ", ".join(f"{each.name} ({each.tried} tries)" for each in dead)
    for experiment in what.near_misses(story):
        verdict_words = f"{experiment.reason.value}, {change(experiment)}"
        yield f"near miss {experiment.number:04d} ({verdict_words}): {experiment.description}"
    if untouched := what.untouched(story, seen):
        more = len(untouched) - MOST_UNTOUCHED
        yield f"never changed: {', '.join(untouched[:MOST_UNTOUCHED])}" + (f" and {more} more" if more > 0 else "")
    if story.reasons:
        yield "ended as " + ", ".join(f"{n} {reason.value}" for reason, n in story.reasons.items())
    else:
        yield "nothing was tried yet"


def _row(experiment: Experiment, point: Point) -> tuple[int, str, tuple[str, ...]]:
    """Number, status and cells; the script sorts by the number that a cell begins with."""
    spent = point.run_seconds
    return (
        experiment.number,
        experiment.status.value,
        (
            experiment.commit[:7],
            status_word(experiment),
            experiment.reason.value if experiment.number else "baseline",
            number(experiment.value),
            change(experiment),
            (f"{spent:.3g} s" if spent < 100 else f"{spent:.0f} s") if spent else "",
            experiment.agent,
            experiment.description,
        ),
    )


def _rules(story: Story) -> Iterator[tuple[str, str]]:
    protocol = story.protocol
    yield "metric", f"{protocol.metric.name}, {protocol.metric.direction.value} is better"
    yield "targets", ", ".join(rule.pattern for rule in protocol.targets)
    yield "run", protocol.run
    yield "limits", ", ".join(map(limit_words, protocol.limits)) or "none"
    yield "guard", ", ".join(protocol.guard) or "none"
    hidden = "yes, a second measurement that the agent does not see" if protocol.holdout else "none"
    yield "holdout", hidden + (f", asked {count(asked, 'time')}" if (asked := times_asked(story.experiments)) else "")
    yield "isolation", several(story.isolations) or "nothing was run"
    yield "hardware", f"{several(story.devices) or 'nothing was run'}; {count(story.machines, 'machine')}"
    yield "software", ", ".join(f"{name} {version}" for name, version in story.session.versions.items())
    yield "began", f"{story.session.started:%Y-%m-%d %H:%M} UTC on {story.session.start[:12]}"


def _reproduction(story: Story) -> str:
    compared = [f"git diff {story.session.start[:12]} {story.best.commit[:12]}"] if story.keeps else []
    return "\n".join(
        [f"pytest-autoresearch verify --tag {story.tag}", f"pytest-autoresearch log --tag {story.tag}", *compared]
    )


# How it is made


@cache
def _template(name: str) -> Template:
    from jinja2 import Environment, PackageLoader

    loader = PackageLoader("pytest_autoresearch.report")
    made = Environment(loader=loader, autoescape=True, trim_blocks=True, finalize=_clean)
    return made.get_template(name)


def _clean(value: Any) -> Any:
    """Words of a ledger that another machine has written may hold what hides or turns text; markup is ours."""
    return clean(value) if type(value) is str else value


def _safe(markup: str) -> Any:
    """Marks what is made by us, escaped already."""
    from markupsafe import Markup

    return Markup(markup)


@lru_cache(maxsize=MOST_KEEPS_SHOWN)
def _coloured(patch: str) -> str:
    """A diff in colours; a page that is made again colours what is new."""
    from pygments import highlight

    return f'<pre tabindex="0">{highlight(patch, *_highlighting())}</pre>'


@cache
def _highlighting() -> tuple[Any, Any]:
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import DiffLexer

    return DiffLexer(stripnl=False), HtmlFormatter(nowrap=True)


def _resource(name: str) -> str:
    return files("pytest_autoresearch.report").joinpath("templates").joinpath(name).read_text("utf-8")


def _style() -> str:
    """The page's looks: light, dark where the reader's system is, and on paper always light."""

    def colours(theme: str) -> str:
        return ";".join(f"--{name}:{colour}" for name, colour in PALETTES[theme].items())

    return "\n".join(
        [
            f":root{{color-scheme:light dark;{colours('light')}}}",
            f"@media screen and (prefers-color-scheme:dark){{:root{{{colours('dark')}}}}}",
            *(f".chart {rule}" if rule and not rule.startswith("}") else rule for rule in _split(RULES)),
            _resource("page.css"),
        ]
    )


def _split(rules: str) -> Sequence[str]:
    return [rule + "}" for rule in rules.replace("\n", "").split("}") if rule]
