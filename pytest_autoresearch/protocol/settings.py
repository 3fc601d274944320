"""Settings: every option with its value and where it came from. Knows no file format."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol.options import OPTIONS, Option

if TYPE_CHECKING:
    from pytest_autoresearch.protocol.model import Options

__all__ = ["OPTIONS", "Settings", "resolve"]

AGENT_DEADLINE = 900.0
CRASHES_IN_A_ROW = 10
PROTOCOL = "protocol"
OTHERS = frozenset(
    f"AUTORESEARCH_{name}"
    for name in "TIME_BUDGET BRIEFING TARGET_FILES BEST NONCE APP_KEY APP_ID TOKEN PACKAGE RUN".split()
)
"""Variables of ours that are no option: the harness's, and those of workflows."""
DEFAULT = "default"


@dataclass(frozen=True)
class Settings:
    """How a session is driven. Seconds for times, US dollars for ``max_cost``; None: no limit, or the agent's own.

    ``until`` None: the metric's target, if it has one. ``tag`` None: the protocol's, else the session names itself.
    ``targets`` and ``guard`` replace the protocol's when given; relative to the directory of the invocation.
    ``sources`` says of every option where its value came from.
    """

    tag: str | None
    agents: tuple[str, ...]
    model: str | None
    judge: str
    experiments: int | None
    duration: float | None
    max_cost: float | None
    max_tokens: int | None
    patience: int | None
    until: float | None
    targets: tuple[str, ...]
    guard: tuple[str, ...]
    workers: int | str
    look_ahead: str
    executor: str
    address: str | None
    isolation: str
    publish: bool
    live: int | None
    observers: tuple[str, ...]
    notify: str | None
    fail_on: str
    suspicious: str | None
    seed: int
    agent_args: tuple[str, ...] = ()
    agent_env: tuple[str, ...] = ()
    agent_network: str | None = None
    agent_hosts: tuple[str, ...] = ()
    agent_deadline: float = AGENT_DEADLINE
    agent_try: int = 0
    review: str | None = None
    prices: Mapping[str, float] = field(default_factory=dict)
    guard_workers: int | None = None
    crashes: int = CRASHES_IN_A_ROW
    sources: Mapping[str, str] = field(default_factory=dict, compare=False)


def resolve(cli: Mapping[str, Any], env: Mapping[str, str], options: Options, ini: Mapping[str, Any]) -> Settings:
    """Every option, from the first of command line, environment, protocol and ini that says it.

    ``cli`` and ``ini`` map an option's name to its text, ``env`` is the environment. ConfigError names the place.
    """
    if {"AUTORESEARCH_EXPERIMENT", "AUTORESEARCH_TAG"} <= env.keys():
        env = {}  # inside of a turn or a run these are the harness's, and about the session outside
    _refuse_misspelt(env)
    values: dict[str, Any] = {}
    sources: dict[str, str] = {}
    for option in OPTIONS:
        value, source = _first_said(option, cli, env, options, ini)
        values["agents" if option.name == "agent" else option.name] = value
        sources[option.name] = source
    return Settings(
        **values,
        agent_args=options.agent_args or (),
        agent_env=options.agent_env or (),
        agent_network=options.agent_network,
        agent_hosts=options.agent_hosts or (),
        agent_deadline=options.agent_deadline or AGENT_DEADLINE,
        agent_try=options.agent_try or 0,
        review=options.review,
        prices=options.prices or {},
        guard_workers=options.guard_workers,
        sources=sources,
    )


def _refuse_misspelt(env: Mapping[str, str]) -> None:
    """A variable that is nearly an option's is refused; others of this prefix are the person's own."""
    prefix = "AUTORESEARCH_"
    known = {option.env for option in OPTIONS}
    for name in sorted(env):
        if not name.startswith(prefix) or name in known or name in OTHERS:
            continue
        near = difflib.get_close_matches(
            name.removeprefix(prefix), [each.removeprefix(prefix) for each in known], 1, 0.8
        )
        if near:
            raise ConfigError(f"{name} is set, but no option is called so", remedy=f"did you mean {prefix}{near[0]}?")


def _first_said(
    option: Option, cli: Mapping[str, Any], env: Mapping[str, str], options: Options, ini: Mapping[str, Any]
) -> tuple[Any, str]:
    for place, text in ((option.flag, cli.get(option.name)), (option.env, env.get(option.env))):
        if text not in (None, ""):
            return _parsed(option, place, text), place
    said = getattr(options, "agents" if option.name == "agent" else option.name, None)
    if said is not None:
        return (bool(said) if option.name == "publish" else said), PROTOCOL
    text = ini.get(option.name)
    if text not in (None, ""):
        return _parsed(option, f"ini option {option.ini}", text), f"ini option {option.ini}"
    return option.default, DEFAULT


def _parsed(option: Option, place: str, text: object) -> Any:
    try:
        return option.parse(str(text))
    except ValueError as error:
        raise ConfigError(f"{place}: {error}") from None
