"""The one table of options: what may come from the command line, the environment, the front matter and the ini file.

pytest loads this at every start, so it knows nothing but text: no YAML, no Markdown, no dataclasses.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any


class Option:
    """One option. ``parse`` turns its text into its value, or raises ValueError; ``default`` None: not set."""

    __slots__ = ("default", "help", "metavar", "name", "parse")

    def __init__(self, name: str, metavar: str, parse: Callable[[str], Any], default: Any, help: str) -> None:
        self.name, self.metavar, self.parse, self.default, self.help = name, metavar, parse, default, help

    @property
    def flag(self) -> str:
        return "--autoresearch-" + self.name.replace("_", "-")

    @property
    def dest(self) -> str:
        return f"autoresearch_{self.name}"

    @property
    def env(self) -> str:
        return f"AUTORESEARCH_{self.name.upper()}"

    @property
    def ini(self) -> str:
        return f"autoresearch_{self.name}"


def _parse_tag(text: str) -> str:
    from pytest_autoresearch.protocol.tags import parse_tag  # when a value is there to be read, not at every start

    return parse_tag(text)


def _parse_duration(text: str) -> float:
    from pytest_autoresearch.protocol.durations import parse_duration

    return parse_duration(text)


def _parse_float(text: str) -> float:
    from pytest_autoresearch.protocol.durations import parse_float

    return parse_float(text)


def parse_count(text: str) -> int:
    """A whole number, 0 or more."""
    if not (text.strip().isdecimal() and text.strip().isascii() and len(text.strip()) <= 15):
        raise ValueError(f"`{text.strip()[:60]}` is not a whole number")
    return int(text)


def parse_positive_count(text: str) -> int:
    """A whole number, 1 or more."""
    count = parse_count(text)
    if count == 0:
        raise ValueError("`0` is not a whole number of 1 or more")
    return count


def parse_cost(text: str) -> float:
    """US dollars: ``5``, ``2.50``, ``$5``, ``5 USD``."""
    amount = text.strip().upper().removesuffix("USD").strip().strip("$").strip()
    try:
        dollars = _parse_float(amount)
    except ValueError:
        dollars = 0.0
    if dollars <= 0.0:
        raise ValueError(f"`{text.strip()[:60]}` is not an amount of US dollars; write `5` or `2.50`")
    return dollars


def parse_agents(text: str) -> tuple[str, ...]:
    """One agent, or several with commas; the rest of ``command:…`` is a command, commas and all."""
    head, command, rest = text.partition("command:")
    names = [name.strip() for name in head.split(",") if name.strip()]
    if command and not rest.strip():
        raise ValueError("`command:` names no program; write `command:python propose.py`")
    names += [command + rest.strip()] if command else []
    if not names:
        raise ValueError("no agent is named; write `sweep`, `claude` or `command:python propose.py`")
    return tuple(names)


def parse_files(text: str) -> tuple[str, ...]:
    """Paths with commas between them."""
    return tuple(path.strip() for path in text.split(",") if path.strip())


def parse_name(text: str) -> str:
    """Any text of one line."""
    name = text.strip()
    if not name or not name.isprintable():
        raise ValueError(f"{text[:60]!r} is no name")
    return name


def parse_bool(text: str) -> bool:
    """``yes`` or ``no``, ``true`` or ``false``, ``on`` or ``off``."""
    word = text.strip().lower()
    if word in ("yes", "true", "on", "1"):
        return True
    if word in ("no", "false", "off", "0"):
        return False
    raise ValueError(f"`{text.strip()[:60]}` is neither `yes` nor `no`")


def one_of(*choices: str) -> Callable[[str], str]:
    """A parser for a closed set of words."""

    def parse(text: str) -> str:
        word = text.strip().lower()
        if word not in choices:
            raise ValueError(f"`{text.strip()[:60]}` is none of {', '.join(choices)}")
        return word

    return parse


JUDGES = ("certified", "fast", "classic")
ISOLATIONS = ("strict", "auto", "none")
FAIL_ON = ("never", "no-keep", "crash")

OPTIONS: tuple[Option, ...] = (
    Option(
        "tag", "NAME", _parse_tag, None, "session to begin or resume, on branch autoresearch/NAME (default: the date)"
    ),
    Option(
        "agent",
        "NAME",
        parse_agents,
        ("sweep",),
        "who proposes: sweep, claude, codex, command:PROGRAM, … (default: sweep)",
    ),
    Option("model", "NAME", parse_name, None, "model of the agent (default: the agent's own)"),
    Option("judge", "|".join(JUDGES), one_of(*JUDGES), "certified", "rule for a keep (default: certified)"),
    Option("experiments", "N", parse_count, None, "stop after N more experiments (default: no limit)"),
    Option("duration", "TIME", _parse_duration, None, "stop after this time, e.g. 8h (default: no limit)"),
    Option("max_cost", "USD", parse_cost, None, "stop when the agent has cost this much (default: no limit)"),
    Option(
        "max_tokens",
        "N",
        parse_positive_count,
        None,
        "stop when the agent has used this many tokens (default: no limit)",
    ),
    Option("patience", "N", parse_positive_count, None, "stop after N experiments without a keep (default: no limit)"),
    Option(
        "until", "VALUE", _parse_float, None, "stop when the metric is this good (default: the metric's Target, if any)"
    ),
    Option("targets", "FILES", parse_files, (), "target files, with commas, instead of the protocol's"),
    Option("workers", "N", parse_positive_count, 1, "experiments at the same time (default: 1)"),
    Option("executor", "NAME", parse_name, "local", "where experiments run (default: local)"),
    Option(
        "isolation",
        "|".join(ISOLATIONS),
        one_of(*ISOLATIONS),
        "auto",
        "how runs are fenced in (default: auto, the best there is)",
    ),
    Option(
        "publish",
        "yes|no",
        parse_bool,
        False,
        "push branch and ledger while running, and open the pull request (default: no)",
    ),
    Option(
        "fail_on", "|".join(FAIL_ON), one_of(*FAIL_ON), "never", "what makes an ended loop exit with 1 (default: never)"
    ),
    Option("seed", "N", parse_count, 0, "seed of the session's own random choices (default: 0)"),
)
