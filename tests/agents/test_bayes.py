"""The Bayesian agent: the sweep's opening, then a model of all experiments."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_autoresearch.agents.base import Agent, AgentSettings
from pytest_autoresearch.agents.registry import create
from pytest_autoresearch.agents.search.strategies.sweep import Sweep
from pytest_autoresearch.agents.search.trials import turns_in
from pytest_autoresearch.errors import AgentError
from pytest_autoresearch.protocol.experiment import Experiment, Reason
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


def test_the_first_twenty_experiments_are_the_sweeps(tmp_path: Path) -> None:
    agent = bayes()
    assert session(tmp_path).run(agent, 20).proposals == session(tmp_path).run(Sweep(), 20).proposals


def test_then_the_model_turns_several_knobs_at_once_and_improves(tmp_path: Path) -> None:
    done = session(tmp_path).run(bayes(), 20)
    opening = done.incumbent.value
    done.run(bayes(), 40)
    modelled = [experiment for experiment in done.history if "TPE" in experiment.hypothesis]
    assert len(modelled) == 40
    assert any(experiment.description.count(" -> ") > 1 for experiment in modelled)
    assert not any("DEAD" in experiment.description for experiment in modelled)
    assert opening is not None
    assert done.incumbent.value is not None
    assert done.incumbent.value - 1 < 0.7 * (opening - 1)


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
    states = [dict(state)["train.py"] for state in done.desk.states]
    assert {state.splitlines()[5] for state in states} <= {b"KIND = 'a'", b"KIND = 'b'", b"KIND = 'c'"}
    assert all(0.02 <= constants(state)["LR"] <= 0.5 and 40 <= constants(state)["WIDTH"] <= 60 for state in states)


def after_the_opening(path: Path, reason: Reason, description: str, value: float | None = None) -> Session:
    """A session whose opening is over, and then twenty experiments of somebody else."""
    done = session(path).run(Sweep(), 20)
    parent = done.incumbent.commit
    for number in range(21, 41):
        done.history.append(
            Experiment(number, reason.status, reason, description, f"c{number}", parent, "", "", value, against=1.0)
        )
    return done


def asked(done: Session) -> list[str]:
    """What the model asks for next, several times over."""
    texts = []
    for _ in range(8):
        proposal, state = done.propose(bayes())
        done.desk.states.add(done.desk._state(state))
        assert "TPE" in proposal.hypothesis
        texts.append(proposal.description)
    return texts


def test_what_a_guard_refused_is_not_gone_back_to(tmp_path: Path) -> None:
    done = after_the_opening(tmp_path, Reason.GUARD, "MOMENTUM 0.8 -> 0.6", 0.1)
    near = [
        text for text in asked(done) if any(t.name == "MOMENTUM" and 0.5 < float(t.new) < 0.7 for t in turns_in(text))
    ]
    assert len(near) < 3


@pytest.mark.parametrize("reason", [Reason.NO_CHANGE, Reason.AGENT_ERROR, Reason.INTERRUPTED])
def test_what_was_not_run_says_nothing_of_its_values(tmp_path: Path, reason: Reason) -> None:
    one, other = (after_the_opening(tmp_path, reason, f"MOMENTUM 0.8 -> {new}") for new in (0.6, 0.9))
    assert asked(one) == asked(other)


@pytest.mark.parametrize("description", ["a new layer", "OTHER 3 -> 4"])
def test_what_was_changed_beside_the_knobs_says_nothing_of_their_values(tmp_path: Path, description: str) -> None:
    one = after_the_opening(tmp_path, Reason.WORSE, description, 1.5)
    other = after_the_opening(tmp_path, Reason.NOISE, description, 0.1)
    assert asked(one) == asked(other)


def test_a_knob_at_zero_without_a_range_stays(tmp_path: Path) -> None:
    files = {"train.py": b"LR = 0.04\nZERO = 0.0\n"}
    done = Session(tmp_path, files, lambda files: 1 / constants(files["train.py"])["LR"], knobs=("LR", "ZERO"))
    assert {constants(dict(state)["train.py"])["ZERO"] for state in done.run(bayes(), 40).desk.states} == {0}


def test_more_knobs_than_the_model_takes_are_all_turned(tmp_path: Path) -> None:
    source = "".join(f"K{index} = 0.5\n" for index in range(20)).encode()

    def last_matters(files: Mapping[str, bytes]) -> float:
        found = constants(files["train.py"])
        return 1 + abs(math.log(found["K19"] / 3)) + 0.01 * sum(abs(math.log(found[f"K{i}"])) for i in range(19))

    done = Session(tmp_path, {"train.py": source}, last_matters).run(bayes(), 80)
    assert done.incumbent.value is not None
    assert done.incumbent.value < 1.3
