"""The header and the record say how far an agent's network goes, not how far it was meant to go."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from pytest_autoresearch.agents.base import AgentSettings
from pytest_autoresearch.research.proposing import reached_by
from tests.conftest import Project


@pytest.mark.parametrize(
    ("asked", "limits_hosts", "is_proven", "reach"),
    [
        (None, True, True, "model"),
        (None, True, False, "yes"),
        (None, False, True, "yes"),
        ("model", True, False, "model"),
        ("model", False, True, "yes"),
        ("yes", True, True, "yes"),
        ("no", False, True, "no"),
    ],
)
def test_a_model_alone_is_reached_where_that_is_asked_or_proven_and_can_be_seen_to(
    asked: str | None, limits_hosts: bool, is_proven: bool, reach: str
) -> None:
    settings = AgentSettings("claude", network=asked, limits_hosts=limits_hosts)
    assert settings.reach(is_proven=is_proven) == reach


@pytest.mark.parametrize(("level", "reach"), [("bwrap", "no"), ("landlock", "no"), ("process", "yes")])
def test_no_network_is_said_only_where_it_is_refused(level: str, reach: str) -> None:
    agent = cast(Any, SimpleNamespace(network="no"))
    assert reached_by(agent, level) == reach
    assert reached_by(cast(Any, SimpleNamespace()), level) == "", "an agent without a program of its own"


@pytest.mark.slow
@pytest.mark.parametrize("asked", ["no", "model"])
def test_a_session_says_that_a_level_does_not_hold_its_agent(asked: str, project: Project) -> None:
    config = project.root / "autoresearch.config.md"
    front = f'---\nagent: "command:sed -i s/8.0/4.0/ train.py; echo less"\nagent_network: {asked}\n---\n'
    config.write_text(front + config.read_text())
    project.commit("choose an agent")
    done = project.pytest("--autoresearch", "--autoresearch-experiments=1", "--autoresearch-isolation=none")
    assert f"(network: yes, since nothing here can hold it to {asked})" in done.stdout, done.stdout + done.stderr
    records = json.loads(project.cli("log", "--json").stdout)["experiments"]
    assert [record.get("agent_network", "") for record in records] == ["", "yes"]
