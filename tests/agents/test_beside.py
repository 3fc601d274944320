"""Search beside coding agents: one history, the knobs of new code, and who takes care of what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_autoresearch.agents.base import Briefing, Desk, Proposal
from pytest_autoresearch.agents.briefing import write_briefing
from pytest_autoresearch.agents.digest import Digest
from pytest_autoresearch.agents.search.agent import SearchAgent, create
from pytest_autoresearch.agents.search.trials import Trials
from pytest_autoresearch.protocol.experiment import Experiment, Move, Reason, Status
from pytest_autoresearch.protocol.model import Direction
from tests.agents.greedy import Session, constants

if TYPE_CHECKING:
    from tests.conftest import Project

SOURCE = {"train.py": b"LR = 0.5\n"}


def told(number: int, reason: Reason, *, value: float | None = None, parent: str = "c0", **more: object) -> Experiment:
    return Experiment(number, reason.status, reason, "", f"c{number}", parent, "", "", value, **more)  # type: ignore[arg-type]


BASELINE = told(0, Reason.IMPROVED, value=1.0, moves=())


class Coder:
    """Writes code with a new constant, once."""

    name = "coder"

    def propose(self, briefing: Briefing, desk: Desk) -> Proposal:
        desk.write("train.py", desk.read("train.py") + b"GAIN = 4.0\n")
        return Proposal("add a gain, LR 0.5 -> 0.9", moves=())


def loss(files: Mapping[str, bytes]) -> float:
    found = constants(files["train.py"])
    return 2 + abs(found["LR"] - 0.3) + (abs(found["GAIN"] - 1.0) / 10 - 1 if "GAIN" in found else 0)


def test_search_turns_the_knobs_that_new_code_brings(tmp_path: Path) -> None:
    done = Session(tmp_path, SOURCE, loss)
    agent = create("auto")
    assert agent is not None
    done.run(agent, 4).run(Coder(), 1)
    assert done.history[-1].kept
    done.run(agent, 14)
    assert "GAIN" in {move.name for experiment in done.history for move in experiment.moves or ()}
    assert constants(done.desk.incumbent["train.py"])["GAIN"] < 4.0


def test_prose_of_a_coding_agent_is_no_trial() -> None:
    said = told(1, Reason.WORSE, value=2.0, moves=None, agent="claude")
    trials = Trials()
    trials.follow([BASELINE, replace(said, description="LR 0.04 -> 0.08")], Direction.LOWER)
    assert not trials.turned and len(trials.states) == 1


@pytest.mark.parametrize("agent", ["sweep", ""])
def test_a_ledger_that_is_older_than_moves_is_read_by_its_descriptions(agent: str) -> None:
    old = replace(told(1, Reason.WORSE, value=2.0, moves=None, agent=agent), description="LR 0.04 -> 0.08")
    trials = Trials()
    trials.follow([BASELINE, old], Direction.LOWER)
    assert [turned.new for turned in trials.turned["LR"]] == ["0.08"]
    trials.follow([BASELINE, replace(old, moves=())], Direction.LOWER)
    assert not Trials().turned


def test_what_stood_on_a_keep_that_was_taken_back_is_still_what_it_was() -> None:
    kept = told(1, Reason.IMPROVED, value=0.8, moves=(Move("LR", "0.1", "0.2"),), against=1.0)
    above = told(2, Reason.WORSE, value=0.9, moves=(Move("WIDTH", "8", "16"),), against=0.8, parent=kept.commit)
    old, fresh = Trials(), Trials()
    old.follow([BASELINE, kept, above], Direction.LOWER)
    taken_back = [BASELINE, replace(kept, status=Status.DISCARD, reason=Reason.UNPROVEN), above]
    old.follow(taken_back, Direction.LOWER)
    fresh.follow(taken_back, Direction.LOWER)
    assert old.states == fresh.states and old.turned == fresh.turned and old.levels == fresh.levels
    assert [trial.values for trial in fresh.states] == [{}, {"LR": "0.2"}, {"LR": "0.2", "WIDTH": "16"}]
    assert not fresh.turned["LR"][0].kept


def test_what_code_changed_beside_the_knobs_shifts_what_was_measured_before() -> None:
    trials = Trials()
    turned = told(1, Reason.WORSE, value=1.5, moves=(Move("LR", "0.1", "0.2"),), against=1.0)
    rewritten = told(2, Reason.IMPROVED, value=0.4, moves=(), against=1.0)
    trials.follow([BASELINE, turned, rewritten], Direction.LOWER)
    assert [trials.loss(trial) for trial in trials.states] == pytest.approx([0.4, 0.9, 0.4])
    assert [trials.value(trial, "LR") for trial in trials.states] == ["0.1", "0.2", None]


def test_a_coding_agent_is_told_which_knobs_are_taken_care_of(tmp_path: Path) -> None:
    done = Session(tmp_path, SOURCE, loss)
    agent = create("auto")
    assert isinstance(agent, SearchAgent)
    names = agent.tends(done.protocol, {"train.py": b"LR = 0.5\nSEED = 3\n\ndef f(x):\n    return x * 7\n"})
    assert names == ("LR",)
    text = write_briefing(done.protocol, ["train.py"], done.history, lambda e: "", tended=names)
    assert "Knobs that are taken care of" in text and "`LR`" in text
    assert "taken care of" not in write_briefing(done.protocol, ["train.py"], done.history, lambda e: "")


def test_probes_do_not_make_a_coding_agent_despair() -> None:
    probes = [told(number, Reason.PROBE, value=2.0) for number in range(1, 30)]
    assert Digest(Direction.LOWER).read([BASELINE, *probes, told(30, Reason.WORSE, value=2.0)]).barren == 1


LISTENER = """
from pytest_autoresearch.agents.base import Proposal

class Listener:
    name = "listener"
    def propose(self, briefing, desk):
        (line,) = [line for line in briefing.text.splitlines() if "turns these values" in line]
        desk.write("train.py", desk.read("train.py") + b"# " + line.encode())
        return Proposal(line.partition("together: ")[2][:50])

def pytest_autoresearch_agent(settings):
    return Listener() if settings.name == "listener" else None
"""


@pytest.mark.slow
def test_a_session_of_both_names_the_knobs_in_the_briefing(project: Project) -> None:
    project.write("conftest.py", LISTENER)
    project.commit("an agent that listens")
    done = project.pytest("--autoresearch", "--autoresearch-experiments=2", "--autoresearch-agent=auto,listener")
    assert done.returncode == 0, done.stdout + done.stderr
    (said,) = [row[3] for row in project.table()[1:] if "RATE" in row[3] and "WIDTH" in row[3] and "Leave" in row[3]]
    assert "`RATE`, `WIDTH`" in said
