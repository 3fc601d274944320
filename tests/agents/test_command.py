"""Any program as an agent, run for real, and the names that agents go by."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_autoresearch.agents.base import Agent, AgentSettings, Briefing, Desk, Proposal
from pytest_autoresearch.agents.command import program_of
from pytest_autoresearch.agents.hosts import model_hosts
from pytest_autoresearch.agents.registry import create, describe
from pytest_autoresearch.errors import AgentError
from tests.agents.loose_desk import LooseDesk, briefing


def nobody(settings: AgentSettings) -> Agent | None:
    return None


@pytest.fixture
def desk(tmp_path: Path) -> LooseDesk:
    directory = tmp_path / "workspace"
    directory.mkdir()
    return LooseDesk(directory)


def turn(desk: LooseDesk, program: str, *args: str, deadline: float = 30.0) -> Proposal:
    agent = create(AgentSettings(f"command:{program}", args=args, deadline=deadline), nobody)
    return agent.propose(briefing(), desk)


def test_a_program_edits_the_workspace_and_its_last_line_is_the_description(desk: LooseDesk) -> None:
    proposal = turn(desk, "sed -i s/0.5/0.25/ train.py && echo thinking && echo 'halve the rate' && echo")
    assert proposal == Proposal("halve the rate")
    assert desk.files["train.py"].startswith("LR = 0.25")


def test_a_program_may_answer_with_the_two_lines_of_the_other_agents(desk: LooseDesk) -> None:
    answered = turn(desk, "echo 'HYPOTHESIS: too hot'; echo 'DESCRIPTION: halve RATE'; echo")
    assert (answered.description, answered.hypothesis) == ("halve RATE", "too hot")


def test_the_briefing_is_on_stdin_and_in_a_file_outside_the_workspace(desk: LooseDesk) -> None:
    text = 'test "$(cat)" = "$(cat "$AUTORESEARCH_BRIEFING")" && grep -c Halve "$AUTORESEARCH_BRIEFING"'
    assert turn(desk, text) == Proposal("1")
    assert list(desk.files) == ["train.py"]


def test_the_number_of_the_experiment_is_in_the_environment(desk: LooseDesk) -> None:
    assert turn(desk, "echo number $AUTORESEARCH_EXPERIMENT").description == "number 1"


def test_arguments_of_the_protocol_are_passed_as_they_are(desk: LooseDesk) -> None:
    assert turn(desk, "printf '<%s>'", "two words", "$HOME").description == "<two words><$HOME>"


def test_a_program_that_reads_no_briefing_is_fine(desk: LooseDesk) -> None:
    assert turn(desk, "true") == Proposal("")


def test_a_description_is_one_clean_line_of_bounded_length(desk: LooseDesk) -> None:
    proposal = turn(desk, r"printf '\033[31mred\033[0m\ttab\007 %s \033]0;title\007\n \r\n' $(yes word | head -9999)")
    assert re.fullmatch(r"red tab( word)+…?", proposal.description)
    assert len(proposal.description) <= 400


def test_binary_output_is_no_traceback(desk: LooseDesk) -> None:
    assert turn(desk, r"printf '\xff\x00\xfeok\n'").description.endswith("ok")


def test_a_failed_program_is_a_failure_with_its_last_words(desk: LooseDesk) -> None:
    proposal = turn(desk, "echo fine; echo 'first' >&2; echo 'no key in sight' >&2; exit 3")
    assert proposal.failure == "exit status 3: no key in sight"
    assert turn(desk, "echo 'gave up'; exit 1").failure == "exit status 1: gave up"
    assert turn(desk, "exit 1").failure == "exit status 1, without a word"
    assert (turn(desk, "no-such-program-here").failure or "").startswith("exit status 127: ")


def test_a_program_that_hangs_is_a_failure(desk: LooseDesk) -> None:
    proposal = turn(desk, "echo still thinking; exec sleep 60", deadline=0.5)
    assert proposal.failure is not None
    assert re.fullmatch(r"no answer within \d+ s; its last words: still thinking", proposal.failure)


def test_the_network_is_what_the_settings_say(desk: LooseDesk) -> None:
    for network in ("yes", "no"):
        create(AgentSettings("command:true", network=network), nobody).propose(briefing(), desk)
        assert desk.network is (network == "yes") and desk.hosts is None


@pytest.mark.parametrize(
    ("environ", "args", "expected"),
    [
        ({"ANTHROPIC_API_KEY": "k"}, (), ("api.anthropic.com:443",)),
        ({"CLAUDE_CODE_OAUTH_TOKEN": "k"}, (), ("api.anthropic.com:443",)),
        ({"OPENAI_API_KEY": "k", "OPENAI_BASE_URL": "http://localhost:8000/v1"}, (), ("localhost:8000",)),
        ({"GEMINI_API_KEY": "k", "GROQ_BASE_URL": "https://g"}, (), ("g:443", "generativelanguage.googleapis.com:443")),
        ({"GEMINI_API_KEY": "k", "GOOGLE_GEMINI_BASE_URL": "https://g:8443"}, (), ("g:8443",)),
        ({"OPENAI_API_KEY": "k"}, ("-c", "base_url=https://own.example/v1"), ("api.openai.com:443", "own.example:443")),
        ({"OPENAI_BASE_URL": "http://[::1]:1/"}, (), ("[::1]:1",)),
        ({"OPENAI_BASE_URL": "http://a:b@c:99999/"}, (), ()),
        ({"DATABASE_URL": "https://db.example", "HOME": "https://x"}, (), ()),
        ({}, (), ()),
    ],
)
def test_the_hosts_of_a_model_are_those_of_its_keys_and_addresses(
    environ: dict[str, str], args: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    assert model_hosts(environ, args) == expected


def test_a_program_reaches_the_hosts_of_its_keys_and_those_that_are_named(
    desk: LooseDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "k")
    asked = AgentSettings("command:true", network="model", hosts=("example.org",), pass_env=("OPENAI_API_KEY",))
    agent = create(replace(asked, limits_hosts=True), nobody)
    agent.propose(briefing(), desk)
    assert (desk.network, desk.hosts) == (False, ("api.openai.com:443", "example.org"))
    create(asked, nobody).propose(briefing(), desk)  # where the lab can not see to it
    assert (desk.network, desk.hosts) == (True, None)


@pytest.mark.parametrize("name", ["sweep", "grid", "random", "bayes", "command:./propose.sh --fast"])
def test_an_agent_goes_by_the_name_it_was_asked_for(name: str) -> None:
    if name == "bayes":
        pytest.importorskip("optuna")
    assert create(AgentSettings(name), nobody).name == name


def test_a_plugin_makes_what_nobody_else_knows() -> None:
    class Mine:
        name = "mine"

        def propose(self, briefing: Briefing, desk: Desk) -> Proposal:
            return Proposal("mine")

    def plugin(settings: AgentSettings) -> Agent | None:
        return Mine() if settings.name == "mine" else None

    assert create(AgentSettings("mine"), plugin).name == "mine"
    assert create(AgentSettings("sweep"), plugin).name == "sweep"


def test_an_unknown_name_is_an_error_that_lists_the_known() -> None:
    with pytest.raises(
        AgentError, match=r"'sweeep' is unknown; did you mean sweep\? known are auto, sweep, grid, .*claude"
    ):
        create(AgentSettings("sweeep"), nobody)
    assert {"sweep", "bayes", "command:PROGRAM", "claude"} <= set(describe())


def test_a_command_without_a_program_is_an_error() -> None:
    with pytest.raises(AgentError, match="names no program"):
        create(AgentSettings("command: "), nobody)


def test_the_targets_are_in_the_environment_one_a_line_as_seen_from_where_it_starts(desk: LooseDesk) -> None:
    said = turn(desk, 'while read -r file; do test -f "$file" && echo "$file"; done <<< "$AUTORESEARCH_TARGET_FILES"')
    assert said.description == "train.py"


def test_what_it_said_on_stderr_is_kept_for_the_record_with_its_exit_status(desk: LooseDesk) -> None:
    failed = turn(desk, "echo one >&2; echo two >&2; exit 3")
    assert (failed.failure, failed.log) == ("exit status 3: two", "one\ntwo\n(exit status 3)")


@pytest.mark.parametrize(
    ("name", "program"),
    [
        ("command:propose --fast", "propose"),
        ("command:RATE=1 ./propose.sh; echo", "./propose.sh"),
        ("command:cat a.txt > b.txt; echo done", "cat"),
        ("command:cd x && ./y", None),
        ("command:$TOOL run", None),
        ("claude", None),
    ],
)
def test_the_program_that_has_to_be_there_is_known(name: str, program: str | None) -> None:
    assert program_of(name) == program
