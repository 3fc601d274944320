"""When the loop ends by itself. Pure: counts what happened, and says why it is enough."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from pytest_autoresearch.protocol.experiment import Experiment, Reason, Status, Usage
from pytest_autoresearch.protocol.model import Metric
from pytest_autoresearch.protocol.settings import Settings

EMPTY_TURNS = 3  # no-changes or agent errors in a row: an agent that can not propose, and may cost money
IDLE_TURNS = 20  # in a row with nothing to run, such as states that were tried: they pass in no time, all night


@dataclass
class Tally:
    """What this invocation has done so far. Seconds on the monotonic clock; US dollars."""

    began: float = field(default_factory=time.monotonic)
    experiments: int = 0
    run_seconds: float = 0.0
    paused: float = 0.0
    cost: float = 0.0
    dearest: float = 0.0
    tokens: int = 0
    longest: int = 0
    alarm: str = ""
    """What a person asked to be stopped for."""
    exhausted: str = ""
    """The last words of an agent that has nothing left to propose, where no other one has."""
    barren: int = 0
    crashes: int = 0
    empty_turns: int = 0
    idle_turns: int = 0
    last_words: str = ""

    @property
    def elapsed(self) -> float:
        return time.monotonic() - self.began

    def count(self, experiment: Experiment) -> None:
        """Take one finished experiment into account."""
        self.experiments += 1
        self.barren = 0 if experiment.kept else self.barren + 1
        self.crashes = self.crashes + 1 if experiment.status is Status.CRASH else 0
        empty = experiment.reason in (Reason.NO_CHANGE, Reason.AGENT_ERROR)
        self.empty_turns = self.empty_turns + 1 if empty else 0
        self.idle_turns = 0 if experiment.measurements or experiment.earlier else self.idle_turns + 1
        self.last_words = experiment.detail
        if experiment.kept:
            self.exhausted = ""  # there is another state to change

    def left(self, settings: Settings, under_way: int = 0) -> int | None:
        """How many experiments this invocation may still begin, None where no number was asked for."""
        return None if settings.experiments is None else max(0, settings.experiments - self.experiments - under_way)

    def spend(self, usage: Usage | None) -> None:
        """Take into account what a turn has cost."""
        if usage is not None:
            self.cost += usage.cost or 0.0
            self.dearest = max(self.dearest, usage.cost or 0.0)
            self.tokens += usage.input_tokens + usage.output_tokens
            self.longest = max(self.longest, usage.input_tokens + usage.output_tokens)

    def has_room(self, settings: Settings, under_way: int, thinking: int) -> bool:
        """Whether one more may begin beside ``under_way`` others, of which agents are ``thinking`` of some.

        A turn may cost what the dearest one did, so that a limit is passed by one turn at most, as with one at a time.
        """
        if self.left(settings, under_way) == 0:
            return False
        if settings.max_cost is not None and self.cost + thinking * self.dearest >= settings.max_cost:
            return False
        return settings.max_tokens is None or self.tokens + thinking * self.longest < settings.max_tokens

    def reason_to_stop(self, settings: Settings, metric: Metric, best: float, reserve: float = 0.0) -> str | None:
        """Why the loop should end here, in words for people; None to go on.

        ``best`` is the incumbent's level, ``reserve`` seconds of the duration that are kept for what comes after.
        """
        if self.alarm:
            return self.alarm
        until = settings.until if settings.until is not None else metric.target
        if until is not None and not metric.direction.better(until, best):
            return f"{metric.name} reached {until:g}"
        if self.exhausted:
            return f"the agent has nothing left to propose: {self.exhausted}"
        if settings.experiments is not None and self.experiments >= settings.experiments:
            asked = settings.experiments
            return "1 experiment was asked for" if asked == 1 else f"{asked} experiments were asked for"
        if settings.duration is not None and self.elapsed + reserve >= settings.duration:
            return f"the duration of {settings.duration:g} s is over"
        if settings.patience is not None and self.barren >= settings.patience:
            return f"{self.barren} experiments in a row without a keep"
        if self.crashes >= settings.crashes:
            return f"{self.crashes} crashes in a row"
        if self.empty_turns >= EMPTY_TURNS:
            return (
                f"{self.empty_turns} turns in a row without a usable change; the agent's last words: {self.last_words}"
            )
        if self.idle_turns >= IDLE_TURNS:
            return f"{self.idle_turns} turns in a row gave nothing to run; the last one: {self.last_words}"
        if settings.max_cost is not None and self.cost >= settings.max_cost:
            return f"the cost reached {self.cost:.2f} of {settings.max_cost:.2f} USD"
        if settings.max_tokens is not None and self.tokens >= settings.max_tokens:
            return f"the agent used {self.tokens} of {settings.max_tokens} tokens"
        return None
