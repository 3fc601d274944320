"""A machine that drifts or takes steps, and states that scatter unlike each other: no keep may come of that."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from functools import partial

import pytest
from scipy import stats

from pytest_autoresearch.judge import Judge, JudgeSettings, Standing, Step
from pytest_autoresearch.judge.paired import log_evidence
from pytest_autoresearch.judge.spread import Spread
from pytest_autoresearch.judge.wander import FEWEST, Wander
from pytest_autoresearch.protocol.experiment import Status
from tests.judge.bench import Bench, each, noise


def stepping(rng: random.Random) -> Callable[[], float]:
    """A level that is drawn anew, five deviations wide, in three of a hundred runs."""
    level = 0.0

    def disturbance() -> float:
        nonlocal level
        if rng.random() < 0.03:
            level = rng.gauss(0, 5)
        return level

    return disturbance


def false_keeps(seed: int, *, adapts: bool, experiments: int = 100) -> int:
    rng = random.Random(seed)
    moved = stepping(rng)

    def run() -> float:
        return 100.0 + moved() + rng.gauss(0, 1)

    bench = Bench(Judge(JudgeSettings(policy="certified", adapts=adapts)))
    bench.calibrate(run)
    return sum(bench.experiment(run, run).status is Status.KEEP for _ in range(experiments))


def test_steps_of_the_machine_make_no_keeps() -> None:
    seeds = range(2000, 2040)
    assert sum(false_keeps(seed, adapts=True) > 0 for seed in seeds) <= 2
    assert sum(false_keeps(seed, adapts=False) > 0 for seed in seeds) >= 3, "as the bare rule would"


def test_one_outlier_of_the_incumbent_is_not_taken_for_a_step() -> None:
    rng = random.Random(1)
    bench = Bench(Judge(JudgeSettings(policy="certified")))
    bench.calibrate(noise(rng, 100.0))
    window = len(bench.judge.standing.incumbent.window)
    bench.judge.start()
    bench.judge.tell(97.0)
    assert bench.judge.pending is Step.CANDIDATE
    bench.go_on(bench.judge.pending, each([97.0] * 9 + [None]), each([140.0, 100.1, 99.9, 100.2, 100.0, 99.8] * 3))
    assert len(bench.judge.standing.incumbent.window) > window or bench.judge.standing.keeps


def wandered(rate: float, pairs: int, seed: int) -> Wander:
    rng, found = random.Random(seed), Wander()
    for _ in range(pairs):
        gap = rng.choice((1, 1, 2, 8, 16, 32))
        found = found.seen(rng.gauss(0, math.sqrt(2 + rate * gap)) ** 2, gap)
    return found


@pytest.mark.parametrize("rate", [0.3, 1.0])
def test_a_machine_that_wanders_is_known_by_runs_that_lie_apart(rate: float) -> None:
    found = [wandered(rate, 80, seed).rate for seed in range(20)]
    assert sum(one > 0 for one in found) >= 15
    assert rate / 3 < sum(found) / len(found) < rate * 3


def test_a_machine_that_stands_still_is_left_alone() -> None:
    assert sum(wandered(0.0, pairs, seed).rate > 0 for pairs in (20, 80) for seed in range(40)) <= 6
    assert wandered(1.0, FEWEST - 1, 1).rate == 0.0
    repeating = Wander()
    for _ in range(20):
        repeating = repeating.seen(0.0, 4)
    assert repeating.rate == 0.0


def known(freedom: int = 400, variance: float = 1.0) -> Standing:
    return Standing(calibrated=True, noisy=True, spread=Spread().pooled(variance * freedom, freedom, 100.0))


def test_what_moves_both_runs_of_a_pair_is_no_difference() -> None:
    rng, settings = random.Random(3), JudgeSettings()
    moved = [rng.gauss(0, 20) for _ in range(6)]
    before = [100.0 + m + rng.gauss(0, 1) for m in moved]
    after = [97.0 + m + rng.gauss(0, 1) for m in moved]
    assert log_evidence(settings, known(), before, after, 0.0) > math.log(100)
    assert log_evidence(settings, known(), before, after, 3.5) < 0, "not by more than is demanded"


def test_pairs_that_scatter_more_than_the_session_count_for_themselves() -> None:
    before, after = [100.0, 106.0, 94.0], [97.0, 91.0, 103.0]
    own = log_evidence(JudgeSettings(), known(), before, after, 0.0)
    even = log_evidence(JudgeSettings(), known(), [100.0, 100.5, 99.5], [97.0, 96.5, 97.5], 0.0)
    assert even > math.log(20) > own


def test_few_false_groups_where_each_state_has_a_noise_of_its_own() -> None:
    """Without own variances 7 of 100 sessions certify a group of nothing; here the proof alone, many times."""

    def certified(rng: random.Random) -> bool:
        spreads = [math.exp(0.5 * rng.gauss(0, 1)) for _ in range(2)]
        before, after = ([rng.gauss(100.0, spread) for _ in range(4)] for spread in spreads)
        proofs = (log_evidence(JudgeSettings(), known(60), before[:n], after[:n], 0.0) for n in (2, 3, 4))
        return max(proofs) >= math.log(80)

    rng = random.Random(5)
    count = sum(partial(certified, rng)() for _ in range(1500))
    assert stats.binomtest(count, 1500, 0.011).pvalue > 1e-3 or count < 16
