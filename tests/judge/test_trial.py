"""Standing and Trial: a decision is a function of the standing at the opening and the trial's own runs."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autoresearch.judge import JudgeSettings, Standing, Step, Verdict, rule
from pytest_autoresearch.judge.standing import Run
from pytest_autoresearch.judge.trial import Trial
from pytest_autoresearch.protocol.experiment import Status

POLICIES = ("grouped", "certified", "fast", "classic")


def calibrated(how: JudgeSettings, rng: random.Random, level: float = 50.0) -> Standing:
    trial = rule.calibration(how, Standing())
    while trial.answer is not None:
        trial = rule.told(trial, rng.gauss(level, 1))
    return rule.closed(Standing(), trial)


def judged(trial: Trial, rng: random.Random, level: float, candidate: float) -> Trial:
    while isinstance(trial.answer, Step):
        trial = rule.told(trial, rng.gauss(candidate if trial.answer is Step.CANDIDATE else level, 1))
    return trial


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(POLICIES), st.integers(0, 10**6), st.sampled_from([3.0, 0.0, -1.0, -4.0]))
def test_told_the_same_again_it_decides_the_same(policy: str, seed: int, effect: float) -> None:
    how, rng = JudgeSettings(policy=policy), random.Random(seed)
    standing = calibrated(how, rng)
    trial = judged(rule.opened(how, standing), rng, 50.0, 50.0 + effect)
    again = rule.opened(how, standing)
    for step, value in trial.heard:
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
