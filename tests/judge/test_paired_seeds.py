"""Runs that share a seed are compared with each other, and what the seed does to both is no noise."""

from __future__ import annotations

import json
import math
import random
from collections.abc import Callable, Iterator

import pytest

from benchmarks import worlds
from benchmarks.judge import Session
from benchmarks.worlds import World
from pytest_autoresearch.judge import GroupVerdict, Judge, JudgeSettings, JudgeState, Step, Verdict
from pytest_autoresearch.judge.comparing import compared_pairs
from pytest_autoresearch.judge.panel import SEEDS, Panel
from pytest_autoresearch.protocol.experiment import Outcome, Status
from pytest_autoresearch.protocol.model import Direction

POLICIES = ("grouped", "certified", "fast", "classic")


def value(level: float, seed: int, state: int, share: float = 0.9) -> float:
    """A run's metric: what the seed does to all states, and what it does to this one."""
    both, own = random.Random(f"{seed}").gauss(0, 1), random.Random(f"{seed} {state}").gauss(0, 1)
    return level + math.sqrt(share) * both + math.sqrt(1 - share) * own


def judge_of(policy: str, **settings: object) -> Judge:
    return Judge(JudgeSettings(policy=policy, paired=True, **settings))  # type: ignore[arg-type]


def played(judge: Judge, gain: float, number: int, forget: bool = False) -> Iterator[tuple[Step, int | None] | Verdict]:
    """An experiment of this gain beside a tip at 100: what was asked for with which seed, and last the verdict."""
    answer: Step | Verdict | None = judge.start(number=number)
    while isinstance(answer, Step):
        seed = judge.seed
        assert seed is not None
        yield answer, seed
        mine = answer is Step.CANDIDATE
        answer = judge.tell(value(100 - gain if mine else 100, seed, number if mine else 0))
        if forget:
            state = JudgeState.from_json(json.loads(json.dumps(judge.state().to_json())))
            judge = Judge(judge.settings, state)
            if isinstance(answer, Step):
                assert judge.pending is answer
    assert answer is not None
    yield answer


def calibrated(judge: Judge) -> Judge:
    step: Step | Verdict | None = judge.calibrate()
    while step is not None:
        assert judge.seed is not None
        step = judge.tell(value(100, judge.seed, 0))
    return judge


@pytest.mark.parametrize("policy", POLICIES)
def test_a_candidate_has_the_seeds_of_the_incumbent(policy: str) -> None:
    *asked, verdict = played(calibrated(judge_of(policy)), 1.0, 1)
    assert isinstance(verdict, Verdict)
    mine = [said[1] for said in asked if isinstance(said, tuple) and said[0] is Step.CANDIDATE]
    its = [said[1] for said in asked if isinstance(said, tuple) and said[0] is Step.INCUMBENT]
    had = {*range(6), *its}
    compared = [seed for seed in mine if seed in had]
    assert compared and len(mine) == len(set(mine)), "no seed twice: a run that repeats itself tells nothing"
    assert mine[0] == 0
    if policy in ("certified", "fast"):  # all but those of the level, which have seeds of their own
        assert mine[: len(mine) - 3] == compared[: len(mine) - 3]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_killed_judge_asks_for_the_same_seeds_and_decides_the_same(policy: str) -> None:
    for gain in (-1.0, 0.1, 1.0, 9.0):
        once = list(played(calibrated(judge_of(policy)), gain, 1))
        again = list(played(calibrated(judge_of(policy)), gain, 1, forget=True))
        assert once == again


def test_a_state_without_paired_seeds_says_nothing_of_them() -> None:
    judge = Judge(JudgeSettings(policy="grouped"))
    step: Step | Verdict | None = judge.calibrate()
    rng = random.Random(0)
    while step is not None:
        assert judge.seed is None
        step = judge.tell(rng.gauss(0, 1))
    text = json.dumps(judge.state().to_json())
    assert not any(word in text for word in ("panel", "seeded", "beside", "seed"))


def group_of(judge: Judge) -> Judge:
    """A judge with a provisional keep."""
    calibrated(judge)
    for number in range(1, 9):
        *_, verdict = played(judge, 2.0, number)
        if isinstance(verdict, Verdict) and verdict.status is Status.KEEP:
            return judge
    raise AssertionError("nothing was kept")


def certified(judge: Judge, run: Callable[[Step, int], float | None]) -> tuple[GroupVerdict, list[tuple[Step, int]]]:
    asked = []
    answer: Step | GroupVerdict = judge.certify()
    while isinstance(answer, Step):
        assert judge.seed is not None
        asked.append((answer, judge.seed))
        answer = judge.tell_group(run(answer, judge.seed))
    return answer, asked


