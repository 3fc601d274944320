"""An agent on one task, in memory, as ``benchmarks/search.py`` plays it. Knows no figures."""

from __future__ import annotations

import random
import re
import statistics
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Any

from benchmarks import search_tasks as world
from pytest_autoresearch.agents.base import Briefing, Turn
from pytest_autoresearch.agents.search.agent import SearchAgent
from pytest_autoresearch.judge import GroupVerdict, Judge, JudgeSettings, Policy, Rule, Step, Verdict
from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Move, Outcome, Reason, Role, Status
from pytest_autoresearch.protocol.model import Direction, Metric, PathRule, Protocol

STARTED, PROOF = 2, 12  # runs of the start, and of the proof


class Desk:
    """The workspace of one script."""

    directory = Path(".")
    targets = ("train.py",)

    def __init__(self, text: bytes) -> None:
        self.incumbent, self.text = text, text
        self.judged = {text}

    def read(self, target: str) -> bytes:
        return self.incumbent

    def write(self, target: str, data: bytes) -> None:
        self.text = data

    def tried(self, edits: Mapping[str, bytes]) -> bool:
        return edits.get("train.py", self.incumbent) in self.judged

    def run(self, command: object, **_: object) -> Turn:
        return Turn(127, b"", b"", timed_out=False, duration=0.0)  # no linter is here


def script(values: world.Values, task: world.Task) -> bytes:
    """The task as a script whose constants are its knobs."""
    lines = []
    for name, value in values.items():
        low, _, scale = task.space[name]
        said = f"  # {' or '.join(low)}" if scale == "choice" else ""
        lines.append(f"{name} = {value!r}{said}")
    return "\n".join([*lines, ""]).encode()


def values_of(text: bytes) -> dict[str, Any]:
    found: dict[str, Any] = {}
    exec(text, {}, found)
    return found


def named(task: world.Task) -> tuple[str, ...]:
    """The task's ranges as a protocol's ``knobs``."""
    return tuple(
        f"{name}: {'|'.join(low)}" if scale == "choice" else f"{name}: {low}..{high}"
        for name, (low, high, scale) in task.space.items()
    )


@dataclass
class Session:
    """One agent on one task. ``left`` (runs) is told to the agent; None: it does not know when it ends.

    Its judge is a plain one: a step that is better beyond doubt is kept after one run, any other by the mean of two.
    """

    task: world.Task
    agent: SearchAgent
    start: world.Values
    seed: int
    knobs: tuple[str, ...] = ()
    runs: int = 0
    slots: int = 1
    history: list[Experiment] = field(default_factory=list)
    seconds: list[float] = field(default_factory=list)
    last: tuple[Move, ...] = ()

    def __post_init__(self) -> None:
        self.lots = random.Random(self.seed)
        self.desk = Desk(script(self.start, self.task))
        self.protocol = Protocol("", Metric("loss", Direction.LOWER), (PathRule("train.py"),), "true", knobs=self.knobs)
        values = self._calibrate()
        self.tip = self._record(Reason.IMPROVED, (), values, "c0")

    def _calibrate(self) -> Sequence[float | None]:
        values = [self.measure(self.desk.incumbent) for _ in range(STARTED)]
        self.level = statistics.fmean(v for v in values if v is not None)
        return values

    def measure(self, text: bytes) -> float | None:
        self.runs += 1
        try:
            return self.task.run(values_of(text), self.lots)
        except (ArithmeticError, ValueError):
            return None

    @property
    def noise(self) -> float:
        return self.agent._trials.noise

    def play(self, runs: int) -> None:
        """Go on to so many runs. A slot that is free is given the next proposal; the first one asked ends first."""
        flying: deque[tuple[tuple[Move, ...], Callable[[], None]]] = deque()
        while self.runs + len(flying) < runs or flying:
            if len(flying) < self.slots and self.runs + len(flying) < runs:
                ready = self.step(runs - self.runs - len(flying), [moves for moves, _ in flying])
                if ready is not None:
                    flying.append((self.last, ready))
                    continue
                if not flying:
                    return
            flying.popleft()[1]()

    def step(self, left: int | None, flying: Sequence[tuple[Move, ...]] = ()) -> Callable[[], None] | None:
        """Ask once; what is returned measures and judges the answer. None: there is nothing left to propose."""
        number = len(self.history) + len(flying)
        briefing = Briefing(
            number, self.protocol, self.tip, self.history, "", self.seed * 1000 + number, tuple(flying), left
        )
        began = time.process_time()
        proposal = self.agent.propose(briefing, self.desk)
        self.seconds.append(time.process_time() - began)
        if proposal.exhausted:
            return None
        text, base, level, self.last = self.desk.text, self.tip, self.level, proposal.moves
        if not proposal.probe:
            self.desk.judged.add(text)

        def measured() -> None:
            value = self.measure(text)
            if value is None:
                self._record(Reason.ERROR, proposal.moves, [None], base.commit)
            elif proposal.probe:
                self._record(Reason.PROBE, proposal.moves, [value], base.commit)
            elif base is self.tip:
                self._judge(text, proposal.moves, value)
            elif value < level:  # what is no gain on its own base needs no other
                self._merge(proposal.moves)
            else:
                self._record(Reason.WORSE, proposal.moves, [value], base.commit, level)

        return measured

    def _judge(self, text: bytes, moves: tuple[Move, ...], value: float) -> None:
        """A provisional keep: better than the tip in one run beyond doubt, or in the mean of two."""
        values, base = [value], self.tip
        if 0 < self.level - value < 2 * self.noise and (again := self.measure(text)) is not None:
            values.append(again)
        mean = statistics.fmean(values)
        if mean >= self.level:
            self._record(Reason.WORSE, moves, values, base.commit)
            return
        self.tip = self._record(Reason.IMPROVED, moves, values, base.commit)
        self.level, self.desk.incumbent = mean, text

    def _merge(self, moves: tuple[Move, ...]) -> None:
        """A gain on a base that is no longer the tip: the same moves on the tip, judged there; a conflict is lost."""
        here = self.desk.incumbent
        for move in moves:
            line, new = f"{move.name} = {move.old}".encode(), f"{move.name} = {move.new}".encode()
            here = re.sub(rb"(?m)^" + re.escape(line) + rb"(?=$|  #)", new, here)
        value = None if here == self.desk.incumbent else self.measure(here)
        self.desk.judged.add(here)
        if value is None:
            self._record(Reason.DUPLICATE, moves, [], self.tip.commit)
        else:
            self._judge(here, moves, value)

    def _record(
        self,
        reason: Reason,
        moves: tuple[Move, ...],
        values: Sequence[float | None],
        parent: str,
        against: float | None = None,
        estimate: float | None = None,
    ) -> Experiment:
        number = len(self.history)
        found = [value for value in values if value is not None]
        if estimate is None and found:
            estimate = statistics.fmean(found)
        experiment = Experiment(
            number,
            reason.status,
            reason,
            "",
            f"c{number}",
            parent,
            "",
            "",
            value=estimate,
            against=self.level if against is None else against,
            moves=moves,
            measurements=tuple(Measurement(Role.CANDIDATE, value=value) for value in found),
        )
        assert reason.status is not Status.KEEP or found
        self.history.append(experiment)
        return experiment


