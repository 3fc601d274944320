"""A bench for the judge's tests: plays experiments against it and writes down what it asked for."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field

from pytest_autoresearch.judge import Judge, JudgeSettings, JudgeState, Step, Verdict

Metric = Callable[[], "float | None"]


@dataclass
class Bench:
    """Runs what the judge asks for; ``asked`` is every step so far."""

    judge: Judge
    asked: list[Step] = field(default_factory=list)
    forgetful: bool = False
    """Whether the judge is killed after every run, and made anew from what it had written down as JSON."""

    def calibrate(self, incumbent: Metric) -> None:
        answer: Step | Verdict | None = self.judge.calibrate()
        while answer is not None:
            assert answer is Step.INCUMBENT
            answer = self._tell(answer, incumbent)

    def experiment(self, candidate: Metric, incumbent: Metric, *, complexity_change: int = 0) -> Verdict:
        self.asked.clear()
        return self.go_on(self.judge.start(complexity_change), candidate, incumbent)

    def go_on(self, answer: Step | Verdict | None, candidate: Metric, incumbent: Metric) -> Verdict:
        while isinstance(answer, Step):
            answer = self._tell(answer, candidate if answer is Step.CANDIDATE else incumbent)
        assert answer is not None
        return answer

    def _tell(self, step: Step, metric: Metric) -> Step | Verdict | None:
        self.asked.append(step)
        answer = self.judge.tell(metric())
        if self.forgetful:
            self.judge = reborn(self.judge)
            assert self.judge.pending is (answer if isinstance(answer, Step) else None)
        return answer


def reborn(judge: Judge) -> Judge:
    """The judge that another process makes of what this one wrote down."""
    written = json.dumps(judge.state().to_json(), allow_nan=False)
    return Judge(judge.settings, JudgeState.from_json(json.loads(written)))


def always(value: float | None) -> Metric:
    return lambda: value


def each(values: Iterable[float | None]) -> Metric:
    """One after the other; asking for more than there are is an error."""
    left: Iterator[float | None] = iter(values)
    return lambda: next(left)


def noise(rng: random.Random, level: float, deviation: float = 1.0) -> Metric:
    return lambda: rng.gauss(level, deviation)


def exact(level: float = 1.0, **settings: object) -> Bench:
    """A bench with a judge that has seen the same value twice."""
    bench = Bench(Judge(JudgeSettings(**settings)))  # type: ignore[arg-type]
    bench.calibrate(always(level))
    return bench


def noisy(rng: random.Random, level: float = 0.0, **settings: object) -> Bench:
    """A bench with a judge that has seen scattered values."""
    bench = Bench(Judge(JudgeSettings(**settings)))  # type: ignore[arg-type]
    bench.calibrate(noise(rng, level))
    return bench
