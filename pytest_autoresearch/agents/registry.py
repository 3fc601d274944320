"""Makes the agent that a name asks for. Every kind is imported only when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from difflib import get_close_matches

from pytest_autoresearch.agents.base import Agent, AgentSettings
from pytest_autoresearch.agents.search import NAMES
from pytest_autoresearch.errors import AgentError

COMMAND = "command:PROGRAM"
ACP = "acp:PROGRAM"


def create(settings: AgentSettings, plugins: Callable[..., Agent | None]) -> Agent:
    """An embedded agent, ``command:…``, a coding agent, or what a plugin makes of the name.

    ``plugins`` is called with ``settings=``, as a hook is. Raises AgentError for a name that nobody knows.
    """
    agent = _embedded(settings)
    if agent is None:
        from pytest_autoresearch.agents import coding

        agent = coding.create(settings)
    if agent is None:
        agent = plugins(settings=settings)
    if agent is None:
        close = get_close_matches(settings.name, describe(), 1)
        hint = f"did you mean {close[0]}? " if close else ""
        raise AgentError(
            f"the agent {settings.name!r} is unknown; {hint}known are {', '.join(describe())}, and plugins'"
        )
    return agent


def needs_model(name: str) -> bool:
    """Whether an agent of this name thinks with a model that costs money."""
    kind = name.partition(":")[0]
    if kind in (*NAMES, "command"):
        return False
    from pytest_autoresearch.agents.adapters import ADAPTERS

    return kind == "acp" or kind in ADAPTERS


def describe() -> list[str]:
    """The names that :func:`create` knows without a plugin."""
    from pytest_autoresearch.agents.adapters import ADAPTERS

    return [*NAMES, COMMAND, ACP, *ADAPTERS]


def _embedded(settings: AgentSettings) -> Agent | None:
    if settings.name.startswith("command:"):
        from pytest_autoresearch.agents.command import CommandAgent

        return CommandAgent(settings)
    if settings.name.startswith("acp:"):
        from pytest_autoresearch.agents.acp.agent import AcpAgent

        return AcpAgent(settings)
    if settings.name not in NAMES:
        return None
    from pytest_autoresearch.agents.search.agent import create as search

    return search(settings.name)
