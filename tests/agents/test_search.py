"""The embedded agents that need no model, driven by a greedy session on functions with a known best."""

from __future__ import annotations

import math
import random
from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pytest_autoresearch.agents.base import Agent
from pytest_autoresearch.agents.search.agent import create
from pytest_autoresearch.agents.search.trials import Trials, moves_in
from pytest_autoresearch.errors import AgentError
from pytest_autoresearch.protocol.experiment import Experiment, Move, Reason
from pytest_autoresearch.protocol.model import Direction
from tests.agents.greedy import Session, constants
from tests.cost import seconds

NAMES = ["auto", "sweep", "grid", "random", "parzen", "duo"]
SOURCE = b"""\
LEARNING_RATE = 0.04  # main
WIDTH = 64
MOMENTUM = 0.5
DEAD = 7

def f(x, gain=3.0):
    return x * 0.3 + gain
"""


def search(name: str) -> Agent:
    made = create(name)
    assert made is not None
    return made


BOWL = {"LEARNING_RATE": 0.5, "WIDTH": 128.0, "MOMENTUM": 0.9}


def bowl(files: Mapping[str, bytes]) -> float:
    """Best where BOWL says; a learning rate above 2 crashes."""
    found = constants(files["train.py"])
    if found["LEARNING_RATE"] > 2:
        raise OverflowError
    return 1 + sum(math.log(found[name] / best) ** 2 for name, best in BOWL.items())


def session(path: Path, measure: Callable[[Mapping[str, bytes]], float] = bowl, **more: object) -> Session:
    return Session(path, {"train.py": SOURCE}, measure, **more)  # type: ignore[arg-type]


def descriptions(done: Session) -> list[str]:
    return [experiment.description for experiment in done.history[1:]]


# ── the sweep ─────────────────────────────────────────────────────────────────────────────────────────────────────


def test_doubling_comes_first_and_a_win_is_pushed_on(tmp_path: Path) -> None:
    done = session(tmp_path).run(search("sweep"), 5)
    assert descriptions(done) == [
        "LEARNING_RATE 0.04 -> 0.08",
        "LEARNING_RATE 0.08 -> 0.16",
        "LEARNING_RATE 0.16 -> 0.32",
        "LEARNING_RATE 0.32 -> 0.64",
        "LEARNING_RATE 0.64 -> 1.28",
    ]
    assert [experiment.kept for experiment in done.history[1:]] == [True, True, True, True, False]
    assert "improved loss by" in done.proposals[1].hypothesis


def test_a_loss_turns_the_direction(tmp_path: Path) -> None:
    done = session(tmp_path, direction=Direction.HIGHER).run(search("sweep"), 2)
    assert descriptions(done) == ["LEARNING_RATE 0.04 -> 0.08", "LEARNING_RATE 0.04 -> 0.02"]
    assert "worse, so 0.02 may be better" in done.proposals[1].hypothesis


def test_the_bowl_is_nearly_solved_within_forty_experiments(tmp_path: Path) -> None:
    done = session(tmp_path).run(search("sweep"), 40)
    assert done.history[0].value is not None
    assert done.incumbent.value is not None
    assert done.incumbent.value - 1 < 0.02 * (done.history[0].value - 1)


def test_finer_steps_go_where_the_values_around_point(tmp_path: Path) -> None:
    done = session(tmp_path).run(search("sweep"), 30)
    fine = [proposal for proposal in done.proposals if "predict" in proposal.hypothesis]
    assert fine
    assert any(experiment.kept for experiment in done.history if "predict" in experiment.hypothesis)


def test_every_tenth_step_is_bold(tmp_path: Path) -> None:
    done = session(tmp_path).run(search("sweep"), 30)
    for number in (10, 20, 30):
        (turn,) = moves_in(done.history[number].description)
        old, new = float(turn.old), float(turn.new)
        if turn.name == "MOMENTUM":
            old, new = old / (1 - old), new / (1 - new)
        assert max(new / old, old / new) > 3.5
        assert "bold step" in done.history[number].hypothesis


def test_a_dead_knob_comes_last(tmp_path: Path) -> None:
    done = session(tmp_path, knobs=("LEARNING_RATE", "WIDTH", "MOMENTUM", "DEAD")).run(search("sweep"), 60)
    dead = [number for number, text in enumerate(descriptions(done), 1) if text.startswith("DEAD")]
    assert len([number for number in dead if number < 40]) <= 2
    assert dead


def test_what_crashed_pushes_away(tmp_path: Path) -> None:
    def wider_is_better_until_it_crashes(files: Mapping[str, bytes]) -> float:
        width = constants(files["train.py"])["WIDTH"]
        if width > 100:
            raise OverflowError
        return 1 / width

    done = session(tmp_path, wider_is_better_until_it_crashes).run(search("sweep"), 40)
    crashed = [e for e in done.history if e.reason is Reason.ERROR and e.description.startswith("WIDTH")]
    assert len(crashed) <= 2


