"""The page of a session: one file, for a browser without a network. Jinja2 escapes; a foreign word is text on it.

The page is whole without its script, which sorts, searches, filters and unpacks diffs and logs on demand.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from importlib.resources import files
from typing import TYPE_CHECKING, Any

from pytest_autoresearch.protocol.experiment import Experiment
from pytest_autoresearch.protocol.trust import times_asked
from pytest_autoresearch.report import changes as what
from pytest_autoresearch.report.changes import Change, Paid
from pytest_autoresearch.report.chart import bars, staircase, strip
from pytest_autoresearch.report.story import Story
from pytest_autoresearch.report.svg import PALETTES, RULES
from pytest_autoresearch.report.terminal import change, count, headline, interval, number, seconds
from pytest_autoresearch.report.words import limit_words, marks, several, verdict

if TYPE_CHECKING:
    from jinja2 import Template

MOST_KEEPS_SHOWN = 200
MOST_BARS = 10
LONGEST_PATCH = 20_000  # characters
COLUMNS = (
    *(("#", "number"), ("commit", "text"), ("status", "text"), ("reason", "text"), ("value", "number")),
    *(("change", "number"), ("time in runs", "number"), ("agent", "text"), ("description", "text")),
)


def page(story: Story, patches: Mapping[str, str], *, stream: str = "") -> str:
    """The page as HTML. ``patches`` are unified diffs by commit; ``stream`` is where a live page hears what is new."""
    changes = what.changes_of(patches, (experiment.commit for experiment in story.experiments))
    script = _resource("page.js")
    return _template().render(
        story=story,
        headline=headline(story),
        verdict=verdict(story),
        marks=(*marks(story), *story.marks),
        facts=tuple(_facts(story)),
        staircase=_safe(staircase(story)),
        kept=[_kept(keep, changes) for keep in reversed(story.keeps[-MOST_KEEPS_SHOWN:])],
        bars=[_safe(picture) for picture in _bars(story, changes)],
        agents=story.shares,
        next_steps=tuple(_next_steps(story, changes)),
        columns=COLUMNS,
        rows=[
            _row(experiment, point.run_seconds)
            for experiment, point in zip(story.experiments, story.points, strict=True)
        ],
        strips=[_safe(picture) for picture in _strips(story)],
        rules=tuple(_rules(story)),
        reproduction=_reproduction(story),
        packed=_packed(story, changes),
        style=_safe(_style()),
        script=_safe(script),
        script_hash="'sha256-" + base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() + "'",
        connect="'self'" if stream else "'none'",
        stream=stream,
        number=number,
        seconds=seconds,
    )


# What stands on the page


def _facts(story: Story) -> Iterator[tuple[str, str]]:
    yield "best", number(story.best.value) + interval(story.best.interval)
    yield "experiments", f"{story.tried}, {count(len(story.keeps), 'keep')}"
    if story.elapsed > 0:
        yield "pace", f"{3600 * story.tried / story.elapsed:.0f} an hour, {seconds(story.elapsed)}"
    if story.utilisation is not None:
        yield "inside runs", f"{100 * story.utilisation:.0f} % of the time"
    yield "cost", "not reported" if story.cost is None else f"{story.cost:.2f} USD"
    if story.input_tokens:
        yield "tokens", f"{story.input_tokens:,} in, {story.output_tokens:,} out"
    yield "ended", story.why or {"running": "it runs"}.get(story.state.value, "not on record")


def _kept(keep: Experiment, changes: Mapping[str, Change]) -> dict[str, Any]:
    known = changes.get(keep.commit, Change(""))
    return {
        "name": f"{keep.number:04d}",
        "commit": keep.commit,
        "description": keep.description,
        "hypothesis": keep.hypothesis,
        "suspicious": keep.suspicious,
        "shift": f"{number(keep.against)} → {number(keep.value)}{interval(keep.interval)}",
        "change": change(keep),
        "added": known.added,
        "removed": known.removed,
        "diff": _safe(_coloured(known.patch[:LONGEST_PATCH])),
    }


def _bars(story: Story, changes: Mapping[str, Change]) -> Iterator[str]:
    kinds = (
        ("Gain by knob", what.by_knob(story)),
        ("Gain by function", what.by_function(story, changes)),
        ("Gain by file", what.by_file(story, changes)),
    )
    for title, paid in kinds:
        shown = [each for each in paid if each.kept][:MOST_BARS]
        if shown:
            yield bars(title, story.metric, [(each.name, each.gain, _paid_words(each)) for each in shown])


def _paid_words(paid: Paid) -> str:
    return f"{paid.gain:.4g}, {paid.kept} of {paid.tried} kept"


def _strips(story: Story) -> Iterator[str]:
    pictures = (
        strip(story, "time in runs", "s", lambda point: point.run_seconds or None),
        strip(story, "time in the agent's turn", "s", lambda point: point.agent_seconds or None),
        strip(story, "peak memory", "MB", lambda point: None if point.memory is None else point.memory / 1e6),
        strip(story, "cost", "USD", lambda point: point.cost),
        strip(story, "holdout", story.metric, lambda point: point.holdout),
    )
    yield from filter(None, pictures)


def _next_steps(story: Story, changes: Mapping[str, Change]) -> Iterator[str]:
    """The method's analysis: what paid, what was nearly enough, what nobody has touched."""
    paying = [each for each in (what.by_knob(story) or what.by_function(story, changes)) if each.kept][:3]
    for each in paying:
        yield f"{each.name} paid: {_paid_words(each)}"
    dead = [each for each in what.by_knob(story) if not each.kept and each.tried >= 3][:5]
    if dead:
        yield "nothing came of " + ", ".join(f"{each.name} ({each.tried} tries)" for each in dead)
    for experiment in what.near_misses(story):
        verdict_words = f"{experiment.reason.value}, {change(experiment)}"
        yield f"near miss {experiment.number:04d} ({verdict_words}): {experiment.description}"
    if untouched := what.untouched(story, changes):
        yield f"never changed: {', '.join(untouched[:10])}"
    if story.reasons:
        yield "ended as " + ", ".join(f"{n} {reason.value}" for reason, n in story.reasons.items())
    else:
        yield "nothing was tried yet"


