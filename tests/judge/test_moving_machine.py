"""A machine that drifts or takes steps, and states that scatter unlike each other: no keep may come of that."""

from __future__ import annotations

import itertools
import json
import math
import random
from collections.abc import Callable
from dataclasses import replace
from functools import partial

import pytest
from scipy import stats

from pytest_autoresearch.judge import (
    GroupVerdict,
    Judge,
    JudgeSettings,
    JudgeState,
    Standing,
    Step,
    Verdict,
    belief,
    rule,
    tracking,
)
from pytest_autoresearch.judge.belief import FIRST_PRIOR, posterior
from pytest_autoresearch.judge.paired import log_evidence
from pytest_autoresearch.judge.spread import Spread
from pytest_autoresearch.judge.standing import standing_from, to_plain
from pytest_autoresearch.judge.tracking import Track, as_one, levels_after, tracked, weighed, worth_of_a_run
from pytest_autoresearch.judge.wander import FEWEST, Law, Wander
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
    rates = [[wandered(0.0, pairs, seed).rate for seed in range(40)] for pairs in (20, 80)]
    assert sum(rate > 0 for rate in rates[1]) <= 4 and sum(rates[1]) / 40 < 0.01
    assert sum(rates[0]) / 40 < 0.03, "what little it is taken for costs nothing"
    assert wandered(1.0, FEWEST - 1, 1).rate == 0.0
    repeating = Wander()
    for _ in range(20):
        repeating = repeating.seen(0.0, 4)
    assert repeating.rate == 0.0


def pairs_of(difference: Callable[[random.Random, int], float], seed: int) -> Wander:
    rng, found = random.Random(seed), Wander()
    for _ in range(120):
        gap = rng.choice((1, 1, 2, 4, 9, 20, 45))
        found = found.seen(difference(rng, gap) ** 2, gap)
    return found


def stepped(rng: random.Random, gap: int) -> float:
    return rng.gauss(0, math.sqrt(2)) + (rng.gauss(0, 7) if rng.random() > 0.97**gap else 0.0)


def drifted(rng: random.Random, gap: int) -> float:
    return rng.gauss(0, math.sqrt(2 + 0.5 * gap))


def uneven(rng: random.Random, _gap: int) -> float:
    return rng.gauss(0, math.sqrt(2)) * 7 ** rng.uniform(-0.5, 0.5)


def even(rng: random.Random, _gap: int) -> float:
    return rng.gauss(0, math.sqrt(2))


@pytest.mark.parametrize(
    ("difference", "word", "often"),
    [(stepped, "steps", 15), (drifted, "drift", 15), (uneven, "uneven noise", 12), (even, "", 19)],
)
def test_what_the_machine_does_is_said_in_its_word(
    difference: Callable[[random.Random, int], float], word: str, often: int
) -> None:
    words = [pairs_of(difference, seed).word for seed in range(20)]
    assert words.count(word) >= often, words


def test_where_the_level_stands_still_the_filter_says_what_means_say() -> None:
    """V = 1/n + v, and the level after a keep or a discard: the formulas of the quiet machine are its special case."""
    tip, runs = 1 / 6, [(True, 1.2), (True, 0.7), (True, 1.6)]
    tracks = tracked([Track(0.0, tip)], runs, Law())
    joint = weighed(tracks, FIRST_PRIOR)
    believed, known = tracking.posterior(tracks, joint), posterior(FIRST_PRIOR, 3.5 / 3, 1 / 3 + tip)
    assert (believed.mean, believed.deviation, believed.harm) == pytest.approx(
        (known.mean, known.deviation, known.harm)
    )
    mean, doubt = as_one(levels_after(tracks, joint, believed, is_kept=True))
    weight = 6 / (6 + 3)
    assert mean == pytest.approx(weight * known.mean + (1 - weight) * 3.5 / 3)
    assert doubt == pytest.approx((known.deviation * weight) ** 2 + 1 / 9)
    again = worth_of_a_run(tracks, joint, Law(), 1.0, 0.0)
    assert again == pytest.approx(
        belief.worth_of_a_run(known.mean, known.deviation, 1 / 3 + tip, 1 / 4 + tip), rel=0.2, abs=0.01
    )


def test_a_run_of_the_tip_tells_a_step_of_the_machine_from_a_gain() -> None:
    law = Law(0.0, 0.03, 50.0)

    def gain(*runs: tuple[bool, float]) -> float:
        tracks = tracked([Track(0.0, 0.3)], runs, law)
        return tracking.posterior(tracks, weighed(tracks, FIRST_PRIOR)).mean

    assert abs(gain((True, 6.0), (True, 6.2), (False, 5.9))) < 0.3, "tip and candidate are where the machine is"
    assert gain((True, 6.0), (True, 6.2), (False, 0.1)) > 4
    tracks = tracked([Track(0.0, 0.3)], [(True, 3.0)], law)
    joint = weighed(tracks, FIRST_PRIOR)
    candidate, tip = (worth_of_a_run(tracks, joint, law, effect, 0.0) for effect in (1.0, 0.0))
    assert tip > candidate, "the same run again can not tell the two apart"


