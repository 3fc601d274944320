"""Provisional keeps, proven in groups: the numbers of the rule, and what it does with runs that crash or mislead."""

from __future__ import annotations

import json
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

import pytest

from pytest_autoresearch.judge import (
    GroupVerdict,
    Judge,
    JudgeError,
    JudgeSettings,
    JudgeState,
    Provisional,
    Standing,
    Step,
    Verdict,
)
from pytest_autoresearch.judge.belief import FIRST_PRIOR, GRID, accepted_harm, learned, posterior, worth_of_a_run
from pytest_autoresearch.judge.scatter import States
from pytest_autoresearch.judge.spread import Spread
from pytest_autoresearch.judge.wander import FEWEST, LAWS, SIZES, Wander
from pytest_autoresearch.protocol.experiment import Outcome, Reason, Status
from tests.judge.bench import reborn

Draw = Callable[[random.Random], float]


def mix(rng: random.Random) -> float:
    share = rng.random()
    return rng.uniform(0.5, 3) if share < 0.1 else 0.0 if share < 0.5 else -rng.uniform(0, 6)


def subtle(rng: random.Random) -> float:
    share = rng.random()
    return rng.expovariate(1 / 0.7) if share < 0.1 else 0.0 if share < 0.4 else -rng.expovariate(1)


def nothing(_: random.Random) -> float:
    return 0.0


@dataclass
class Branch:
    """A session's branch: the level of its tip and of its base, and the effects in between."""

    judge: Judge
    run: Callable[[float], float | None]
    tip: float = 0.0
    forgetful: bool = False
    base: float = 0.0
    stack: list[float] = field(default_factory=list)
    published: list[float] = field(default_factory=list)
    groups: list[GroupVerdict] = field(default_factory=list)
    experiments: int = 0

    def __post_init__(self) -> None:
        self.base = self.tip
        step: Step | Verdict | None = self.judge.calibrate()
        while isinstance(step, Step):
            step = self.judge.tell(self.run(self.tip))
            self._forget()

    def experiment(self, candidate: float, effect: float) -> Verdict:
        self.experiments += 1
        step: Step | Verdict | None = self.judge.start(number=self.experiments)
        while isinstance(step, Step):
            step = self.judge.tell(self.run(candidate if step is Step.CANDIDATE else self.tip))
            self._forget()
        assert step is not None
        if step.status is Status.KEEP:
            self.tip = candidate
            self.stack.append(effect)
        return step

    def certify(self) -> GroupVerdict:
        step: Step | GroupVerdict = self.judge.certify()
        while isinstance(step, Step):
            step = self.judge.tell_group(self.run(self.base if step is Step.BASE else self.tip))
            self._forget()
        if step.outcome is Outcome.CERTIFIED:
            self.base, self.published, self.stack = self.tip, [*self.published, *self.stack], []
        elif step.outcome is Outcome.ROLLED_BACK:
            self.tip, self.stack = self.base, []
        self.groups.append(step)
        return step

    def _forget(self) -> None:
        if self.forgetful:
            self.judge = reborn(self.judge)


def session(effect: Draw, runs: int, seed: int, *, forgetful: bool = False) -> Branch:
    """Constant noise of 1 about 0, higher is better."""
    rng = random.Random(seed)
    judge = Judge(JudgeSettings(direction="higher", policy="grouped", runs=runs, adapts=False))
    branch = Branch(judge, lambda level: level + rng.gauss(0, 1), forgetful=forgetful)
    while _goes_on(branch, runs):
        worth = effect(rng)
        branch.experiment(branch.tip + worth, worth)
    return branch


def scaled_session(effect: Draw, runs: int, seed: int) -> Branch:
    """A time of 100 with noise of 5 %; effects are in units of that noise."""
    rng = random.Random(seed)
    judge = Judge(JudgeSettings(policy="grouped", runs=runs, adapts=False))
    branch = Branch(judge, lambda level: level - rng.gauss(0, 1) * 0.05 * level, tip=100.0)
    while _goes_on(branch, runs):
        worth, unit = effect(rng), 0.05 * branch.tip
        candidate = branch.tip - worth * unit
        branch.experiment(max(candidate, branch.tip * 0.02) if worth > 0 else candidate, worth)
    return branch


