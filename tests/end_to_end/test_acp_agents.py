"""Real agents over the Agent Client Protocol, as installed from their registry, for a scripted model.

Skipped by name where not installed.
"""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING

import pytest

from pytest_autoresearch.agents.acp.agent import KNOWN, AcpAgent
from pytest_autoresearch.agents.base import AgentSettings
from pytest_autoresearch.lab.bwrap import find_program
from tests.agents.loose_desk import LooseDesk, briefing
from tests.end_to_end.scripted_model import Call, Edit, Say, Shell, Step, always, by_experiment, refusing
from tests.end_to_end.test_coding_agents import (
    ANSWER,
    TRUST,
    certificate,
    configure,
    desk,
    left_running,
    recorded,
)

if TYPE_CHECKING:
    from pathlib import Path

    from tests.conftest import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
__all__ = ["desk"]

KEY = "key-of-nobody"
MODELS = {
    "gemini": None,
    "opencode": "anthropic/scripted",
    "claude-agent-acp": None,
    "codex-acp": "scripted",
    "qwen": None,
    "copilot": None,
    "kimi": None,
}


def environment(name: str, url: str) -> dict[str, str]:
    """The agent's own endpoint and a key that opens nothing; skips the test, by name, where it is not installed."""
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    if name == "gemini":
        return {"GEMINI_API_KEY": KEY, "GOOGLE_GEMINI_BASE_URL": url, "GEMINI_MODEL": "scripted"}
    if name in ("claude-agent-acp", "opencode"):
        return {"ANTHROPIC_API_KEY": KEY, "ANTHROPIC_BASE_URL": url, "CLAUDE_CODE_MAX_RETRIES": "0"}
    if name == "copilot":
        own = {"BASE_URL": f"{url}/v1", "API_KEY": KEY, "TYPE": "openai"}
        return {f"COPILOT_PROVIDER_{key}": value for key, value in own.items()} | {
            "COPILOT_MODEL": "scripted",
            "COPILOT_OFFLINE": "true",
        }
    if name == "kimi":
        named = {"NAME": "scripted", "API_KEY": KEY, "BASE_URL": f"{url}/v1", "PROVIDER_TYPE": "openai"}
        return {f"KIMI_MODEL_{key}": value for key, value in named.items()}
    return {"OPENAI_API_KEY": KEY, "OPENAI_BASE_URL": f"{url}/v1", "OPENAI_MODEL": "scripted", "CODEX_API_KEY": KEY}


def edit(name: str, directory: Path, old: str, new: str) -> Step:
    """The same edit of train.py, by the tool that this agent has."""
    command = f"sed -i 's/{old}/{new}/' train.py"
    if name == "copilot":
        return Shell(command)
    if name == "kimi":
        return Call("Bash", {"command": command})
    return Edit(str(directory / "train.py") if name == "qwen" else "train.py", old, new)  # it takes no relative path


def agent(name: str, url: str, monkeypatch: pytest.MonkeyPatch) -> AcpAgent:
    for variable, value in environment(name, url).items():
        monkeypatch.setenv(variable, value)
    settings = AgentSettings(f"acp:{name}", model=MODELS[name], deadline=120, pass_env=("GEMINI_MODEL",))
    return AcpAgent(settings)


@pytest.mark.parametrize("name", sorted(MODELS))
def test_it_edits_and_says_what_it_did(name: str, desk: LooseDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    with always(edit(name, desk.directory, "LR = 0.5", "LR = 0.25"), Say(ANSWER)) as model:
        proposal = agent(name, model.url, monkeypatch).propose(briefing(), desk)
    assert proposal.failure is None
    assert desk.files == {"train.py": "LR = 0.25\nprint(LR)\n"}
    assert proposal.description == "halve the learning rate"
    assert proposal.hypothesis == "a smaller step overshoots less"
    if KNOWN[name].counts:
        assert proposal.usage is not None and proposal.usage.input_tokens >= 200
    else:
        assert proposal.usage is None


@pytest.mark.parametrize("name", sorted(MODELS))
def test_a_model_that_refuses_is_a_failure(name: str, desk: LooseDesk, monkeypatch: pytest.MonkeyPatch) -> None:
    with refusing(401) as url:
        proposal = agent(name, url, monkeypatch).propose(briefing(), desk)
    assert proposal.failure or proposal.failure_if_unchanged


@pytest.mark.parametrize("name", sorted(MODELS))
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.skipif(find_program() is None, reason="needs bubblewrap")
def test_it_finishes_a_turn_through_the_proxy(name: str, scheme: str, project: Project, tmp_path: Path) -> None:
    """What :attr:`Known.proxied` says, as of the agents with an adapter of their own."""
    environment(name, "")  # skips where it is not installed
    tls = certificate(project, tmp_path) if scheme == "https" else None
    handed = json.dumps(["GEMINI_MODEL", *TRUST])
    model_line = [f"model: {MODELS[name]}"] if MODELS[name] else []
    network = [] if KNOWN[name].proxied else ["agent_network: model"]
    configure(
        project,
        *(f"agent: 'acp:{name}'", *model_line, f"agent_env: {handed}", *network),
        *("isolation: strict", "agent_deadline: 100s"),
    )
    step = edit(name, project.root, "RATE = 8.0", "RATE = 4.0")
    with always(step, Say(ANSWER), address="127.0.0.2", tls=tls) as model:
        project.env |= environment(name, model.url)
        done = project.pytest("--autoresearch", "--autoresearch-experiments=1", timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    (experiment,) = recorded(project)[1:]
    assert (experiment["reason"], experiment["agent_network"]) == ("improved", "model"), experiment
    assert model.requests


@pytest.mark.parametrize("name", ["gemini", "opencode"])
@pytest.mark.skipif(find_program() is None, reason="needs bubblewrap")
def test_a_session_records_a_keep_a_discard_a_no_change_an_out_of_scope_and_a_crash(
    name: str, project: Project
) -> None:
    project.write("other.py", "A = 1\n")
    model_line = [f"model: {MODELS[name]}"] if MODELS[name] else []
    configure(project, f"agent: 'acp:{name}'", *model_line, "agent_env: [GEMINI_MODEL]", "isolation: strict")
    scripts: dict[int, list[Step]] = {
        1: [Edit("train.py", "RATE = 8.0", "RATE = 4.0"), Say("DESCRIPTION: a lower rate")],
        2: [Edit("train.py", "RATE = 4.0", "RATE = 9.0"), Say("DESCRIPTION: a higher rate")],
        3: [Say("NOTHING: it is good as it is")],
        4: [Edit("other.py", "A = 1", "A = 2"), Say("DESCRIPTION: help the other file")],
        5: [Edit("train.py", "RATE = 4.0", "RATE = 4.0 / 0"), Say("DESCRIPTION: divide")],
    }
    with by_experiment(scripts) as model:
        project.env |= environment(name, model.url)
        done = project.pytest("--autoresearch", "--autoresearch-experiments=5", timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    history = recorded(project)[1:]
    assert [(e["reason"], e["description"]) for e in history] == [
        ("improved", "a lower rate"),
        ("worse", "a higher rate"),
        ("no-change", "nothing to change: it is good as it is"),
        ("out-of-scope", "help the other file"),
        ("error", "divide"),
    ]
    assert all(e["isolation"] == "bwrap" for e in history)
    assert all(bool(e.get("usage")) is KNOWN[name].counts for e in history)
    assert left_running(project) == []
