"""Each coding agent, as installed from its registry, edits files for a scripted model. Skipped where not installed."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_autoresearch.agents.adapters import ADAPTERS
from pytest_autoresearch.agents.base import Agent, AgentSettings, Proposal
from pytest_autoresearch.agents.coding import create
from pytest_autoresearch.lab.bwrap import find_program
from tests.agents.loose_desk import LooseDesk, briefing
from tests.end_to_end.scripted_model import Call, Edit, Say, Shell, Step, always, by_experiment, refusing, scripted

if TYPE_CHECKING:
    from tests.conftest import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]

ANSWER = "Done.\n\nHYPOTHESIS: a smaller step overshoots less\nDESCRIPTION: halve the learning rate"
MODELS = {
    "codex": "scripted",
    "gemini": "scripted",
    "claude": "scripted",
    "mini": "openai/scripted",
    "aider": "openai/scripted",
}
TRUST = ("SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CODEX_CA_CERTIFICATE")
EVERY_AGENT = pytest.mark.parametrize("name", sorted(ADAPTERS))


def script(name: str, *edits: Edit, answer: str = ANSWER) -> list[Step]:
    """Edits and the answer, as this agent's model would give them."""
    if name == "mini":  # its last message is the output of the command that ends it
        said = answer.replace("\n", "\\n")
        return [
            *edits,
            Shell(f"echo COMPLETE_TASK_AND_SUBMIT_FINAL_OUTPUT; printf '{said}\\n'"),
            Say("(never reached)"),
        ]
    return [*edits, Say(answer)]


def environment(name: str, url: str) -> dict[str, str]:
    """The agent's own endpoint and a key that opens nothing; skips the test, by name, where it is not installed."""
    if shutil.which(ADAPTERS[name].program) is None:
        pytest.skip(f"{name} is not installed ({ADAPTERS[name].install})")
    if name == "gemini":
        return {"GEMINI_API_KEY": "key-of-nobody", "GOOGLE_GEMINI_BASE_URL": url}
    if name in ("claude", "opencode", "pi"):
        own = {"ANTHROPIC_API_KEY": "key-of-nobody", "ANTHROPIC_BASE_URL": url}
        return {**own, "CLAUDE_CODE_MAX_RETRIES": "0"}
    return {"OPENAI_API_KEY": "key-of-nobody", "OPENAI_BASE_URL": f"{url}/v1"}


def settings(name: str) -> AgentSettings:
    """An unknown model would be asked by aider for whole files."""
    args = ("--edit-format", "diff") if name == "aider" else ()
    return AgentSettings(name, model=MODELS.get(name, "anthropic/scripted"), args=args, deadline=120)


def installed(name: str, url: str, monkeypatch: pytest.MonkeyPatch) -> Agent:
    """The agent, which finds its model at ``url``."""
    handed = environment(name, url)
    for variable in ADAPTERS[name].variables:
        monkeypatch.delenv(variable, raising=False)
    for variable, value in handed.items():
        monkeypatch.setenv(variable, value)
    agent = create(settings(name))
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
def test_a_model_that_refuses_is_a_failure_in_the_agents_own_words(
    name: str, desk: LooseDesk, monkeypatch: pytest.MonkeyPatch
) -> None:
    with refusing(401) as url:
        proposal = take_turn(installed(name, url, monkeypatch), desk)
    assert proposal.failure is not None
    assert "not well" in proposal.failure or "401" in proposal.failure
    assert "\n" not in proposal.failure


@EVERY_AGENT
def test_a_session_records_a_keep_a_discard_a_no_change_an_out_of_scope_and_a_crash(
    name: str, project: Project
) -> None:
    project.write("other.py", "A = 1\n")
    asked = settings(name)
    configure(project, f"agent: {name}", f"model: {asked.model}", f"agent_args: {json.dumps(asked.args)}")
    scripts = {
        1: script(name, Edit("train.py", "RATE = 8.0", "RATE = 4.0"), answer="DESCRIPTION: a lower rate"),
        2: script(name, Edit("train.py", "RATE = 4.0", "RATE = 9.0"), answer="DESCRIPTION: a higher rate"),
        3: script(name, answer="DESCRIPTION: think only"),
        4: script(name, Edit("other.py", "A = 1", "A = 2"), answer="DESCRIPTION: help the other file"),
        5: script(name, Edit("train.py", "RATE = 4.0", "RATE = 4.0 / 0"), answer="DESCRIPTION: divide"),
    }
    with by_experiment(scripts) as model:
        run_session(project, model.url, [name], experiments=5)
    assert [(row[2], row[3]) for row in project.table()[2:]] == [
        ("keep", "a lower rate"),
        ("discard", "a higher rate"),
        ("discard", "think only"),
        ("discard", "help the other file"),
        ("crash", "divide"),
    ]
    history = recorded(project)
    assert [e["reason"] for e in history[1:]] == ["improved", "worse", "no-change", "out-of-scope", "error"]
    assert all(e["agent"] == name for e in history[1:])
    assert all(e["usage"]["input_tokens"] >= 100 for e in history[1:])
    assert sum(e["usage"]["output_tokens"] for e in history[1:]) == 10 * sum(
        1 for request in model.requests if "count_tokens" not in request.path and request.body
    )
    assert left_running(project) == []