class ToldSession(Session):
    """The same under a judge that is told the truth, for one run a step: what its verdicts cost is the difference.

    The models still see noisy runs.
    """

    def _judge(self, text: bytes, moves: tuple[Move, ...], value: float) -> None:
        base, truth = self.tip, self.task.truth
        if truth(values_of(text)) >= truth(values_of(self.desk.incumbent)):
            self._record(Reason.WORSE, moves, [value], base.commit)
            return
        self.tip = self._record(Reason.IMPROVED, moves, [value], base.commit)
        self.level, self.desk.incumbent = value, text


class GroupedSession(Session):
    """The same under the product's judge (``grouped``), which asks for runs of candidates, the tip and full groups."""

    def _calibrate(self) -> Sequence[float | None]:
        self.judge = Judge(JudgeSettings(policy=Policy.GROUPED, rule=Rule(calibration=STARTED)))
        self.base = 0, self.desk.incumbent
        values: list[float | None] = []
        answer: Step | Verdict | None = self.judge.calibrate()
        while isinstance(answer, Step):
            values.append(self.measure(self.desk.incumbent))
            answer = self.judge.tell(values[-1])
        self.level = self.judge.level.estimate
        return values

    def _judge(self, text: bytes, moves: tuple[Move, ...], value: float) -> None:
        values: list[float | None] = []
        answer: Step | Verdict | None = self.judge.start(number=len(self.history))
        while isinstance(answer, Step):
            if answer is Step.INCUMBENT:
                answer = self.judge.tell(self.measure(self.desk.incumbent))
                continue
            values.append(self.measure(text) if values else value)
            answer = self.judge.tell(values[-1])
        assert answer is not None
        judged = self._record(answer.reason, moves, values, self.tip.commit, answer.against, answer.estimate)
        if answer.status is Status.KEEP:
            self.tip, self.desk.incumbent = judged, text
            if self.judge.due:
                self._certify()
        self.level = self.judge.level.estimate

    def _certify(self) -> None:
        """Prove the keeps of a full group, or go back to where it began."""
        tip, (base, text) = self.desk.incumbent, self.base
        answer: Step | GroupVerdict = self.judge.certify()
        while isinstance(answer, Step):
            answer = self.judge.tell_group(self.measure(text if answer is Step.BASE else tip))
        if answer.outcome is Outcome.ROLLED_BACK:
            for number in answer.keeps:
                row = self.history[number]
                self.history[number] = replace(row, status=Status.DISCARD, reason=Reason.UNPROVEN)
            self.tip, self.desk.incumbent = self.history[base], text
        elif answer.outcome is Outcome.CERTIFIED:
            self.base = self.tip.number, tip


JUDGES: Mapping[str, type[Session]] = {"plain": Session, "grouped": GroupedSession, "told": ToldSession}


def regret(task: world.Task, start: world.Values, end: world.Values, lots: random.Random) -> float:
    """True regret of the end, or of the start where twelve runs do not show the end to be better."""
    half = PROOF // 2
    try:
        before = statistics.fmean(task.run(start, lots) for _ in range(half))
        after = statistics.fmean(task.run(end, lots) for _ in range(half))
        if after < before:
            return (task.truth(end) - task.best) / (task.truth(start) - task.best)
    except ArithmeticError:
        pass
    return 1.0


@dataclass(frozen=True)
class Case:
    """One task from one start with one seed, ranges guessed or named; ``judge`` is one of ``JUDGES``."""

    task: world.Task
    quantile: float
    seed: int
    named: bool
    slots: int = 1
    judge: str = "plain"

    def session(self, agent: SearchAgent) -> Session:
        knobs = named(self.task) if self.named else ()
        return JUDGES[self.judge](self.task, agent, self.start, self.seed, knobs, slots=self.slots)

    @property
    def start(self) -> world.Values:
        return started(self.task.name, self.quantile, self.seed)

    def regret(self, end: world.Values) -> float:
        return regret(self.task, self.start, end, random.Random(self.seed + 7))


@cache
def started(name: str, quantile: float, seed: int) -> world.Values:
    return world.task(name).start(quantile, seed)