def test_a_step_between_two_runs_of_a_candidate_is_not_taken_for_noise() -> None:
    law = Wander().moves
    assert law is not None and law.law.chance > 0
    assert not tracking.is_step(9.0, 1, law.law) and tracking.is_step(49.0, 1, law.law)
    assert tracking.is_step(1e6, 1, law.law), "further out than densities are floats"
    assert not any(tracking.is_step(square, gap, Law()) for square in (49.0, 1e6) for gap in (1, 8)), "takes none"
    standing = known(freedom=10)
    standing = replace(standing, belief=standing.belief.known(100.0, 0.2, 1.0, standing.spread))
    trial = rule.opened(JudgeSettings(policy="grouped"), standing)
    left = [97.5, 107.0, 96.9, 97.2]
    while isinstance(trial.answer, Step):
        trial = rule.told(trial, (left.pop(0) if left else 97.0) if trial.answer is Step.CANDIDATE else 100.0)
    assert len(trial.runs) >= 2 and rule.closed(standing, trial).spread.variance(100.0) < 1.2


@pytest.mark.parametrize("gain", [5.0, 7.0, 10.0, 15.0])
def test_a_large_gain_is_not_taken_for_a_step_that_no_run_of_the_tip_has_shown(gain: float) -> None:
    standing = known(freedom=10)
    standing = replace(standing, belief=standing.belief.known(100.0, 0.2, 1.0, standing.spread))
    trial, scatter = rule.opened(JudgeSettings(policy="grouped"), standing), itertools.cycle((0.3, -0.4, 0.1))
    while isinstance(trial.answer, Step):
        trial = rule.told(trial, 100.0 + next(scatter) - (gain if trial.answer is Step.CANDIDATE else 0.0))
    assert isinstance(trial.answer, Verdict) and trial.answer.status is Status.KEEP


def after(standing: Standing, *values: float) -> Standing:
    """With an experiment that was run at these values, the tip's run at the last of them if it is asked for."""
    trial, left = rule.opened(JudgeSettings(policy="grouped"), standing), list(values)
    while isinstance(trial.answer, Step):
        trial = rule.told(trial, left.pop(0) if len(left) > 1 else left[0])
    assert isinstance(trial.answer, Verdict) and trial.answer.status is Status.DISCARD
    return rule.closed(standing, trial)


def test_whether_a_candidate_was_bad_or_the_machine_took_a_step_is_told_by_the_next_one() -> None:
    wander = replace(pairs_of(stepped, 1), level=100.0, variance=1.0)
    standing = replace(known(), wander=wander)
    standing = replace(standing, belief=standing.belief.known(100.0, 0.2, 1.0, standing.spread))
    open_question = after(standing, 107.0)
    assert len(open_question.belief.levels) > 1
    assert sum(weight for weight, _, _ in open_question.belief.levels) == pytest.approx(1.0)
    assert after(open_question, 100.3).belief.mean == pytest.approx(100, abs=0.5), "it was bad"
    stepped_up = after(after(after(open_question, 107.2), 106.9), 107.1)
    assert stepped_up.belief.mean == pytest.approx(107, abs=0.5), "no four in a row are as bad as that"
    assert standing_from(json.loads(json.dumps(to_plain(open_question)))) == open_question


def test_what_moves_is_forgotten_with_the_place_and_read_back_from_the_ledger() -> None:
    found = replace(known(), wander=pairs_of(stepped, 1))
    assert found.wander.moves is not None
    assert standing_from(json.loads(json.dumps(to_plain(found)))) == found
    assert found.forgotten().wander == Wander()


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


def test_a_keep_never_reads_as_a_loss_though_the_machine_became_slower_meanwhile() -> None:
    """What is shown as before and after are the two levels at one moment; they differ by what the keep is worth."""
    kept = 0
    for seed in range(30):
        rng, judge, level = random.Random(seed), Judge(JudgeSettings(policy="grouped")), 0.0

        def run(gain: float, rng: random.Random = rng) -> float:
            nonlocal level
            level += rng.gauss(0.4, 0.5)
            return 100.0 + level - gain + rng.gauss(0, 1)

        step: object = judge.calibrate()
        while step is not None:
            step = judge.tell(run(0.0))
        won = 0.0
        for number in range(40):
            gain = 3.0 if number % 4 == 0 else -1.0
            answer: object = judge.start()
            while isinstance(answer, Step):
                answer = judge.tell(run(won + (gain if answer is Step.CANDIDATE else 0.0)))
            assert isinstance(answer, Verdict)
            if answer.status is Status.KEEP:
                assert answer.estimate is not None and answer.against is not None and answer.worth is not None
                assert answer.against - answer.estimate == pytest.approx(answer.worth) and answer.worth > 0
                won, kept = won + gain, kept + 1
    assert kept > 40


def test_a_group_leaves_the_tip_where_its_last_runs_were_on_a_machine_that_moves() -> None:
    """The machine becomes slower by one deviation with each run: the mean of the tip's runs is half an hour old."""
    rng, wander = random.Random(3), Wander(level=100.0, variance=1.0)
    for _ in range(40):
        for gap in (1, 20):
            wander = wander.seen((2 + gap) * rng.gauss(0, 1) ** 2, gap)
    bench = Bench(Judge(JudgeSettings(policy="grouped")))
    bench.calibrate(noise(rng, 100.0))
    standing = replace(bench.judge.standing.resting_on(0, [1, 2]), wander=wander)
    assert standing.wander.rate > 0.3
    judge, made, last = Judge(bench.judge.settings, JudgeState(standing)), 0, 0.0
    answer: Step | GroupVerdict = judge.certify()
    while isinstance(answer, Step):
        made += 1
        value = 100.0 + made + rng.gauss(0, 0.5) - (4.0 if answer is Step.INCUMBENT else 0.0)
        last = value if answer is Step.INCUMBENT else last
        answer = judge.tell_group(value)
    assert made >= 8
    assert abs(judge.standing.belief.mean - last) < 2
