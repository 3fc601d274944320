"""The parts of a pull request's body, each from a session's story. Pure; knows no network and no git."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from statistics import fmean

from pytest_autoresearch.protocol import trust
from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Role, Status
from pytest_autoresearch.protocol.marker import ASSERTED
from pytest_autoresearch.protocol.model import Limit
from pytest_autoresearch.report.figures import count, interval, number, percent, seconds
from pytest_autoresearch.report.markdown.escaping import words
from pytest_autoresearch.report.story import Story
from pytest_autoresearch.report.words import headline, marks, pace, state, verdict, verified_line

VERIFY = "not verified yet: comment `/autoresearch verify`"
UNVERIFIED = "Start and head were not measured against each other on fresh runs: comment `/autoresearch verify`"
MOST_METRICS = 40
MOST_EARLIER = 10
LONGEST_HYPOTHESIS = 600

# Verdicts by the kind of GitHub's alerts.
_ALERTS: Mapping[str, str] = {
    "confirmed": "TIP",
    "not confirmed": "CAUTION",
    "suspicious": "WARNING",
    "not verified": "NOTE",
    "nothing kept": "NOTE",
    "nothing proven yet": "NOTE",
}
COMMANDS: Sequence[tuple[str, str]] = (
    ("drop {newest}", "takes keep {newest} out (a number or a commit) and applies the later ones again"),
    ("verify", "measures start against head again on fresh runs, and sets the check"),
    ("continue 50", "50 more experiments, as the session was, with what is left of its budget"),
    ("stop", "ends the session; what is recorded is published"),
)


@dataclass(frozen=True, slots=True)
class Earlier:
    """A session that was merged before: its pull request's title, address and the day of the merge."""

    title: str
    address: str
    merged: str


@dataclass(frozen=True, slots=True)
class Links:
    """Where the body points to, and what only git and GitHub know.

    ``repository`` is its address on the web, ``run`` that of the workflow's run; both may be empty. Without a
    repository nobody answers comments, so none is asked for. ``remarks`` stand near the top. ``sizes`` are lines added
    and removed by a keep's commit. ``pictures`` is a commit with the pictures below ``autoresearch/<tag>/``, empty
    for none.
    """

    repository: str = ""
    run: str = ""
    remarks: tuple[str, ...] = ()
    sizes: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    pictures: str = ""
    earlier: tuple[Earlier, ...] = ()


def alert(story: Story, *, is_answered: bool) -> str:
    """Whether the gain is real, as GitHub's alert. ``is_answered``: comments beside it are."""
    found = verdict(story)
    said = UNVERIFIED if is_answered and found.title == "not verified" else words(found.words, 400)
    return f"> [!{_ALERTS[found.title]}]\n> **{found.title.capitalize()}**: {said}"


def check_title(story: Story | None) -> str:
    """The check's line: whether fresh runs have confirmed the gain."""
    if story is None or not story.keeps:
        return "nothing was kept"
    if doubtful := doubted(story):
        return f"{', '.join(doubtful)} may be an artefact of the metric: a person has to look"
    return VERIFY if story.verified is None else verified_line(story)


def doubted(story: Story) -> list[str]:
    """The keeps that a person has to look at before anything is merged."""
    return [
        f"{keep.number:04d}"
        for keep in story.keeps
        if (keep.suspicious and keep.detail) or keep.review.startswith("suspicious")
    ]


def notices(story: Story, links: Links) -> str:
    """What a reviewer has to know of the circumstances, as one alert."""
    lines = [words(line, 600) for line in (*links.remarks, *marks(story))]
    lines += [
        f"[{words(mark)}]({trust.PAGE})" for mark in trust.marks(story.protocol, trust.times_asked(story.experiments))
    ]
    return "\n".join(["> [!WARNING]", *(f"> * {line}" for line in lines)]) if lines else ""


def facts(story: Story) -> str:
    """Start → best, and what it took."""
    best = words(number(story.best.value) + interval(story.best.interval))
    is_side_by_side = story.verified is not None and story.verified.gain is not None  # the headline has those numbers
    lines = [f"**{words(headline(story))}**"]
    if story.best.interval and story.keeps and not is_side_by_side:
        lines[0] += f": {best}"
    tempo = f" in {seconds(story.elapsed)}, {said}" if (said := pace(story)) else ""
    tally = ", ".join(f"{story.counts[status]} {status.value}" for status in Status)
    lines.append(f"* {count(story.tried, 'experiment')}{tempo}: {tally}")
    if story.keeps and not is_side_by_side:
        lines.append(f"* the best single run promised {words(number(story.promised))}")
    lines.append(f"* {words(state(story))}")
    if spent := _spent(story):
        lines.append(f"* {spent}")
    return "\n".join([lines[0], "", *lines[1:]])


