"""Standing and Trial: a decision is a function of the standing at the opening and the trial's own runs."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autoresearch.judge import JudgeSettings, Standing, Step, Verdict, group, rule
from pytest_autoresearch.judge.standing import Run
from pytest_autoresearch.judge.tip import staleness
from pytest_autoresearch.judge.trial import Trial
from pytest_autoresearch.protocol.experiment import Status

POLICIES = ("grouped", "certified", "fast", "classic")


def calibrated(how: JudgeSettings, rng: random.Random, level: float = 50.0) -> Standing:
    trial = rule.calibration(how, Standing())
    while trial.answer is not None:
        trial = rule.told(trial, rng.gauss(level, 1))
    return rule.closed(Standing(), trial)


def judged(trial: Trial, rng: random.Random, level: float, candidate: float, noise: float = 1) -> Trial:
    while isinstance(trial.answer, Step):
        trial = rule.told(trial, rng.gauss(candidate if trial.answer is Step.CANDIDATE else level, noise))
    return trial


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(POLICIES), st.integers(0, 10**6), st.sampled_from([3.0, 0.0, -1.0, -4.0]))
def test_told_the_same_again_it_decides_the_same(policy: str, seed: int, effect: float) -> None:
    how, rng = JudgeSettings(policy=policy), random.Random(seed)
    standing = calibrated(how, rng)
    trial = judged(rule.opened(how, standing), rng, 50.0, 50.0 + effect)
    again = rule.opened(how, standing)
    for step, value, _ in trial.heard:
        assert again.answer is step
        again = rule.told(again, value)
    assert again == trial


@pytest.mark.parametrize("policy", POLICIES)
def test_trials_that_are_open_side_by_side_decide_as_if_alone_and_add_up(policy: str) -> None:
    how, rng = JudgeSettings(policy=policy, workers=2), random.Random(4)
    opening = calibrated(how, rng)
    first = rule.opened(how, opening)
    second = rule.opened(how, opening, taken=(first.turn,))
    assert (first.turn, second.turn) == (1, 2)
    runs = random.Random(5), random.Random(6)
    alone = judged(first, random.Random(5), 50.0, 43.0)
    first, second = judged(first, runs[0], 50.0, 43.0), judged(second, runs[1], 50.0, 52.0)
    assert first == alone

    after = rule.closed(rule.closed(opening, second), first)
    assert after.clock == opening.clock + len(first.heard) + len(second.heard)
    assert after.spread.freedom - opening.spread.freedom == sum(p.freedom for t in (first, second) for p in t.pools)
    assert isinstance(first.answer, Verdict) and first.answer.status is Status.KEEP
    assert rule.level(how, after).estimate == first.answer.estimate
    if policy in ("certified", "fast"):
        assert after.keeps == (1,) and after.tests >= 1
        third = rule.opened(how, rule.closed(opening, first), taken=(second.turn,))
        assert third.turn == 3, "no test is ever numbered twice"


def test_e_lond_pays_for_the_tests_of_candidates_judged_side_by_side() -> None:
    how, rng = JudgeSettings(policy="certified", workers=2), random.Random(1)
    standing = calibrated(how, rng)
    first = judged(rule.opened(how, standing), rng, 50.0, 44.0)
    second = judged(rule.opened(how, standing, taken=(first.turn,)), rng, 50.0, 44.0)
    assert first.threshold is not None and second.threshold is not None and second.threshold > first.threshold
    after = rule.closed(rule.closed(standing, first), second)
    assert (after.tests, after.keeps) == (2, (1,)), "the second was measured beside a tip that is none any more"


@pytest.mark.parametrize("policy", ["grouped", "certified"])
def test_of_a_new_tip_nothing_is_known_on_other_slots(policy: str) -> None:
    """Else the old tip's run there, which lies a gain away, reads as a machine that moves."""
    how, rng = JudgeSettings(policy=policy, workers=2), random.Random(4)
    standing, run = calibrated(how, rng), Run(6, 50.2)
    standing = replace(standing, incumbent=replace(standing.incumbent, elsewhere=((1, (run,), run),)))
    kept = judged(rule.opened(how, standing), rng, 50.0, 43.0)
    assert isinstance(kept.answer, Verdict) and kept.answer.status is Status.KEEP
    after = rule.closed(standing, kept)
    assert after.at(1).last is None and after.at(1).incumbent.window == ()
    assert after.at(1).at(0).last == after.last


