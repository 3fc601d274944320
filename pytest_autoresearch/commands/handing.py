"""Commands about a session that is running: its ledger has one writer, so the loop carries them out, and answers."""

from __future__ import annotations

import getpass
import json
import sys
import time
import uuid

from pytest_autoresearch.notebook import orders, steering
from pytest_autoresearch.notebook.chain import read_history
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.ledger import state_directory
from pytest_autoresearch.notebook.orders import Answer, Order, Outcome

PAUSE = 0.3  # s between two looks for the answer


def handed(git: Git, tag: str, verb: str, argument: str = "") -> Answer | None:
    """The running session's answer; None where none is running, or it ended before it saw the order.

    Ctrl-C ends the waiting and not the order.
    """
    state = state_directory(git, tag)
    if not steering.running(state):
        return None
    order = Order(uuid.uuid4().hex, verb, argument, by=_user())
    orders.place(git, tag, order)
    print(
        f"pytest-autoresearch: {tag} is running, it does this after its current experiment (Ctrl-C: do not wait)",
        file=sys.stderr,
    )
    while True:
        runs = steering.running(state)  # before the look: what it said last is heard then
        if all(each.id != order.id for each in orders.waiting(git, tag)):
            return orders.answers(read_history(git, tag)).get(order.id)
        if not runs:
            orders.settle(git, tag, order)
            return None
        time.sleep(PAUSE)


def say(answer: Answer, *, as_json: bool) -> int:
    """Print the answer; 1 for a refusal."""
    if as_json:
        print(json.dumps({"outcome": answer.outcome.value, "text": answer.text}))
    else:
        print(answer.text)
    return 0 if answer.outcome is Outcome.DONE else 1


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        return ""
