"""What a search learns of crashes, limits and guards: how far each knob may go, whatever the strategy."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from pytest_autoresearch.agents.search.agent import create
from pytest_autoresearch.protocol.experiment import Experiment, Reason
from tests.agents.greedy import Session, constants

HAS_OPTUNA = find_spec("optuna") is not None
STRATEGIES = ["auto", "sweep", "grid", "random", "parzen", "duo", *(["bayes"] if HAS_OPTUNA else [])]
SOURCE = b"""\
PRIOR = 0.5
MEMORY = 0.5
LEARNING_RATE = 0.02
INITIAL_WEIGHT = 0.3
MAX_ORDER = 5
"""


def above_one_crashes(files: Mapping[str, bytes]) -> float:
    found = constants(files["train.py"])
    if found["MEMORY"] > 1:
        raise OverflowError
    return 1 + sum(math.log(found[name]) ** 2 for name in found)


def session(path: Path, name: str, experiments: int, source: bytes = SOURCE) -> Session:
    agent = create(name)
    assert agent is not None
    return Session(path, {"train.py": source}, above_one_crashes).run(agent, experiments)


def beyond(done: Session) -> list[Experiment]:
    return [each for each in done.history[1:] if each.reason is Reason.ERROR]


@pytest.mark.parametrize("name", STRATEGIES)
def test_a_value_beyond_which_everything_crashed_is_not_proposed_again_soon(tmp_path: Path, name: str) -> None:
    done = session(tmp_path, name, 20)
    assert len(beyond(done)) <= 4


def test_of_several_knobs_the_one_that_always_crashes_is_left_alone(tmp_path: Path) -> None:
    """COUNT has to be 26; nine of ten points of a search over all knobs turn it."""

    def measure(files: Mapping[str, bytes]) -> float:
        found = constants(files["train.py"])
        if found["COUNT"] != 26:
            raise OverflowError
        return 1 + math.log(found["LEARNING_RATE"]) ** 2 + math.log(found["WIDTH"] / 100) ** 2

    for name in sorted({*STRATEGIES} - {"sweep", "grid", "parzen"}):
        agent = create(name)
        assert agent is not None
        path = tmp_path / name
        path.mkdir()
        done = Session(path, {"train.py": b"COUNT = 26\nLEARNING_RATE = 0.02\nWIDTH = 64\n"}, measure).run(agent, 40)
        crashed = [each.number for each in beyond(done)]
        assert len([number for number in crashed if number > 20]) <= 4, name


@pytest.mark.parametrize("reason", [Reason.LIMIT, Reason.GUARD, Reason.TIMEOUT])
def test_a_limit_and_a_guard_are_learnt_from_like_a_crash(tmp_path: Path, reason: Reason) -> None:
    def blocked(history: list[Experiment]) -> list[Experiment]:
        return [each for each in history if each.reason is reason]

    agent = create("random")
    assert agent is not None
    done = Session(tmp_path, {"train.py": SOURCE}, above_one_crashes)
    for _ in range(20):
        done.run(agent, 1)
        if done.history[-1].reason is Reason.ERROR:
            done.history[-1] = replace(done.history[-1], status=reason.status, reason=reason)
    assert 0 < len(blocked(done.history)) <= 4


def test_a_fence_is_looked_over_now_and_then(tmp_path: Path) -> None:
    """What crashed because of another knob passes once that one has moved."""

    def measure(files: Mapping[str, bytes]) -> float:
        found = constants(files["train.py"])
        if len(done.history) < 10 and found["MEMORY"] > 1:
            raise OverflowError
        return 1 / found["MEMORY"]

    agent = create("random")
    assert agent is not None
    done = Session(tmp_path, {"train.py": SOURCE}, lambda files: 1.0)
    done.measure = measure
    done.run(agent, 80)
    assert any(float(move.new) > 1 for each in done.history[20:] for move in each.moves or () if move.name == "MEMORY")


def test_crashes_in_a_row_end_with_what_never_crashed(tmp_path: Path) -> None:
    """A session ends after ten; every knob but two is at a place where most moves crash."""

    def measure(files: Mapping[str, bytes]) -> float:
        found = constants(files["train.py"])
        if any(found[name] != start for name, start in (("PRIOR", 0.5), ("MEMORY", 0.5), ("INITIAL_WEIGHT", 0.3))):
            raise OverflowError
        return 1 + math.log(found["LEARNING_RATE"]) ** 2

    for name in sorted({*STRATEGIES} - {"grid", "parzen"}):
        agent = create(name)
        assert agent is not None
        path = tmp_path / name
        path.mkdir()
        done, row, longest = Session(path, {"train.py": SOURCE}, measure).run(agent, 30), 0, 0
        for each in done.history[1:]:
            row = row + 1 if each.reason is Reason.ERROR else 0
            longest = max(longest, row)
        assert longest < 10, (name, longest)