@EVERY_AGENT
@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.skipif(find_program() is None, reason="needs bubblewrap")
def test_it_finishes_a_turn_through_the_proxy(name: str, scheme: str, project: Project, tmp_path: Path) -> None:
    """What :attr:`Adapter.proxied` says: by plain requests, and by tunnels as a real model is reached.

    The address is none that programs reach without a proxy as a matter of course.
    """
    asked, tls = settings(name), certificate(project, tmp_path) if scheme == "https" else None
    front = (f"agent: {name}", f"model: {asked.model}", f"agent_args: {json.dumps(asked.args)}", "isolation: strict")
    trusting = f"agent_env: {json.dumps(TRUST)}"
    configure(
        project, *front, trusting, "agent_deadline: 100s", *([] if ADAPTERS[name].proxied else ["agent_network: model"])
    )
    with always(*script(name, Edit("train.py", "RATE = 8.0", "RATE = 4.0")), address="127.0.0.2", tls=tls) as model:
        shown = run_session(project, model.url, [name], experiments=1)
    (experiment,) = recorded(project)[1:]
    assert (experiment["reason"], experiment["agent_network"]) == ("improved", "model"), experiment
    assert f"{name} (network: model)" in shown
    assert model.requests


@pytest.mark.parametrize("name", ["claude", "codex", "gemini", "mini", "opencode"])
def test_an_agent_that_is_held_to_editing_may_try_its_edit_and_run_nothing_else(name: str, project: Project) -> None:
    asked = settings(name)
    configure(project, f"agent: {name}", f"model: {asked.model}", "agent_try: 1 run")
    shell = "Bash" if name == "claude" else None
    steps = [
        Edit("train.py", "RATE = 8.0", "RATE = 4.0"),
        Call(shell, {"command": "autoresearch-try", "description": "try"}) if shell else Shell("autoresearch-try"),
        Call(shell, {"command": "touch other", "description": "more"}) if shell else Shell("touch other"),
    ]
    with always(*script(name, *steps[:2] if name in ("codex", "mini") else steps)) as model:  # type: ignore[arg-type]
        run_session(project, model.url, [name], experiments=1)
    (experiment,) = recorded(project)[1:]
    assert (experiment["reason"], experiment["usage"]["tries"]) == ("improved", 1), experiment
    assert any("loss: 5.32" in json.dumps(request.body) for request in model.requests), "it saw the output"


def test_a_reviewer_that_is_a_coding_agent_marks_a_keep(project: Project) -> None:
    configure(project, "agent: 'command:sed -i s/8.0/4.0/ train.py; echo lower'", "review: 'claude:scripted'")
    with always(Say("I read it.\n\nDESCRIPTION: suspicious: seed: it was lucky, train.py:3")) as model:
        run_session(project, model.url, ["claude"], experiments=1)
    (experiment,) = recorded(project)[1:]
    assert (experiment["status"], experiment["review"]) == ("keep", "suspicious: seed: it was lucky, train.py:3")
    assert experiment["usage"]["output_tokens"] == 10
    assert any(
        "without the session" not in str(r.body) and "Review of one change" in str(r.body) for r in model.requests
    )


def test_a_slip_goes_back_to_its_author_once_within_the_same_experiment(project: Project) -> None:
    configure(project, "agent: claude", "model: scripted")
    slip = script("claude", Edit("train.py", "RATE = 8.0", "RATE = four"), answer="DESCRIPTION: rate four")
    mended = script("claude", Edit("train.py", "RATE = four", "RATE = 4.0"), answer="DESCRIPTION: rate four, mended")
    with scripted(lambda request: mended if ", once more" in request else slip) as model:
        run_session(project, model.url, ["claude"], experiments=1)
    assert [row[2:] for row in project.table()[2:]] == [["keep", "rate four, mended"]]
    assert any("NameError: name 'four' is not defined" in json.dumps(request.body) for request in model.requests)
    (experiment,) = recorded(project)[1:]
    assert experiment["usage"]["output_tokens"] == 60, "both turns are paid for"


