"""Runs that crash, numbers that are none, keeps that are taken back, sessions that move or are resumed."""

from __future__ import annotations

import json
import math
import random

import pytest

from pytest_autoresearch.judge import Judge, JudgeError, JudgeSettings, JudgeState, Step
from pytest_autoresearch.protocol.experiment import Reason, Status
from tests.judge.bench import Bench, always, each, exact, noise, noisy, reborn

CANDIDATE, INCUMBENT = Step.CANDIDATE, Step.INCUMBENT


@pytest.mark.parametrize(
    ("value", "reason"),
    [
        (None, Reason.ERROR),
        (math.nan, Reason.BAD_METRIC),
        (math.inf, Reason.BAD_METRIC),
        (-math.inf, Reason.BAD_METRIC),
        (1e300, Reason.BAD_METRIC),
    ],
)
def test_a_candidate_that_gives_no_number_is_a_crash(value: float | None, reason: Reason) -> None:
    for bench in (exact(1.0), noisy(random.Random(1)), exact(1.0, policy="classic")):
        verdict = bench.experiment(always(value), each([]))
        assert (verdict.status, verdict.reason, verdict.estimate) == (Status.CRASH, reason, None)
        assert bench.judge.pending is None


def test_a_crash_in_the_middle_of_a_certification_ends_it_and_leaves_the_incumbent() -> None:
    rng = random.Random(1)
    bench = noisy(rng)
    before = bench.judge.level
    verdict = bench.experiment(each([-4.0, None]), noise(rng, 0.0))
    assert verdict.status is Status.CRASH
    assert bench.judge.level == before
    assert bench.judge.standing.tests == 1, "what was spent on it stays spent"


def test_a_crash_while_the_level_of_a_keep_is_measured_is_no_keep() -> None:
    rng = random.Random(1)
    bench = noisy(rng)
    bench.judge.start()
    answer: object = CANDIDATE
    while "kept" not in str(bench.judge.progress()):
        answer = bench.judge.tell(rng.gauss(-6 if answer is CANDIDATE else 0, 1))
    verdict = bench.go_on(bench.judge.pending, always(None), each([]))
    assert verdict.status is Status.CRASH
    assert bench.judge.standing.keeps == ()
    assert abs(bench.judge.level.estimate) < 2


def test_a_crashed_incumbent_is_asked_for_once_more() -> None:
    bench = Bench(Judge())
    bench.calibrate(each([None, 1.0, math.nan, 1.0]))
    assert bench.judge.level.estimate == 1.0


def test_an_incumbent_that_crashes_twice_ends_the_session_and_can_be_resumed() -> None:
    judge = Judge()
    judge.calibrate()
    judge.tell(None)
    with pytest.raises(JudgeError, match="twice in a row"):
        judge.tell(None)
    again = Bench(reborn(judge))
    assert again.judge.pending is INCUMBENT
    again.calibrate(always(1.0))
    assert again.judge.level.estimate == 1.0


def test_an_overturned_keep_leaves_the_old_incumbent_and_earns_nothing() -> None:
    rng = random.Random(1)
    bench = noisy(rng)
    before = bench.judge.level
    assert bench.experiment(noise(rng, -6.0), noise(rng, 0.0)).status is Status.KEEP
    bench.judge = reborn(bench.judge)
    bench.judge.overturn()
    assert bench.judge.level == before
    assert (bench.judge.standing.tests, bench.judge.standing.keeps) == (1, ())
    assert bench.experiment(noise(rng, -6.0), noise(rng, 0.0)).status is Status.KEEP
    assert bench.judge.standing.keeps == (2,)


def test_an_overturned_exact_keep_leaves_the_old_incumbent() -> None:
    bench = exact(1.0)
    bench.experiment(always(0.5), always(1.0))
    bench.judge.overturn()
    assert bench.judge.level.estimate == 1.0
    assert bench.experiment(always(0.75), always(1.0)).status is Status.KEEP