def test_the_two_runs_of_a_pair_share_a_seed_and_the_seed_is_no_noise() -> None:
    verdict, asked = certified(
        group_of(judge_of("grouped")),
        lambda step, seed: value(98.0 if step is Step.INCUMBENT else 100.0, seed, step is Step.BASE),
    )
    assert verdict.outcome is Outcome.CERTIFIED and verdict.interval is not None
    assert [seed for _, seed in asked] == [at // 2 for at in range(len(asked))]
    assert len(asked) <= 8


@pytest.mark.parametrize("second", [False, True])
def test_a_pair_that_a_crash_left_incomplete_is_run_anew_on_another_seed(second: bool) -> None:
    crashed: list[int] = []

    def run(step: Step, seed: int) -> float | None:
        if seed == 1 and (step is Step.BASE) is second:  # the pair is run tip first
            crashed.append(seed)
            return None
        return value(98.0 if step is Step.INCUMBENT else 100.0, seed, step is Step.BASE)

    verdict, asked = certified(group_of(judge_of("grouped")), run)
    assert crashed == [1] and verdict.outcome is Outcome.CERTIFIED
    whole = [seed for seed in dict.fromkeys(seed for _, seed in asked) if seed != 1]
    assert all(sorted(step.value for step, at in asked if at == seed) == ["base", "incumbent"] for seed in whole)
    assert verdict.pairs == len(whole)


def test_a_tip_that_crashes_twice_in_a_row_is_rolled_back() -> None:
    verdict, asked = certified(
        group_of(judge_of("grouped")), lambda step, seed: None if step is Step.INCUMBENT else 100.0 + seed % 3
    )
    assert verdict.outcome is Outcome.ROLLED_BACK and len(asked) <= 4


def test_a_panel_knows_the_level_at_each_seed_and_where_no_run_was() -> None:
    panel = Panel.opened([*enumerate((10.0, 12.0, 11.0))], own=0.01, shared=1.0)
    assert panel.means[:3] == pytest.approx((10.0, 12.0, 11.0), abs=0.05)
    assert panel.means[3] == pytest.approx(11.0, abs=0.1) and panel.doubts[3][3] > 1.0 > panel.doubts[0][0]
    assert len(panel.means) == SEEDS
    flat = Panel.opened([*enumerate((10.0, 12.0, 11.0))], own=1.0, shared=0.0)
    assert flat.means == pytest.approx((11.0,) * SEEDS, abs=1e-3) and flat.variance == pytest.approx(1 / 3, rel=1e-2)


def measured_anew(judge: Judge, run: Callable[[int], float | None]) -> Judge:
    judge.recalibrate()
    step: Step | Verdict | None = judge.calibrate()
    while step is not None:
        assert judge.seed is not None
        step = judge.tell(run(judge.seed))
    return judge


def test_a_noisy_metric_that_gives_one_value_when_it_is_measured_anew_is_judged_all_the_same() -> None:
    judge = measured_anew(calibrated(judge_of("grouped")), lambda seed: 100.0)
    assert judge.standing.noisy
    for number, gain in enumerate((5.0, -5.0), 1):
        *_, verdict = played(judge, gain, number)
        assert isinstance(verdict, Verdict) and (verdict.status is Status.KEEP) == (gain > 0)


def test_a_keep_on_another_scale_whose_runs_are_all_the_same_leaves_the_noise_as_it_was() -> None:
    judge = calibrated(judge_of("grouped"))
    answer: Step | Verdict | None = judge.start(number=1)
    while isinstance(answer, Step):
        assert judge.seed is not None
        answer = judge.tell(10.0 if answer is Step.CANDIDATE else value(100, judge.seed, 0))
    assert answer is not None and answer.status is Status.KEEP and answer.samples >= 4
    assert judge.standing.belief.panel is not None and judge.noise > 0
    assert judge.level.estimate == pytest.approx(10.0, abs=1)


def test_a_run_that_fails_while_the_incumbent_is_measured_moves_no_other_to_its_seed() -> None:
    judge = measured_anew(calibrated(judge_of("grouped")), lambda seed: None if seed == 1 else value(100, seed, 0))
    panel = judge.standing.belief.panel
    assert panel is not None
    known = [panel.doubts[seed][seed] for seed in range(SEEDS)]
    assert known[1] > 1.5 * max(known[0], *known[2:5]), "the second seed had no run"


def test_the_interval_of_pairs_leaves_out_what_both_have_in_common() -> None:
    luck = [0.0, 5.0, -3.0, 8.0, 1.0]
    head = [10.0, 13.0, 7.0, 16.0, 10.0]
    found = compared_pairs(Direction.LOWER, [10 + x for x in luck], head)
    assert found.gain == pytest.approx(1.0) and found.interval is not None
    assert found.interval == pytest.approx((1 - 2.776445 * 1 / 5**0.5, 1 + 2.776445 * 1 / 5**0.5))
    assert compared_pairs(Direction.LOWER, [1.0], [2.0]).interval is None
    exact = compared_pairs(Direction.HIGHER, [1.0, 2.0], [2.0, 3.0])
    assert exact.gain == 1.0 and exact.interval == (1.0, 1.0)


@pytest.mark.parametrize(("share", "least"), [(0.0, 0.8), (0.9, 1.15), (-0.5, 0.8)])
def test_gains_are_as_many_where_seeds_do_nothing_and_more_where_they_do(share: float, least: float) -> None:
    world = World("mix", worlds.mix, paired=share)
    sessions = [
        [Session(JudgeSettings(policy="grouped", paired=p, runs=200), world, n).play(runs=200) for n in range(8)]
        for p in (False, True)
    ]
    plain, shared = (sum(ended.gain for ended in each) for each in sessions)
    assert shared > least * plain


def test_on_a_machine_that_moves_no_run_of_an_hour_ago_makes_a_keep() -> None:
    world = World("a level that wanders by ten deviations", paired=0.5, wander=10)
    settings = JudgeSettings(policy="certified", paired=True, runs=400)
    assert [len(Session(settings, world, 9_000_000 + n).play(runs=400).effects) for n in (4, 6, 10)] == [0, 0, 0]
