"""The one pull request of a session: from a history to its title and body. Pure; knows no network and no git."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pytest_autoresearch.github.chart import chart
from pytest_autoresearch.github.escaping import words
from pytest_autoresearch.github.typed import dropping, reproducing
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.notebook.shares import who_found_what
from pytest_autoresearch.protocol.experiment import Experiment, Status
from pytest_autoresearch.protocol.model import Holdout, Limit, Protocol
from pytest_autoresearch.protocol.serialise import from_json
from pytest_autoresearch.protocol.trust import (
    PAGE,
    SELF_REPORTED,
    VISIBLE,
    is_self_reported,
    reported_limits,
    times_asked,
)
from pytest_autoresearch.report.summary import Summary, summarise
from pytest_autoresearch.report.terminal import change, count, headline, interval, number, seconds, verified_line
from pytest_autoresearch.text import fenced

BODY_LIMIT = 65_536
"""Characters of a pull request's body that GitHub takes; it counts UTF-16 units."""
TITLE_LENGTH = 160
UNVERIFIED = "not verified yet: comment `/autoresearch verify`"
NO_BASELINE = "The baseline has not been measured yet."


@dataclass(frozen=True, slots=True)
class PullRequest:
    """What a reviewer sees first."""

    title: str
    body: str


@dataclass(frozen=True, slots=True)
class Links:
    """Where the body points to. ``repository`` is its address on the web, ``run`` that of the workflow's run; both
    may be empty. ``remarks`` stand at the top, for what a reviewer has to know before anything else.
    """

    repository: str = ""
    run: str = ""
    remarks: tuple[str, ...] = ()


def pull_request(history: History, links: Links, *, limit: int = BODY_LIMIT) -> PullRequest:
    """Title and body of a session's pull request; the body has at most ``limit`` UTF-16 units."""
    return PullRequest(title(history), body(history, links, limit=limit))


def title(history: History) -> str:
    """The tag, the gain and the counts in one line; verified where it was verified."""
    tag, summary = history.session.tag, summarise(history)
    if summary is None:
        return f"autoresearch {tag}: no baseline yet"
    counts = f"{count(len(summary.keeps), 'keep')} of {count(summary.experiments, 'experiment')}"
    if not summary.keeps:
        return f"autoresearch {tag}: no keep in {count(summary.experiments, 'experiment')}"
    text = f"autoresearch {tag}: {headline(summary)}, {_trust(summary)} ({counts})"
    return text if len(text) <= TITLE_LENGTH else text[: TITLE_LENGTH - 1] + "…"


