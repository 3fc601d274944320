"""How a session stands, in few words: for the comment that follows it and for a job's page. Pure; knows no network.

It is told after every experiment, so it looks at each one once and shows a bounded number of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from pytest_autoresearch.report.markdown.body import ALL_HEAD, KEPT_HEAD, any_row, kept_row
from pytest_autoresearch.report.markdown.escaping import words
from pytest_autoresearch.report.markdown.parts import Links
from pytest_autoresearch.report.story import Story
from pytest_autoresearch.report.words import counted, headline, state, verified_line

MOST_KEEPS = 20
_NO_BASELINE = "the baseline has not been measured yet"


def standing(told: Story | None, links: Links) -> str:
    """How a session stands, as Markdown; None: before the baseline."""
    return f"{_NO_BASELINE}\n" if told is None else _text(told, links)


def troubled(text: str, trouble: str) -> str:
    """The same below what stands in the way of pushing, if anything does."""
    said = "; ".join(line.strip() for line in trouble.splitlines() if line.strip())
    return f"> [!WARNING]\n> {words(said, 600)}\n\n{text}" if said else text


def _text(told: Story, links: Links) -> str:
    parts = [f"**{words(headline(told))}**", "\n".join(f"* {fact}" for fact in _facts(told, links))]
    if told.keeps:
        rows = [kept_row(keep, links) for keep in told.keeps[-MOST_KEEPS:]]
        parts.append("\n".join(["The newest keeps:", "", KEPT_HEAD, *reversed(rows)]))
    rows = [any_row(experiment) for experiment in told.newest]
    parts.append("\n".join(["The newest experiments:", "", ALL_HEAD, *reversed(rows)]))
    return "\n\n".join(parts) + "\n"


def _facts(told: Story, links: Links) -> Iterator[str]:
    if told.verified is not None:
        yield words(verified_line(told))
    yield counted(told)
    if told.cost is not None:
        yield f"cost {told.cost:.2f} USD"
    yield words(state(told)) + (f", [workflow run]({links.run})" if links.run else "")
