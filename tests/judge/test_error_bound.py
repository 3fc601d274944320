"""The promise, by simulation: small and seeded here, whole in benchmarks/judge.py."""

from __future__ import annotations

import random
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial

import pytest

from pytest_autoresearch.judge import Judge, JudgeSettings, JudgeState, Step, Verdict
from pytest_autoresearch.judge.spread import Spread
from pytest_autoresearch.protocol.experiment import Status
from tests.judge.bench import Bench

Draw = Callable[[random.Random], float]


@dataclass(frozen=True)
class Ended:
    keeps: int
    false: int
    gain: float
    claimed: float

    @property
    def false_share(self) -> float:
        return self.false / max(self.keeps, 1)


def session(seed: int, policy: str, effect: Draw, noise: Draw, experiments: int = 100, drift: float = 0.0) -> Ended:
    rng, runs, level = random.Random(seed), 0, 0.0

    def run(at: float) -> float:
        nonlocal runs
        runs += 1
        return at + noise(rng) + drift * runs

    bench = Bench(Judge(JudgeSettings(policy=policy)))
    bench.calibrate(partial(run, level))
    start, keeps, false = bench.judge.level.estimate, 0, 0
    for _ in range(experiments):
        gain = effect(rng)
        verdict = bench.experiment(partial(run, level - gain), partial(run, level))
        if verdict.status is Status.KEEP:
            keeps, false, level = keeps + 1, false + (gain <= 0), level - gain
    return Ended(keeps, false, -level, start - bench.judge.level.estimate)


def nothing(_: random.Random) -> float:
    return 0.0


def mix(rng: random.Random) -> float:
    share = rng.random()
    return rng.uniform(0.5, 3) if share < 0.1 else 0.0 if share < 0.5 else -rng.uniform(0, 6)


def normal(rng: random.Random) -> float:
    return rng.gauss(0, 1)


def heavy(rng: random.Random) -> float:
    return rng.gauss(0, 1) + (8.0 if rng.random() < 0.03 else 0.0)


def rounded(rng: random.Random) -> float:
    return float(round(rng.gauss(0.3, 1)))


@pytest.mark.parametrize(
    ("noise", "drift"),
    [
        pytest.param(normal, 0.0, id="normal"),
        pytest.param(normal, -0.02, id="drift"),
        pytest.param(heavy, 0.0, id="outliers"),
        pytest.param(rounded, 0.0, id="rounded"),
    ],
)
def test_certified_keeps_nothing_that_is_nothing(noise: Draw, drift: float) -> None:
    ended = [session(seed, "certified", nothing, noise, drift=drift) for seed in range(30)]
    assert sum(one.false > 0 for one in ended) <= 3, "the chance is below .05 a session"


def test_classic_keeps_several() -> None:
    ended = [session(seed, "classic", nothing, normal) for seed in range(30)]
    assert statistics.fmean(one.false for one in ended) > 3


def test_certified_finds_the_gains_and_claims_what_it_made() -> None:
    ended = [session(seed, "certified", mix, normal) for seed in range(30)]
    gain, claimed = (statistics.fmean(values) for values in zip(*((e.gain, e.claimed) for e in ended), strict=True))
    assert gain > 10
    assert claimed == pytest.approx(gain, rel=0.1)
    assert statistics.fmean(one.false_share for one in ended) < 0.05


@pytest.mark.slow
@pytest.mark.parametrize("effect", [pytest.param(nothing, id="null"), pytest.param(mix, id="mix")])
def test_the_false_discovery_rate_over_many_sessions(effect: Draw) -> None:
    ended = [session(seed, "certified", effect, normal, experiments=100) for seed in range(150)]
    assert statistics.fmean(one.false_share for one in ended) < 0.03


def test_one_decision_costs_less_than_a_millisecond_however_long_the_session() -> None:
    rng, judge, times = random.Random(1), Judge(), []
    answer: Step | Verdict | None = judge.calibrate()
    while isinstance(answer, Step):
        answer = judge.tell(rng.gauss(0, 1))
    late = replace(judge.standing, spread=Spread((4000.0,) * 3, 4000), tests=3000, keeps=tuple(range(20, 3000, 20)))
    judge = Judge(JudgeSettings(), JudgeState(late))
    for _ in range(600):
        answer = answer if isinstance(answer, Step) else judge.start()
        value = rng.gauss(0, 1)
        began = time.thread_time()
        answer = judge.tell(value)
        times.append(time.thread_time() - began)
    assert statistics.quantiles(times, n=20)[-1] < 0.001