def _goes_on(branch: Branch, runs: int) -> bool:
    is_last = branch.judge.standing.clock >= runs - 8
    if branch.stack and (branch.judge.due or is_last):
        branch.certify()
        return not is_last and _goes_on(branch, runs)
    return not is_last


def test_the_first_prior() -> None:
    at = dict(zip(GRID, FIRST_PRIOR, strict=True))
    expected = {0.0: 0.4, 0.2: 0.009017, -0.2: 0.034741, 1: 0.004558, -1: 0.029935}
    assert {g: at[g] for g in expected} == pytest.approx(expected, abs=5e-7)
    assert sum(FIRST_PRIOR) == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("gain", "variance", "believed", "worth"),
    [
        (1.0, 7 / 6, (-0.008145, 0.466474, 0.173085), (0.061200, 0.007959)),
        (2.5, 7 / 6, (0.581009, 0.977418, 0.068797), (0.053802, 0.0)),
        (2.0, 2 / 3, (0.679822, 0.890098, 0.040225), (0.016130, 0.000004)),
        (-1.0, 7 / 6, (-0.565639, 0.801051, 0.490763), (0.019432, 0.0)),
    ],
)
def test_what_is_believed_of_a_candidate_and_what_another_run_is_worth(
    gain: float, variance: float, believed: tuple[float, ...], worth: tuple[float, ...]
) -> None:
    found = posterior(FIRST_PRIOR, gain, variance)
    assert (found.mean, found.deviation, found.harm) == pytest.approx(believed, abs=5e-7)
    runs = round(1 / (variance - 1 / 6))
    after = (1 / (runs + 1) + 1 / 6, 1 / runs + 1 / 7)  # a run of the candidate, of the tip
    worths = [worth_of_a_run(found.mean, found.deviation, variance, then) for then in after]
    assert worths == pytest.approx(worth, abs=1e-6)


def test_what_one_experiment_leaves_in_the_prior() -> None:
    weights = posterior(FIRST_PRIOR, 2.5, 7 / 6).weights
    assert weights is not None
    after = learned(FIRST_PRIOR, weights, 1)
    assert [after[GRID.index(g)] for g in (0.0, 1.75, 2)] == pytest.approx([0.405664, 0.003741, 0.004612], abs=5e-7)


def test_more_doubt_is_accepted_where_gains_are_plentiful() -> None:
    assert [accepted_harm(won, 400) for won in (0, 20, 40)] == pytest.approx([0.05, 0.10, 0.25])


def test_a_keep_moves_the_tip_by_what_both_know() -> None:
    spread = Spread().pooled(1e6, 10**6, 0.0)
    judge = Judge(JudgeSettings(direction="higher", policy="grouped", runs=10**9, adapts=False))
    belief = judge.standing.belief.known(0.0, 1 / 6, 1.0, spread)
    judge.standing = Standing(calibrated=True, noisy=True, spread=spread, belief=replace(belief, won=40.0), clock=300)
    judge.standing = replace(judge.standing, belief=replace(judge.standing.belief, clock=301))
    judge.start()
    verdict = judge.tell(2.5)
    assert isinstance(verdict, Verdict) and verdict.provisional and verdict.harm == pytest.approx(0.068797, abs=1e-5)
    assert judge.standing.belief.mean == pytest.approx(0.855151, abs=1e-4)
    assert judge.standing.belief.variance == pytest.approx(0.844745, abs=1e-4)


@pytest.mark.parametrize(
    ("effect", "seed", "gain", "keeps", "experiments"),
    [
        pytest.param(mix, 0, 6.562419, 5, 130, id="mix 0"),
        pytest.param(mix, 1, 18.667208, 13, 149, id="mix 1"),
        pytest.param(mix, 2, 24.717141, 27, 158, id="mix 2"),
        pytest.param(subtle, 0, 6.028985, 5, 121, id="subtle 0"),
        pytest.param(subtle, 1, 9.372670, 7, 107, id="subtle 1"),
        pytest.param(subtle, 2, 6.369297, 4, 148, id="subtle 2"),
    ],
)
def test_whole_sessions_are_those_of_the_reference(
    effect: Draw, seed: int, gain: float, keeps: int, experiments: int
) -> None:
    ended = session(effect, 200, seed)
    assert ended.base == pytest.approx(gain, abs=5e-7)
    assert (len(ended.published), ended.experiments) == (keeps, experiments)


