"""The Bayesian agent: the sweep's opening, then a model of all experiments."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_autoresearch.agents.base import Agent, AgentSettings
from pytest_autoresearch.agents.registry import create
from pytest_autoresearch.agents.sweep import Sweep
from pytest_autoresearch.errors import AgentError
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
