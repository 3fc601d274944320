"""What A/A runs say of the machine, and of what would help."""

from __future__ import annotations

import random

import pytest

from pytest_autoresearch.research.remedies import machine, remedies, repeats, seed_share


def still(seed: int, n: int = 200) -> list[float]:
    rng = random.Random(seed)
    return [rng.gauss(100, 1) for _ in range(n)]


def test_a_machine_that_drifts_one_that_takes_steps_and_one_that_stands_still_are_told_apart() -> None:
    found = {"drift": 0, "steps": 0, "": 0}
    for seed in range(12):
        values, rng, level = still(seed), random.Random(seed), 0.0
        drifting, stepping = [], []
        for index, value in enumerate(values):
            level = 0.995 * level + rng.gauss(0, 0.5)
            drifting.append(value + level)
            stepping.append(value + (6.0 if index > 90 else 0.0))
        found["drift"] += machine(drifting) == "drift"
        found["steps"] += machine(stepping) == "steps"
        found[""] += machine(values) == ""
    assert min(found.values()) >= 10, found


def test_what_repeats_inside_a_run_would_report() -> None:
    normal = repeats(still(1, 1000))
    assert normal is not None and normal["mean"] == pytest.approx(0.45, abs=0.06)
    rng = random.Random(2)
    timings = [10 + 0.1 * rng.random() + (5.0 if rng.random() < 0.2 else 0.0) for _ in range(1000)]
    slow = repeats(timings)
    assert slow is not None and min(slow, key=lambda way: slow[way]) == "min", "spells of slowness: the min"
    assert repeats(still(1, 20)) is None and repeats([5.0] * 100) is None


def test_how_much_of_the_noise_is_the_seeds() -> None:
    values = still(3, 40)
    assert seed_share(values, [*range(30), *range(10)]) == pytest.approx(0.0, abs=0.5)
    assert seed_share([*values[:30], *values[:10]], [*range(30), *range(10)]) == 1.0
    assert seed_share(values, [None] * 40) is None and seed_share(values[:3], [1, 1, 1]) is None


def test_a_metric_that_repeats_itself_needs_no_remedy() -> None:
    found = remedies([2.0] * 60, [1] * 60)
    assert (found.machine, found.repeats, found.seed) == ("", None, None)
