"""Where the effect is large beside the noise, certainty is cheap."""

from __future__ import annotations

import random

import pytest

from pytest_autoresearch.judge import Judge, JudgeSettings, Step, Verdict
from pytest_autoresearch.protocol.experiment import Status


def calibrated(settings: JudgeSettings, rng: random.Random, level: float, sigma: float = 1.0) -> tuple[Judge, int]:
    """A judge, and the runs that its calibration took."""
    judge, runs = Judge(settings), 0
    step: Step | Verdict | None = judge.calibrate()
    while step is not None:
        step, runs = judge.tell(rng.gauss(level, sigma)), runs + 1
    return judge, runs


def tried(judge: Judge, rng: random.Random, level: float, gain: float) -> tuple[Verdict, int]:
    """The verdict on a candidate with this gain, and the runs it took, those of the incumbent included."""
    answer: Step | Verdict | None = judge.start()
    runs = 0
    while isinstance(answer, Step):
        answer = judge.tell(rng.gauss(level - (gain if answer is Step.CANDIDATE else 0.0), 1))
        runs += 1
    assert answer is not None
    return answer, runs


@pytest.mark.parametrize("level", [100.0, 1000.0])
@pytest.mark.parametrize(("policy", "most"), [("grouped", 4), ("certified", 7)])
@pytest.mark.parametrize("gain", [20.0, 45.0, 80.0])
def test_a_large_effect_ends_in_a_few_runs(policy: str, most: int, gain: float, level: float) -> None:
    for seed in range(20):
        rng = random.Random(seed)
        judge, _ = calibrated(JudgeSettings(policy=policy), rng, level)
        for _ in range(5):
            tried(judge, rng, level, -2.0)
        verdict, runs = tried(judge, rng, level, gain)
        assert verdict.status is Status.KEEP and runs <= most
        assert verdict.estimate == pytest.approx(level - gain, abs=4)
        assert verdict.estimate is not None and verdict.interval is not None
        assert verdict.interval[0] < verdict.estimate < verdict.interval[1]
        worse, runs = tried(judge, rng, level - gain, -gain)
        assert worse.status is Status.DISCARD and runs <= most


def test_on_another_scale_the_noise_is_known_after_as_few_runs() -> None:
    """A tenfold speed-up of noise in proportion: the next gain of 15 % is seen, a third of the old noise."""
    kept = 0
    for seed in range(20):
        rng = random.Random(seed)
        judge, level = Judge(JudgeSettings(policy="grouped")), 100.0
        step: Step | Verdict | None = judge.calibrate()
        while step is not None:
            step = judge.tell(rng.gauss(level, 0.05 * level))
        for share in (0.1, 0.85, 0.85, 0.85):
            answer: Step | Verdict | None = judge.start()
            while isinstance(answer, Step):
                at = level * share if answer is Step.CANDIDATE else level
                answer = judge.tell(rng.gauss(at, 0.05 * at))
            assert isinstance(answer, Verdict)
            if answer.status is Status.KEEP:
                level *= share
        kept += level < 9
    assert kept >= 18


@pytest.mark.parametrize(
    ("level", "sigma", "min_delta", "runs"),
    [(100.0, 0.01, 0.0, 3), (100.0, 1.0, 0.0, 6), (100.0, 1.0, 50.0, 3), (0.0, 1.0, 0.0, 6)],
)
def test_calibration_takes_three_runs_where_the_noise_is_fine(
    level: float, sigma: float, min_delta: float, runs: int
) -> None:
    settings = JudgeSettings(policy="grouped", min_delta=min_delta)
    assert [calibrated(settings, random.Random(seed), level, sigma)[1] for seed in range(10)] == [runs] * 10
    assert calibrated(JudgeSettings(policy="grouped", adapts=False), random.Random(1), 100.0, 0.01)[1] == 6


def test_three_runs_of_calibration_make_no_false_keep() -> None:
    """Their noise has two degrees of freedom, which the evidence knows of."""
    false = 0
    for seed in range(40):
        rng = random.Random(seed)
        judge, _ = calibrated(JudgeSettings(), rng, 10_000.0)
        false += sum(tried(judge, rng, 10_000.0, 0.0)[0].status is Status.KEEP for _ in range(60))
    assert false <= 2
