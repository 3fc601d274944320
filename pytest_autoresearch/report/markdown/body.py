"""A session from end to end: the title and body of its pull request, a job's page, a file of its own. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from pytest_autoresearch.protocol.experiment import Experiment
from pytest_autoresearch.protocol.model import Holdout
from pytest_autoresearch.protocol.trust import (
    PAGE,
    SELF_REPORTED,
    VISIBLE,
    is_self_reported,
    reported_limits,
    times_asked,
)
from pytest_autoresearch.report.figures import count, interval, number, seconds
from pytest_autoresearch.report.markdown.escaping import words
from pytest_autoresearch.report.markdown.mermaid import chart
from pytest_autoresearch.report.markdown.parts import (
    Links,
    alert,
    commands,
    earlier,
    facts,
    metrics,
    notices,
    picture,
    what,
)
from pytest_autoresearch.report.markdown.typed import dropping, reproducing
from pytest_autoresearch.report.story import Story
from pytest_autoresearch.report.words import change, headline, limit_words, several, status_word
from pytest_autoresearch.text import fenced

BODY_LIMIT = 65_536
"""Characters of a pull request's body that GitHub takes; it counts UTF-16 units."""
TITLE_LENGTH = 160
NO_BASELINE = "The baseline has not been measured yet."


@dataclass(frozen=True, slots=True)
class PullRequest:
    """What a reviewer sees first."""

    title: str
    body: str


def pull_request(told: Story | None, tag: str, links: Links, *, limit: int = BODY_LIMIT) -> PullRequest:
    """Title and body of a session's pull request; ``told`` is None before the baseline."""
    return PullRequest(title(told, tag), body(told, links, limit=limit))


def title(told: Story | None, tag: str) -> str:
    """The tag, the gain and the counts in one line; verified where it was verified. None: before the baseline."""
    if told is None:
        return f"autoresearch {tag}: no baseline yet"
    counts = f"{count(len(told.keeps), 'keep')} of {count(told.tried, 'experiment')}"
    if not told.keeps:
        return f"autoresearch {tag}: no keep in {count(told.tried, 'experiment')}"
    gained = headline(told)
    gained = gained if gained.endswith("not verified") else f"{gained}, {_trust(told, gained)}"
    text = f"autoresearch {tag}: {gained} ({counts})"
    return text if len(text) <= TITLE_LENGTH else text[: TITLE_LENGTH - 1] + "…"


def body(told: Story | None, links: Links, *, limit: int = BODY_LIMIT) -> str:
    """The report as Markdown: what matters first, tables cut so that it has at most ``limit`` UTF-16 units."""
    if told is None:
        return NO_BASELINE
    pointer, is_answered = _pointer(links), bool(links.repository)
    head = _joined([*_opening(told, links), picture(told, links) or chart(told)])
    middle = _joined(
        [
            metrics(told),
            commands(told) if is_answered else "",
            *_rules(told),
            *_shares(told),
            earlier(links),
            _reproduction(told),
            _dropping(told, is_answered=is_answered),
        ]
    )
    room = limit - length(head) - length(middle) - 1200  # the frames of the two tables and what stands between
    kept = _table(
        KEPT_HEAD, told.keeps, lambda e: kept_row(e, links, told.trust[e.number]), room=room // 2, pointer=pointer
    )
    all_of_them = _table(
        ALL_HEAD, told.experiments, any_row, room=room - length(kept), pointer=pointer, least=told.start
    )
    rows = count(len(told.experiments), "row")
    folded = f"<details>\n<summary>Every experiment: {rows}</summary>\n\n{all_of_them}\n\n</details>"
    shown = _joined([kept if told.keeps else "Nothing yet.", _provisional(told.provisional)])
    text = _joined([head, "## Kept", shown, middle, folded, _footer(links)])
    return _cut(text, limit, pointer)


def opening(told: Story | None, links: Links) -> str:
    """The top of the body: whether the gain is real, what to know beforehand, what was gained and what it took."""
    return NO_BASELINE if told is None else _joined(_opening(told, links))


def length(text: str) -> int:
    """What GitHub counts: UTF-16 units."""
    return len(text) if text.isascii() else len(text.encode("utf-16-le", "surrogatepass")) // 2


# The parts


def _opening(told: Story, links: Links) -> Iterator[str]:
    yield alert(told, is_answered=bool(links.repository))
    yield notices(told, links)
    yield facts(told)