def test_a_machine_that_stands_still_is_looked_at_less_and_less_also_side_by_side() -> None:
    how, rng = JudgeSettings(policy="grouped", workers=2), random.Random(2)
    standing, looks = calibrated(how, rng), []
    for _ in range(60):
        pair = [rule.opened(how, standing.at(slot), taken=(1,) * slot) for slot in (0, 1)]
        for trial in reversed(pair):  # so that the one that looks never ends alone
            trial = judged(trial, rng, 50.0, 58.0)
            looks.append(any(heard.step is Step.INCUMBENT for heard in trial.heard))
            standing = rule.closed(standing, trial)
    assert standing.check > 4 and sum(looks[60:]) <= 6, looks


def test_what_trials_side_by_side_have_seen_of_the_machine_and_of_effects_adds_up() -> None:
    """Also of those whose base was left behind: a belief that nobody corrects costs every later candidate runs."""
    how, rng = JudgeSettings(policy="grouped", workers=3), random.Random(2)
    standing = calibrated(how, rng)
    close, keep, worse = (rule.opened(how, standing, number=number) for number in (1, 2, 3))
    close, keep, worse = judged(close, rng, 50.0, 49.0), judged(keep, rng, 50.0, 42.0), judged(worse, rng, 50.0, 55.0)
    assert isinstance(keep.answer, Verdict) and keep.answer.status is Status.KEEP
    seen = [trial.standing.wander.pairs - standing.wander.pairs for trial in (close, keep, worse)]
    assert sum(seen) > 0
    after = standing
    for trial in (keep, close, worse):
        after = rule.closed(after, trial)
    assert after.wander.pairs == standing.wander.pairs + sum(seen)
    moved = [b - a for a, b in zip(standing.wander.likelihoods, after.wander.likelihoods, strict=True)]
    apart = [
        sum(t.standing.wander.likelihoods[at] - standing.wander.likelihoods[at] for t in (close, keep, worse))
        for at in range(len(moved))
    ]
    assert moved == pytest.approx(apart, abs=1e-3)
    assert after.belief.experiments == standing.belief.experiments + 3
    assert after.belief.prior != rule.closed(standing, keep).belief.prior
    assert after.tip == keep.standing.tip


def test_a_change_that_is_judged_anew_counts_once_among_the_effects() -> None:
    how, rng = JudgeSettings(policy="grouped", workers=2), random.Random(2)
    standing = calibrated(how, rng)
    trial = judged(rule.opened(how, standing), rng, 50.0, 46.0)
    after = rule.closed(standing, rule.left_behind(trial))
    assert (after.belief.prior, after.belief.experiments) == (standing.belief.prior, standing.belief.experiments)
    assert after.clock == standing.clock + len(trial.heard) and after.tip == standing.tip


def test_a_level_grows_stale_by_the_time_that_runs_take_not_by_how_many_slots_there_are() -> None:
    how = [JudgeSettings(policy="grouped", workers=workers) for workers in (1, 4)]
    standing = calibrated(how[0], random.Random(2))
    for seen in range(40):
        standing = standing.apart(Run(seen, 50.0), Run(seen + 4, 50.0 + (seen % 3 - 1) * 4))
    assert standing.wander.rate > 0
    one, four = (staleness(each, standing) for each in how)
    assert one == pytest.approx(4 * four)


def group_of(how: JudgeSettings, standing: Standing, gain: float) -> group.Group:
    proof, rng = group.opened(how, standing), random.Random(9)
    while isinstance(proof.answer, Step):
        proof = group.told(proof, rng.gauss(50.0 - (gain if proof.answer is Step.INCUMBENT else 0.0), 1))
    return proof


@pytest.mark.parametrize(("gain", "base", "stack"), [(8.0, 1, (2,)), (-8.0, 0, ())])
def test_what_is_kept_while_its_group_is_measured_is_proven_later_or_falls_with_it(
    gain: float, base: int, stack: tuple[int, ...]
) -> None:
    how, rng = JudgeSettings(policy="grouped", workers=2), random.Random(2)
    start = calibrated(how, rng)
    first = judged(rule.opened(how, start, number=1), rng, 50.0, 42.0)
    opening = rule.closed(start, first)
    second = judged(rule.opened(how, opening, number=2), rng, 42.0, 34.0)
    third = rule.opened(how, rule.closed(opening, second), number=3)
    proof = group_of(how, opening, gain)
    assert group.closed(opening, proof).tip == (0, base)
    after = group.closed(rule.closed(opening, second), proof)
    assert (after.belief.base, tuple(keep.number for keep in after.belief.stack)) == (base, stack)
    assert after.clock == opening.clock + len(second.heard) + len(proof.heard) and after.tests == 1
    assert after.keeps == ((1,) if gain > 0 else ())
    third = judged(third, rng, 34.0, 26.0)
    later = rule.closed(after, third).belief
    assert (later.base, tuple(keep.number for keep in later.stack)) == (base, (*stack, 3) if gain > 0 else ())


