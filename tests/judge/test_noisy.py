"""A metric that scatters: what is asked for, what is kept, what is told of it."""

from __future__ import annotations

import random
from itertools import chain

import pytest

from pytest_autoresearch.judge import Judge, Step, Verdict
from pytest_autoresearch.protocol.experiment import Reason, Status
from pytest_autoresearch.protocol.model import Amount
from tests.judge.bench import Bench, always, each, noise, noisy

CANDIDATE, INCUMBENT = Step.CANDIDATE, Step.INCUMBENT


def judged(seed: int, level: float, *, complexity_change: int = 0, **settings: object) -> tuple[Bench, Verdict]:
    """One experiment whose candidate lies at ``level``, the incumbent at 0, one deviation being 1."""
    rng = random.Random(seed)
    bench = noisy(rng, **settings)  # type: ignore[arg-type]
    return bench, bench.experiment(noise(rng, level), noise(rng, 0.0), complexity_change=complexity_change)


def share_kept(level: float, reason: Reason = Reason.IMPROVED, **settings: object) -> float:
    """Of 40 sessions' first candidates."""
    verdicts = [judged(seed, level, **settings)[1] for seed in range(40)]  # type: ignore[arg-type]
    return sum(verdict.status is Status.KEEP and verdict.reason is reason for verdict in verdicts) / 40


def test_scattered_runs_calibrate_with_six_and_give_an_interval() -> None:
    bench = noisy(random.Random(1))
    assert bench.asked == [INCUMBENT] * 6
    interval = bench.judge.level.interval
    assert interval is not None and interval[0] < bench.judge.level.estimate < interval[1]
    assert 0.3 < bench.judge.noise < 2


def test_one_run_rules_out_what_is_clearly_worse() -> None:
    bench, verdict = judged(1, 3.0)
    assert (verdict.status, verdict.reason, verdict.samples) == (Status.DISCARD, Reason.WORSE, 1)
    assert bench.asked == [CANDIDATE]


def test_one_run_that_is_a_little_better_and_not_enough_so_is_noise_and_never_called_worse() -> None:
    bench = noisy(random.Random(1))
    better = bench.judge.level.estimate - bench.judge.noise / 4
    verdict = bench.experiment(always(better), noise(random.Random(2), 0.0))
    assert (verdict.status, verdict.reason, verdict.samples) == (Status.DISCARD, Reason.NOISE, 1)


def test_a_clear_gain_is_kept_after_fresh_runs_of_both_and_three_for_its_level() -> None:
    bench, verdict = judged(1, -5.0)
    assert (verdict.status, verdict.reason, verdict.samples) == (Status.KEEP, Reason.IMPROVED, 3)
    assert INCUMBENT in bench.asked
    assert bench.asked[-3:] == [CANDIDATE] * 3
    assert verdict.evidence is not None and verdict.threshold is not None
    assert verdict.evidence >= verdict.threshold
    assert bench.judge.level.estimate == verdict.estimate
    assert bench.judge.level.interval == verdict.interval


