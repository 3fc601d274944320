"""Questions of `init`: a value from its flag, else from the person, else as suggested."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol.model import Direction
from pytest_autoresearch.protocol.shell import not_a_command
from pytest_autoresearch.protocol.text import quoted
from pytest_autoresearch.protocol.vocabulary import read_direction

T = TypeVar("T")

QUESTIONS = {
    "goal": "What should get better, and why (a sentence for the agent; none is fine)",
    "metric": "The number that decides, as the run prints it (`name: number`)",
    "direction": "Which way it improves, lower or higher",
    "run": "The command of one experiment",
    "target": "Files that the agent may change (with commas)",
    "readonly": "Files that it must not change (with commas)",
    "extract": "A command that prints the number (none: the log is read)",
    "budget": "Time of one run (none: twice the baseline's)",
    "tag": "Name of the session (none: its date)",
}


def answer(
    flag: str,
    given: str | None,
    suggestion: str | None,
    read: Callable[[str], T],
    asks: bool,
    keep: Callable[[str, str], None] | None = None,
) -> T:
    """One value: given by its flag, or asked for until it can be read, or as suggested; ``keep`` gets what is typed."""
    if given is None and not asks:
        if suggestion is None:
            raise ConfigError(f"the repository does not tell the {flag}", remedy=f"give --{flag}")
        given = suggestion
    if given is not None:
        try:
            return read(given)
        except ValueError as error:
            raise ConfigError(f"--{flag}: {error}") from None
    while True:
        try:
            typed = input(f"{QUESTIONS[flag]}{f' [{suggestion}]' if suggestion else ''}: ").strip()
            if not typed and suggestion is None:
                print("  your files suggest none, so please type one")
                continue
            value = read(typed or suggestion or "")
            if keep is not None and typed:
                keep(flag, typed)
            return value
        except ValueError as error:
            print(f"  {error}")
        except EOFError:
            raise KeyboardInterrupt from None


def direction(text: str) -> Direction:
    """The direction that a text means. These readers raise ValueError for what means nothing."""
    found = read_direction(text)
    if found is None:
        raise ValueError(f"{quoted(text)} is neither lower nor higher")
    return found


def command(text: str) -> str:
    """A shell command."""
    complaint = not_a_command(text) if text.strip() else "is empty"
    if complaint:
        raise ValueError(f"{quoted(text)} {complaint}")
    return text.strip()


def paths(text: str) -> tuple[str, ...]:
    """Paths with commas between them; none is fine."""
    found = [path.strip() for path in text.split(",")]
    return tuple(path.removeprefix("./") for path in found if path and path != "none")


def some_paths(text: str) -> tuple[str, ...]:
    """One path or more."""
    if not (found := paths(text)):
        raise ValueError("no path is named")
    return found


def optional(read: Callable[[str], T]) -> Callable[[str], T | None]:
    """The same reader for what may be `none`."""
    return lambda text: None if text.strip() in ("", "none") else read(text)


def listed(values: Sequence[str] | None) -> str | None:
    """The values of a repeatable flag as one text."""
    return None if values is None else ",".join(values)
