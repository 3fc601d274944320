"""Pairs of runs of base and head: no verdict that the noise does not carry, and none that was looked for too often."""

from __future__ import annotations

import random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pytest_autoresearch.judge.pairs import EXACT, FIRST, MOST, Compared, Outcome, Plan, aimed, compared, wants_more
from pytest_autoresearch.protocol.model import Direction

PLAN = Plan(20)


def measured(seed: int, *, slower: float = 0.0, deviation: float = 0.0266) -> tuple[Compared, int]:
    """One benchmark as the command does it."""
    rng = random.Random(seed)
    pairs: list[tuple[float, float]] = []
    while wants_more(pairs, PLAN):
        pairs.append((rng.gauss(1.0, deviation), rng.gauss(1.0 + slower, deviation)))
    return compared(pairs, Direction.LOWER, PLAN), len(pairs)


def test_nothing_is_found_in_noise_and_most_of_it_is_let_go_early() -> None:
    results = [measured(seed) for seed in range(600)]
    assert sum(result.outcome is not Outcome.SAME for result, _ in results) <= 2, "4 in 10,000 are allowed"
    assert {count for _, count in results} == {FIRST, MOST}
    assert 0.55 < sum(count == FIRST for _, count in results) / 600 < 0.75


def test_a_slowdown_of_five_percent_is_found_on_a_hosted_runner() -> None:
    results = [measured(seed, slower=0.05)[0] for seed in range(200)]
    assert sum(result.outcome is Outcome.WORSE for result in results) >= 160
    assert 0.03 < sorted(result.detectable or 1.0 for result in results)[100] < 0.05
    found = next(result for result in results if result.outcome is Outcome.WORSE)
    assert found.interval is not None and found.interval[0] > 0


def test_a_run_that_was_disturbed_hides_nothing() -> None:
    pairs = [(1.0 + 0.001 * (i % 5), 1.05 + 0.001 * (i % 7)) for i in range(MOST)]
    pairs[3], pairs[9] = (1.9, 1.05), (1.0, 1.7)
    assert compared(pairs, Direction.LOWER, PLAN).outcome is Outcome.WORSE


@pytest.mark.parametrize(
    ("head", "direction", "outcome"),
    [
        (1.1, Direction.LOWER, Outcome.WORSE),
        (1.1, Direction.HIGHER, Outcome.BETTER),
        (0.9, Direction.LOWER, Outcome.BETTER),
        (1.0, Direction.LOWER, Outcome.SAME),
    ],
)
def test_an_exact_metric_needs_no_statistics(head: float, direction: Direction, outcome: Outcome) -> None:
    pairs = [(1.0, head)] * EXACT
    assert not wants_more(pairs, PLAN)
    result = compared(pairs, direction, PLAN)
    assert result.outcome is outcome and result.change == pytest.approx(head - 1.0)


def test_too_little_time_gives_no_verdict() -> None:
    assert compared([(1.0, 2.0)], Direction.LOWER, PLAN).outcome is Outcome.SKIPPED
    few = [(1.0 + i / 1e4, 2.0 + i / 1e4) for i in range(FIRST - 1)]
    assert compared(few, Direction.LOWER, PLAN).outcome is Outcome.SAME


def test_time_that_ends_early_leaves_a_verdict_on_what_there_is_and_an_honest_limit() -> None:
    rng = random.Random(5)
    pairs = [(rng.gauss(1.0, 0.03), rng.gauss(1.2, 0.03)) for _ in range(MOST)]
    scaled = PLAN.fitted(10.0, 590.0)
    few, more, planned = (compared(pairs[:n], Direction.LOWER, scaled) for n in (8, 16, MOST))
    assert [each.outcome for each in (few, more, planned)] == [Outcome.WORSE] * 3 and scaled.first > MOST
    limits = [each.detectable or 0.0 for each in (few, more, planned)]
    assert limits == sorted(limits, reverse=True) and limits[0] > 1.5 * limits[2] > 0.03


def test_metrics_of_either_sign_are_compared_by_their_difference() -> None:
    pairs = [(-1.0 + i / 1e3, -0.5 + i / 2e3) for i in range(MOST)]
    result = compared(pairs, Direction.LOWER, PLAN)
    assert (
        result.outcome is Outcome.WORSE and result.change is not None and result.change == pytest.approx(0.5, abs=0.02)
    )


def test_no_more_pairs_are_made_than_the_noise_asks_for() -> None:
    rng = random.Random(4)
    much = PLAN.fitted(1.0, 599.0)
    for deviation, most in ((0.0, 1), (0.01, 1), (0.0266, 3), (0.08, 16)):
        pairs = [(rng.gauss(1.0, deviation), rng.gauss(1.0, deviation)) for _ in range(FIRST)]
        plan = aimed(pairs, much)
        assert plan.first * (MOST // FIRST) == plan.most <= MOST * most, (deviation, plan)
        assert aimed(pairs, PLAN) == PLAN
    assert aimed(pairs, much).most > 3 * MOST


@pytest.mark.parametrize(("spent", "times"), [(240.0, 1), (900.0, 1), (100.0, 2), (24.0, 11), (0.1, 16), (0.0, 16)])
def test_time_that_is_there_is_used_for_more_pairs(spent: float, times: int) -> None:
    plan = PLAN.fitted(spent, 600.0 - spent)
    assert (plan.first, plan.most, plan.tail) == (FIRST * times, MOST * times, PLAN.tail)


def test_more_pairs_find_what_fewer_do_not_on_a_machine_that_others_use() -> None:
    rng = random.Random(3)
    pairs = [(rng.lognormvariate(0.0, 0.28), 1.1 * rng.lognormvariate(0.0, 0.28)) for _ in range(16 * MOST)]
    few = compared(pairs[:MOST], Direction.LOWER, Plan(3))
    assert few.outcome is Outcome.SAME and few.detectable is not None and few.detectable > 0.3, "and it says so"
    plan = aimed(pairs[:FIRST], Plan(3).fitted(1.0, 599.0))
    many = compared(pairs, Direction.LOWER, plan)
    assert plan.most == 16 * MOST
    assert many.outcome is Outcome.WORSE and many.detectable is not None and many.detectable < 0.12


@settings(max_examples=50)
@example([(1.0, 1.0), (2.0, 5e-324)])
@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), max_size=MOST))
def test_whatever_is_measured_there_is_an_answer(pairs: list[tuple[float, float]]) -> None:
    result = compared(pairs, Direction.LOWER, PLAN)
    assert isinstance(wants_more(pairs, PLAN), bool) and result.pairs == len(pairs)
