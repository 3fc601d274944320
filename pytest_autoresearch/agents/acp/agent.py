"""``acp:PROGRAM …``: any agent that speaks the Agent Client Protocol, for one turn.

The client is a small program that is put into the turn's fresh HOME and runs inside the sandbox beside the agent, so
that nothing outside ever acts on an agent's word. Here its one line of result is read; what was changed is read from
the workspace by the supervisor.
"""

from __future__ import annotations

import json
import os
import shlex
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib import resources
from pathlib import Path
from typing import Any

from pytest_autoresearch.agents.adapters import ADAPTERS, Order, codex_provider
from pytest_autoresearch.agents.answer import LONGEST_FAILURE, parse_answer
from pytest_autoresearch.agents.base import AgentSettings, Briefing, Desk, Proposal
from pytest_autoresearch.agents.coding import installation, priced
from pytest_autoresearch.agents.hosts import model_hosts, with_refused
from pytest_autoresearch.agents.transcripts import cost_of, count_of, last_of_type, mapping_of
from pytest_autoresearch.errors import AgentError
from pytest_autoresearch.executables import find
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.experiment import Usage
from pytest_autoresearch.text import clean, last_words, one_line

PREFIX = "acp:"
_PLACE = ".autoresearch-acp"
_ORDER = f"{_PLACE}/order.json"
_START = f"{_PLACE}/run.py"
_PARTS = ("client.py", "hands.py")
_ROOM = "pytest_autoresearch/agents/acp"
_LABEL = regex(r"(?<=[^\n*_`# ])[ ]*(?=(?:HYPOTHESIS|DESCRIPTION|NOTHING):)")
"""Notices and the answer come as one text at some agents, without a line's end between them."""

EDITS = ("acceptEdits", "autoEdit", "auto-edit", "build", "agent", "default")
"""The modes in which an agent edits without a question for every file; it is answered, where it asks."""


