"""Everything that is wrong with a config at once: each error's line is left out and the rest is read again. Pure."""

from __future__ import annotations

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.markdown import parse

MOST = 20

_STUB = "## Metric\n- Name: x\n- Direction: lower\n\n## Target Files\n- x\n\n## Run Command\nx\n"
_FOLLOWS = regex(r"\bno (?:section|direction|name)\b|\bis empty\b|\bnames no\b|\bmissing\b")
"""What is said of a place where something was left out."""


def problems(text: str, *, file: str) -> tuple[ConfigError, ...]:
    """The errors of a config's text, in the order of their lines; at least those that :func:`parse` would give.

    What only seems to be missing because a wrong line was left out is not among them.
    """
    lines = text.splitlines()
    end = (
        next((n for n, line in enumerate(lines[1:], 1) if line.rstrip() in ("---", "...")), 0)
        if lines[:1] == ["---"]
        else 0
    )
    front = [*lines[: end + 1], *_STUB.splitlines()] if end else []
    body = ["" if n <= end else line for n, line in enumerate(lines)] if end else lines
    found = {str(error): error for part in (front, body) if part for error in _errors(part, file)}
    if not found:
        found = {str(error): error for error in _errors(lines, file)}
    return tuple(sorted(found.values(), key=lambda error: error.line or 0))


def _errors(lines: list[str], file: str) -> list[ConfigError]:
    lines, found = list(lines), list[ConfigError]()
    for _ in range(MOST):
        try:
            parse("\n".join(lines) + "\n", file=file)
            break
        except ConfigError as error:
            if found and (error.line is None or _FOLLOWS.search(error.message)):
                break
            if any(str(error) == str(known) for known in found):
                break
            found.append(error)
            if error.line is None or error.line > len(lines):
                break
            is_direction = "irection" in error.message and "has no" not in error.message
            lines[error.line - 1] = "- Direction: lower" if is_direction else ""
    return found
