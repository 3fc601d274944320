"""Agents over the Agent Client Protocol: a double that behaves, and the same double as an enemy."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from pytest_autoresearch.agents.acp import agent as acp
from pytest_autoresearch.agents.acp import client
from pytest_autoresearch.agents.acp.agent import KNOWN, AcpAgent, read_acp
from pytest_autoresearch.agents.base import AgentSettings, Proposal
from pytest_autoresearch.agents.registry import create
from pytest_autoresearch.errors import AgentError
from pytest_autoresearch.protocol.experiment import Usage
from tests.agents.loose_desk import LooseDesk, briefing
from tests.conftest import Project

DOUBLE = Path(__file__).with_name("acp_double.py")


@pytest.fixture
def desk(tmp_path: Path) -> LooseDesk:
    directory = tmp_path / "room" / "workspace"
    directory.mkdir(parents=True)
    return LooseDesk(directory)


def turn(desk: LooseDesk, scenario: str, *, deadline: float = 60.0, program: str = str(DOUBLE)) -> Proposal:
    name = f"acp:{sys.executable} {program} {scenario}"
    agent = create(AgentSettings(name, pass_env=("KEEP", "AGENT_NAME"), deadline=deadline), lambda **_: None)
    return agent.propose(briefing(), desk)


def test_an_agent_edits_through_the_client_after_asking(desk: LooseDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    told = desk.directory.parent / "told"
    monkeypatch.setenv("KEEP", str(told))
    proposal = turn(desk, "edit")
    assert proposal == Proposal("halve the learning rate", "a smaller step overshoots less")
    assert desk.files == {"train.py": "LR = 0.25\nprint(LR)\n"}
    began, new, mode, prompt, *_ = [json.loads(line) for line in told.read_text().splitlines()]
    assert began["params"]["protocolVersion"] == 1
    assert began["params"]["clientCapabilities"]["fs"] == {"readTextFile": True, "writeTextFile": True}
    assert new["params"] == {"cwd": str(desk.directory), "mcpServers": []}
    assert mode["params"]["modeId"] == "accept_edits", "it edits without a question for every file"
    assert "Halve it." in prompt["params"]["prompt"][0]["text"]


def test_an_agent_edits_by_a_command_in_a_terminal(desk: LooseDesk) -> None:
    proposal = turn(desk, "shell")
    assert (proposal.description, proposal.failure) == ("3 me 3", None)
    assert desk.files["train.py"].startswith("LR = 0.25")


def test_an_official_agent_of_the_protocols_own_library_understands_the_client(desk: LooseDesk) -> None:
    pytest.importorskip("acp", reason="needs agent-client-protocol")
    proposal = turn(desk, "", program=str(DOUBLE.with_name("acp_official.py")))
    assert proposal.failure is None
    assert proposal.description == "yes wrote read 0 hello"
    assert desk.files["train.py"] == "LR = 0.25\n"


@pytest.mark.parametrize(("counts", "usage"), [(True, Usage(307, 30, 0.25)), (False, None)])
def test_usage_is_believed_of_agents_whose_number_was_checked(
    desk: LooseDesk, monkeypatch: pytest.MonkeyPatch, counts: bool, usage: Usage | None
) -> None:
    monkeypatch.setitem(KNOWN, Path(sys.executable).resolve().name, acp.Known(counts=counts))
    monkeypatch.setitem(KNOWN, Path(sys.executable).name, acp.Known(counts=counts))
    assert turn(desk, "spend").usage == usage


def test_geminis_counts_are_read_where_it_puts_them() -> None:
    told = {"type": "acp", "message": "m", "meta": {"quota": {"token_count": {"input_tokens": 5, "output_tokens": 2}}}}
    assert read_acp(json.dumps(told), counts=True).usage == Usage(5, 2)


def test_nothing_to_change_is_an_answer(desk: LooseDesk) -> None:
    proposal = turn(desk, "think")
    assert (proposal.nothing, proposal.failure) == ("the rate is at its optimum", None)
    assert not proposal.failure_if_unchanged


@pytest.mark.parametrize(
    ("scenario", "words"),
    [
        ("refuse", "it stopped: refusal"),
        ("fail", "session/prompt: Internal error (no model)"),
        ("quit_early", "it ended in the middle of the turn: panic: out of ideas"),
        ("another_version", "it speaks version 2 of the protocol, not 1"),
        ("rubbish", "of its lines were no message of the protocol: "),
        ("flood_without_end_of_line", "it sent a line of more than 8 MiB"),
        pytest.param("flood", "it sent more than 200000 messages", marks=pytest.mark.slow),
    ],
)
def test_what_fails_is_told_in_words(desk: LooseDesk, scenario: str, words: str) -> None:
    proposal = turn(desk, scenario)
    assert proposal.failure is not None and words in proposal.failure
    assert "\n" not in proposal.failure and len(proposal.failure) <= 700


def test_a_turn_that_ends_in_peace_without_a_tool_or_an_answer_fails_if_nothing_changed(desk: LooseDesk) -> None:
    proposal = turn(desk, "dead")
    assert proposal.failure is None
    words = "it used no tool and gave no answer: Error: connection refused by the model"
    assert proposal.failure_if_unchanged == words


@pytest.mark.parametrize("scenario", ["wrong_ids", "odd_messages", "linger"])
def test_odd_messages_harm_nothing(desk: LooseDesk, scenario: str) -> None:
    proposal = turn(desk, scenario)
    assert (proposal.description, proposal.failure) == ("halve the learning rate", None)
    assert proposal.usage is None


def test_no_file_outside_of_the_directory_is_written_or_read(desk: LooseDesk) -> None:
    proposal = turn(desk, "outside")
    assert proposal.description == "wrote [], read []"
    assert sorted(path.name for path in desk.directory.parent.iterdir()) == ["workspace"]
    assert list(desk.files) == ["train.py"]


@pytest.mark.slow
def test_in_a_session_it_works_in_its_sandbox_and_reaches_nothing_outside(project: Project) -> None:
    agent = f"acp:{sys.executable} {DOUBLE} outside"
    done = project.pytest("--autoresearch", "--autoresearch-experiments=1", f"--autoresearch-agent={agent}")
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.table()[-1][2:] == ["discard", "wrote [], read []"]
    assert not Path("/tmp/acp-outside").exists()


def test_a_path_that_changes_after_the_check_leads_nowhere(desk: LooseDesk) -> None:
    assert turn(desk, "race").failure is None
    assert not (desk.directory.parent / "outside").exists()


def test_terminals_are_few_and_their_output_bounded(desk: LooseDesk) -> None:
    assert turn(desk, "terminals").description == f"{client.MOST_TERMINALS} open, True, True"


@pytest.mark.slow
def test_an_agent_that_does_not_answer_is_ended_at_the_deadline(desk: LooseDesk) -> None:
    proposal = turn(desk, "silent", deadline=5.0)
    assert proposal.failure is not None and proposal.failure.startswith("no answer within 5 s")


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("acp:", "names no program; write `acp:gemini --acp`"),
        ("acp:no-such-agent --acp", "the program no-such-agent is not on PATH"),
        ("acp:'", "No closing quotation"),
    ],
)
def test_a_program_that_is_not_there_is_said_before_the_session(name: str, words: str) -> None:
    with pytest.raises(AgentError, match=words):
        AcpAgent(AgentSettings(name))