def test_it_ends_when_everything_was_tried(tmp_path: Path) -> None:
    done = Session(tmp_path, {"a.json": b'{"n": 5}'}, lambda files: 1.0).run(search("sweep"), 100)
    assert done.proposals[-1].exhausted
    assert sorted(int(moves_in(text)[0].new) for text in descriptions(done)) == [1, 3, 4, 6, 8, 10, 20, 40]


@pytest.mark.parametrize("name", NAMES)
def test_without_knobs_there_is_nothing_to_propose(tmp_path: Path, name: str) -> None:
    done = Session(
        tmp_path, {"train.py": b"print('hello')\n", "bad.py": b"x = ", "data.bin": b"\0\1"}, lambda files: 1.0
    )
    assert done.run(search(name), 3).proposals[0].exhausted


def test_several_targets_are_told_apart_by_file(tmp_path: Path) -> None:
    files = {"a b.yaml": b"lr: 0.1\n", "train.py": b"lr = 0.5\n"}
    done = Session(tmp_path, files, lambda files: 1 + float(files["a b.yaml"].split()[1])).run(search("sweep"), 4)
    assert descriptions(done) == [
        "a b.yaml: lr 0.1 -> 0.2",
        "a b.yaml: lr 0.1 -> 0.05",
        "a b.yaml: lr 0.05 -> 0.025",
        "a b.yaml: lr 0.025 -> 0.0125",
    ]
    assert {e.description.split(":")[0] for e in done.run(search("sweep"), 60).history[1:]} == {"a b.yaml", "train.py"}


def test_named_knobs_are_the_only_ones_turned(tmp_path: Path) -> None:
    done = session(tmp_path, knobs=("WIDTH: 32..128", "f.gain: 2.0|4.0")).run(search("sweep"), 100)
    assert done.proposals[-1].exhausted
    turned = {(turn.name, turn.new) for text in descriptions(done) for turn in moves_in(text)}
    assert {("WIDTH", "32"), ("WIDTH", "128"), ("f.gain", "2.0"), ("f.gain", "4.0")} <= turned
    assert turned <= {("WIDTH", "32"), ("WIDTH", "64"), ("WIDTH", "128"), ("f.gain", "2.0"), ("f.gain", "4.0")}


def test_a_misspelt_knob_is_an_error_that_names_the_nearest(tmp_path: Path) -> None:
    with pytest.raises(AgentError, match="did you mean WIDTH"):
        session(tmp_path, knobs=("WIDHT",)).run(search("sweep"), 1)


# ── what holds for all ────────────────────────────────────────────────────────────────────────────────────────────


def rugged(seed: int) -> Callable[[Mapping[str, bytes]], float]:
    """A function of all of the file, with crashes and ties."""

    def measure(files: Mapping[str, bytes]) -> float:
        lots = random.Random(f"{seed}{files['train.py']!r}")
        if files["train.py"] != SOURCE and lots.random() < 0.15:
            raise ZeroDivisionError
        return round(bowl(files) + lots.gauss(0, 0.3), 1)

    return measure


@settings(deadline=None, max_examples=6, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), st.integers(5, 60), st.sampled_from(NAMES))
def test_a_fresh_object_goes_on_as_the_old_one_would(tmp_path: Path, seed: int, at: int, name: str) -> None:
    old = search(name)
    done = session(tmp_path, rugged(seed)).run(old, at)
    for _ in range(5):
        expected, _ = done.propose(search(name))
        done.run(old, 1)
        assert done.proposals[-1] == expected


@pytest.mark.slow
@settings(deadline=None, max_examples=4, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.integers(0, 2**32), st.sampled_from(NAMES))
def test_no_state_is_proposed_twice(tmp_path: Path, seed: int, name: str) -> None:
    done = session(tmp_path, rugged(seed)).run(search(name), 80)  # the session itself asserts that every state is new
    assert len(done.history) > 60


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_no_values_are_proposed_twice_in_other_words(tmp_path: Path, seed: int, name: str) -> None:
    source = {"train.py": b"A = 1e-3\nB = - 1_000\nC = 0.50\n"}

    def anything(files: Mapping[str, bytes]) -> float:
        return random.Random(f"{seed}{constants(files['train.py'])}").random()

    done = Session(tmp_path, source, anything).run(search(name), 120 if name in ("sweep", "grid", "random") else 30)
    values = {tuple(constants(dict(state)["train.py"]).values()) for state in done.seen}
    assert len(values) == len(done.seen) > 20


def test_a_size_that_grew_to_a_power_of_two_still_moves_finely(tmp_path: Path) -> None:
    done = Session(
        tmp_path, {"train.py": b"DEPTH = 4\n"}, lambda files: abs(constants(files["train.py"])["DEPTH"] - 13)
    )
    assert done.run(search("sweep"), 40).incumbent.value == 0


