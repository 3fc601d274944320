"""The skill: what agents read, and that every command in it is one."""

from __future__ import annotations

import re
from pathlib import Path

import yaml

from pytest_autoresearch.cli import COMMANDS
from pytest_autoresearch.commands.skill import NAME, PLACES, TEXT
from pytest_autoresearch.protocol.options import OPTIONS
from tests.conftest import Project


def test_it_is_written_where_agents_look_and_said_once_more_when_it_is_up_to_date(project: Project) -> None:
    first, second = project.cli("skill"), project.cli("skill")
    assert first.returncode == second.returncode == 0
    for place in PLACES:
        assert (project.root / place).read_text() == TEXT.read_text()
        assert f"wrote {place}" in first.stdout and f"{place} is up to date" in second.stdout
    assert project.cli("skill", "--print").stdout == TEXT.read_text()
    assert project.cli("skill", "nowhere").returncode == 4


def test_its_head_is_as_the_agents_want_it() -> None:
    _, head, body = TEXT.read_text().split("---\n", 2)
    told = yaml.safe_load(head)
    assert told["name"] == NAME == Path(PLACES[0]).parent.name
    assert 0 < len(told["description"]) <= 1024
    assert len(body.splitlines()) < 500


def test_every_command_and_option_in_it_exists() -> None:
    text = TEXT.read_text()
    assert set(re.findall(r"pytest-autoresearch (\w[\w-]*)", text)) - {"proposes"} <= set(COMMANDS)
    flags = {option.flag for option in OPTIONS}
    assert set(re.findall(r"--autoresearch-[\w-]+", text)) <= flags
