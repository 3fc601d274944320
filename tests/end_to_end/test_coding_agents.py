"""Each coding agent, as installed from its registry, edits files for a scripted model. Skipped where not installed."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pytest_autoresearch.agents.adapters import ADAPTERS
from pytest_autoresearch.agents.base import Agent, AgentSettings, Proposal
from pytest_autoresearch.agents.coding import create
from tests.agents.loose_desk import LooseDesk, briefing
from tests.end_to_end.scripted_model import Edit, Say, Shell, Step, always, refusing

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

ANSWER = "Done.\n\nHYPOTHESIS: a smaller step overshoots less\nDESCRIPTION: halve the learning rate"
MODELS = {
    "codex": "scripted",
    "gemini": "scripted",
    "claude": "scripted",
    "mini": "openai/scripted",
    "aider": "openai/scripted",
}
EVERY_AGENT = pytest.mark.parametrize("name", sorted(ADAPTERS))


def script(name: str, *edits: Edit) -> list[Step]:
    """Edits and the answer, as this agent's model would give them."""
    if name == "mini":  # its last message is the output of the command that ends it
        said = ANSWER.replace("\n", "\\n")
        return [
            *edits,
            Shell(f"echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT; printf '{said}\\n'"),
            Say("(never reached)"),
        ]
    return [*edits, Say(ANSWER)]


def installed(name: str, url: str, monkeypatch: pytest.MonkeyPatch) -> Agent:
    """The agent with its own endpoint at ``url``; skips the test, by name, where the program is not installed."""
    if shutil.which(ADAPTERS[name].program) is None:
        pytest.skip(f"{name} is not installed ({ADAPTERS[name].install})")
    for provider in ("ANTHROPIC", "OPENAI", "GEMINI"):
        monkeypatch.delenv(f"{provider}_API_KEY", raising=False)
    if name == "gemini":
        monkeypatch.setenv("GEMINI_API_KEY", "key-of-nobody")
        monkeypatch.setenv("GOOGLE_GEMINI_BASE_URL", url)
    elif name in ("claude", "opencode", "pi"):
        monkeypatch.setenv("ANTHROPIC_API_KEY", "key-of-nobody")
        monkeypatch.setenv("ANTHROPIC_BASE_URL", url)
        monkeypatch.setenv("CLAUDE_CODE_MAX_RETRIES", "0")
    else:
        monkeypatch.setenv("OPENAI_API_KEY", "key-of-nobody")
        monkeypatch.setenv("OPENAI_BASE_URL", f"{url}/v1")
    args = ("--edit-format", "diff") if name == "aider" else ()  # an unknown model would be asked for whole files
    agent = create(AgentSettings(name, model=MODELS.get(name, "anthropic/scripted"), args=args, deadline=120))
    assert agent is not None
    return agent


def take_turn(agent: Agent, desk: LooseDesk) -> Proposal:
    return agent.propose(briefing(), desk)


@pytest.fixture
def desk(tmp_path: Path) -> LooseDesk:
    directory = tmp_path / "workspace"
    directory.mkdir()
    return LooseDesk(directory)


@EVERY_AGENT
def test_it_edits_says_what_it_did_and_reports_what_it_cost(
    name: str, desk: LooseDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with always(*script(name, Edit("train.py", "LR = 0.5", "LR = 0.25"))) as model:
        proposal = take_turn(installed(name, model.url, monkeypatch), desk)
    assert proposal.failure is None
    assert desk.files == {"train.py": "LR = 0.25\nprint(LR)\n"}
    assert proposal.description == "halve the learning rate"
    assert proposal.hypothesis == "a smaller step overshoots less"
    assert proposal.usage is not None
    calls = len([request for request in model.requests if "count_tokens" not in request.path and request.body])
    assert proposal.usage.input_tokens == 100 * calls
    assert proposal.usage.output_tokens == 10 * calls
    assert any("Halve it." in str(request.body) for request in model.requests)


@EVERY_AGENT
def test_no_edit_is_no_failure(name: str, desk: LooseDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    with always(*script(name)) as model:
        proposal = take_turn(installed(name, model.url, monkeypatch), desk)
    assert proposal.failure is None
    assert desk.files == {"train.py": "LR = 0.5\nprint(LR)\n"}
    assert proposal.description == "halve the learning rate"


@EVERY_AGENT
def test_a_model_that_refuses_is_a_failure_in_the_agents_own_words(
    name: str, desk: LooseDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with refusing(401) as url:
        proposal = take_turn(installed(name, url, monkeypatch), desk)
    assert proposal.failure is not None
    assert "not well" in proposal.failure or "401" in proposal.failure
    assert "\n" not in proposal.failure