def test_pending_states_of_other_workers_are_not_proposed(tmp_path: Path) -> None:
    done, agent = session(tmp_path), search("sweep")
    states = []
    for _ in range(6):
        _, state = done.propose(agent)
        done.desk.states.add(done.desk._state(state))
        states.append(state["train.py"])
    assert len(set(states)) == 6


def test_a_history_of_another_session_is_read_anew(tmp_path: Path) -> None:
    trials = Trials()
    first, second = session(tmp_path).run(search("sweep"), 8), session(tmp_path, rugged(1)).run(search("random"), 12)
    trials.follow(first.history, Direction.LOWER)
    trials.follow([replace(e, commit=f"d{e.number}") for e in second.history], Direction.LOWER)
    alone = Trials()
    alone.follow(second.history, Direction.LOWER)
    assert trials.turned == alone.turned
    assert [trial.values for trial in trials.states] == [trial.values for trial in alone.states]


@pytest.mark.parametrize(
    ("text", "turns"),
    [
        ("LR 0.1 -> 0.2", (Move("LR", "0.1", "0.2"),)),
        ("A 1 -> 2, b.yaml: c[0] 2**3 -> 2**4", (Move("A", "1", "2"), Move("b.yaml: c[0]", "2**3", "2**4"))),
        ("LR 0.1 -> 0.2, and a new layer", ()),
        ("raise the learning rate", ()),
    ],
)
def test_a_description_is_read_back(text: str, turns: tuple[Move, ...]) -> None:
    assert moves_in(text) == turns


# ── grid and random ───────────────────────────────────────────────────────────────────────────────────────────────


def test_the_grid_is_every_combination_fewest_changes_first(tmp_path: Path) -> None:
    source = {"train.py": b"A = 0.5\nB = 3\n"}
    done = Session(tmp_path, source, lambda files: float(len(files))).run(search("grid"), 100)
    assert done.proposals[-1].exhausted
    assert descriptions(done)[:6] == [
        "A 0.5 -> 1.0",
        "A 0.5 -> 0.25",
        "A 0.5 -> 2.0",
        "A 0.5 -> 0.125",
        "B 3 -> 6",
        "B 3 -> 2",
    ]
    values = {tuple(constants(dict(state)["train.py"]).values()) for state in done.seen}
    assert values == {(a, b) for a in (0.125, 0.25, 0.5, 1, 2) for b in (1, 2, 3, 6, 12)}


def test_the_grid_stays_where_the_session_began(tmp_path: Path) -> None:
    source = {"train.py": b"A = 0.5\nB = 3\n"}
    done = Session(tmp_path, source, lambda files: -constants(files["train.py"])["A"]).run(search("grid"), 100)
    assert {constants(dict(state)["train.py"])["A"] for state in done.seen} == {0.125, 0.25, 0.5, 1, 2}


def test_random_draws_all_knobs_from_the_ranges_that_their_names_speak_for(tmp_path: Path) -> None:
    done = session(tmp_path, lambda files: 1.0).run(search("random"), 200)
    moves = [move for experiment in done.history[1:] for move in experiment.moves or ()]
    widths = [float(move.new) for move in moves if move.name == "WIDTH"]
    rates = [float(move.new) for move in moves if move.name == "LEARNING_RATE"]
    assert set(widths) <= {8, 16, 32, 128, 256, 512, 1024}
    assert 1e-5 <= min(rates) < 1e-4
    assert 0.1 < max(rates) <= 1


# ── cost ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def long_source(lots: random.Random) -> bytes:
    """600 lines with 200 literals."""
    lines = [f"K{index}_RATE = {lots.uniform(0.001, 10):.3g}  # why" for index in range(40)]
    for index in range(80):
        lines += [
            f"def f{index}(x, a={lots.uniform(2, 9):.2g}):",
            f"    y = x * {lots.uniform(2, 9):.3g}",
            *["    y += x"] * 5,
        ]
    return "\n".join(lines).encode()


def test_a_proposal_stays_cheap_after_three_thousand_experiments(tmp_path: Path) -> None:
    done = Session(tmp_path, {"train.py": long_source(random.Random(1))}, lambda files: 1.0)
    agent = search("sweep")
    done.run(agent, 1)
    parent = done.incumbent.commit
    for number in range(2, 3001):
        text = f"K{number % 40}_RATE {number}.5 -> {number}.25"
        done.history.append(
            Experiment(number, *WORSE, text, f"c{number}", parent, "", "", value=1.0 + number % 7, against=1.0)
        )
    assert seconds(lambda: done.run(agent, 1), tries=1) < 4  # takes in the history once
    assert seconds(lambda: done.run(agent, 10)) / 10 < 0.02  # a few milliseconds, with room for a slow machine


WORSE = Reason.WORSE.status, Reason.WORSE