@dataclass(frozen=True, slots=True)
class Known:
    """What is known of one program. ``args`` where the user gives none, ``settings`` are added in any case.
    ``counts``: its number of tokens was seen to be that of the whole turn. ``proxied`` as :attr:`Adapter.proxied`.
    """

    args: tuple[str, ...] = ()
    settings: Callable[[Order], Sequence[str]] = lambda order: ()
    variables: tuple[str, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    home: Callable[[Order], Mapping[str, bytes]] = lambda order: {}
    modes: tuple[str, ...] = EDITS
    counts: bool = False
    proxied: bool = False


def _like(name: str, *args: str, counts: bool = False, **more: Any) -> Known:
    """As the adapter of this name is configured."""
    adapter = ADAPTERS[name]
    return Known(
        args,
        variables=adapter.variables,
        environment=adapter.environment,
        home=adapter.home,
        counts=counts,
        **more,
    )


def _codex(order: Order) -> Sequence[str]:
    model = [] if order.model is None else ["-c", f"model={json.dumps(order.model)}"]
    return [*codex_provider(order), *model]


_OPENAI = ("OPENAI_API_KEY", "OPENAI_BASE_URL", "OPENAI_MODEL")
_KIMI = tuple(f"KIMI_MODEL_{name}" for name in ("NAME", "API_KEY", "BASE_URL", "PROVIDER_TYPE", "MAX_CONTEXT_SIZE"))
_COPILOT = tuple(
    f"COPILOT_{name}"
    for name in ("OFFLINE", "PROVIDER_BASE_URL", "PROVIDER_API_KEY", "PROVIDER_TYPE", "MODEL", "GITHUB_TOKEN")
)

KNOWN: Mapping[str, Known] = {
    "gemini": _like("gemini", "--acp", counts=True, proxied=True),
    "opencode": _like("opencode", "acp"),  # it asks a server of its own, which a model at localhost would hide
    "claude-agent-acp": _like("claude", counts=True, proxied=True),
    # its own sandbox does not start inside ours, and then nothing can be edited
    "codex-acp": Known(
        (), _codex, ("OPENAI_API_KEY", "CODEX_API_KEY", "OPENAI_BASE_URL"), modes=("full-access",), proxied=True
    ),
    "qwen": Known(("--acp",), variables=_OPENAI, proxied=True),
    # at an address of the user's own both pass the proxy; which hosts they need without one was not seen
    "copilot": Known(("--acp",), variables=_COPILOT, counts=True),
    "kimi": Known(("acp",), variables=_KIMI),
}
"""By the name of the program. Another one gets ``agent_env``, and is asked in its own default mode."""


class AcpAgent:
    """One program that speaks the protocol. Raises AgentError where it is not there."""

    mends = True

    def __init__(self, settings: AgentSettings) -> None:
        self.name, self._settings = settings.name, settings
        try:
            words = shlex.split(settings.name.removeprefix(PREFIX))
        except ValueError as error:
            raise AgentError(f"{settings.name}: {error}") from None
        if not words:
            raise AgentError("the agent `acp:` names no program; write `acp:gemini --acp`")
        program = find(words[0])
        if program is None:
            raise AgentError(f"agent {settings.name}: the program {words[0]} is not on PATH")
        self._program: Path = program
        self._known = KNOWN.get(program.name, Known())
        self._args = (*(words[1:] or self._known.args), *settings.args)
        self.network = settings.reach(is_proven=self._known.proxied)

    def propose(self, briefing: Briefing, desk: Desk) -> Proposal:
        """One turn: the agent edits the workspace and says what it did."""
        known, settings = self._known, self._settings
        handed = tuple(dict.fromkeys((*known.variables, *settings.pass_env)))
        environ = {name: os.environ[name] for name in handed if os.environ.get(name)}
        order = Order(settings.model, self._args, tuple(desk.targets), environ, tries=settings.tries > 0)
        turn = desk.run(
            self._script(),
            stdin=briefing.text.encode("utf-8", "replace"),
            env=known.environment,
            pass_env=tuple(environ),
            network=self.network == "yes",
            hosts=model_hosts(environ, self._args, settings.hosts) if self.network == "model" else None,
            timeout=settings.deadline,
            home={**known.home(order), **self._client(briefing, order)},
        )
        stdout, stderr = clean(turn.stdout), clean(turn.stderr)
        said = read_acp(stdout, counts=known.counts)
        answer = parse_answer(said.message)
        failure = said.failure
        if turn.timed_out:
            failure = f"no answer within {turn.duration:.0f} s; its last words: {last_words(stderr) or 'none'}"
        elif not stdout.strip():
            failure = f"exit status {turn.exit_code}: {last_words(stderr, LONGEST_FAILURE) or 'no words'}"
        # Some end a turn in peace when their model is dead, and tell of it in prose or not at all.
        idle = not said.acted and not answer.is_labelled
        words = last_words(said.message, LONGEST_FAILURE) or "no words"
        return Proposal(
            description=answer.description,
            hypothesis=answer.hypothesis,
            usage=None if said.usage is None else priced(said.usage, settings.prices, settings.model),
            failure=with_refused(failure and one_line(failure, LONGEST_FAILURE), turn.refused),
            nothing=answer.nothing,
            failure_if_unchanged=f"it used no tool and gave no answer: {words}" if idle else "",
        )

    def _script(self) -> str:
        """The first line does nothing but name what has to be visible inside the sandbox."""
        needed = (*installation(self._program), *(Path(word) for word in self._args if word.startswith("/")))
        folders = dict.fromkeys(str(path.parent) for path in needed if path.is_file())
        return "\n".join(
            [
                f": {shlex.join(str(path) for path in needed)}",
                f'export PATH="$PATH":{shlex.quote(os.pathsep.join(folders))}',
                f'exec python3 -s -E "$HOME/{_START}" "$HOME/{_ORDER}"',
            ]
        )

    def _client(self, briefing: Briefing, turn: Order) -> dict[str, bytes]:
        """The client and its order, as files of a fresh HOME."""
        depth = len(briefing.protocol.directory.parts)
        order = {
            "argv": [str(self._program), *self._args, *self._known.settings(turn)],
            "model": self._settings.model,
            "root": "/".join([".."] * depth) or ".",
            "modes": self._known.modes,
        }
        source = resources.files("pytest_autoresearch.agents.acp")
        package = {f"{_PLACE}/{_ROOM}/{name}": (source / name).read_bytes() for name in _PARTS}
        empty = {
            f"{_PLACE}/{path}/__init__.py": b"" for path in ("pytest_autoresearch", "pytest_autoresearch/agents", _ROOM)
        }
        start = b"import sys\nfrom pytest_autoresearch.agents.acp.client import main\nmain(sys.argv[1:])\n"
        return {**empty, **package, _START: start, _ORDER: json.dumps(order).encode()}


@dataclass(frozen=True, slots=True)
class AcpSaid:
    """One turn. ``usage`` None: not told, or not told in a way that was seen to be true; ``acted``: it used a tool."""

    message: str
    usage: Usage | None
    failure: str | None
    acted: bool


def read_acp(stdout: str, *, counts: bool) -> AcpSaid:
    """The line that the client prints. ``counts``: its token counts are those of the turn."""
    told = last_of_type(stdout, "acp")
    if not told:
        return AcpSaid(
            "", None, f"the client of the protocol gave no result: {last_words(stdout, LONGEST_FAILURE)}", False
        )
    usage = mapping_of(told, "usage") or mapping_of(mapping_of(mapping_of(told, "meta"), "quota"), "token_count")
    cost = mapping_of(told, "cost")
    money = cost_of(cost.get("amount")) if str(cost.get("currency", "")).upper() == "USD" else None
    tokens = [
        sum(count_of(usage, name) for name in names)
        for names in (
            ("inputTokens", "input_tokens", "cachedReadTokens", "cachedWriteTokens"),
            ("outputTokens", "output_tokens", "thoughtTokens"),
        )
    ]
    is_told = counts and (any(tokens) or money is not None)
    message = _LABEL.sub("\n", str(told.get("message") or ""))
    failure = str(told.get("failure") or "") or None
    if failure and not message and told.get("words") and str(told["words"]) not in failure:
        failure = f"{failure}: {last_words(str(told['words']))}"
    acted = bool(count_of(told, "tool_calls") or count_of(told, "writes"))
    return AcpSaid(message, Usage(tokens[0], tokens[1], money) if is_told else None, failure, acted)
