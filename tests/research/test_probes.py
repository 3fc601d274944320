"""A probe is measured once and never kept; the state that it measured may still be stepped to."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from pytest_autoresearch.notebook.codec import decode
from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Move, Reason, Role
from pytest_autoresearch.research.candidate import Ruling

if TYPE_CHECKING:
    from tests.conftest import Project

PROBER = """
from pytest_autoresearch.agents.base import Proposal
from pytest_autoresearch.protocol.experiment import Move

class Prober:
    name = "prober"
    def propose(self, briefing, desk):
        before = desk.read("train.py")
        desk.write("train.py", before.replace(b"8.0", b"2.0"))
        return Proposal("RATE 8.0 -> 2.0", moves=(Move("RATE", "8.0", "2.0"),), probe=briefing.number == 1)

def pytest_autoresearch_agent(settings):
    return Prober() if settings.name == "prober" else None
"""


def records(project: Project) -> list[Experiment]:
    log = project.git("log", "--reverse", "--first-parent", "--format=%B%x00", "refs/autoresearch/demo/log")
    found = [decode(text.strip()) for text in log.split("\0") if '"kind"' in text]
    return [record for record in found if isinstance(record, Experiment)]


def test_a_probe_is_a_discard_and_its_state_can_be_kept_afterwards(project: Project) -> None:
    project.write("conftest.py", PROBER)
    project.commit("an agent that probes")
    done = project.pytest("--autoresearch", "--autoresearch-agent=prober", "--autoresearch-experiments=2")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row[2] for row in project.table()[1:]] == ["keep", "discard", "keep"]
    _, probe, step = records(project)
    assert (probe.reason, len(probe.measurements)) == (Reason.PROBE, 1)
    assert probe.value == step.value and probe.tree == step.tree
    assert probe.moves == step.moves == (Move("RATE", "8.0", "2.0"),)


def test_a_probe_that_fails_is_a_crash_with_its_own_reason() -> None:
    ruling = Ruling.of_probe(Measurement(Role.CANDIDATE, failure=Reason.TIMEOUT, detail="killed"))
    assert (ruling.reason, ruling.detail, ruling.value) == (Reason.TIMEOUT, "killed", None)


def test_a_record_that_is_older_than_the_field_says_nothing_of_moves() -> None:
    data = dict.fromkeys(["description", "commit", "parent", "tree", "fingerprint"], "")
    document = {"version": 1, "kind": "experiment", "data": {**data, "number": 1, "status": "keep", "reason": "worse"}}
    record = decode(json.dumps(document))
    assert isinstance(record, Experiment) and record.moves is None
