"""What people ask of a session whose ledger another process writes: refs that the loop reads between experiments.

An order waits as a ref below ``refs/autoresearch/<tag>/asked``, here or on the remote, until the ledger answers it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime, timezone
from enum import Enum
from typing import Any

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.chain import LEDGERS
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import History, Note

ANSWER = "answer"
"""The kind of the note that answers an order."""

_ARGUMENTS: Mapping[str, str] = {"drop": "[0-9a-f]{1,40}", "verify": "", "continue": r"\d{1,9}", "stop": ""}
Env = Mapping[str, str] | None


class Outcome(str, Enum):
    """How an order ended."""

    DONE = "done"
    ACCEPTED = "accepted"
    """It was handed on; the answer proper comes later, in the same place."""
    REFUSED = "refused"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class Order:
    """One thing asked for: ``drop`` (a number or commit), ``continue`` (a number), ``verify`` or ``stop``.

    ``id`` names it and its answer (on GitHub the comment that asked), ``by`` says who asked, ``pull`` where to answer.
    """

    id: str
    verb: str
    argument: str = ""
    by: str = ""
    pull: int = 0

    @property
    def text(self) -> str:
        """As it was asked for."""
        return f"{self.verb} {self.argument}".strip()


@dataclass(frozen=True, slots=True)
class Answer:
    """What became of an order, in one or a few lines."""

    id: str
    outcome: Outcome
    text: str


def orders_ref(tag: str) -> str:
    """Below it orders wait."""
    return f"{LEDGERS}/{tag}/asked"


def place(git: Git, tag: str, order: Order) -> str:
    """Let an order wait here; its ref is returned. Placed again it is the same one."""
    ref = f"{orders_ref(tag)}/{order.id}"
    commit = git.commit(git.empty_tree, [], json.dumps(asdict(order)), datetime(2020, 1, 1, tzinfo=timezone.utc))
    known = git.refs(ref).get(ref)
    if known != commit:
        git.move_ref(ref, commit, known or git.zero)
    return ref


def waiting(git: Git, tag: str) -> list[Order]:
    """The orders that wait here; what is no order of ours is left out."""
    if not git.may_have_refs(orders_ref(tag)):
        return []
    form = "--format=%(refname)%00%(contents)%00%00"
    out = git.plumbing.run("for-each-ref", form, orders_ref(tag)).decode("utf-8", "replace")
    entries = [entry.strip("\n").split("\0") for entry in out.split("\0\0") if entry.strip("\n")]
    read = (_read(ref.rpartition("/")[2], text) for ref, text in entries)
    return [order for order in read if order is not None]


def settle(git: Git, tag: str, order: Order) -> None:
    """Let an answered order wait no more."""
    ref = f"{orders_ref(tag)}/{order.id}"
    for name, at in git.refs(ref).items():
        git.delete_ref(name, at)


def parse(text: str, **about: Any) -> Order | None:
    """The order that a person's words are, such as ``drop 17``; None for what is none."""
    verb, _, argument = " ".join(text.split()).partition(" ")
    shape = _ARGUMENTS.get(verb)
    return Order(verb=verb, argument=argument, **about) if shape is not None and re.fullmatch(shape, argument) else None


def answer_note(answer: Answer, when: datetime) -> Note:
    """The record of an answer."""
    text = json.dumps({"id": answer.id, "outcome": answer.outcome.value, "text": answer.text}, ensure_ascii=False)
    return Note(ANSWER, text, when)


def answers(history: History) -> dict[str, Answer]:
    """What the ledger answers, by the order's id."""
    found = {}
    for note in history.notes:
        if note.kind == ANSWER:
            told = json.loads(note.text)
            found[told["id"]] = Answer(told["id"], Outcome(told["outcome"]), told["text"])
    return found


# On a remote


def hand_over(git: Git, remote: str, tag: str, order: Order, *, env: Env = None) -> None:
    """Let an order wait on the remote for whoever writes the ledger."""
    ref = place(git, tag, order)
    try:
        git.plumbing.run("push", "-q", "--", remote, f"+{ref}:{ref}", users_config=True, env=env)
    finally:
        settle(git, tag, order)


def bring(git: Git, remote: str, tag: str, *, env: Env = None) -> Sequence[str]:
    """Bring the orders that wait on the remote here; their ids."""
    below = f"{orders_ref(tag)}/"
    out = git.plumbing.run("ls-remote", "--", remote, f"{below}*", users_config=True, env=env)
    refs = [line.split("\t")[1] for line in out.decode("utf-8", "replace").splitlines() if "\t" in line]
    ids = [ref.removeprefix(below) for ref in refs if ref.startswith(below)]
    if ids:
        spec = [f"+{below}{each}:{below}{each}" for each in ids]
        git.plumbing.run(
            *("fetch", "-q", "--no-tags", "--no-write-fetch-head", "--", remote, *spec), users_config=True, env=env
        )
    return ids


def take_back(git: Git, remote: str, tag: str, ids: Sequence[str], *, env: Env = None) -> None:
    """Let orders wait on the remote no more; one that is gone already is no error."""
    for each in ids:
        try:
            git.plumbing.run(*("push", "-q", "--", remote, f":{orders_ref(tag)}/{each}"), users_config=True, env=env)
        except NotebookError as error:
            if "remote ref does not exist" not in str(error):
                raise


def _read(name: str, text: str) -> Order | None:
    try:
        told = json.loads(text)
        words = [str(told[key]) for key in ("id", "verb", "argument", "by")]
        order = Order(words[0], words[1], words[2], words[3], int(told.get("pull", 0)))
    except (ValueError, KeyError, TypeError):
        return None
    shape = _ARGUMENTS.get(order.verb)
    is_sound = order.id == name and shape is not None and re.fullmatch(shape, order.argument)
    return order if is_sound else None
