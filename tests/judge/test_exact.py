"""A metric that repeats itself: one run decides, until it no longer does."""

from __future__ import annotations

import random

import pytest

from pytest_autoresearch.judge import Judge, JudgeSettings, Step
from pytest_autoresearch.protocol.experiment import Reason, Status
from pytest_autoresearch.protocol.model import Amount
from tests.judge.bench import Bench, always, each, exact, noise

CANDIDATE, INCUMBENT = Step.CANDIDATE, Step.INCUMBENT


def test_two_equal_runs_calibrate_an_exact_metric() -> None:
    bench = exact(3.0)
    assert bench.asked == [INCUMBENT, INCUMBENT]
    assert bench.judge.level.estimate == 3.0
    assert bench.judge.level.interval == (3.0, 3.0)
    assert bench.judge.noise == 0.0


def test_one_run_rules_a_worse_candidate_out() -> None:
    verdict = (bench := exact(1.0)).experiment(always(1.5), always(1.0))
    assert bench.asked == [CANDIDATE]
    assert (verdict.status, verdict.reason, verdict.estimate) == (Status.DISCARD, Reason.WORSE, 1.5)
    assert verdict.against == 1.0


def test_an_equal_candidate_is_no_improvement() -> None:
    verdict = exact(1.0).experiment(always(1.0), always(1.0))
    assert (verdict.status, verdict.reason) == (Status.DISCARD, Reason.EQUAL)


def test_the_first_keep_has_to_repeat_itself_beside_the_incumbent_and_later_ones_once() -> None:
    bench = exact(1.0)
    verdict = bench.experiment(always(0.9), always(1.0))
    assert (verdict.status, verdict.reason, verdict.estimate) == (Status.KEEP, Reason.IMPROVED, 0.9)
    assert bench.asked == [CANDIDATE, CANDIDATE, INCUMBENT, CANDIDATE]
    assert bench.experiment(always(0.85), always(0.9)).status is Status.KEEP
    assert bench.asked == [CANDIDATE, CANDIDATE]
    assert bench.judge.level.estimate == 0.85


def test_higher_is_better_when_it_is_said_so() -> None:
    bench = exact(1.0, direction="higher")
    assert bench.experiment(always(0.9), always(1.0)).reason is Reason.WORSE
    assert bench.experiment(always(1.1), always(1.0)).reason is Reason.IMPROVED


def test_equal_metric_and_fewer_lines_is_a_keep() -> None:
    bench = exact(1.0)
    verdict = bench.experiment(always(1.0), always(1.0), complexity_change=-3)
    assert (verdict.status, verdict.reason) == (Status.KEEP, Reason.SIMPLER)
    assert bench.experiment(always(1.0), always(1.0), complexity_change=2).status is Status.DISCARD
    assert bench.experiment(always(1.01), always(1.0), complexity_change=-9).reason is Reason.WORSE


@pytest.mark.parametrize("delta", [0.5, Amount(0.05, relative=True)])
def test_a_gain_has_to_exceed_min_delta(delta: float | Amount) -> None:
    bench = exact(10.0, min_delta=delta)
    assert bench.experiment(always(9.5), always(10.0)).reason is Reason.NOISE
    assert bench.experiment(always(9.5), always(10.0), complexity_change=-1).reason is Reason.SIMPLER
    assert bench.experiment(always(8.9), always(9.5)).reason is Reason.IMPROVED


def test_integers_are_metrics_too() -> None:
    bench = exact(7)
    assert bench.experiment(always(6), always(7)).status is Status.KEEP


def test_the_incumbent_is_run_again_every_25_experiments() -> None:
    bench = exact(1.0)
    checked = []
    for number in range(1, 61):
        bench.experiment(always(2.0), always(1.0))
        if INCUMBENT in bench.asked:
            checked.append(number)
    assert checked == [25, 50]


def test_a_keep_that_does_not_repeat_itself_is_judged_as_noise() -> None:
    rng = random.Random(1)
    bench = exact(0.0)
    candidate = iter([-0.5, 0.2])
    verdict = bench.experiment(lambda: next(candidate, rng.gauss(0.4, 1)), noise(rng, 0.0))
    assert verdict.status is Status.DISCARD
    assert bench.judge.noise > 0
    assert bench.asked[:2] == [CANDIDATE, CANDIDATE]
    assert INCUMBENT in bench.asked


def test_a_real_gain_is_kept_through_the_change_to_noisy() -> None:
    rng = random.Random(2)
    bench = exact(0.0)
    verdict = bench.experiment(noise(rng, -4.0), noise(rng, 0.0))
    assert (verdict.status, verdict.reason) == (Status.KEEP, Reason.IMPROVED)
    assert verdict.interval is not None and verdict.interval[0] < -4.0 < verdict.interval[1]


def test_an_incumbent_that_differs_makes_the_session_noisy() -> None:
    rng = random.Random(3)
    bench = exact(1.0)
    for _ in range(24):
        bench.experiment(always(2.0), always(1.0))
    bench.experiment(noise(rng, 9.0, 0.1), noise(rng, 1.0, 0.1))
    assert bench.asked.count(INCUMBENT) >= 4
    assert bench.judge.noise > 0


def test_a_gain_beyond_belief_is_flagged_and_seen_a_third_time() -> None:
    bench = exact(100.0)
    for step in range(6):
        bench.experiment(always(101.0 + step % 3), always(100.0))
    bench.experiment(always(99.0), always(100.0))
    verdict = bench.experiment(always(0.0), always(99.0))
    assert verdict.suspicious and verdict.status is Status.KEEP
    assert bench.asked == [CANDIDATE, CANDIDATE, INCUMBENT, CANDIDATE]
    assert not bench.experiment(always(-1.0), always(0.0)).suspicious


def test_classic_takes_one_run_and_believes_it() -> None:
    bench = Bench(Judge(JudgeSettings(policy="classic")))
    bench.calibrate(always(1.0))
    assert bench.asked == [INCUMBENT]
    verdict = bench.experiment(each([0.99]), each([]))
    assert (verdict.reason, verdict.estimate, verdict.interval) == (Reason.IMPROVED, 0.99, None)
    assert bench.experiment(each([0.99]), each([])).reason is Reason.EQUAL
    assert bench.experiment(each([0.995]), each([])).reason is Reason.WORSE
    assert bench.experiment(each([0.99]), each([]), complexity_change=-1).reason is Reason.SIMPLER
