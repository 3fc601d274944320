"""Answers to what reviewers ask for, on the pull request: one comment for each, written over as it goes on."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_autoresearch.errors import AutoresearchError
from pytest_autoresearch.github.escaping import words
from pytest_autoresearch.github.pull_request import Links
from pytest_autoresearch.github.remote import Remote
from pytest_autoresearch.notebook import orders
from pytest_autoresearch.notebook.chain import branch_ref
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.orders import Answer, Order, Outcome
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.report.terminal import count

if TYPE_CHECKING:
    from pytest_autoresearch.github.api import Api

LONGEST = 1500
_SYMBOLS = {Outcome.DONE: "✅", Outcome.ACCEPTED: "⏳", Outcome.REFUSED: "❌", Outcome.FAILED: "❌"}


def marker(order: Order) -> str:
    """What the comment begins with; nobody sees it."""
    return f"<!-- pytest-autoresearch: answer to {order.id} -->"


def text(order: Order, answer: Answer, links: Links) -> str:
    """The comment: what was asked by whom, and what became of it."""
    by = f"{words(order.by, 60)}: " if order.by else ""
    lines = [line.strip() for line in answer.text.splitlines() if line.strip()]
    said = "<br>".join(_linked(line, links) for line in lines)
    run = f" ([workflow run]({links.run}))" if links.run else ""
    return f"> {by}`/autoresearch {order.text}`\n\n{_SYMBOLS[answer.outcome]} **{answer.outcome.value}**: {said}{run}"


def _linked(line: str, links: Links) -> str:
    """A line in which addresses of this repository's runs, and no others, are links."""
    if not links.repository:
        return words(line, LONGEST)
    parts = re.split(f"({re.escape(links.repository)}/actions/runs/[0-9]+)", line)
    shown = [f"[workflow run]({part})" if index % 2 else words(part, LONGEST) for index, part in enumerate(parts)]
    spaced = [" " if part[:1].isspace() else "" for part in parts]
    ends = [" " if part[-1:].isspace() else "" for part in parts]
    return "".join(f"{before}{part}{after}" for before, part, after in zip(spaced, shown, ends, strict=True)).strip()


def say(api: Api, pull: int, order: Order, answer: Answer, links: Links) -> None:
    """Answer on a pull request."""
    api.comment(pull, marker(order), text(order, answer, links))


def deliver(
    git: Git,
    remote: Remote,
    tag: str,
    known: Mapping[str, Answer],
    api: Api,
    links: Links,
    *,
    otherwise: Callable[[Order], Answer] | None = None,
) -> Sequence[str]:
    """Say on the pull request what the ledger answers (``known``), and let that wait on the remote no more.

    What it does not answer is left to wait, or ``otherwise`` says what becomes of it. Of what :func:`orders.bring` has
    brought; what went wrong is returned.
    """
    remarks = []
    for order in orders.waiting(git, tag):
        answer = known.get(order.id) or (otherwise(order) if otherwise is not None else None)
        if answer is None:
            continue
        try:
            pull = order.pull or _pull_of(api, tag)
            if pull:
                say(api, pull, order, answer, links)
            orders.take_back(git, remote.name, tag, [order.id], env=remote.env)
            orders.settle(git, tag, order)
        except AutoresearchError as error:
            remarks.append(f"{order.text} was not answered: {' '.join(str(error).split())}")
    return remarks


def say_parted(api: Api, tag: str, parted: str, history: History, links: Links) -> None:
    """Tell the pull request of a tag that a session of it went its own way."""
    pull = _pull_of(api, tag)
    if pull:
        branch = branch_ref(parted)[11:]
        where = f"[{branch}]({links.repository}/tree/{branch})" if links.repository else f"`{branch}`"
        run = f" ([workflow run]({links.run}))" if links.run else ""
        said = f"⚠️ Two sessions went on with {words(tag)} at the same time. This one pushed first and goes on; "
        said += f"the other has ended, and its {count(len(history.keeps), 'keep')} are kept in {where}{run}."
        api.comment(pull, f"<!-- pytest-autoresearch: {parted} parted -->", said)


def _pull_of(api: Api, tag: str) -> int:
    pull = api.find(branch_ref(tag)[11:])
    return 0 if pull is None else pull.number