def _rules(told: Story) -> Iterator[str]:
    protocol, metric = told.protocol, told.protocol.metric
    said = reported_limits(protocol)
    rows = [
        ("metric", f"{words(metric.name)}, {metric.direction.value} is better{_mark(is_self_reported(protocol))}"),
        ("targets", ", ".join(words(rule.pattern) for rule in protocol.targets)),
        ("limits", ", ".join(words(limit_words(x)) + _mark(x in said) for x in protocol.limits) or "none"),
        ("guard", ", ".join(words(guard) for guard in protocol.guard) or "none"),
        ("holdout", _holdout(protocol.holdout, times_asked(told.experiments))),
        ("isolation", words(several(told.isolations)) or "nothing was run"),
        ("cost", "not reported" if told.cost is None else f"{told.cost:.2f} USD"),
        ("time in runs", seconds(told.run_seconds)),
        ("hardware", f"{words(several(told.devices)) or 'nothing was run'}; {count(told.machines, 'machine')}"),
        ("software", ", ".join(f"{words(name)} {words(v)}" for name, v in told.session.versions.items())),
        ("session began", f"{told.session.started:%Y-%m-%d %H:%M} UTC"),
        ("config", words(told.session.source)),
    ]
    table = "\n".join(["| | |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows)])
    yield f"<details>\n<summary>Rules and circumstances</summary>\n\n{table}\n\n</details>"


def _shares(told: Story) -> Iterator[str]:
    if len(told.shares) < 2 and not any(share.agent for share in told.shares):
        return
    yield "## Agents"
    rows = ["| agent | experiments | keeps | crashes | gain | cost, USD | time |", "|---|--:|--:|--:|--:|--:|--:|"]
    rows += [
        f"| {words(share.agent, 60) or 'unnamed'} | {share.experiments} | {share.keeps} | {share.crashes} "
        f"| {words(number(share.gain))} | {'' if share.cost is None else f'{share.cost:.2f}'} "
        f"| {seconds(share.seconds)} |"
        for share in told.shares[:30]
    ]
    yield "\n".join(rows)


def _reproduction(told: Story) -> str:
    protocol, session = told.protocol, told.session
    script = reproducing(session.tag, session.start, told.best.commit)
    place = "" if str(protocol.directory) == "." else f", in `{protocol.directory}`"
    run = protocol.run if len(protocol.run) <= 2000 else protocol.run[:2000] + "\n…"
    return f"## Reproduce\n\n{script}\n\nOne run{place}:\n\n{fenced(run, 'bash')}"


def _dropping(told: Story, *, is_answered: bool) -> str:
    if not told.keeps:
        return ""
    newest = told.keeps[-1].number
    asking = f" Comment `/autoresearch drop {newest}` here, or:" if is_answered else ""
    return (
        "## Take a keep out\n\n"
        "Every keep is one commit, so it can go alone; later keeps are applied again without it."
        f"{asking}\n\n{dropping(told.tag, newest)}"
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

_KEPT_TOGETHER = "\u00a0"  # on a phone's screen a cell is broken at every other space
KEPT_HEAD = "| # | what | change | before → after | diff | commit |\n|--:|---|--:|---|---|---|"
ALL_HEAD = "| # | commit | value | change | verdict | what |\n|--:|---|--:|--:|---|---|"


def kept_row(e: Experiment, links: Links, trust: str = "") -> str:
    """A keep's row below KEPT_HEAD, with how sure it is by itself."""
    short = e.commit[:7]
    commit = f"[{short}]({links.repository}/commit/{e.commit})" if links.repository else f"`{short}`"
    numbers = (f"{number(e.against)} → {number(e.value)}", interval(e.interval).strip(), trust)
    shift = " ".join(words(part).replace(" ", _KEPT_TOGETHER) for part in numbers if part)
    return f"| {e.number:04d} | {what(e)} | {words(change(e))} | {shift} | {_diff(e, links)} | {commit} |"


def _diff(e: Experiment, links: Links) -> str:
    """How large it is, linked to the comparison with what it was made from."""
    added, removed = links.sizes.get(e.commit, (-1, -1))
    size = "diff" if added < 0 else f"+{added}{_KEPT_TOGETHER}−{removed}"
    return f"[{size}]({links.repository}/compare/{e.parent}...{e.commit})" if links.repository else size


def any_row(e: Experiment) -> str:
    """An experiment's row below ALL_HEAD."""
    verdict = "baseline" if e.number == 0 else f"{status_word(e)}: {e.reason.value}"
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


def _trust(told: Story, gained: str) -> str:
    """What was verified of the gain that is told; one word where those are the numbers that were verified."""
    verified = told.verified
    if verified is None or verified.gain is None:
        return "not verified"
    size = number(verified.gain) if verified.percent is None else f"{verified.percent:.2f} %"
    return "verified" if gained.endswith(f", {size} better") else f"verified {size}"


def _mark(is_told: bool, word: str = SELF_REPORTED) -> str:
    """The short word behind a number that rests on the run's own, with the page that explains it."""
    return f" [{word}]({PAGE})" if is_told else ""


def _holdout(holdout: Holdout | None, asked: int) -> str:
    if holdout is None:
        return "no"
    what = "yes, a second measurement that the agent does not see" + _mark(holdout.is_visible, VISIBLE)
    return f"{what}; asked {count(asked, 'time')}"


def _joined(parts: Sequence[str] | Iterator[str]) -> str:
    return "\n\n".join(part for part in parts if part)
