"""Path patterns: ``*`` and ``?`` within one directory, ``**`` across, ``[…]`` a set of characters. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from functools import lru_cache

MAGIC = frozenset("*?[")


def is_glob(pattern: str) -> bool:
    """Whether a pattern is more than a path."""
    return not MAGIC.isdisjoint(pattern)


def matches(pattern: str, path: str) -> bool:
    """Whether a path is one of those that the pattern means."""
    return _fit(_compiled(pattern), path.split("/"))


@lru_cache(maxsize=512)
def _compiled(pattern: str) -> tuple[re.Pattern[str] | None, ...]:
    """One expression for each name of the pattern, None for ``**``; what ends in that means one name at least."""
    parts = [part for part in pattern.split("/") if part]
    if parts[-1:] == ["**"]:
        parts.append("*")
    return tuple(None if part == "**" else _component(part) for part in parts)


def _fit(wanted: Sequence[re.Pattern[str] | None], names: Sequence[str]) -> bool:
    """Whether names fit one by one, with any number of them where ``**`` stands.

    The shortest fit of a ``**`` is as good as any, so only the last one is ever taken back: no pattern is costly.
    """
    at = name = 0
    back: tuple[int, int] | None = None
    while name < len(names):
        if at < len(wanted) and wanted[at] is None:
            back, at = (at + 1, name), at + 1
            continue
        expression = wanted[at] if at < len(wanted) else None
        if expression is not None and expression.fullmatch(names[name]):
            at, name = at + 1, name + 1
        elif back is not None:
            back = back[0], back[1] + 1
            at, name = back
        else:
            return False
    return all(expression is None for expression in wanted[at:])


def _component(part: str) -> re.Pattern[str]:
    """One name of a pattern: what lies between two ``*`` is taken where it fits first, and never looked for again."""
    first, *others = _pieces(part)
    if not others:
        return re.compile(first, re.DOTALL)
    *between, last = others
    held = "".join(f"(?=(?P<_{at}>.*?{piece}))(?P=_{at})" for at, piece in enumerate(between) if piece)
    return re.compile(f"{first}{held}.*{last}", re.DOTALL)


def _pieces(part: str) -> list[str]:
    """What stands between the ``*`` of a name, as regular expressions."""
    pieces, at = [""], 0
    while at < len(part):
        char = part[at]
        at += 1
        if char == "*":
            pieces.append("")
        elif char == "?":
            pieces[-1] += "."
        elif char == "[" and (end := part.find("]", at + 1 + (part[at : at + 1] in ("!", "^")))) != -1:
            inside = part[at:end]
            negated = inside[0] in "!^"
            pieces[-1] += f"[{'^' if negated else ''}{_character_set(inside[negated:])}]"
            at = end + 1
        else:
            pieces[-1] += re.escape(char)
    return pieces


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
