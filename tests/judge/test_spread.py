"""Noise as a power of the level: the numbers of the rule, and what must not happen to it."""

from __future__ import annotations

import random

import pytest

from pytest_autoresearch.judge import Judge, JudgeSettings, Step, Verdict
from pytest_autoresearch.judge.spread import Spread
from pytest_autoresearch.protocol.experiment import Status


def test_runs_at_one_level_leave_the_powers_even_and_a_second_level_decides() -> None:
    spread = Spread().pooled(1.2, 5, 10.0)
    assert spread.weights() == pytest.approx((1 / 3, 1 / 3, 1 / 3))
    assert (spread.variance(10.0), spread.variance(1.0)) == pytest.approx((0.24, 0.0888))
    spread = spread.pooled(0.0075, 3, 1.0)
    assert spread.weights() == pytest.approx((0.005765, 0.146650, 0.847586), abs=5e-7)
    assert (spread.variance(10.0), spread.variance(1.0)) == pytest.approx((0.230841, 0.005273), abs=5e-7)


@pytest.mark.parametrize(
    "spread",
    [
        pytest.param(Spread().pooled(1.2, 5, 0.0), id="zero"),
        pytest.param(Spread().pooled(0.8, 3, 10.0).pooled(0.4, 2, -1.0), id="levels of two signs"),
        pytest.param(Spread().pooled(1.2, 5, 0.1, [0.5, -0.3]), id="runs of two signs"),
        pytest.param(Spread().pooled(0.8, 3, 1e-200).pooled(0.4, 2, 1e200), id="beyond floats"),
    ],
)
def test_a_metric_of_zero_or_of_two_signs_has_constant_noise_for_good(spread: Spread) -> None:
    assert spread.flat and spread.weights() == (1.0, 0.0, 0.0)
    assert [spread.variance(level) for level in (-3.0, 0.0, 1e6)] == pytest.approx([0.24] * 3)
    assert spread.pooled(0.24, 1, 50.0).variance(1e-6) == pytest.approx(0.24)


def test_a_negative_metric_scatters_as_its_size() -> None:
    here, there = (Spread().pooled(4.0, 9, sign * 10.0).pooled(0.04, 9, sign * 1.0) for sign in (1, -1))
    assert [here.variance(x) for x in (10.0, 3.0)] == pytest.approx([there.variance(-x) for x in (10.0, 3.0)])


def test_what_repeats_itself_has_no_noise_at_any_level() -> None:
    assert [Spread().variance(3.0), Spread().pooled(0.0, 5, 2.0).variance(3.0)] == [0.0, 0.0]


def first_kept_within(attempts: int, seed: int) -> bool:
    """A run of 10 s with 5 % noise becomes one of 1 s; then attempts that are 15 % faster each."""
    rng, judge = random.Random(seed), Judge(JudgeSettings(policy="certified"))

    def judged(level: float, candidate: float) -> Verdict:
        answer: Step | Verdict | None = judge.start()
        while isinstance(answer, Step):
            at = candidate if answer is Step.CANDIDATE else level
            answer = judge.tell(at * (1 + rng.gauss(0, 0.05)))
        assert answer is not None
        return answer

    assert judged(10.0, 1.0).status is Status.KEEP
    return any(judged(1.0, 0.85).status is Status.KEEP for _ in range(attempts))


def test_after_a_tenfold_speed_up_gains_of_15_percent_are_still_seen() -> None:
    kept = [first_kept_within(3, seed) for seed in range(40)]
    assert sum(kept) >= 38, "with one variance for all levels it was 7 of 40"


def test_no_interval_of_a_positive_metric_goes_below_zero() -> None:
    rng, judge = random.Random(2), Judge()
    step: Step | Verdict | None = judge.calibrate()
    while isinstance(step, Step):
        step = judge.tell(rng.lognormvariate(0, 1.4))
    interval = judge.level.interval
    assert interval is not None and 0 < interval[0] < judge.level.estimate < interval[1]
