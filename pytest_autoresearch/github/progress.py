"""How a session stands, in few words: for the comment that follows it and for a job's page. Pure; knows no network.

It is told after every experiment, so it looks at each one once and shows a bounded number of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from pytest_autoresearch.github.escaping import words
from pytest_autoresearch.github.pull_request import ALL_HEAD, KEPT_HEAD, Links, any_row, counted, kept_row
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.report.story import State, Story, Teller, story
from pytest_autoresearch.report.terminal import count, headline, verified_line

MARKER = "<!-- pytest-autoresearch: how the session stands -->"
"""The comment begins with it and is found by it; nobody sees it."""
MOST_KEEPS = 20
_NO_BASELINE = "the baseline has not been measured yet"


class Progress:
    """A session that runs: told after every experiment, it looks at what is new only."""

    def __init__(self) -> None:
        self._teller: Teller | None = None

    def text(self, history: History, links: Links) -> str:
        """How it stands, as Markdown."""
        self._teller = self._teller or Teller(history.session)
        told = self._teller.tell(history, running=True)
        return f"{_NO_BASELINE}\n" if told is None else _text(told, links)


def ended(history: History, links: Links) -> str:
    """How a session stands that does not run, as Markdown."""
    told = story(history)
    return f"{_NO_BASELINE}\n" if told is None else _text(told, links)


def _state(told: Story) -> str:
    """Whether it runs, and why not, as far as the ledger tells."""
    if told.state is State.RUNNING:
        return "it runs"
    return f"it has ended: {told.why}" if told.why else "it was killed, or runs elsewhere"


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
    yield f"{count(told.tried, 'experiment')}: {counted(told)}"
    if told.cost is not None:
        yield f"cost {told.cost:.2f} USD"
    yield words(_state(told)) + (f", [workflow run]({links.run})" if links.run else "")
