"""States that scatter unlike each other: each has a variance of its own, told from few runs and all other states."""

from __future__ import annotations

import json
import math
import random
from dataclasses import replace

import pytest
from scipy import stats

from pytest_autoresearch.judge import Judge, JudgeSettings, JudgeState, Step, Verdict, belief, rule
from pytest_autoresearch.judge.belief import FIRST_PRIOR, GRID
from pytest_autoresearch.judge.scatter import FIRST_USUAL, VARIANCES, Scatter, States, posterior
from pytest_autoresearch.judge.wander import FEWEST, LAWS, SIZES, UNLIKE, Wander
from tests.judge.bench import Bench, noise


@pytest.mark.parametrize("log", [-10.0, -25.0, 11.0, 27.0])
def test_what_is_certain_is_no_more_than_certain(log: float) -> None:
    """Sums of shares are rounded: states that differ for sure were so with a probability of 1 + 1e-16 and more."""
    still, others = 2 * len(SIZES), (len(LAWS) - 2) * len(SIZES)
    wander = Wander(likelihoods=(*[-400.0] * still, *[log] * others), pairs=FEWEST)
    assert 0.99 < wander.unlike <= 1.0


def test_with_one_variance_for_all_the_posterior_is_the_usual_one() -> None:
    one = Scatter((0.25, 1.0), (0.0, 1.0))
    believed, after = posterior(FIRST_PRIOR, one, 1.3, 2, 1 / 6, 0.1)
    known = belief.posterior(FIRST_PRIOR, 1.3, 1 / 2 + 1 / 6, 0.1)
    assert (believed.mean, believed.deviation, believed.harm) == pytest.approx(
        (known.mean, known.deviation, known.harm)
    )
    assert after.weights == pytest.approx((0.0, 1.0), abs=1e-9) and after.mean == pytest.approx(1.0)


def test_effect_and_variance_are_what_bayes_says() -> None:
    variances, weights, values, tip = (0.5, 1.0, 4.0), (0.2, 0.5, 0.3), (2.0, 3.5, 1.1), 0.2
    mean = sum(values) / 3
    seen = Scatter(variances, weights).seen(sum((value - mean) ** 2 for value in values), 2)
    believed, after = posterior(FIRST_PRIOR, seen, mean, 3, tip)
    joint = {}
    for v, w in zip(variances, weights, strict=True):
        for effect, p in zip(GRID, FIRST_PRIOR, strict=True):
            covariance = [[v * (row == column) + tip for column in range(3)] for row in range(3)]  # one tip for all
            joint[v, effect] = w * p * stats.multivariate_normal([effect] * 3, covariance).pdf(values)
    total = sum(joint.values())
    expected = sum(effect * each for (_, effect), each in joint.items()) / total
    harm = sum(each for (_, effect), each in joint.items() if effect < 0) / total
    assert (believed.mean, believed.harm) == pytest.approx((expected, harm), rel=1e-6)
    own = [sum(each for (known, _), each in joint.items() if known == v) / total for v in variances]
    assert after.weights == pytest.approx(own, rel=1e-6)


def test_a_candidate_whose_own_runs_lie_far_apart_is_believed_less() -> None:
    scatter = Scatter((*VARIANCES, 1.0), (*(0.9 * w for w in FIRST_USUAL), 0.1))
    calm, wild = (posterior(FIRST_PRIOR, scatter.seen(squares, 2), 2.0, 3, 1 / 6)[0] for squares in (0.5, 20.0))
    assert calm.harm < 0.05 < wild.harm and calm.mean > wild.mean


def session(own: float, seed: int, *, experiments: int = 60) -> Judge:
    """Candidates without effect, whose deviations differ by exp(U(-own, own))."""
    rng = random.Random(seed)
    bench = Bench(Judge(JudgeSettings(policy="grouped")))
    tip = noise(rng, 100.0)
    bench.calibrate(tip)
    for _ in range(experiments):
        deviation = math.exp(rng.uniform(-own, own))
        level = 100.0 + rng.choice((0.0, 0.0, 1.0))

        def run(level: float = level, deviation: float = deviation) -> float:
            return rng.gauss(level, deviation)

        bench.experiment(run, tip)
    return bench.judge


def test_states_that_scatter_unlike_each_other_are_found_out() -> None:
    even, uneven = (sorted(session(own, seed).standing.wander.unlike for seed in range(12)) for own in (0.0, 1.6))
    assert even[6] < UNLIKE < uneven[5], (even, uneven)


def test_what_is_known_of_the_tips_noise_goes_with_the_tip() -> None:
    judge = Judge(JudgeSettings(policy="grouped"))
    rng = random.Random(3)
    judge.calibrate()
    while judge.pending is not None:
        judge.tell(rng.gauss(100, 1))
    assert judge.standing.wander.states.tip is not None
    answer: Step | Verdict | None = judge.start()
    for value in (96.0, 99.5, 97.0, 99.0, 96.5, 98.0, 97.0, 96.0, 97.0):
        if not isinstance(answer, Step):
            break
        answer = judge.tell(value if answer is Step.CANDIDATE else 100.0)
    assert isinstance(answer, Verdict) and answer.provisional
    assert sum(judge.standing.wander.states.tip) == pytest.approx(1.0)
    again = Judge(judge.settings, JudgeState.from_json(json.loads(json.dumps(judge.state().to_json()))))
    assert again.standing == judge.standing
    judge.overturn()
    assert judge.standing.wander.states.tip is None


def test_of_a_format_without_states_the_machine_is_learned_anew() -> None:
    state = JudgeState(replace(Judge().standing, wander=Wander(pairs=9, states=States(count=4)))).to_json()
    del state["standing"]["wander"]["states"]
    assert JudgeState.from_json({**state, "format": 3}).standing.wander == Wander()


def test_the_tips_noise_goes_with_a_keep_that_ended_after_others() -> None:
    judge, rng = Judge(JudgeSettings(direction="higher", policy="grouped", workers=2)), random.Random(5)
    judge.calibrate()
    while judge.pending is not None:
        judge.tell(rng.gauss(100, 1))
    trials = [judge.open(number=number, slot=number) for number in (1, 2)]
    for index, level in ((0, 70.0), (1, 112.0)):
        while isinstance(trials[index].answer, Step):
            is_candidate = trials[index].answer is Step.CANDIDATE
            trials[index] = rule.told(trials[index], rng.gauss(level if is_candidate else 100.0, 1))
        judge.close(trials[index])
    verdict = trials[1].answer
    assert isinstance(verdict, Verdict) and verdict.provisional
    assert judge.standing.wander.states.tip == trials[1].standing.wander.states.tip is not None