def test_agents_share_a_session_and_a_hint_reaches_the_next_briefing(project: Project) -> None:
    configure(project, "agents: ['claude:scripted', 'codex:scripted']")
    scripts = {
        1: script("claude", Edit("train.py", "RATE = 8.0", "RATE = 4.0")),
        2: script("codex", Edit("train.py", "RATE = 4.0", "RATE = 3.0")),
        3: script("claude", Edit("train.py", "RATE = 3.0", "RATE = 2.5")),
    }
    with by_experiment(scripts) as model:
        run_session(project, model.url, ["claude", "codex"], experiments=2)
        assert not any("try a warm-up" in str(request.body) for request in model.requests)
        assert project.cli("note", "try a warm-up").returncode == 0
        run_session(project, model.url, ["claude", "codex"], experiments=1)
        assert any("try a warm-up" in str(request.body) for request in model.requests)
    history = recorded(project)
    assert [e["agent"] for e in history[1:3]] == ["claude:scripted", "codex:scripted"]
    assert [e["reason"] for e in history[1:3]] == ["improved", "improved"]


def test_a_cap_on_cost_is_passed_by_one_turn_at_most(project: Project) -> None:
    configure(project, "agent: codex", "model: scripted", "prices: {input: 5000, output: 0}", "max_cost: 1.5")
    with by_experiment({1: script("codex", Edit("train.py", "RATE = 8.0", "RATE = 9.0"))}) as model:
        shown = run_session(project, model.url, ["codex"], experiments=10)
    assert [e["usage"]["cost"] for e in recorded(project)[1:]] == [1.0, 1.0]
    assert "the cost reached 2.00 of 1.50 USD" in shown


def certificate(project: Project, tmp_path: Path) -> Path:
    """Key and certificate of a server at 127.0.0.2, which the project's agents trust from a file in the repository."""
    if shutil.which("openssl") is None:
        pytest.skip("needs openssl")
    authority, key, leaf = (tmp_path / name for name in ("authority.key", "key.pem", "leaf.pem"))
    shown, names = project.root / "authority.pem", tmp_path / "names"
    names.write_text("subjectAltName=IP:127.0.0.2\nbasicConstraints=CA:FALSE\n")  # some refuse an authority as server
    new = ("req", "-newkey", "rsa:2048", "-nodes")
    for words in (
        (*new, "-x509", "-days", "2", "-subj", "/CN=tests", "-keyout", str(authority), "-out", str(shown)),
        (*new, "-subj", "/CN=127.0.0.2", "-keyout", str(key), "-out", str(tmp_path / "request")),
        (
            *("x509", "-req", "-days", "2", "-in", str(tmp_path / "request"), "-extfile", str(names)),
            *("-CA", str(shown), "-CAkey", str(authority), "-CAcreateserial", "-out", str(leaf)),
        ),
    ):
        subprocess.run(["openssl", *words], cwd=tmp_path, check=True, capture_output=True)
    project.env |= dict.fromkeys(TRUST, str(shown))
    project.commit("trust a model")
    both = tmp_path / "both.pem"
    both.write_text(key.read_text() + leaf.read_text())
    return both


def configure(project: Project, *front: str) -> None:
    """Put a front matter before the config, and commit it."""
    config = project.root / "autoresearch.config.md"
    config.write_text("\n".join(["---", *front, "---", config.read_text()]))
    project.commit("choose an agent")


def run_session(project: Project, url: str, agents: Sequence[str], *, experiments: int) -> str:
    """Run so many experiments with the model at ``url``; what was shown."""
    known = {variable for adapter in ADAPTERS.values() for variable in adapter.variables}
    project.env = {name: value for name, value in project.env.items() if name not in known}
    for agent in agents:
        project.env |= environment(agent, url)
    command = [sys.executable, "-m", "pytest", "--autoresearch", f"--autoresearch-experiments={experiments}"]
    done = subprocess.run(command, cwd=project.root, env=project.env, capture_output=True, text=True, timeout=500)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def recorded(project: Project) -> list[dict[str, Any]]:
    """The experiments of the ledger, the baseline first."""
    log = project.git("log", "--first-parent", "--reverse", "-z", "--format=%B", "refs/autoresearch/demo/log")
    records = [json.loads(message) for message in log.split("\0") if message.strip()]
    return [record["data"] for record in records if record["kind"] == "experiment"]


def left_running(project: Project) -> list[str]:
    """Command lines of processes that still work for the project."""
    left = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            if str(project.home).encode() in (process / "environ").read_bytes():
                left.append((process / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace"))
        except OSError:
            continue
    return left
