"""Coding agents by their outside: what they are handed, what is read from them, and how they fail."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autoresearch.agents import coding
from pytest_autoresearch.agents.adapters import ADAPTERS, Order
from pytest_autoresearch.agents.base import Agent, AgentSettings
from pytest_autoresearch.agents.coding import create, home_of, installation, priced, script
from pytest_autoresearch.agents.transcripts import (
    read_claude,
    read_codex,
    read_gemini,
    read_mini,
    read_opencode,
    read_pi,
)
from pytest_autoresearch.errors import AgentError
from pytest_autoresearch.protocol.experiment import Usage
from tests.agents.loose_desk import LooseDesk, briefing

RESULT = {
    "type": "result",
    "subtype": "success",
    "is_error": False,
    "result": "HYPOTHESIS: h\nDESCRIPTION: halve it",
    "total_cost_usd": 0.25,
    "num_turns": 3,
    "usage": {"input_tokens": 100, "cache_read_input_tokens": 900, "output_tokens": 50},
    "modelUsage": {"small": {"outputTokens": 1}, "large": {"outputTokens": 49}},
}


@pytest.fixture
def desk(tmp_path: Path) -> LooseDesk:
    directory = tmp_path / "workspace"
    directory.mkdir()
    return LooseDesk(directory)


@pytest.fixture
def programs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory on PATH for programs that stand in for the real ones; a key is set."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", f"{directory}:/usr/bin:/bin")
    monkeypatch.setenv("ANTHROPIC_API_KEY", "key-of-nobody")
    return directory


def install(programs: Path, name: str, body: str) -> None:
    (programs / name).write_text(f"#!/bin/bash\n{body}\n")
    (programs / name).chmod(0o755)


def made(settings: AgentSettings) -> Agent:
    agent = create(settings)
    assert agent is not None
    return agent


def test_a_turn_gives_the_answer_the_usage_and_leaves_the_edit(desk: LooseDesk, programs: Path) -> None:
    install(programs, "claude", f"echo 'LR = 0.25' > train.py; echo some warning; echo '{json.dumps(RESULT)}'")
    proposal = made(AgentSettings("claude")).propose(briefing(), desk)
    assert (proposal.description, proposal.hypothesis, proposal.failure) == ("halve it", "h", None)
    assert proposal.usage == Usage(input_tokens=1000, output_tokens=50, cost=0.25, turns=3, model="large")
    assert desk.files == {"train.py": "LR = 0.25\n"}
    assert desk.network is True


def test_the_briefing_is_one_argument_and_standard_input_is_empty(desk: LooseDesk, programs: Path) -> None:
    install(programs, "claude", 'printf "%s" "${@: -1}" > prompt; cat > stdin; printf "%s\\n" "$@" > args')
    text = '# Experiment 0001\n\nIt\'s "quoted" $HOME `pwd` \\ ünï\n\nlast line'
    made(AgentSettings("claude:opus", args=("--max-turns", "9"))).propose(briefing(text), desk)
    assert desk.files["prompt"] == text
    assert desk.files["stdin"] == ""
    assert "--model\nopus\n" in desk.files["args"] and "--max-turns\n9\n" in desk.files["args"]


def test_only_the_named_variables_are_handed_over(
    desk: LooseDesk, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    install(programs, "claude", "env > seen")
    monkeypatch.setenv("GITHUB_TOKEN", "secret")
    monkeypatch.setenv("OPENAI_API_KEY", "secret of another provider")
    monkeypatch.setenv("MY_PROXY", "http://proxy")
    made(AgentSettings("claude", pass_env=("MY_PROXY",))).propose(briefing(), desk)
    seen = desk.files["seen"]
    assert "ANTHROPIC_API_KEY=key-of-nobody" in seen and "MY_PROXY=http://proxy" in seen
    assert "DISABLE_AUTOUPDATER=1" in seen
    assert "secret" not in seen


def test_a_program_that_is_not_installed_is_an_error_with_the_command_that_installs_it(programs: Path) -> None:
    with pytest.raises(AgentError, match=r"codex is not on PATH\n  install it: npm install -g @openai/codex"):
        create(AgentSettings("codex"))


def test_a_missing_key_is_said_before_the_night_begins(programs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(programs, "gemini", "true")
    monkeypatch.delenv("GEMINI_API_KEY", raising=False)
    monkeypatch.delenv("GOOGLE_GEMINI_BASE_URL", raising=False)
    with pytest.raises(AgentError, match="no key in the environment\n  set one of: GEMINI_API_KEY, "):
        create(AgentSettings("gemini"))


LOOKING = '{"type":"error","message":"Reconnecting... waiting for network (Connection failed)"}'


def test_codex_that_only_looks_for_its_model_is_ended_with_its_last_error(
    desk: LooseDesk, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-nobody")
    monkeypatch.setattr(coding, "MOST_LOST", 1.0)
    install(programs, "codex", f"trap '' TERM; while sleep 0.2; do echo '{LOOKING}' || exit; done")
    proposal = made(AgentSettings("codex", deadline=60)).propose(briefing(), desk)
    assert proposal.failure == "Reconnecting... waiting for network (Connection failed)"


@pytest.mark.slow
def test_codex_that_finds_its_model_again_goes_on(
    desk: LooseDesk, programs: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "key-of-nobody")
    monkeypatch.setattr(coding, "MOST_LOST", 4.0)
    said = '{"type":"item.completed","item":{"type":"agent_message","text":"DESCRIPTION: back again"}}'
    chatter = '{"type":"item.started","item":{"type":"reasoning"}}'
    done = '{"type":"turn.completed","usage":{"input_tokens":5,"output_tokens":2}}'
    looking = f"for i in 1 2 3 4 5; do echo '{LOOKING}'; sleep 0.5; done; echo '{chatter}'"
    install(programs, "codex", f"{looking}; {looking}; sleep 4.5; echo '{said}'; printf %s '{done}'")
    proposal = made(AgentSettings("codex", deadline=60)).propose(briefing(), desk)
    assert (proposal.description, proposal.failure) == ("back again", None)
    assert proposal.usage == Usage(5, 2, turns=1)


def test_an_unknown_price_is_refused(programs: Path) -> None:
    install(programs, "claude", "true")
    with pytest.raises(AgentError, match="prices: 'outptu' is unknown"):
        create(AgentSettings("claude", prices={"outptu": 1.0}))


def test_other_names_are_left_to_others() -> None:
    assert create(AgentSettings("sweep")) is None
    assert create(AgentSettings("command:./agent.sh")) is None


def test_a_turn_over_the_deadline_is_a_failure_with_the_last_words(desk: LooseDesk, programs: Path) -> None:
    install(programs, "claude", "echo 'thinking about it' >&2; sleep 60")
    proposal = made(AgentSettings("claude", deadline=0.5)).propose(briefing(), desk)
    assert proposal.failure is not None
    assert "no answer within" in proposal.failure and "thinking about it" in proposal.failure


def test_an_exit_status_is_a_failure_with_the_last_words(desk: LooseDesk, programs: Path) -> None:
    install(programs, "claude", f"echo '{json.dumps(RESULT)}'; exit 3")
    proposal = made(AgentSettings("claude")).propose(briefing(), desk)
    assert proposal.failure == "exit status 3: HYPOTHESIS: h DESCRIPTION: halve it"
    assert proposal.usage is not None and proposal.usage.cost == 0.25


def test_chatter_does_not_push_the_answer_out(desk: LooseDesk, programs: Path) -> None:
    event = {"type": "turn.completed", "usage": {"input_tokens": 5, "output_tokens": 7}}
    said = {"type": "item.completed", "item": {"type": "agent_message", "text": "DESCRIPTION: halve it"}}
    noise = json.dumps(
        {"type": "item.completed", "item": {"type": "command_execution", "aggregated_output": "x" * 100}}
    )
    install(
        programs,
        "codex",
        f"yes '{noise}' | head -n 20000\necho '{json.dumps(said)}'\necho '{json.dumps(event)}'; exit 1",
    )
    order = Order(None, (), (), {})
    codex = ADAPTERS["codex"]
    turn = desk.run(script(codex, programs / "codex", order), home=home_of(codex, order))
    assert len(turn.stdout) < 500
    assert turn.exit_code == 1
    assert read_codex(turn.stdout.decode(), "").message == "DESCRIPTION: halve it"


def test_tokens_are_priced_where_no_cost_is_reported() -> None:
    usage = Usage(input_tokens=2_000_000, output_tokens=100_000)
    prices = {"input": 3.0, "output": 15.0}
    assert priced(usage, prices, "m") == Usage(2_000_000, 100_000, cost=7.5, model="m")
    assert priced(Usage(1, 1, cost=0.5), prices, None).cost == 0.5
    assert priced(usage, {}, None).cost is None


def test_the_script_names_what_the_program_needs_and_never_the_briefing(tmp_path: Path) -> None:
    package = tmp_path / "lib" / "node_modules" / "tool"
    package.mkdir(parents=True)
    (package / "cli.js").write_text("#!/usr/bin/env node\n")
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin" / "claude"
    program.symlink_to(package / "cli.js")
    assert installation(program)[:2] == (program, package / "cli.js")
    first, *rest = script(ADAPTERS["claude"], program, Order(None, (), (), {})).splitlines()
    assert first.startswith(f": {program} {package / 'cli.js'}")
    assert f"{program} -p" in rest[-1] and rest[-1].endswith('"$prompt"'), "it may be one link of many to one file"


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_arguments_and_home_hold_no_key(name: str) -> None:
    keys = {variable: f"value-of-{variable}" for variable in ADAPTERS[name].variables}
    keys |= {variable: "http://127.0.0.1:1" for variable in keys if variable.endswith("_URL")}
    for model in (None, "anthropic/m", "openai/m"):
        order = Order(model, ("--extra",), ("train.py",), keys)
        seen = script(ADAPTERS[name], Path(os.devnull), order) + str(ADAPTERS[name].home(order))
        assert "value-of" not in seen and "--extra" in seen


def test_an_error_is_told_in_the_words_of_each_program() -> None:
    broke = json.dumps({"type": "result", "subtype": "error_max_budget_usd", "is_error": True, "total_cost_usd": 1.5})
    claude = read_claude(broke, "")
    assert claude.failure is not None and "error_max_budget_usd" in claude.failure and claude.usage.cost == 1.5
    assert read_claude("Segmentation fault", "").failure == "no result"
    failed = '{"type":"turn.failed","error":{"message":"quota exceeded"}}'
    assert read_codex(failed, "").failure == "quota exceeded"
    gemini = 'Error at:\n{ broken\n{\n "session_id": "1",\n "error": {"message": "bad key", "code": 401}\n}\n'
    assert read_gemini("", gemini).failure == "bad key"
    opencode = '{"type":"error","error":{"name":"APIError","data":{"message":"Unauthorized"}}}'
    assert read_opencode(opencode, "").failure == "APIError: Unauthorized"
    pi = '{"type":"message_end","message":{"role":"assistant","content":[],"stopReason":"error","errorMessage":"401"}}'
    assert read_pi(pi, "").failure == "401"
    mini = '{"type":"trajectory","exit_status":"LimitsExceeded","text":"too much","input_tokens":7}'
    assert read_mini(mini, "").failure == "LimitsExceeded: too much"


@pytest.mark.parametrize("name", sorted(ADAPTERS))
@given(st.text(), st.text())
def test_any_output_can_be_read(name: str, stdout: str, stderr: str) -> None:
    said = ADAPTERS[name].read(stdout, stderr)
    assert said.usage.input_tokens >= 0


@pytest.mark.parametrize("name", sorted(ADAPTERS))
def test_json_of_another_shape_can_be_read(name: str) -> None:
    values = ["null", "[]", '"x"', "1", "{}", '{"type": 5}', "true", "-1", "1e999"]
    keys = (
        "type",
        "item",
        "usage",
        "part",
        "message",
        "error",
        "stats",
        "result",
        "total_cost_usd",
        "properties",
        "text",
    )
    lines = [f'{{"type":"{kind}","{key}":{value}}}' for key in keys for value in values for kind in KINDS]
    said = ADAPTERS[name].read("\n".join(lines), "\n".join(lines))
    assert said.usage.output_tokens >= 0


KINDS = ("result", "turn.completed", "turn.failed", "item.completed", "step_finish", "text", "error", "message_end")


@pytest.mark.parametrize("number", ["9" * 400, "Infinity", "NaN", "-1", "true", '"1"'])
def test_a_usage_that_is_no_amount_is_none(number: str) -> None:
    told = f'{{"type": "result", "result": "", "total_cost_usd": {number}, "usage": {{"input_tokens": {number}}}}}'
    assert priced(read_claude(told, "").usage, {"input": 1.0}, None) == Usage(cost=0.0)


def test_hostile_output_is_read_in_no_time() -> None:
    assert read_gemini("{\n" * 200_000, "[" * 200_000).message == ""
    assert read_codex('{"a":' * 50_000, "").message == ""
