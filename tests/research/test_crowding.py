"""What a session with several slots says of them while it runs."""

from __future__ import annotations

import random
from collections.abc import Iterator

from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Place, Reason, Role, Status
from pytest_autoresearch.protocol.model import Direction, Metric
from pytest_autoresearch.research.crowding import Crowding

METRIC = Metric("loss", Direction.LOWER)


def experiment(number: int, runs: list[tuple[int, float, float]]) -> Experiment:
    """Of the start's state: runs as slot, value and seconds."""
    measured = tuple(
        Measurement(Role.INCUMBENT, value, seed=1, duration=lasted, place=Place("here", slot, "process"))
        for slot, value, lasted in runs
    )
    commit, parent = ("start", "") if number == 0 else (f"commit {number}", "start")
    reason, status = (Reason.IMPROVED, Status.KEEP) if number == 0 else (Reason.NOISE, Status.DISCARD)
    return Experiment(
        number, status, reason, "as it is", commit=commit, parent=parent, tree="", fingerprint="", measurements=measured
    )


def session(
    *, spread: float = 1.0, seconds: float = 10.0, shift: float = 0.0, apart: float = 0.0, slots: int = 4, seed: int = 0
) -> Iterator[str]:
    """What is said in 30 experiments, each with a run of the start on its slot; alone a run takes 10 s."""
    lots = random.Random(seed)
    crowding = Crowding(METRIC, [experiment(0, [(0, 100 + lots.gauss(0, 1), 10.0) for _ in range(6)])])
    for number in range(1, 31):
        slot = number % slots
        value = 100 + shift + lots.gauss(0, spread) + (apart if slot == 2 else 0.0)
        yield from crowding.heard(experiment(number, [(slot, value, seconds)]), slots)


def test_nothing_is_said_of_slots_that_do_not_touch_each_other() -> None:
    said = [words for seed in range(40) for words in session(seconds=11.0, seed=seed)]
    assert len(said) <= 1, said


def test_runs_that_take_as_much_longer_as_there_are_more_of_them_are_told_once() -> None:
    (said,) = session(seconds=41.0)
    assert said.startswith("runs on 4 slots take 4.1 times as long as alone, so they tell no more in an hour than one")
    assert "`pytest-autoresearch aa --workers 4`" in said


def test_scatter_counts_as_time_does() -> None:
    (said,) = session(seconds=20.0, spread=4.0)
    assert "take 2.0 times as long as alone and scatter" in said


def test_a_metric_that_is_worse_side_by_side_is_told_with_what_that_means() -> None:
    (said,) = session(shift=5.0)
    assert said.startswith("loss is worse by ") and "keeps are compared on one slot" in said


def test_a_slot_that_measures_otherwise_is_named() -> None:
    said = [words for words in session(apart=9.0) if words.startswith("slot 2 measures")]
    assert len(said) == 1 and "no comparison is made across slots" in said[0]


def test_one_slot_has_no_neighbour() -> None:
    assert not [*session(slots=1, seconds=50.0, shift=20.0)]
