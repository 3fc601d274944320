"""The values of options: their text parsed, or a ValueError that says what is right. Pure text in, values out."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from pytest_autoresearch.protocol.durations import parse_duration, parse_float
from pytest_autoresearch.protocol.tags import parse_tag


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


def parse_tries(text: str) -> int:
    """How many runs an agent may try in a turn: ``2 runs``, ``2``, or ``no``."""
    word = text.strip().lower()
    if word in ("no", "none"):
        return 0
    count = word.removesuffix("s").removesuffix("run").strip()
    if not (count.isdecimal() and count.isascii() and len(count) <= 3):
        raise ValueError(f"`{text.strip()[:60]}` is no number of runs; write `2 runs`, or `no`")
    return int(count)


def parse_port(text: str) -> int | None:
    """A port of this machine; ``yes`` is 0, any free one, and ``no`` is none."""
    word = text.strip().lower()
    if word in ("yes", "no"):
        return 0 if word == "yes" else None
    if not (word.isascii() and word.isdecimal() and len(word) <= 5 and int(word) < 65536):
        raise ValueError(f"`{text.strip()[:60]}` is no port; write a number up to 65535, `yes` or `no`")
    return int(word)


def parse_cost(text: str) -> float:
    """US dollars: ``5``, ``2.50``, ``$5``, ``5 USD``."""
    amount = text.strip().upper().removesuffix("USD").strip().strip("$").strip()
    try:
        dollars = parse_float(amount)
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
        raise ValueError("no agent is named; write `auto`, `claude` or `command:python propose.py`")
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


def parse_workers(text: str) -> int | str:
    """How many slots: a number, ``gpus`` for one a card, ``auto`` for what was found to be best."""
    word = text.strip().lower()
    if word in ("gpus", "auto"):
        return word
    try:
        return parse_positive_count(text)
    except ValueError as error:
        raise ValueError(f"{error}, and neither `gpus` nor `auto`") from None


def parse_auto(text: str) -> bool:
    """``auto``: whenever it is worth it; ``no``: never."""
    if text.strip().lower() == "auto":
        return True
    try:
        if not parse_bool(text):
            return False
    except ValueError:
        pass
    raise ValueError(f"`{text.strip()[:60]}` is neither `auto` nor `no`")


def parse_reach(text: str) -> str:
    """How far an agent's network goes: ``yes``, ``no``, or ``model`` for its model's hosts alone."""
    try:
        return "model" if text.strip().lower() == "model" else "yes" if parse_bool(text) else "no"
    except ValueError:
        raise ValueError(f"`{text.strip()[:60]}` is none of yes, no, model") from None


def parse_host(text: str) -> str:
    """``name``, ``name:port``, or ``*.end`` for every name below; no address, no path."""
    host = text.strip().lower()
    if not re.fullmatch(r"(?:\*\.)?(?:[a-z0-9_-]{1,63}\.){0,20}[a-z0-9_-]{1,63}(?::[0-9]{1,5})?", host):
        raise ValueError(f"`{text.strip()[:60]}` is no host: write `name`, `name:port` or `*.name`, without https://")
    return host


def parse_choice(text: str, choices: tuple[str, ...]) -> str:
    """One word of a closed set."""
    word = text.strip().lower()
    if word not in choices:
        raise ValueError(f"`{text.strip()[:60]}` is none of {', '.join(choices)}")
    return word


def parse_lines(text: str) -> tuple[str, ...]:
    """Entries, one a line: commands may hold every other separator."""
    return tuple(line.strip() for line in text.splitlines() if line.strip())


PARSERS: dict[str, Callable[[str], Any]] = {
    "tag": parse_tag,
    "agents": parse_agents,
    "name": parse_name,
    "count": parse_count,
    "positive count": parse_positive_count,
    "workers": parse_workers,
    "duration": parse_duration,
    "cost": parse_cost,
    "number": parse_float,
    "files": parse_files,
    "port": parse_port,
    "bool": parse_bool,
    "lines": parse_lines,
}