def _row(experiment: Experiment, run_seconds: float) -> dict[str, Any]:
    value, against = experiment.value, experiment.against
    return {
        "n": experiment.number,
        "name": f"{experiment.number:04d}",
        "commit": experiment.commit[:7],
        "status": experiment.status.value,
        "reason": experiment.reason.value if experiment.number else "baseline",
        "value": number(value),
        "key": "" if value is None else repr(value),
        "change": change(experiment),
        "change_key": "" if value is None or against is None else repr(value - against),
        "seconds": f"{run_seconds:.3g} s" if run_seconds else "",
        "seconds_key": f"{run_seconds:.3f}",
        "agent": experiment.agent,
        "description": experiment.description,
    }


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
    return "\n".join(
        [
            f"pytest-autoresearch verify --tag {story.tag}",
            f"pytest-autoresearch log --tag {story.tag}",
            f"git diff {story.session.start[:12]} {story.best.commit[:12]}",
        ]
    )


def _packed(story: Story, changes: Mapping[str, Change]) -> str:
    """Diffs, reasons and ends of logs of all experiments, compressed; the page's script opens one on demand."""
    found: dict[str, dict[str, str]] = {}
    for experiment in story.experiments:
        tails = [run.log_tail for run in experiment.measurements if run.log_tail]
        known = {
            "detail": experiment.detail,
            "hypothesis": experiment.hypothesis,
            "patch": changes[experiment.commit].patch[:LONGEST_PATCH] if experiment.commit in changes else "",
            "log": tails[-1] if tails else "",
        }
        found[str(experiment.number)] = {name: text for name, text in known.items() if text}
    data = json.dumps(found, ensure_ascii=False).encode("utf-8", "replace")
    return base64.b64encode(gzip.compress(data, mtime=0)).decode()


# How it is made


@cache
def _template() -> Template:
    from jinja2 import Environment, PackageLoader

    loader = PackageLoader("pytest_autoresearch.report")
    return Environment(loader=loader, autoescape=True, trim_blocks=True).get_template("page.html.j2")


def _safe(markup: str) -> Any:
    """Marks what is made by us, escaped already."""
    from markupsafe import Markup

    return Markup(markup)


def _coloured(patch: str) -> str:
    from pygments import highlight
    from pygments.formatters import HtmlFormatter
    from pygments.lexers import DiffLexer

    inner = highlight(patch, DiffLexer(stripnl=False), HtmlFormatter(nowrap=True))
    return f'<pre tabindex="0">{inner}</pre>'


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
