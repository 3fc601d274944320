"""How a session stands, in few words: for the comment that follows it and for a job's page. Pure; knows no network.

It is told after every experiment, so it looks at each one once and shows a bounded number of them.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable, Iterator

from pytest_autoresearch.github.escaping import words
from pytest_autoresearch.github.pull_request import ALL_HEAD, KEPT_HEAD, Links, any_row, counted, kept_row
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.protocol.experiment import Experiment, Status
from pytest_autoresearch.protocol.model import Direction
from pytest_autoresearch.report.summary import Summary, summarise
from pytest_autoresearch.report.terminal import count, headline, verified_line

MARKER = "<!-- pytest-autoresearch: how the session stands -->"
"""The comment begins with it and is found by it; nobody sees it."""
MOST_KEEPS = 20
MOST_EXPERIMENTS = 10
_NO_BASELINE = "the baseline has not been measured yet"


class Progress:
    """A session that runs: what the experiments told so far have come to."""

    def __init__(self) -> None:
        self._rewrites = 0
        self._forget()

    def _forget(self) -> None:
        self._seen = 0
        self._counts: Counter[Status] = Counter()
        self._cost: float | None = None
        self._keeps: deque[Experiment] = deque(maxlen=MOST_KEEPS)
        self._newest: deque[Experiment] = deque(maxlen=MOST_EXPERIMENTS)

    def text(self, history: History, links: Links) -> str:
        """How it stands, as Markdown."""
        rewrites = len(history.drops) + len(history.groups)
        if rewrites != self._rewrites:  # rows that were told read otherwise now
            self._forget()
            self._rewrites = rewrites
        for experiment in history.experiments[self._seen :]:
            self._take(experiment)
        self._seen = len(history.experiments)
        best = history.certified
        if best is None:
            return f"{_NO_BASELINE}\n"
        metric = history.session.protocol["metric"]
        summary = Summary(
            metric=str(metric["name"]),
            direction=Direction(metric["direction"]),
            start=history.experiments[0],
            best=best,
            keeps=tuple(keep for keep in self._keeps if not keep.provisional),
            provisional=tuple(keep for keep in self._keeps if keep.provisional),
            counts={status: self._counts[status] for status in Status},
            verified=None,
            cost=self._cost,
            shares=(),
            promised=0.0,
        )
        return _text(summary, self._newest, links, "it runs")

    def _take(self, experiment: Experiment) -> None:
        self._newest.append(experiment)
        if experiment.number == 0:
            return
        self._counts[experiment.status] += 1
        if experiment.kept:
            self._keeps.append(experiment)
        if experiment.usage is not None and experiment.usage.cost is not None:
            self._cost = (self._cost or 0.0) + experiment.usage.cost


def ended(history: History, links: Links) -> str:
    """How a session stands that does not run, as Markdown."""
    summary = summarise(history)
    if summary is None:
        return f"{_NO_BASELINE}\n"
    return _text(summary, history.experiments[-MOST_EXPERIMENTS:], links, _end(history))


def _end(history: History) -> str:
    """Why it does not run any more, as far as the ledger tells."""
    ending = history.ending
    return "it was killed, or runs elsewhere" if ending is None else f"it has ended: {ending.text}"


def _text(summary: Summary, newest: Iterable[Experiment], links: Links, state: str) -> str:
    parts = [f"**{words(headline(summary))}**", "\n".join(f"* {fact}" for fact in _facts(summary, links, state))]
    if summary.keeps:
        rows = [kept_row(keep, links) for keep in summary.keeps[-MOST_KEEPS:]]
        parts.append("\n".join(["The newest keeps:", "", KEPT_HEAD, *reversed(rows)]))
    rows = [any_row(experiment) for experiment in newest]
    parts.append("\n".join(["The newest experiments:", "", ALL_HEAD, *reversed(rows)]))
    return "\n\n".join(parts) + "\n"


def _facts(summary: Summary, links: Links, state: str) -> Iterator[str]:
    if summary.verified is not None:
        yield words(verified_line(summary))
    yield f"{count(summary.experiments, 'experiment')}: {counted(summary)}"
    if summary.cost is not None:
        yield f"cost {summary.cost:.2f} USD"
    yield words(state) + (f", [workflow run]({links.run})" if links.run else "")