def body(history: History, links: Links, *, limit: int = BODY_LIMIT) -> str:
    """The report as Markdown: what matters first, tables cut where ``limit`` asks for it."""
    summary = summarise(history)
    if summary is None:
        return NO_BASELINE
    protocol = from_json(history.session.protocol)
    pointer = _pointer(links)
    head = _joined([*_opening(summary, links), chart(history.experiments, summary.metric)])
    middle = _joined(
        [
            *_rules(history, protocol, summary),
            *_shares(history, summary),
            _reproduction(history, protocol, summary),
            _dropping(history),
        ]
    )
    room = limit - length(head) - length(middle) - 1200  # the frames of the two tables and what stands between
    kept = _table(KEPT_HEAD, summary.keeps, lambda e: kept_row(e, links), room=room // 2, pointer=pointer)
    all_of_them = _table(
        ALL_HEAD, history.experiments, any_row, room=room - length(kept), pointer=pointer, least=summary.start
    )
    folded = f"<details>\n<summary>All {len(history.experiments)} rows</summary>\n\n{all_of_them}\n\n</details>"
    shown = _joined([kept if summary.keeps else "Nothing yet.", _provisional(summary.provisional)])
    text = _joined([head, "## Kept", shown, middle, folded, _footer(links)])
    return _cut(text, limit, pointer)


def opening(history: History, links: Links) -> str:
    """The top of the body: what was gained, how sure that is, what it cost."""
    summary = summarise(history)
    return NO_BASELINE if summary is None else _joined(_opening(summary, links))


def length(text: str) -> int:
    """What GitHub counts: UTF-16 units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


# The parts


def _opening(summary: Summary, links: Links) -> Iterator[str]:
    for remark in links.remarks:
        yield f"> [!WARNING]\n> {words(remark, 600)}"
    yield f"**{words(headline(summary))}**"
    facts = [f"{count(summary.experiments, 'experiment')}: {counted(summary)}"]
    facts += [f"[{words(mark)}]({PAGE})" for mark in summary.marks]
    bounds = summary.best.interval
    if bounds is not None and summary.best.number:
        facts.append(f"best {words(number(summary.best.value) + interval(bounds))}")
    if summary.verified is not None:
        facts.append(words(verified_line(summary)))
    else:
        promised = f"the best single run promised {words(number(summary.promised))}"
        facts.append(f"{UNVERIFIED}; {promised}")
    if summary.cost is not None:
        facts.append(f"cost {summary.cost:.2f} USD")
    if suspicious := [f"{e.number:04d}" for e in summary.keeps if e.suspicious]:
        facts.append(f"**look twice** at {', '.join(suspicious)}: beyond what the noise makes likely")
    yield "\n".join(f"* {fact}" for fact in facts)


def _rules(history: History, protocol: Protocol, summary: Summary) -> Iterator[str]:
    metric = protocol.metric
    measured, told = [e for e in history.experiments if e.measurements], reported_limits(protocol)
    rows = [
        ("metric", f"{words(metric.name)}, {metric.direction.value} is better{_mark(is_self_reported(protocol))}"),
        ("targets", ", ".join(words(rule.pattern) for rule in protocol.targets)),
        ("limits", ", ".join(words(_limit(x)) + _mark(x in told) for x in protocol.limits) or "none"),
        ("guard", ", ".join(words(guard) for guard in protocol.guard) or "none"),
        ("holdout", _holdout(protocol.holdout, times_asked(history.experiments))),
        ("isolation", _several(e.isolation for e in measured)),
        ("cost", "not reported" if summary.cost is None else f"{summary.cost:.2f} USD"),
        ("time in runs", seconds(sum(m.duration for e in measured for m in e.measurements))),
        ("hardware", _hardware(history)),
        ("software", ", ".join(f"{words(name)} {words(v)}" for name, v in history.session.versions.items())),
        ("session began", f"{history.session.started:%Y-%m-%d %H:%M} UTC"),
    ]
    yield "## Rules and circumstances"
    yield "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])


def _shares(history: History, summary: Summary) -> Iterator[str]:
    shares = who_found_what(history.experiments, summary.direction)
    if not any(share.agent for share in shares):
        return
    yield "## Agents"
    rows = ["| agent | experiments | keeps | crashes | gain | cost, USD | time |", "|---|--:|--:|--:|--:|--:|--:|"]
    rows += [
        f"| {words(share.agent, 60) or 'unnamed'} | {share.experiments} | {share.keeps} | {share.crashes} "
        f"| {words(number(share.gain))} | {'' if share.cost is None else f'{share.cost:.2f}'} "
        f"| {seconds(share.seconds)} |"
        for share in shares[:30]
    ]
    yield "\n".join(rows)


def _reproduction(history: History, protocol: Protocol, summary: Summary) -> str:
    session = history.session
    script = reproducing(session.tag, session.start, summary.best.commit)
    place = "" if str(protocol.directory) == "." else f", in `{protocol.directory}`"
    run = protocol.run if len(protocol.run) <= 2000 else protocol.run[:2000] + "\n…"
    return f"## Reproduce\n\n{script}\n\nOne run{place}:\n\n{fenced(run, 'bash')}"


def _dropping(history: History) -> str:
    if not history.proven:
        return ""
    newest = history.proven[-1].number
    return (
        "## Take a keep out\n\n"
        "Every keep is one commit, so it can go alone; later keeps are applied again without it. "
        f"Comment `/autoresearch drop {newest}` here, or:\n\n{dropping(history.session.tag, newest)}"
    )


def _provisional(keeps: Sequence[Experiment]) -> str:
    """Keeps that are not on the branch that was pushed: in one folded line, and without links to commits."""
    if not keeps:
        return ""
    said = "; ".join(f"{keep.number:04d} {words(keep.description, 80)}" for keep in keeps)
    counted = f"{count(len(keeps), 'keep')} that their group has yet to prove"
    return f"<details>\n<summary>{counted}</summary>\n\n{said}\n\n</details>"


def _footer(links: Links) -> str:
    run = f" · [workflow run]({links.run})" if links.run else ""
    return f"Written by pytest-autoresearch from the session's ledger{run}"


def _pointer(links: Links) -> str:
    where = f"the artifact of the [workflow run]({links.run}), or " if links.run else ""
    return f"the whole table: {where}`pytest-autoresearch log`, see Reproduce"


# Tables

KEPT_HEAD = "| # | commit | before → after | change | what |\n|--:|---|---|--:|---|"
ALL_HEAD = "| # | commit | value | change | verdict | what |\n|--:|---|--:|--:|---|---|"


def kept_row(e: Experiment, links: Links) -> str:
    """A keep's row below KEPT_HEAD."""
    short = e.commit[:7]
    commit = f"[{short}]({links.repository}/commit/{e.commit})" if links.repository else f"`{short}`"
    flag = " **suspicious**" if e.suspicious else ""
    shift = f"{words(number(e.against))} → {words(number(e.value) + interval(e.interval))}"
    return f"| {e.number:04d} | {commit} | {shift} | {words(change(e))} | {words(e.description)}{flag} |"


def any_row(e: Experiment) -> str:
    """An experiment's row below ALL_HEAD."""
    verdict = "baseline" if e.number == 0 else f"{e.status.value}: {e.reason.value}"
    return (
        f"| {e.number:04d} | `{e.commit[:7]}` | {words(number(e.value))} | {words(change(e))} | {words(verdict)} "
        f"| {words(e.description, 120)} |"
    )


def _table(
    head: str,
    experiments: Sequence[Experiment],
    row: Callable[[Experiment], str],
    *,
    room: int,
    pointer: str,
    least: Experiment | None = None,
) -> str:
    """A table of the newest experiments that fit, and how many do not; ``least`` is shown in any case."""
    rows: list[str] = []
    left = room - length(head) - length(pointer) - 100
    for experiment in reversed(experiments):
        text = row(experiment)
        left -= length(text) + 1
        if left < 0:
            break
        rows.append(text)
    missing = len(experiments) - len(rows)
    if missing and least is not None:
        rows.append(row(least))
        missing -= 1
    table = "\n".join([head, *reversed(rows)])
    return f"{table}\n\n{missing} older ones do not fit here; {pointer}" if missing else table


def _cut(text: str, limit: int, pointer: str) -> str:
    """The last resort, when what has no table is too long by itself."""
    if length(text) <= limit:
        return text
    ending = f"\n\n… cut; {pointer}"
    kept = text[: limit - length(ending)]
    while length(kept) + length(ending) > limit:
        kept = kept[: 2 * (limit - length(ending)) - length(kept)]
    return kept + ending


# Words


def _trust(summary: Summary) -> str:
    verified = summary.verified
    if verified is None or verified.gain is None:
        return "not verified"
    relative = verified.percent
    return f"verified {number(verified.gain)}" if relative is None else f"verified {relative:.2f} %"


def counted(summary: Summary) -> str:
    """How many of each status."""
    return ", ".join(f"{summary.counts[status]} {status.value}" for status in Status)


def _mark(is_told: bool, word: str = SELF_REPORTED) -> str:
    """The short word behind a number that rests on the run's own, with the page that explains it."""
    return f" [{word}]({PAGE})" if is_told else ""


def _holdout(holdout: Holdout | None, asked: int) -> str:
    if holdout is None:
        return "no"
    what = "yes, a second measurement that the agent does not see" + _mark(holdout.is_visible, VISIBLE)
    return f"{what}; asked {count(asked, 'time')}"


def _limit(limit: Limit) -> str:
    said = [(limit.at_most, "at most"), (limit.at_least, "at least")]
    parts = [f"{text} {value:g}" for value, text in said if value is not None]
    if limit.max_regression is not None:
        parts.append(f"at most {100 * limit.max_regression:g} % worse than the baseline")
    return f"{limit.name} {', '.join(parts)}"


def _hardware(history: History) -> str:
    devices = _several(e.device or "CPU" for e in history.experiments if e.measurements)
    machines = len({e.machine for e in history.experiments if e.machine}) or 1
    return f"{devices}; {count(machines, 'machine')}"


def _several(values: Iterator[str]) -> str:
    """Distinct values, the most frequent first, with their counts where there are several."""
    counted = Counter(values).most_common(6)
    if len(counted) == 1:
        return words(counted[0][0])
    return ", ".join(f"{words(value)} ({times})" for value, times in counted) or "nothing was run"


def _joined(parts: Sequence[str] | Iterator[str]) -> str:
    return "\n\n".join(part for part in parts if part)
