"""Numbers as programs print them: plain, in quotes or brackets, or as a scalar of NumPy, PyTorch, JAX … Pure."""

from __future__ import annotations

import math
import re

from pytest_autoresearch.patterns import regex

NUMBER = r"[+-]?(?:[0-9]+(?:\.[0-9]*)?|\.[0-9]+)(?:[eE][+-]?[0-9]{1,4})?"
"""One plain decimal number, ASCII."""

_NUMBER = regex(NUMBER)
_ZERO = regex(r"[+-]?[0.]+(?:[eE].*)?")
_REST = (
    r"(?: {0,9}, {0,9}(?:device|dtype|grad_fn|requires_grad|size|shape|weak_type|layout)="
    r"(?:[^(),<>]|\([^()]*\)|<[^<>]*>)*)* {0,9},?"
)
_LIBRARY = r"(?:np\.|numpy\.|jnp\.|mx\.|cp\.)?"
_SCALARS = (
    regex(rf"(?:torch\.|mx\.|paddle\.)?[tT]ensor\( {{0,9}}\[* {{0,9}}({NUMBER}) {{0,9}}\]*{_REST} {{0,9}}\)"),
    regex(rf"{_LIBRARY}(?:float|int|uint|bfloat)[0-9]{{0,3}}_?\( {{0,9}}({NUMBER}) {{0,9}}\)"),
    regex(
        rf"{_LIBRARY}(?:[aA]rray|DeviceArray|double|single|half)\( {{0,9}}\[* {{0,9}}({NUMBER}) {{0,9}}\]*"
        rf"{_REST} {{0,9}}\)"
    ),
    regex(rf"Decimal\( {{0,9}}[\"']({NUMBER})[\"'] {{0,9}}\)"),
    regex(rf"<tf\.(?:Tensor|Variable)[^<>]*numpy=({NUMBER})>"),
    regex(rf"\"({NUMBER})\"|'({NUMBER})'"),
    regex(rf"\[ {{0,9}}({NUMBER}) {{0,9}},? {{0,9}}\]|\( {{0,9}}({NUMBER}) {{0,9}}, {{0,9}}\)"),
)
_LOOKS_LIKE = regex(
    r"[\"'(\[<~≈$€£]{0,4} ?[+−-]? ?(?:\.?[0-9]|(?:nan|inf|infinity)\b|(?:null|none|n/a)\b)"
    r"|(?:\w{1,30}\.){0,4}(?:[tT]ensor|[aA]rray|DeviceArray|Decimal|(?:float|int|uint|bfloat)[0-9]{0,3}_?)\("
    r"|<tf\.",
    re.IGNORECASE,
)


def parse_number(text: str) -> float | None:
    """The finite number that ``text`` is, or None: no nan, inf, hex, underscores, foreign digits, no underflow to 0."""
    if len(text) > 400 or not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    if not math.isfinite(value) or (value == 0.0 and not _ZERO.fullmatch(text)):
        return None
    return value


def number_at(text: str, begin: int) -> tuple[str, int] | None:
    """The number that stands at a place, as it is written, and where it ends; None if there is none by itself."""
    for pattern in _SCALARS:
        if found := pattern.match(text, begin):
            return next(group for group in found.groups() if group is not None), found.end()
    plain = _NUMBER.match(text, begin)
    return (plain[0], plain.end()) if plain else None


def unwrapped(text: str) -> str:
    """The number inside of ``text`` where that is a scalar of some library, or in quotes; else the text."""
    found = number_at(text, 0)
    return found[0] if found is not None and found[1] == len(text) else text


def looks_like_number(text: str, begin: int = 0) -> bool:
    """Whether a text goes on like a value, readable or not: `93.4%`, `nan`, `~0.4`; words do not."""
    return _LOOKS_LIKE.match(text, begin) is not None
