"""Path patterns: ``*`` and ``?`` within one directory, ``**`` across, ``[…]`` a set of characters. Pure."""

from __future__ import annotations

import re
from functools import lru_cache

MAGIC = frozenset("*?[")


def is_glob(pattern: str) -> bool:
    """Whether a pattern is more than a path."""
    return not MAGIC.isdisjoint(pattern)


def matches(pattern: str, path: str) -> bool:
    """Whether a path is one of those that the pattern means."""
    return _compiled(pattern).fullmatch(path) is not None


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> re.Pattern[str]:
    parts = [part for part in pattern.split("/") if part]
    expression = ""
    for at, part in enumerate(parts):
        is_last = at == len(parts) - 1
        if part == "**":
            expression += r"(?:.+)" if is_last else r"(?:[^/]+/)*"
        else:
            expression += _component(part) + ("" if is_last else "/")
    return re.compile(expression, re.DOTALL)


def _component(part: str) -> str:
    """One name of a pattern as a regular expression."""
    out, at = "", 0
    while at < len(part):
        char = part[at]
        at += 1
        if char == "*":
            out += "[^/]*" if not out.endswith("[^/]*") else ""
        elif char == "?":
            out += "[^/]"
        elif char == "[" and (end := part.find("]", at + 1 + (part[at : at + 1] in ("!", "^")))) != -1:
            inside = part[at:end]
            negated = inside[0] in "!^"
            out += f"(?!/)[{'^' if negated else ''}{_character_set(inside[negated:])}]"
            at = end + 1
        else:
            out += re.escape(char)
    return out


def _character_set(inside: str) -> str:
    """``a-z_`` with everything else taken literally."""
    out, at = "", 0
    while at < len(inside):
        if inside[at + 1 : at + 2] == "-" and at + 2 < len(inside):
            low, high = sorted((inside[at], inside[at + 2]))
            out += f"{re.escape(low)}-{re.escape(high)}"
            at += 3
        else:
            out += re.escape(inside[at])
            at += 1
    return out
