"""Runs a coding agent for one turn: a fresh HOME, its own keys only, a deadline, and its word taken for nothing.

What it changed is read from the workspace by the supervisor; here only its last message, its usage and its failure are
read.
"""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

from pytest_autoresearch.agents.adapters import ADAPTERS, HOME, PROMPT, Adapter, Order
from pytest_autoresearch.agents.answer import LONGEST_FAILURE, parse_answer
from pytest_autoresearch.agents.base import Agent, AgentSettings, Briefing, Desk, Proposal, Turn
from pytest_autoresearch.agents.hosts import model_hosts, with_refused
from pytest_autoresearch.agents.transcripts import Said
from pytest_autoresearch.errors import AgentError
from pytest_autoresearch.executables import find
from pytest_autoresearch.protocol.experiment import Usage
from pytest_autoresearch.text import clean, last_words

MOST_LOST = 90.0  # s in which an agent may do nothing but look for its model
_LOST = ".autoresearch-lost.py"
_LOST_SOURCE = Path(__file__).with_name("lost.py")


def create(settings: AgentSettings) -> Agent | None:
    """The coding agent that ``NAME`` or ``NAME:MODEL`` asks for; None for a name that is not a coding agent's.

    Raises AgentError when it is not installed or has no key.
    """
    name, _, model = settings.name.partition(":")
    adapter = ADAPTERS.get(name)
    if adapter is None:
        return None
    program = find(adapter.program)
    if program is None:
        raise AgentError(f"agent {name}: the program {adapter.program} is not on PATH\n  install it: {adapter.install}")
    handed = (*adapter.variables, *settings.pass_env)
    if not any(os.environ.get(variable) for variable in handed):
        raise AgentError(f"agent {name}: no key in the environment\n  set one of: {', '.join(handed)}")
    if unknown := settings.prices.keys() - {"input", "output"}:
        raise AgentError(f"prices: {sorted(unknown)[0]!r} is unknown; input and output are, in USD per million tokens")
    return CodingAgent(adapter, program, replace(settings, model=model or settings.model))


class CodingAgent:
    """One of ADAPTERS, installed at ``program``."""

    mends = True
    concurrent = True

    def __init__(self, adapter: Adapter, program: Path, settings: AgentSettings) -> None:
        self.name = settings.name
        self.network = settings.reach(is_proven=adapter.proxied)
        self._adapter, self._program, self._settings = adapter, program, settings

    def propose(self, briefing: Briefing, desk: Desk) -> Proposal:
        """One turn: the agent edits the workspace and says what it did."""
        adapter, settings = self._adapter, self._settings
        handed = tuple(dict.fromkeys((*adapter.variables, *settings.pass_env)))
        environ = {name: os.environ[name] for name in handed if os.environ.get(name)}
        order = Order(settings.model, settings.args, tuple(desk.targets), environ, tries=settings.tries > 0)
        turn = desk.run(
            script(adapter, self._program, order),
            stdin=briefing.text.encode("utf-8", "replace"),
            env=adapter.environment,
            pass_env=tuple(environ),
            network=self.network == "yes",
            hosts=model_hosts(environ, settings.args, settings.hosts) if self.network == "model" else None,
            timeout=settings.deadline,
            home=home_of(adapter, order),
        )
        stdout, stderr = (clean(data) for data in (turn.stdout, turn.stderr))
        said = adapter.read(stdout, stderr)
        answer = parse_answer(said.message)
        return Proposal(
            description=answer.description,
            hypothesis=answer.hypothesis,
            usage=priced(said.usage, settings.prices, settings.model),
            failure=with_refused(_failure(said, turn, stdout, stderr, is_lost=bool(adapter.lost)), turn.refused),
            nothing=answer.nothing,
        )


def script(adapter: Adapter, program: Path, order: Order) -> str:
    """The bash script of a turn. The briefing comes on stdin, the program itself gets none.

    The first line does nothing but name what has to be visible: a sandbox shows the absolute paths that a command
    names. The briefing is not part of the script, so no path that an earlier turn wrote into it is ever shown.
    """
    needed = installation(program)
    folders = dict.fromkeys(str(path.parent) for path in needed if path.is_file())
    argv = [shlex.quote(str(program)), *(_quoted(argument) for argument in adapter.arguments(order))]
    call = " ".join(argv)
    if adapter.lost:
        filters = shlex.join([adapter.keep, adapter.lost, f"{MOST_LOST:g}"])
        call = f'set -o pipefail\n{call} | python3 -s -E "$HOME/{_LOST}" {filters}'
    elif adapter.keep:
        call = f"set -o pipefail\n{call} | {{ grep --line-buffered -E {shlex.quote(adapter.keep)} || true; }}"
    lines = [
        f": {shlex.join(str(path) for path in needed)}",
        f'export PATH="$PATH":{shlex.quote(os.pathsep.join(folders))}',
        "prompt=$(cat)",
        "exec < /dev/null",
        call,
    ]
    if adapter.epilogue:
        lines += ["code=$?", adapter.epilogue, "exit $code"]
    return "\n".join(lines)


def home_of(adapter: Adapter, order: Order) -> dict[str, bytes]:
    """The files of a turn's fresh HOME."""
    return {**adapter.home(order), **({_LOST: _LOST_SOURCE.read_bytes()} if adapter.lost else {})}


def installation(program: Path) -> tuple[Path, ...]:
    """The program as it is called, what it links to, and Node where it needs one; each brings what it belongs to along.

    It is called by its own path: many a program of a version manager is one link of many to the same file, and of a
    virtual environment's interpreter the path says which environment it is.
    """
    real = program.resolve()
    node = find("node") if "node_modules" in real.parts else None
    return tuple(dict.fromkeys(path for path in (program, real, node) if path is not None))


def priced(usage: Usage, prices: Mapping[str, float], model: str | None) -> Usage:
    """Usage with a cost: as reported, else tokens times ``prices`` (USD per million), else none."""
    cost = usage.cost
    if cost is None and prices:
        spent = usage.input_tokens * prices.get("input", 0.0) + usage.output_tokens * prices.get("output", 0.0)
        cost = spent / 1_000_000
    return replace(usage, cost=cost, model=usage.model or model)


def _quoted(argument: str) -> str:
    if argument == PROMPT:
        return '"$prompt"'
    if argument.startswith(HOME):
        return '"$HOME"/' + shlex.quote(argument.removeprefix(HOME))
    return shlex.quote(argument)


def _failure(said: Said, turn: Turn, stdout: str, stderr: str, *, is_lost: bool) -> str | None:
    """Why a turn gave nothing, in the agent's own words where it has some."""
    words = last_words(said.message or stderr.strip() or stdout, LONGEST_FAILURE)
    if turn.timed_out:
        words = last_words((said.failure if is_lost else None) or words, LONGEST_FAILURE)
        return f"no answer within {turn.duration:.0f} s; its last words: {words or 'none'}"
    if said.failure is not None:
        return last_words(said.failure, LONGEST_FAILURE)
    if turn.exit_code != 0:
        return f"exit status {turn.exit_code}: {words or 'no words'}"
    return None
