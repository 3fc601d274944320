"""What people ask of a running session: carried out between two experiments, and answered in the ledger."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timezone

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook import orders, steering
from pytest_autoresearch.notebook.drop import drop_keep
from pytest_autoresearch.notebook.export import find
from pytest_autoresearch.notebook.ledger import state_directory
from pytest_autoresearch.notebook.orders import Answer, Order, Outcome
from pytest_autoresearch.protocol.settings import DEFAULT, PROTOCOL, Settings
from pytest_autoresearch.report.story import story
from pytest_autoresearch.report.terminal import count, headline, number, verified_line
from pytest_autoresearch.research.loop import Research
from pytest_autoresearch.research.verifying import verify

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
            research.notebook.note(TOLD, json.dumps(told(research.settings)))
        for order in orders.waiting(git, tag):
            self._settle(order, self._answered)

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
        moved: Mapping[int, str] = {}
        if all(drop.number != dropped for drop in history.drops):
            moved = drop_keep(research.notebook, dropped, f"asked for by {order.by}" if order.by else "").moved
            research.drafts.incumbent = research.parts.git.files(research.incumbent.commit)
        research.refresh()
        head = research.incumbent
        return f"{dropped_line(dropped, moved, len(research.notebook.history.keeps))}; the head measures " + (
            number(head.value)
        )

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


def dropped_line(dropped: int, moved: Mapping[int, str], left: int) -> str:
    """What a drop has changed."""
    again = ", ".join(f"{number:04d} is {commit[:7]} now" for number, commit in sorted(moved.items()))
    return f"{dropped:04d} is out{f', {again}' if again else ''}; {count(left, 'keep')} left"


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
