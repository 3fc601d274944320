"""The Bayesian agent: Optuna's TPE over all likely knobs."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_autoresearch.agents.base import Agent, AgentSettings
from pytest_autoresearch.agents.registry import create
from pytest_autoresearch.errors import AgentError
from pytest_autoresearch.protocol.experiment import Experiment, Move, Reason
from tests.agents.greedy import Session, constants

SOURCE = b"LR = 0.04\nWIDTH = 48\nMOMENTUM = 0.5\nBIAS = True\nDEAD = 7.0\nKIND = 'a'\n"


def nobody(settings: AgentSettings) -> Agent | None:
    return None


def bayes() -> Agent:
    pytest.importorskip("optuna", reason="the extra [optuna]")
    return create(AgentSettings("bayes"), nobody)


def valley(files: Mapping[str, bytes]) -> float:
    """A valley that is not along any knob; the widest crash."""
    found = constants(files["train.py"])
    rate, width = math.log(found["LR"] / 0.3), math.log(found["WIDTH"] / 100)
    if width > 1.5:
        raise OverflowError
    return 1 + (rate + width) ** 2 + 0.1 * (rate - width) ** 2 + (found["MOMENTUM"] - 0.8) ** 2


def session(path: Path) -> Session:
    return Session(path, {"train.py": SOURCE}, valley)


def test_without_optuna_the_error_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "optuna", None)
    with pytest.raises(AgentError, match=r"pip install 'pytest-autoresearch\[optuna\]'"):
        create(AgentSettings("bayes"), nobody)


def test_the_model_turns_several_knobs_at_once_and_the_steps_to_its_best_are_kept(tmp_path: Path) -> None:
    done = session(tmp_path).run(bayes(), 60)
    assert done.history[0].value is not None and done.incumbent.value is not None
    assert done.incumbent.value - 1 < 0.3 * (done.history[0].value - 1)
    probes = [e for e in done.history if e.reason is Reason.PROBE]
    assert len(probes) > 20 and all(len(e.moves or ()) > 1 for e in probes)
    assert all(len(e.moves or ()) == 1 or e.description.startswith("joint: ") for e in done.history[1:] if e.kept)


def test_a_fresh_object_goes_on_as_the_old_one_would(tmp_path: Path) -> None:
    old = bayes()
    done = session(tmp_path).run(old, 24)
    for _ in range(12):
        expected, _ = done.propose(bayes())
        done.run(old, 1)
        assert done.proposals[-1] == expected


def test_choices_and_ranges_of_the_protocol_hold(tmp_path: Path) -> None:
    knobs = ("LR: 0.02..0.5", "KIND: a|b|c", "BIAS", "WIDTH: 40..60")
    done = Session(tmp_path, {"train.py": SOURCE}, valley, knobs=knobs).run(bayes(), 45)
    states = [dict(state)["train.py"] for state in done.seen]
    assert {state.splitlines()[5] for state in states} <= {b"KIND = 'a'", b"KIND = 'b'", b"KIND = 'c'"}
    assert all(0.02 <= constants(state)["LR"] <= 0.5 and 40 <= constants(state)["WIDTH"] <= 60 for state in states)


def after_the_opening(path: Path, reason: Reason, moves: Mapping[str, str], value: float | None = None) -> Session:
    """A session whose opening is over, and then twenty experiments of somebody else."""
    done = session(path).run(bayes(), 20)
    parent = done.incumbent.commit
    turned = tuple(Move(name, "?", new) for name, new in moves.items())
    for number in range(21, 41):
        done.history.append(
            Experiment(
                number, reason.status, reason, "", f"c{number}", parent, "", "", value, against=1.0, moves=turned
            )
        )
    return done


def asked(done: Session) -> list[dict[str, float]]:
    """The states that the model asks for next, several times over."""
    found = []
    for _ in range(8):
        proposal, state = done.propose(bayes())
        done.flying.append(proposal.moves)
        found.append(constants(state["train.py"]))
    return found


def test_what_a_guard_refused_is_not_gone_back_to(tmp_path: Path) -> None:
    done = after_the_opening(tmp_path, Reason.GUARD, {"MOMENTUM": "0.6"}, 0.1)
    assert sum(0.55 < state["MOMENTUM"] < 0.65 for state in asked(done)) < 3


@pytest.mark.parametrize("reason", [Reason.NO_CHANGE, Reason.AGENT_ERROR, Reason.INTERRUPTED])
def test_what_was_not_run_says_nothing_of_its_values(tmp_path: Path, reason: Reason) -> None:
    one, other = (after_the_opening(tmp_path, reason, {"MOMENTUM": new}) for new in ("0.6", "0.9"))
    assert asked(one) == asked(other)


def test_what_was_changed_beside_the_knobs_says_nothing_of_their_values(tmp_path: Path) -> None:
    one = after_the_opening(tmp_path, Reason.WORSE, {}, 1.5)
    other = after_the_opening(tmp_path, Reason.NOISE, {}, 0.1)
    assert asked(one) == asked(other)


def test_a_constant_at_zero_moves_as_far_as_one(tmp_path: Path) -> None:
    files = {"train.py": b"LR = 0.04\nZERO = 0.0\n"}
    done = Session(tmp_path, files, lambda files: 1 / constants(files["train.py"])["LR"], knobs=("LR", "ZERO"))
    seen = {constants(dict(state)["train.py"])["ZERO"] for state in done.run(bayes(), 40).seen}
    assert all(0 <= value <= 1 for value in seen)


@pytest.mark.slow
def test_twenty_knobs_are_all_turned(tmp_path: Path) -> None:
    source = "".join(f"K{index} = 0.5\n" for index in range(20)).encode()

    def last_matters(files: Mapping[str, bytes]) -> float:
        found = constants(files["train.py"])
        return 1 + abs(math.log(found["K19"] / 3)) + 0.01 * sum(abs(math.log(found[f"K{i}"])) for i in range(19))

    done = Session(tmp_path, {"train.py": source}, last_matters).run(bayes(), 60)
    turned = {move.name for experiment in done.history for move in experiment.moves or ()}
    assert turned == {f"K{index}" for index in range(20)}
