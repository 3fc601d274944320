"""The default's turns on a noisy metric: the middle of all ranges, steps there, or single steps of a model."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_autoresearch.agents.search.agent import SearchAgent, create
from pytest_autoresearch.agents.search.strategies.duo import Duo
from pytest_autoresearch.protocol.experiment import Measurement, Move, Reason, Role
from tests.agents.greedy import Measure, Session, constants

SOURCE = b"LEARNING_RATE = %s\nWIDTH = %s\nDROPOUT = %s\nMOMENTUM = 0.9\nCLIP = 1.0\n"


def loss(lots: random.Random) -> Measure:
    def measure(files: Mapping[str, bytes]) -> float:
        found = constants(files["train.py"])
        off = math.log(found["LEARNING_RATE"] / 0.1) ** 2 + math.log(found["WIDTH"] / 128) ** 2
        return 10 + off + 9 * abs(found["DROPOUT"] - 0.2) + lots.gauss(0, 0.05)

    return measure


def noisy(path: Path, *start: bytes) -> Session:
    done = Session(path, {"train.py": SOURCE % start}, loss(random.Random(1)))
    level = done.history[0].value
    assert level is not None
    runs = tuple(Measurement(Role.INCUMBENT, value=level + each) for each in (-0.05, 0.05))
    done.history[0] = done.incumbent = replace(done.history[0], measurements=runs, moves=())
    return done


def singles(done: Session, first: int, last: int) -> list[int]:
    return [each.number for each in done.history[first : last + 1] if len(each.moves or ()) == 1]


@pytest.fixture(autouse=True)
def _numpy() -> None:
    pytest.importorskip("numpy")


def test_the_first_point_is_the_middle_of_all_ranges_where_the_start_is_far_from_there(tmp_path: Path) -> None:
    agent = create("auto")
    assert agent is not None
    first = noisy(tmp_path, b"0.00002", b"8", b"0.9").run(agent, 1).history[1]
    turned = {move.name: float(move.new) for move in first.moves or ()}
    assert first.reason is Reason.PROBE
    assert turned["LEARNING_RATE"] == pytest.approx(2e-3, rel=0.5)  # of 5e-6 to 1
    assert 50 < turned["WIDTH"] < 150  # of 4 to 1024
    assert "CLIP" not in turned  # is there already


def test_from_a_poor_start_its_knobs_are_turned_to_the_middle_the_farthest_first(tmp_path: Path) -> None:
    agent = create("auto")
    assert agent is not None
    done = noisy(tmp_path, b"0.00002", b"8", b"0.9").run(agent, 40)
    middle = {move.name: move.new for move in done.history[1].moves or ()}
    steps = [move for each in done.history[2 : 2 + len(middle)] for move in each.moves or ()]
    assert len(steps) == len(middle)
    assert {move.name: move.new for move in steps} == middle
    assert steps[0].name == "DROPOUT"
    assert len([number for number in singles(done, 20, 40) if number % 2 == 0]) >= 8
    assert any(each.reason is Reason.PROBE for each in done.history[20:])
    assert done.incumbent.value is not None and done.history[0].value is not None
    assert done.incumbent.value - 10 < 0.2 * (done.history[0].value - 10)


@pytest.mark.parametrize("start", [(b"0.1", b"128", b"0.2"), (b"0.00002", b"8", b"0.9")], ids=["good", "poor"])
def test_of_the_first_twenty_experiments_one_is_a_probe(tmp_path: Path, start: tuple[bytes, ...]) -> None:
    agent = create("auto")
    assert agent is not None
    done = noisy(tmp_path, *start).run(agent, 19)
    assert len(singles(done, 2, 19)) == 18


def test_without_probes_the_opening_is_single_steps_from_the_first_on(tmp_path: Path) -> None:
    agent = create("auto")
    assert agent is not None
    done = noisy(tmp_path, b"0.00002", b"8", b"0.9")
    done.protocol = replace(done.protocol, one_variable=True)
    assert len(singles(done.run(agent, 8), 1, 8)) == 8


def test_no_two_steps_of_one_knob_are_under_way_at_once(tmp_path: Path) -> None:
    agent = create("auto")
    assert agent is not None
    done = noisy(tmp_path, b"0.1", b"128", b"0.2").run(agent, 12)
    names = set()
    for _ in range(5):
        proposal, _ = done.propose(agent)
        if len(proposal.moves) == 1:
            assert proposal.moves[0].name not in names
            names.add(proposal.moves[0].name)
        done.flying.append(proposal.moves)
    assert names


def test_while_the_middle_is_measured_the_other_slots_turn_its_knobs_one_by_one(tmp_path: Path) -> None:
    agent = create("auto")
    assert agent is not None
    done = noisy(tmp_path, b"0.00002", b"8", b"0.9")
    middle, _ = done.propose(agent)
    done.flying.append(middle.moves)
    for _ in middle.moves:
        proposal, _ = done.propose(agent)
        done.flying.append(proposal.moves)
    steps = done.flying[1:]
    assert all(len(moves) == 1 for moves in steps)
    assert {move for moves in steps for move in moves} == set(middle.moves)


def test_a_probe_under_way_keeps_no_knob_from_a_step(tmp_path: Path) -> None:
    agent = create("sweep")
    assert agent is not None
    done = noisy(tmp_path, b"0.00002", b"8", b"0.9")
    probe = tuple(Move(name, "1.0", "2.0") for name in ("LEARNING_RATE", "WIDTH", "DROPOUT", "MOMENTUM", "CLIP"))
    first, _ = done.propose(agent)
    done.flying.append(probe)
    beside, _ = done.propose(agent)
    assert beside.moves == first.moves


def test_the_more_steps_of_a_knob_failed_on_one_side_the_less_one_more_counts(tmp_path: Path) -> None:
    agent = create("auto")
    assert isinstance(agent, SearchAgent)
    done = noisy(tmp_path, b"0.1", b"128", b"0.2").run(agent, 12)
    space, trials = agent._bench.space, agent._trials
    trials.follow(done.history, done.direction)

    def first() -> tuple[str, bool]:
        name, new = next(iter(next(Duo().steps(space, trials, [], 1)).values.items()))
        return name, float(new) > float(tip[name])

    tip = space.at(space.tip)
    name, is_up = first()
    fails = {f"{float(tip[name]) * (1 + (0.01 if is_up else -0.01) * (index + 1)):.6g}" for index in range(9)}
    trials.tried.setdefault(space.commit, {}).setdefault(name, set()).update(fails)
    assert first() != (name, is_up)


def test_steps_that_failed_elsewhere_do_not_bar_the_way_to_a_better_point(tmp_path: Path) -> None:
    agent = create("parzen")
    assert agent is not None
    done = noisy(tmp_path, b"0.1", b"128", b"0.2")
    level = done.history[0].value or 0.0

    def turned(reason: Reason, value: float, *moves: Move) -> None:
        number = len(done.history)
        done.history.append(
            replace(
                done.history[0],
                number=number,
                commit=f"c{number}",
                parent="c0",
                status=reason.status,
                reason=reason,
                value=value,
                against=level,
                moves=moves,
                measurements=(),
            )
        )

    for index in range(12):
        turned(Reason.WORSE, level + 1, Move("MOMENTUM", "0.9", f"0.8{index}"))
    turned(Reason.PROBE, level - 5, Move("CLIP", "1.0", "3.0"), Move("WIDTH", "128", "256"))
    proposal, _ = done.propose(agent)
    assert proposal.moves in ((Move("CLIP", "1.0", "3.0"),), (Move("WIDTH", "128", "256"),))