@pytest.mark.parametrize(("seed", "level", "keeps"), [(0, 40.314153, 10), (1, 18.876282, 25)])
def test_whole_sessions_with_noise_in_proportion_are_those_of_the_reference(
    seed: int, level: float, keeps: int
) -> None:
    ended = scaled_session(mix, 200, seed)
    assert ended.base == pytest.approx(level, abs=5e-7)
    assert len(ended.published) == keeps


def test_a_judge_killed_after_every_run_goes_on_as_one_that_was_not() -> None:
    here, there = (session(mix, 120, 5, forgetful=forgetful) for forgetful in (False, True))
    assert here.groups and here.judge.state() == there.judge.state()
    assert (here.groups, here.published) == (there.groups, there.published)


def test_no_group_of_nothing_is_certified() -> None:
    groups = [verdict for seed in range(12) for verdict in session(nothing, 150, seed).groups]
    assert sum(verdict.outcome is Outcome.CERTIFIED for verdict in groups) == 0


def provisional(keeps: int = 1, effect: float = 2.0, seed: int = 3) -> tuple[Branch, random.Random]:
    """A branch with so many provisional keeps; a metric about 50, noise 1, lower is better."""
    rng = random.Random(seed)
    branch = Branch(Judge(JudgeSettings(policy="grouped")), lambda level: level + rng.gauss(0, 1), tip=50.0)
    while len(branch.stack) < keeps:
        branch.experiment(branch.tip - effect, effect)
    return branch, rng


def test_a_gain_is_kept_provisionally_and_certified_by_fresh_pairs_of_base_and_tip() -> None:
    branch, _ = provisional()
    assert (branch.judge.base, [keep.number for keep in branch.judge.stack]) == (0, [branch.experiments])
    verdict = branch.certify()
    assert verdict.outcome is Outcome.CERTIFIED and verdict.keeps == (branch.experiments,) and verdict.base == 0
    assert verdict.pairs >= 2 and verdict.evidence is not None and verdict.threshold is not None
    assert verdict.evidence >= verdict.threshold
    assert verdict.interval is not None and verdict.interval[0] < 2.0 < verdict.interval[1]
    assert (branch.judge.base, branch.judge.stack) == (branch.experiments, ())


def test_pairs_are_run_in_the_order_abba() -> None:
    branch, _ = provisional()
    asked: list[Step] = []
    step: Step | GroupVerdict = branch.judge.certify()
    while isinstance(step, Step):
        asked.append(step)
        step = branch.judge.tell_group(50.0 + len(asked) % 3)
    base, tip = Step.BASE, Step.INCUMBENT
    assert asked[:8] == [base, tip, tip, base, base, tip, tip, base][: len(asked)] and len(asked) >= 2


def test_a_group_without_gain_is_rolled_back_and_the_base_is_run_before_the_next_candidate() -> None:
    branch, rng = provisional()
    newest = branch.experiments
    step: Step | GroupVerdict = branch.judge.certify()
    while isinstance(step, Step):
        step = branch.judge.tell_group((50.0 if step is Step.BASE else 51.5) + rng.gauss(0, 1))
    assert step.outcome is Outcome.ROLLED_BACK and step.keeps == (newest,)
    assert (branch.judge.base, branch.judge.stack, branch.judge.due) == (0, (), False)
    assert branch.judge.level.estimate == pytest.approx(50.0, abs=2.0)
    assert branch.judge.start() is Step.INCUMBENT


