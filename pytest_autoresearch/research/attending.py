"""What people ask of a running session: carried out between two experiments, and answered in the ledger."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone
from importlib.metadata import version

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook import orders, steering
from pytest_autoresearch.notebook.drop import drop_keep
from pytest_autoresearch.notebook.export import find
from pytest_autoresearch.notebook.ledger import state_directory
from pytest_autoresearch.notebook.orders import Answer, Order, Outcome
from pytest_autoresearch.notebook.record import PROGRAM, Drop
from pytest_autoresearch.protocol.settings import DEFAULT, PROTOCOL, Settings
from pytest_autoresearch.report.figures import count, number
from pytest_autoresearch.report.story import story
from pytest_autoresearch.report.words import headline, verified_line
from pytest_autoresearch.research.baseline import refresh
from pytest_autoresearch.research.certifying import certify, group_words
from pytest_autoresearch.research.session import Research
from pytest_autoresearch.research.verifying import verify

PACKAGE = "pytest-autoresearch"
TOLD = "settings"
"""The kind of the note that says what an invocation was told, so that the next one can go on as this one did."""

_NAMES = ("agent", "model", "judge", "experiments", "duration", "max_cost", "max_tokens", "patience", "until")


class Attending:
    """Looks for orders of one session. Call :meth:`attend` between experiments, when nothing is being measured."""

    def __init__(self, research: Research) -> None:
        self._research = research
        self._is_told = False
        self._deeds: Mapping[str, Callable[[Order], str]] = {
            "drop": self._drop,
            "verify": self._verify,
            "continue": self._go_on,
            "stop": self._stop,
        }

    def attend(self) -> None:
        """Carry out and answer what waits; before the baseline there is nothing to ask for."""
        research = self._research
        if not research.history:
            return
        git, tag = research.parts.git, research.parts.session.tag
        if not self._is_told:
            self._is_told = True
            self._sign()
            research.notebook.note(TOLD, json.dumps(told(research.settings)))
        for order in orders.waiting(git, tag):
            self._settle(order, self._answered)

    def _sign(self) -> None:
        """Say so in the record where another version of this program goes on than the one before."""
        history, now = self._research.notebook.history, version(PACKAGE)
        before = [history.session.versions.get(PACKAGE, "an unknown version")]
        before += [note.text.partition(" ")[0] for note in history.notes if note.kind == PROGRAM]
        if before[-1] != now:
            text = f"{now} of {PACKAGE} goes on from experiment {self._research.next_number:04d}, after {before[-1]}"
            self._research.notebook.note(PROGRAM, text)
            self._research.watch.remark(text)

    def is_awaited(self) -> bool:
        """Whether an order waits."""
        return bool(orders.waiting(self._research.parts.git, self._research.parts.session.tag))

    def answer_verified(self) -> None:
        """Answer those who asked for the verification that was made just now."""
        git, tag = self._research.parts.git, self._research.parts.session.tag
        for order in orders.waiting(git, tag):
            if order.verb == "verify":
                self._settle(order, lambda order: Answer(order.id, Outcome.DONE, self._verified()))

    def _settle(self, order: Order, answered: Callable[[Order], Answer]) -> None:
        research = self._research
        if order.id not in orders.answers(research.notebook.history):  # or the last session died right after it
            answer = answered(order)
            research.watch.remark(f"{order.by or 'somebody'} asked: {order.text}: {answer.outcome.value}")
            note = orders.answer_note(answer, datetime.now(timezone.utc))
            research.notebook.note(note.kind, note.text)
        orders.settle(research.parts.git, research.parts.session.tag, order)

    def _answered(self, order: Order) -> Answer:
        try:
            return Answer(order.id, Outcome.DONE, self._deeds[order.verb](order))
        except NotebookError as error:
            return Answer(order.id, Outcome.REFUSED, str(error))

    def _drop(self, order: Order) -> str:
        research = self._research
        history = research.notebook.history
        dropped = find(history, order.argument).number
        drop = next((drop for drop in history.drops if drop.number == dropped), None)
        if drop is None:
            drop = drop_keep(research.notebook, dropped, f"asked for by {order.by}" if order.by else "")
            research.drafts.incumbent = research.parts.git.files(research.incumbent.commit)
        refresh(research)
        group = certify(research) if drop.unproven and research.judge.stack else None
        head, left = research.incumbent, len(research.notebook.history.keeps)
        text = f"{dropped_line(drop, left)}; the head measures {number(head.value)}"
        return text if group is None else f"{text}; {group_words(group)}"

    def _verify(self, order: Order) -> str:
        research = self._research
        if not research.notebook.history.keeps:
            raise NotebookError("nothing was kept, so there is nothing to verify")
        verify(research)
        return self._verified()

    def _verified(self) -> str:
        summary = story(self._research.notebook.history)
        assert summary is not None
        return f"{verified_line(summary)} ({headline(summary)})"

    def _go_on(self, order: Order) -> str:
        research, more = self._research, int(order.argument)
        had = research.settings.experiments
        if had is None:
            return "it runs without a limit of experiments, so they are part of it"
        research.settings = replace(research.settings, experiments=had + more)
        left = had + more - research.tally.experiments
        return f"{count(more, 'experiment')} more, {left} to go"

    def _stop(self, order: Order) -> str:
        parts = self._research.parts
        why = f"{order.by} asked for it" if order.by else "a person asked for it"
        steering.request_stop(state_directory(parts.git, parts.session.tag), why)
        return "it stops now, with everything recorded"


def dropped_line(drop: Drop, left: int) -> str:
    """What a drop has changed."""
    again = ", ".join(f"{number:04d} is {commit[:7]} now" for number, commit in sorted(drop.moved.items()))
    return f"{drop.number:04d} is out{f', {again}' if again else ''}; {count(left, 'keep')} left"


def told(settings: Settings) -> dict[str, str]:
    """What this invocation was told on the command line or in its environment, as it would be told again."""
    said = {}
    for name in _NAMES:
        value = getattr(settings, "agents" if name == "agent" else name)
        if value is not None and settings.sources.get(name, DEFAULT) not in (DEFAULT, PROTOCOL):
            said[name] = ",".join(value) if isinstance(value, tuple) else _number(value)
    return said


def _number(value: object) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)
