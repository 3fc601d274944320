"""Answers to what reviewers ask for, on the pull request: one comment for each, written over as it goes on."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_autoresearch.errors import AutoresearchError
from pytest_autoresearch.github.remote import Remote
from pytest_autoresearch.notebook import orders
from pytest_autoresearch.notebook.chain import branch_ref
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.orders import Answer, Order
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.report.markdown.answers import answered, parted
from pytest_autoresearch.report.markdown.parts import Links

if TYPE_CHECKING:
    from pytest_autoresearch.github.api import Api


def marker(order: Order) -> str:
    """What the comment begins with; nobody sees it."""
    return f"<!-- pytest-autoresearch: answer to {order.id} -->"


def say(api: Api, pull: int, order: Order, answer: Answer, links: Links) -> None:
    """Answer on a pull request."""
    api.comment(pull, marker(order), answered(order, answer, links))


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


def say_parted(api: Api, tag: str, other: str, history: History, links: Links) -> None:
    """Tell the pull request of a tag that a session of it went its own way, to the tag ``other``."""
    pull = _pull_of(api, tag)
    if pull:
        said = parted(tag, branch_ref(other)[11:], len(history.keeps), links)
        api.comment(pull, f"<!-- pytest-autoresearch: {other} parted -->", said)


def _pull_of(api: Api, tag: str) -> int:
    pull = api.find(branch_ref(tag)[11:])
    return 0 if pull is None else pull.number
