"""The loop: which experiments begin and when, what is done while it is quiet, and why it ends.

How one experiment goes is :mod:`pytest_autoresearch.research.script`, what it asks of its session
:mod:`pytest_autoresearch.research.session`. Whatever is done with an experiment is in the notebook when it has ended.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from pytest_autoresearch.agents.base import Agent
from pytest_autoresearch.notebook.pending import Pending
from pytest_autoresearch.notebook.record import Group
from pytest_autoresearch.protocol.experiment import Experiment
from pytest_autoresearch.research.baseline import baseline
from pytest_autoresearch.research.case import Case
from pytest_autoresearch.research.certifying import certify, proof, prove, reserve
from pytest_autoresearch.research.guarding import try_new_guards
from pytest_autoresearch.research.moving import elsewhere
from pytest_autoresearch.research.script import experiment
from pytest_autoresearch.research.session import Research
from pytest_autoresearch.research.slots import Ticket

PACE = 10  # newest experiments that say how long turns and runs take
SHORT_TURN = 0.5  # s of an agent's turn; to be ahead of less is not worth a base that may be left behind
PROOF = 0  # the number of what is no experiment's, among those that wait for a slot the first
PAUSE = 0.5  # s between two looks at whether a paused session may go on


@dataclass(frozen=True)
class Ended:
    """An experiment that has ended: recorded, or with what went wrong in it."""

    number: int
    experiment: Experiment | None = None
    error: Exception | None = None


class Loop:
    """Ask for the :meth:`next` experiment that ends until there is none; ``stopped`` says why there is none.

    ``at_rest`` is called whenever nothing is being measured, before anything begins; ``awaited`` says whether there is
    something to do then, so that nothing new begins before.
    """

    def __init__(
        self,
        research: Research,
        *,
        at_rest: Callable[[], None] = lambda: None,
        awaited: Callable[[], bool] = lambda: False,
    ) -> None:
        self.research, self._slots = research, research.slots
        self._at_rest, self._awaited = at_rest, awaited
        self._rests = False
        self._proof: Ticket[Group] | None = None
        self.stopped = ""

    def next(self) -> Ended | None:
        """The next experiment that ends, the baseline first; None where there is a reason to stop.

        Ctrl-C puts off what is under way, as often as it is pressed.
        """
        try:
            if not self.research.history:
                return self._begun()
            self._slots.complete()
            while True:
                if self._slots.is_idle and self._is_over():
                    return None
                if (failed := self._fill()) is not None:
                    return failed
                ticket = self._slots.wait()
                if ticket is not None and (ended := self._told(ticket)) is not None:
                    return ended
        except KeyboardInterrupt:
            self._slots.cancel()
            self.research.notebook.put_off()
            raise

    def _begun(self) -> Ended:
        try:
            return Ended(0, elsewhere(self.research, baseline))
        except Exception as error:
            return Ended(0, error=error)

    def _told(self, ticket: Ticket[Any]) -> Ended | None:
        """An experiment that has ended, for those who report; whether it is time for a rest is seen now.

        None for the proof of a group, which speaks for itself.
        """
        is_proof = ticket is self._proof
        self._proof = None if is_proof else self._proof
        self.research.cases.pop(ticket.number, None)
        if ticket.error is not None:
            self._slots.cancel()
            self.research.cases.clear()
            self._proof = None
        elif self._slots.live:
            self._rests = self._awaited() or (self._slots.size == 1 and self.research.judge.due)
        if is_proof:  # what goes wrong in it keeps the next experiment from beginning
            return Ended(self.research.next_number, error=ticket.error) if ticket.error is not None else None
        return Ended(ticket.number, ticket.result, ticket.error)

    # The end

    def _is_over(self) -> bool:
        """Whether the loop ends here, after what waited for a rest was done."""
        self._at_rest()
        self._rests = False
        self.stopped = self.reason_to_stop() or ""
        if self.stopped and self.research.judge.stack:  # what is provisional is measured; that may be a reason to go on
            certify(self.research)
            self.stopped = self.reason_to_stop() or ""
        return bool(self.stopped)

    def reason_to_stop(self) -> str | None:
        """Why the loop should end here, in words for people; None to go on. Waits while the session is paused."""
        research = self.research
        while research.parts.paused() and not research.parts.stop_requested():
            research.phase(research.next_number, "paused")
            began = time.monotonic()
            time.sleep(PAUSE)
            research.tally.paused += time.monotonic() - began
        return research.parts.stop_requested() or self._enough()

    def _enough(self) -> str | None:
        """Why what was done so far is enough."""
        research, best = self.research, self.research.incumbent.value
        assert best is not None
        return research.tally.reason_to_stop(research.settings, research.protocol.metric, best, reserve(research))

    # What begins

    def _fill(self) -> Ended | None:
        """Begin experiments while there is room; what goes wrong before one has begun belongs to it."""
        while True:
            pending = self._unresumed()
            number = self.research.next_number if pending is None else pending.number
            try:
                self._prove_beside()
                if not self._has_room(asks=pending is None) or not self._begin(number, pending):
                    return None
            except Exception as error:
                return Ended(number, error=error)

    def _prove_beside(self) -> None:
        """Begin to prove what is provisional when that is due, while experiments go on on the other slots."""
        wanted = self._slots.size > 1 and self.research.judge.due and not self._rests
        if wanted and self._proof is None and not self._slots.is_idle and not self._is_held():
            self._proof = self._slots.start(PROOF, proof(self.research))

    def _is_held(self) -> bool:
        """Whether people want nothing to begin."""
        return bool(self.research.parts.paused() or self.research.parts.stop_requested())

    def _begin(self, number: int, pending: Pending | None) -> bool:
        """Begin an experiment; False while the agent whose turn it is has one and takes one at a time."""
        research = self.research
        if self._slots.is_idle:
            try_new_guards(research)
            if pending is None:
                prove(research)
        agent = self._agent() if pending is None else None
        if pending is None and agent is None:
            return False
        case = research.cases[number] = self._case(number, pending)
        self._slots.start(number, experiment(research, case, agent))
        return True

    def _unresumed(self) -> Pending | None:
        """The oldest proposal that an earlier session has left and that is not under way again."""
        pending = self.research.notebook.pending
        left = [number for number in pending if number not in self.research.cases]
        return pending[min(left)] if left else None

    def _has_room(self, *, asks: bool) -> bool:
        """Whether another experiment may begin; one that ``asks`` an agent may be ahead of its slot."""
        if self._slots.is_idle:
            return True
        research, slots = self.research, self._slots
        busy = slots.size - slots.free
        ahead = min(self._ahead(), busy) if asks else 0
        if self._rests or len(slots.live) - busy >= slots.free + ahead:
            return False
        if self._is_held():
            return False
        under_way = sum(ticket is not self._proof for ticket in slots.live)
        thinking = sum(case.thinks for case in research.cases.values())
        return research.tally.has_room(research.settings, under_way, thinking) and not self._enough()

    def _ahead(self) -> int:
        """How many proposals are asked for before there is a slot for them."""
        wanted, slots = self.research.settings.look_ahead, self._slots.size
        if wanted == "no":
            return 0
        recent = [each for each in self.research.history[-PACE:] if each.number > 0 and each.measurements]
        turn = sum(each.agent_seconds for each in recent)
        runs = sum(run.duration for each in recent for run in each.measurements)
        if wanted == "auto" and (turn <= SHORT_TURN * len(recent) or turn <= runs / 10):
            return 0
        return min(slots, math.ceil(slots * turn / runs) + 1) if runs else 1  # one is ready while the others are made

    def _agent(self) -> Agent | None:
        """Whose turn it is, None while it is that of one that has a turn and takes one at a time."""
        research, cases = self.research, self.research.cases.values()
        agent = research.proposer.whose_turn(research.notebook.history, [case.agent for case in cases])
        busy = any(case.thinks and case.agent == agent.name for case in cases)
        return None if busy and not getattr(agent, "concurrent", False) else agent

    def _case(self, number: int, pending: Pending | None) -> Case:
        """A new experiment on the incumbent, or one that goes on with what it was proposed on."""
        research = self.research
        base, state = research.incumbent, research.drafts.incumbent
        if pending is None:
            seen = len(research.history)
            return Case(number, base, state, base.value, seen=None if seen == number else seen)
        known = next((each for each in research.history if each.commit == pending.parent), None)
        if known is not None and known.commit != base.commit:
            base, state = known, research.parts.git.files(known.commit)
        case = Case(number, base, state, base.value, seen=pending.seen, agent=pending.agent, pending=pending)
        case.moves = pending.moves
        return case