def picture(story: Story, links: Links) -> str:
    """The staircase with every experiment, from the published commit; empty where that has none."""
    if not links.pictures or not links.repository:
        return ""
    base = f"{links.repository}/blob/{links.pictures}/autoresearch/{story.tag}/progress"
    described = words(f"{story.metric} of every experiment", 100)
    return (
        "<picture>\n"
        f'<source media="(prefers-color-scheme: dark)" srcset="{base}-dark.svg?raw=true">\n'
        f'<img alt="{described}" src="{base}-light.svg?raw=true">\n'
        "</picture>"
    )


def metrics(story: Story) -> str:
    """Every other metric, start → best, with its limit and how much of that is used; empty where there is none."""
    before, after = _secondary(story.start), _secondary(story.best)
    limits = {limit.name: limit for limit in story.protocol.limits}
    names = sorted((before.keys() | after.keys() | limits.keys()) - {ASSERTED, story.metric})
    if not names:
        return ""
    rows = ["| | start | best | change | limit | used |", "|---|--:|--:|--:|---|--:|"]
    for name in names[:MOST_METRICS]:
        old, new, limit = before.get(name), after.get(name), limits.get(name)
        relative = None if old is None or new is None else percent(new - old, old)
        shown = "" if relative is None else f"{relative:+.2f} %"
        cells = [words(name, 60), words(number(old)), words(number(new)), words(shown), words(_bound(limit)) or ""]
        rows.append(f"| {' | '.join([*cells, _used(limit, old, new)])} |")
    more = len(names) - MOST_METRICS
    return "\n".join(["## Other metrics", "", *rows, *([f"\n{more} more are in the table"] if more > 0 else [])])


def commands(story: Story) -> str:
    """What may be asked for in a comment, folded."""
    newest = str(story.keeps[-1].number) if story.keeps else "17"
    rows = [
        f"| `/autoresearch {text.format(newest=newest)}` | {does.format(newest=newest)} |" for text, does in COMMANDS
    ]
    table = "\n".join(["| comment | effect |", "|---|---|", *rows])
    return f"<details>\n<summary>Commands for people who may write here</summary>\n\n{table}\n\n</details>"


def earlier(links: Links) -> str:
    """The sessions of this metric that were merged before, the newest first; empty where there is none."""
    if not links.earlier:
        return ""
    rows = [
        f"| [{words(each.title.partition(':')[0], 60)}]({each.address}) | {words(each.merged, 10)} "
        f"| {words(each.title.partition(': ')[2], 160)} |"
        for each in links.earlier[:MOST_EARLIER]
    ]
    return "\n".join(["## Merged before", "", "| session | merged | what it found |", "|---|---|---|", *rows])


def what(keep: Experiment) -> str:
    """A keep's description, with what its author thought folded beneath it."""
    flag = " **suspicious**" if keep.suspicious else ""
    if not keep.hypothesis.strip():
        return words(keep.description) + flag
    why = words(keep.hypothesis, LONGEST_HYPOTHESIS)
    return f"<details><summary>{words(keep.description)}{flag}</summary>{why}</details>"


def _spent(story: Story) -> str:
    """Models, tokens and money."""
    models = dict.fromkeys(
        each.usage.model for each in story.experiments if each.usage is not None and each.usage.model
    )
    said = [words(", ".join(models), 120)] if models else []
    if story.input_tokens or story.output_tokens:
        said.append(f"{story.input_tokens:,} tokens in, {story.output_tokens:,} out")
    if story.cost is not None:
        said.append(f"cost {story.cost:.2f} USD")
    return ", ".join(said)


def _secondary(experiment: Experiment) -> dict[str, float]:
    """Means over the runs that measured this state."""
    mine = Role.CANDIDATE if experiment.number else Role.INCUMBENT
    runs: list[Measurement] = [run for run in experiment.measurements if run.role is mine]
    names = {name for run in runs for name in run.secondary}
    return {name: fmean([run.secondary[name] for run in runs if name in run.secondary]) for name in names}


def _bound(limit: Limit | None) -> str:
    if limit is None:
        return ""
    said = [f"≤ {limit.at_most:g}"] if limit.at_most is not None else []
    said += [f"≥ {limit.at_least:g}"] if limit.at_least is not None else []
    said += [f"at most {100 * limit.max_regression:g} % worse"] if limit.max_regression is not None else []
    return ", ".join(said)


def _used(limit: Limit | None, old: float | None, new: float | None) -> str:
    """How much of a limit is used, in percent; only where that is one number."""
    if limit is None or new is None:
        return ""
    if limit.at_most:
        return f"{100 * new / limit.at_most:.0f} %"
    if limit.at_least and new:
        return f"{100 * limit.at_least / new:.0f} %"
    if limit.max_regression and old:
        return f"{100 * abs(new - old) / abs(old) / limit.max_regression:.0f} %"
    return ""
