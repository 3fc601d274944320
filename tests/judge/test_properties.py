"""What holds for every session, whatever its numbers."""

from __future__ import annotations

import random
from dataclasses import dataclass
from functools import partial

from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autoresearch.judge import Judge, JudgeSettings, Step, Verdict
from pytest_autoresearch.protocol.experiment import Reason, Status
from tests.judge.bench import Bench


@dataclass(frozen=True)
class Plan:
    """A session that can be played again with other units, another direction, another judge."""

    seed: int
    policy: str
    effects: tuple[float, ...]
    grain: float
    crashes: float

    def play(
        self, *, scale: float = 1.0, shift: float = 0.0, direction: str = "lower", forgetful: bool = False
    ) -> tuple[list[tuple[list[Step], Verdict]], Judge]:
        rng = random.Random(self.seed)
        level = 0.0

        def run(at: float) -> float | None:
            value = at + round(rng.gauss(0, 1) * 1024) / 1024
            value = round(value / self.grain) * self.grain if self.grain else value
            return None if rng.random() < self.crashes else scale * value + shift

        def sound(at: float) -> float:
            return scale * (at + round(rng.gauss(0, 1) * 1024) / 1024) + shift

        bench = Bench(Judge(JudgeSettings(policy=self.policy, direction=direction)), forgetful=forgetful)
        bench.calibrate(partial(sound if self.crashes else run, level))
        played = []
        for effect in self.effects:
            incumbent = partial(sound if self.crashes else run, level)
            verdict = bench.experiment(partial(run, level - effect), incumbent)
            played.append((list(bench.asked), verdict))
            level -= effect if verdict.status is Status.KEEP else 0.0
        return played, bench.judge


PLANS = st.builds(
    Plan,
    seed=st.integers(0, 10**6),
    policy=st.sampled_from(["certified", "fast", "classic"]),
    effects=st.lists(st.sampled_from([-3.0, -0.5, 0.0, 0.0, 1.0, 2.5, 6.0]), min_size=1, max_size=12).map(tuple),
    grain=st.sampled_from([0.0, 0.25, 1.0, 3.0]),
    crashes=st.sampled_from([0.0, 0.0, 0.1]),
)

quick = settings(max_examples=40, deadline=None)


def decisions(played: list[tuple[list[Step], Verdict]]) -> list[tuple[list[Step], Status, Reason]]:
    return [(asked, verdict.status, verdict.reason) for asked, verdict in played]


@quick
@given(PLANS)
def test_negating_values_and_direction_changes_no_decision(plan: Plan) -> None:
    here, _ = plan.play()
    there, _ = plan.play(scale=-1.0, direction="higher")
    assert decisions(here) == decisions(there)
    for (_, one), (_, other) in zip(here, there, strict=True):
        assert (one.evidence, one.threshold, one.suspicious) == (other.evidence, other.threshold, other.suspicious)


@quick
@given(PLANS, st.integers(-30, 30), st.sampled_from([0.0, 64.0, -512.0]))
def test_units_of_the_metric_change_no_decision(plan: Plan, exponent: int, shift: float) -> None:
    here, _ = plan.play(shift=shift)
    there, _ = plan.play(scale=2.0**exponent, shift=shift * 2.0**exponent)
    assert decisions(here) == decisions(there)


@quick
@given(PLANS)
def test_a_judge_killed_after_every_run_decides_as_one_that_was_not(plan: Plan) -> None:
    here, judge = plan.play()
    there, again = plan.play(forgetful=True)
    assert here == there
    assert judge.state() == again.state()


@quick
@given(PLANS)
def test_a_noisy_keep_has_fresh_runs_of_the_incumbent_and_three_of_its_own_after_the_decision(plan: Plan) -> None:
    played, _ = plan.play()
    for asked, verdict in played:
        if verdict.status is Status.KEEP and verdict.evidence is not None:
            first = asked.index(Step.CANDIDATE)
            own = 0 if verdict.suspicious else 3  # a gain that is plain gets fewer
            before = asked[: len(asked) - own]
            assert Step.INCUMBENT in before[first:]
            assert before.count(Step.CANDIDATE) >= 2
            assert asked[len(before) :] == [Step.CANDIDATE] * own
            assert verdict.threshold is not None and verdict.evidence >= verdict.threshold


@quick
@given(PLANS)
def test_every_experiment_ends_and_what_it_says_is_consistent(plan: Plan) -> None:
    played, judge = plan.play()
    for asked, verdict in played:
        assert len(asked) <= 24 * 2 + 12
        assert verdict.reason.status is verdict.status
        if verdict.interval is not None:
            assert verdict.estimate is not None
            assert verdict.interval[0] <= verdict.estimate <= verdict.interval[1]
    keeps = judge.standing.keeps
    assert len(keeps) == len(set(keeps)) and all(1 <= keep <= judge.standing.tests for keep in keeps)