def test_a_group_that_shows_too_little_stays_and_waits_for_more_keeps() -> None:
    branch, rng = provisional(keeps=16, effect=1.5)
    assert branch.judge.due
    step: Step | GroupVerdict = branch.judge.certify(pairs=3)
    while isinstance(step, Step):
        step = branch.judge.tell_group((50.0 if step is Step.BASE else 49.6) + rng.gauss(0, 0.1))
    assert step.outcome is Outcome.GOES_ON and len(branch.judge.stack) == 16
    assert not branch.judge.due and branch.judge.standing.belief.due == 32


def test_a_stack_that_never_shows_a_gain_ends() -> None:
    branch, _ = provisional()
    belief = branch.judge.standing.belief
    stack = tuple(Provisional(number, 0.1, 0.1) for number in range(1, 65))
    branch.judge.standing = replace(branch.judge.standing, belief=replace(belief, stack=stack))
    step: Step | GroupVerdict = branch.judge.certify(pairs=1)
    while isinstance(step, Step):
        step = branch.judge.tell_group(50.0 if step is Step.BASE else 49.99)
    assert step.outcome is Outcome.ROLLED_BACK


def test_a_keep_that_is_overturned_leaves_the_tip_and_what_it_told_of_the_noise() -> None:
    rng = random.Random(3)
    branch = Branch(Judge(JudgeSettings(policy="grouped")), lambda level: level + rng.gauss(0, 1), tip=50.0)
    while branch.experiment(44.0, 6.0).status is not Status.KEEP:
        pass
    assert branch.judge.level.estimate < 48
    branch.judge = reborn(branch.judge)
    branch.judge.overturn()
    assert branch.judge.stack == () and 48 < branch.judge.level.estimate < 52
    assert branch.judge.standing.belief.won == 0.0


def test_runs_that_crash() -> None:
    branch, _ = provisional()
    judge = branch.judge
    stack, known = judge.stack, judge.standing.belief.experiments
    step: Step | Verdict | None = judge.start()
    while step is Step.INCUMBENT:
        step = judge.tell(48.0)
    verdict = judge.tell(None)
    assert isinstance(verdict, Verdict) and verdict.reason is Reason.ERROR and judge.stack == stack
    assert judge.standing.belief.experiments == known + 1

    assert judge.certify() is Step.BASE
    assert judge.tell_group(None) is Step.BASE, "once more"
    with pytest.raises(JudgeError, match="last certified commit"):
        judge.tell_group(None)
    assert judge.tell_group(50.0) is Step.INCUMBENT
    assert judge.tell_group(None) is Step.INCUMBENT
    ended = judge.tell_group(None)
    assert isinstance(ended, GroupVerdict) and ended.outcome is Outcome.ROLLED_BACK and ended.gain is None


def test_on_another_machine_the_keeps_stay_provisional_and_the_tip_is_measured_before_the_pairs() -> None:
    branch, rng = provisional()
    judge = branch.judge
    judge.recalibrate()
    asked: list[Step] = []
    step: Step | GroupVerdict = judge.certify()
    while isinstance(step, Step):
        asked.append(step)
        step = judge.tell_group((20.0 if step is Step.BASE else 15.0) + rng.gauss(0, 1))
    assert asked[:6] == [Step.INCUMBENT] * 6 and asked[6] is Step.BASE
    assert step.outcome is Outcome.CERTIFIED and 12 < judge.level.estimate < 18


def test_another_policy_proves_what_it_finds_before_it_goes_on() -> None:
    branch, _ = provisional()
    judge = Judge(JudgeSettings(policy="certified"), branch.judge.state())
    assert judge.due
    branch.judge = judge
    assert branch.certify().outcome is Outcome.CERTIFIED
    assert not judge.due and judge.start() is Step.INCUMBENT, "whose window is not kept under `grouped`"


def test_after_a_jump_noise_and_level_are_learned_anew() -> None:
    rng = random.Random(1)
    judge = Judge(JudgeSettings(policy="grouped"))
    branch = Branch(judge, lambda level: level * (1 + rng.gauss(0, 0.05)), tip=100.0)
    verdict = branch.experiment(10.0, 18.0)
    assert verdict.status is Status.KEEP and verdict.samples == 4, "one that selects it, three that tell the new level"
    assert judge.noise == pytest.approx(0.5, rel=0.6)