def test_an_experiment_under_way_can_be_dropped() -> None:
    bench = noisy(random.Random(1))
    bench.judge.start()
    bench.judge.tell(-4.0)
    bench.judge.overturn()
    assert bench.judge.pending is None
    assert bench.judge.start() is CANDIDATE


def test_only_a_keep_can_be_overturned_and_only_once() -> None:
    bench = exact(1.0)
    with pytest.raises(JudgeError, match="no keep"):
        bench.judge.overturn()
    bench.experiment(always(0.5), always(1.0))
    bench.judge.overturn()
    with pytest.raises(JudgeError, match="no keep"):
        bench.judge.overturn()


def test_on_another_machine_levels_are_measured_anew_and_the_spent_error_stays() -> None:
    rng = random.Random(1)
    bench = noisy(rng)
    bench.experiment(noise(rng, -6.0), noise(rng, 0.0))
    spent = bench.judge.standing
    bench.judge.recalibrate()
    with pytest.raises(JudgeError, match="calibrate"):
        _ = bench.judge.level
    bench.asked.clear()
    bench.calibrate(noise(rng, 50.0))
    assert bench.asked == [INCUMBENT] * 6
    assert 48 < bench.judge.level.estimate < 52
    assert (bench.judge.standing.tests, bench.judge.standing.keeps) == (spent.tests, spent.keeps)


def test_a_recalibration_can_be_left_to_the_next_experiment() -> None:
    bench = exact(1.0)
    bench.judge.recalibrate()
    verdict = bench.experiment(always(1.5), always(2.0))
    assert bench.asked[:3] == [INCUMBENT, INCUMBENT, CANDIDATE]
    assert verdict.against == 2.0


def test_calibrating_a_calibrated_judge_measures_anew() -> None:
    bench = exact(1.0)
    bench.calibrate(always(2.0))
    assert bench.judge.level.estimate == 2.0


def test_a_session_that_was_noisy_stays_so_on_another_machine() -> None:
    bench = noisy(random.Random(1))
    bench.asked.clear()
    bench.calibrate(always(1.0))
    assert len(bench.asked) == 6


def test_a_state_of_another_format_or_a_damaged_one_is_refused_in_words() -> None:
    good = noisy(random.Random(1)).judge.state().to_json()
    for bad in ({}, {**good, "format": 99}, {**good, "window": 3}, {k: v for k, v in good.items() if k != "standing"}):
        with pytest.raises(JudgeError, match="begin a new tag"):
            JudgeState.from_json(bad)
    newer = {**good, "standing": {**good["standing"], "belief": {**good["standing"]["belief"], "unheard_of": 1}}}
    with pytest.raises(JudgeError, match=r"newer version: .*unheard_of.*\n  upgrade: pip install -U"):
        JudgeState.from_json(newer)


def test_a_state_is_small_however_long_the_session() -> None:
    rng = random.Random(1)
    bench = noisy(rng)
    for _ in range(300):
        bench.experiment(noise(rng, 0.3), noise(rng, 0.0))
    assert len(json.dumps(bench.judge.state().to_json())) < 3000


@pytest.mark.parametrize(
    "settings",
    [
        {"direction": "down"},
        {"policy": "strict"},
        {"alpha": 0.0},
        {"alpha": 1.0},
        {"max_runs": 1},
        {"min_delta": -1.0},
        {"min_delta": math.nan},
        {"tolerance": math.inf},
        {"workers": 0},
    ],
)
def test_settings_that_make_no_sense_are_refused(settings: dict[str, object]) -> None:
    with pytest.raises(JudgeError):
        JudgeSettings(**settings)  # type: ignore[arg-type]


def test_words_that_are_not_known_are_answered_with_those_that_are() -> None:
    with pytest.raises(JudgeError, match="certified, fast, classic"):
        JudgeSettings(policy="strict")


def test_what_was_not_asked_for_is_not_taken() -> None:
    judge = exact(1.0).judge
    with pytest.raises(JudgeError, match="did not ask"):
        judge.tell(1.0)
    judge.start()
    with pytest.raises(JudgeError, match="under way"):
        judge.start()