@pytest.mark.parametrize("policy", ["certified", "fast", "grouped"])
def test_a_keep_that_needs_no_group_is_what_the_next_ones_are_compared_with(policy: str) -> None:
    """Also where others ended beside it; of those that end later, the incumbent's runs are of the old one."""
    how, rng = JudgeSettings(policy=policy, workers=3), random.Random(4)
    opening = calibrated(how, rng)
    if policy == "grouped":  # whose keeps need none only where the metric repeats itself
        exact = rule.calibration(how, Standing())
        while exact.answer is not None:
            exact = rule.told(exact, 50.0)
        opening = rule.closed(Standing(), exact)
    noise = 0.0 if policy == "grouped" else 1.0
    trials = [rule.opened(how, opening, number=number, taken=range(1, number)) for number in (1, 2, 3)]
    worse, better, later = (
        judged(trial, rng, 50.0, level, noise) for trial, level in zip(trials, (52.0, 43.0, 46.0), strict=True)
    )
    assert isinstance(better.answer, Verdict) and better.answer.status is Status.KEEP
    after = rule.closed(rule.closed(opening, worse), better)
    assert (after.belief.base, after.belief.stack) == (2, ()) and after.tip != opening.tip
    assert any(heard.step is Step.INCUMBENT for heard in later.heard)
    assert rule.closed(after, rule.left_behind(later)).incumbent == after.incumbent


def test_effects_and_runs_of_trials_side_by_side_count_once_also_where_some_were_known_before() -> None:
    how, rng = JudgeSettings(policy="grouped", workers=2), random.Random(2)
    standing = calibrated(how, rng)
    for number in (1, 2):
        standing = rule.closed(standing, judged(rule.opened(how, standing, number=number), rng, 50.0, 55.0))
    first, second = (judged(rule.opened(how, standing, number=number), rng, 50.0, 55.0) for number in (3, 4))
    after = rule.closed(rule.closed(standing, first), second)
    assert after.belief.experiments == standing.belief.experiments + 2 == 4


def test_a_slots_window_holds_the_incumbents_runs_of_all_its_trials_once() -> None:
    how = JudgeSettings(policy="certified", workers=2)
    standing = calibrated(how, random.Random(3))
    trials = [judged(rule.opened(how, standing), random.Random(11), 50.0, better) for better in (49.0, 49.01)]
    ran = [[heard.value for heard in trial.heard if heard.step is Step.INCUMBENT] for trial in trials]
    assert all(ran) and all(isinstance(t.answer, Verdict) and t.answer.status is Status.DISCARD for t in trials)
    after = rule.closed(rule.closed(standing, trials[0]), trials[1])
    window = [run.value for run in standing.incumbent.window]
    assert [run.value for run in after.incumbent.window] == window + ran[0] + ran[1]


def test_the_first_look_on_a_slot_without_runs_is_at_the_sessions_level() -> None:
    how = JudgeSettings(policy="certified", workers=2)
    standing = calibrated(how, random.Random(2))
    slot = standing.at(1)
    assert slot.incumbent.window == () and slot.incumbent.level is not None
    level = rule.opened(how, slot).known_level
    looks = [rule.told(rule.opened(how, slot), level - better) for better in (-0.1, 0.0, 0.1)]
    assert [isinstance(look.answer, Verdict) for look in looks] == [True, True, False]
    assert looks[-1].answer is Step.INCUMBENT


def test_two_runs_of_the_incumbent_are_a_window() -> None:
    alone, many = JudgeSettings(policy="certified"), JudgeSettings(policy="certified", workers=2)
    standing = calibrated(alone, random.Random(2))
    for length, asked in ((1, Step.INCUMBENT), (2, Step.CANDIDATE)):
        incumbent = replace(standing.incumbent, window=standing.incumbent.window[-length:])
        assert rule.opened(alone, replace(standing, incumbent=incumbent)).answer is asked
        trial = rule.opened(many, replace(standing, incumbent=incumbent))
        assert rule.told(trial, trial.known_level - 3.0).answer is asked
