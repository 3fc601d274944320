"""Why a loop ends by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Reason, Role, Usage
from pytest_autoresearch.protocol.model import Direction, Metric, Options
from pytest_autoresearch.protocol.settings import Settings, resolve
from pytest_autoresearch.research.stopping import Tally

METRIC = Metric("loss", Direction.LOWER)


def settings(**said: Any) -> Settings:
    return resolve({name: str(value) for name, value in said.items()}, {}, Options(), {})


RUN = Measurement(Role.CANDIDATE, value=1.0)


def experiment(
    reason: Reason = Reason.WORSE, usage: Usage | None = None, detail: str = "", runs: tuple[Measurement, ...] = (RUN,)
) -> Experiment:
    id = "0" * 40
    return Experiment(
        number=1,
        status=reason.status,
        reason=reason,
        description="x",
        commit=id,
        parent=id,
        tree=id,
        fingerprint=id,
        usage=usage,
        detail=detail,
        measurements=runs,
    )


def why(tally: Tally, *experiments: Experiment, best: float = 1.0, metric: Metric = METRIC, **said: Any) -> str | None:
    for each in experiments:
        tally.spend(each.usage)
        tally.count(each)
    return tally.reason_to_stop(settings(**said), metric, best)


def test_without_a_limit_it_goes_on() -> None:
    assert why(Tally(), *[experiment()] * 50) is None


@pytest.mark.parametrize(
    ("said", "reason"),
    [
        ({"experiments": 3}, "3 experiments were asked for"),
        ({"patience": 3}, "3 experiments in a row without a keep"),
        ({"max_cost": 0.3}, "the cost reached 0.30 of 0.30 USD"),
        ({"max_tokens": 330}, "the agent used 330 of 330 tokens"),
    ],
)
def test_a_limit_ends_it_when_reached_and_not_before(said: dict[str, Any], reason: str) -> None:
    paid = experiment(usage=Usage(input_tokens=100, output_tokens=10, cost=0.1))
    tally = Tally()
    assert why(tally, paid, paid, **said) is None
    assert why(tally, paid, **said) == reason


def test_one_experiment_is_called_one() -> None:
    assert why(Tally(), experiment(), experiments=1) == "1 experiment was asked for"


def test_a_keep_begins_patience_anew() -> None:
    assert why(Tally(), *[experiment()] * 2, experiment(Reason.IMPROVED), *[experiment()] * 2, patience=3) is None


def test_ten_crashes_in_a_row_end_it() -> None:
    assert why(Tally(), *[experiment(Reason.ERROR)] * 9) is None
    assert why(Tally(), *[experiment(Reason.ERROR)] * 10) == "10 crashes in a row"


def test_three_turns_without_a_usable_change_end_it_with_the_agents_words() -> None:
    turns = [
        experiment(Reason.NO_CHANGE),
        experiment(Reason.AGENT_ERROR),
        experiment(Reason.AGENT_ERROR, detail="no quota"),
    ]
    stopped = why(Tally(), *turns)
    assert stopped is not None and stopped.startswith("3 turns in a row") and stopped.endswith("no quota")


def test_twenty_turns_with_nothing_to_run_end_it() -> None:
    again = experiment(Reason.DUPLICATE, detail="the same state as experiment 0001", runs=())
    tally = Tally()
    assert why(tally, *[again] * 19, experiment(), *[again] * 19) is None
    assert why(tally, again) == (
        "20 turns in a row gave nothing to run; the last one: the same state as experiment 0001"
    )


@pytest.mark.parametrize(
    ("direction", "best", "stops"),
    [
        (Direction.LOWER, 0.5, True),
        (Direction.LOWER, 0.6, False),
        (Direction.HIGHER, 0.5, True),
        (Direction.HIGHER, 0.4, False),
    ],
)
def test_a_target_ends_it_once_it_is_reached(direction: Direction, best: float, stops: bool) -> None:
    metric = replace(METRIC, direction=direction, target=0.5)
    assert (why(Tally(), best=best, metric=metric) is not None) is stops
    assert (why(Tally(), best=best, metric=replace(METRIC, direction=direction), until=0.5) is not None) is stops