def test_a_gain_beyond_any_doubt_costs_seven_runs() -> None:
    runs = sorted(len(judged(seed, -45.0)[0].asked) for seed in range(40))
    assert runs[len(runs) * 3 // 4] <= 7 and runs[-1] <= 12


def test_large_gains_are_kept_and_nothing_is_not() -> None:
    assert share_kept(-3.0) > 0.9
    assert share_kept(0.0) == 0


def test_a_gain_below_min_delta_is_not_kept_and_one_far_beyond_it_is() -> None:
    assert share_kept(-2.0, min_delta=2.5) == 0
    assert share_kept(-9.0, min_delta=6.0) > 0.8
    assert share_kept(-2.0, min_delta=Amount(0.5, relative=True)) > 0.3


def test_intervals_hold_the_truth_as_often_as_they_say() -> None:
    inside = []
    for seed in range(60):
        _, verdict = judged(seed, -4.0)
        if verdict.status is Status.KEEP:
            assert verdict.interval is not None
            inside.append(verdict.interval[0] <= -4.0 <= verdict.interval[1])
    assert sum(inside) / len(inside) > 0.85


def test_fewer_lines_are_worth_a_declared_loss_only() -> None:
    assert share_kept(0.0, Reason.SIMPLER, complexity_change=-5) == 0
    assert share_kept(0.0, Reason.SIMPLER, complexity_change=-5, tolerance=3.0) > 0.8
    assert share_kept(0.0, Reason.SIMPLER, complexity_change=5, tolerance=3.0) == 0
    assert share_kept(3.5, Reason.SIMPLER, complexity_change=-5, tolerance=3.0) == 0


def test_a_clear_gain_with_fewer_lines_is_improved_not_simpler() -> None:
    assert share_kept(-6.0, Reason.IMPROVED, complexity_change=-5, tolerance=2.0) > 0.8


def test_small_losses_for_fewer_lines_do_not_add_up() -> None:
    rng = random.Random(5)
    bench, level = noisy(rng, tolerance=3.0), 0.0
    for _ in range(40):
        verdict = bench.experiment(noise(rng, level + 0.9), noise(rng, level), complexity_change=-1)
        level += 0.9 if verdict.status is Status.KEEP else 0.0
    assert 0 < level <= 4.0


def test_a_gain_pays_back_what_fewer_lines_have_cost() -> None:
    rng = random.Random(5)
    bench, level = noisy(rng, tolerance=3.0), 0.0
    while bench.judge.standing.incumbent.debt == 0:
        verdict = bench.experiment(noise(rng, level + 0.9), noise(rng, level), complexity_change=-1)
        level += 0.9 if verdict.status is Status.KEEP else 0.0
    assert bench.experiment(noise(rng, level - 9), noise(rng, level)).reason is Reason.IMPROVED
    assert bench.judge.standing.incumbent.debt == 0


def test_what_is_known_of_the_noise_grows_with_every_repeated_run() -> None:
    rng = random.Random(1)
    bench = noisy(rng)
    for level in (-6.0, 0.5, 0.0, 3.0):
        before = bench.judge.standing.spread.freedom
        verdict = bench.experiment(noise(rng, level), noise(rng, 0.0))
        groups = 2 if verdict.status is Status.KEEP else 1  # the runs that decided, and those for the level
        assert bench.judge.standing.spread.freedom == before + len(bench.asked) - groups


def test_the_threshold_is_what_the_session_can_still_afford() -> None:
    rng = random.Random(4)
    bench = noisy(rng)
    thresholds = []
    for _ in range(60):
        verdict = bench.experiment(noise(rng, 0.0), noise(rng, 0.0))
        if verdict.threshold is not None:
            thresholds.append(verdict.threshold)
    assert len(thresholds) > 5
    assert thresholds == sorted(thresholds)
    assert bench.judge.standing.tests == len(thresholds)


def test_fast_asks_the_same_of_every_candidate() -> None:
    _, verdict = judged(1, -5.0, policy="fast")
    assert verdict.threshold == pytest.approx(20)


def test_fast_ends_after_16_runs_and_max_runs_ends_earlier() -> None:
    for settings, most in (({"policy": "fast"}, 16), ({"max_runs": 4}, 4), ({}, 24)):
        longest = max(judged(seed, -0.7, **settings)[1].samples for seed in range(30))
        assert longest <= most


def test_a_gain_of_more_than_five_deviations_is_flagged() -> None:
    _, verdict = judged(1, -40.0)
    assert verdict.status is Status.KEEP and verdict.suspicious
    assert not judged(1, 40.0)[1].suspicious


def test_an_outlier_of_the_incumbent_does_not_make_a_keep() -> None:
    kept = 0
    for seed in range(30):
        rng = random.Random(seed)
        bench = noisy(rng)
        incumbent = chain([60.0], iter(noise(rng, 0.0), None))
        for _ in range(30):
            kept += bench.experiment(noise(rng, 0.0), each(incumbent)).status is Status.KEEP
    assert kept <= 1


def test_the_live_line_tells_runs_and_evidence() -> None:
    rng = random.Random(1)
    judge = Judge()
    assert judge.progress() is None
    step = judge.calibrate()
    assert str(judge.progress()) == "calibration 1 of 2"
    while step is not None:
        answer = judge.tell(rng.gauss(0, 1))
        assert not isinstance(answer, Verdict)
        step = answer
    lines = []
    answer = judge.start()
    while isinstance(answer, Step):
        lines.append(str(judge.progress()))
        answer = judge.tell(rng.gauss(-3 if answer is CANDIDATE else 0, 1))
    assert lines[0] == "first look"
    assert lines[1].startswith("1 against 6 runs, evidence 1 of ")
    assert lines[-3:] == ["kept, level 1 of 3", "kept, level 2 of 3", "kept, level 3 of 3"]
    assert judge.progress() is None