def test_a_gain_has_to_exceed_min_delta() -> None:
    def kept(seed: int, effect: float) -> bool:
        rng = random.Random(seed)
        judge = Judge(JudgeSettings(policy="grouped", min_delta=2.0))
        branch = Branch(judge, lambda level: level + rng.gauss(0, 1), tip=50.0)
        return any(branch.experiment(50.0 - effect, effect).status is Status.KEEP for _ in range(3))

    assert sum(kept(seed, 1.0) for seed in range(20)) <= 1
    assert sum(kept(seed, 5.0) for seed in range(20)) >= 18


def test_a_large_effect_ends_in_few_runs() -> None:
    for seed in range(20):
        rng = random.Random(seed)
        judge = Judge(JudgeSettings(policy="grouped"))
        branch = Branch(judge, lambda level, rng=rng: level + rng.gauss(0, 1), tip=500.0)  # type: ignore[misc]
        before = judge.standing.clock
        assert branch.experiment(455.0, 45.0).status is Status.KEEP
        assert judge.standing.clock - before <= 4


def test_an_exact_metric_is_judged_as_ever_and_its_keeps_need_no_group() -> None:
    judge = Judge(JudgeSettings(policy="grouped"))
    branch = Branch(judge, lambda level: level, tip=8.0)
    verdict = branch.experiment(6.0, 2.0)
    assert verdict.status is Status.KEEP and not verdict.provisional
    assert (judge.base, judge.stack, judge.due) == (1, (), False)
    with pytest.raises(JudgeError, match="no provisional keep"):
        judge.certify()


def test_a_state_stays_small_and_an_old_one_is_taken_over() -> None:
    branch, _ = provisional(keeps=12)
    assert len(json.dumps(branch.judge.state().to_json())) < 6000
    old = {"format": 1, "noisy": True, "clock": 80, "tests": 7, "keeps": [2, 5], "incumbent": {"debt": 0.25}}
    standing = JudgeState.from_json(old).standing
    assert (standing.noisy, standing.calibrated, standing.tests, standing.keeps) == (True, False, 7, (2, 5))
    assert standing.incumbent.debt == 0.25


def test_one_decision_costs_less_than_a_millisecond_after_3000_experiments() -> None:
    branch, rng = provisional()
    belief = replace(branch.judge.standing.belief, experiments=3000, won=150.0)
    spread = Spread().pooled(4000.0, 4000, 50.0).pooled(1000.0, 1000, 40.0)
    branch.judge.standing = replace(
        branch.judge.standing, spread=spread, belief=belief, tests=190, keeps=tuple(range(1, 190)), clock=4000
    )
    times = []
    for _ in range(300):
        step: Step | Verdict | None = branch.judge.start()
        while isinstance(step, Step):
            value = branch.tip + rng.gauss(0, 1)
            began = time.thread_time()
            step = branch.judge.tell(value)
            times.append(time.thread_time() - began)
    times.sort()
    assert times[len(times) * 95 // 100] < 0.001


@pytest.mark.parametrize(("gain", "looks"), [(3.3, 1), (12.0, 2)])
def test_a_gain_that_is_hard_to_believe_gets_a_second_look_before_it_is_kept(gain: float, looks: int) -> None:
    judge = Judge(JudgeSettings(direction="higher", policy="grouped"))
    step: Step | Verdict | None = judge.calibrate()
    for value in (99.0, 101.0, 100.0, 99.5, 100.5, 100.0):
        assert step is Step.INCUMBENT
        step = judge.tell(value)
    likelihoods = tuple(0.0 if law < len(SIZES) else -50.0 for law in range(len(LAWS) * len(SIZES)))
    alike = Wander(likelihoods, pairs=FEWEST, states=States(likelihood=-50.0))  # one noise, and still, beyond doubt
    judge.standing = replace(judge.standing, wander=alike)
    asked, step = 0, judge.start(number=1)
    while isinstance(step, Step):
        asked += step is Step.CANDIDATE
        step = judge.tell(100.0 + (gain if step is Step.CANDIDATE else 0.0))
    assert isinstance(step, Verdict)
    assert (step.status, step.suspicious, asked) == (Status.KEEP, looks == 2, looks)
