"""Reads and writes the literals of Python, JSON, YAML, TOML and plain settings files. Pure; knows no file and no knob.

A literal is written back in the style it was found in: ``3e-4`` doubled is ``6e-4``, ``1_000`` halved is ``500``.
"""

from __future__ import annotations

import re
from decimal import Decimal

from pytest_autoresearch.patterns import regex

Value = bool | int | float | str

_INTEGER = regex(r"[+-]?(?:0[xX][0-9a-fA-F]+(?:_[0-9a-fA-F]+)*|0[bB][01]+(?:_[01]+)*|0[oO][0-7]+(?:_[0-7]+)*)")
_DECIMAL = regex(
    r"[+-]?(?:(?P<whole>\d+(?:_\d+)*)(?P<point>\.(?:\d+(?:_\d+)*)?)?|\.\d+(?:_\d+)*)"
    r"(?P<exponent>[eE][+-]?\d+(?:_\d+)*)?",
    re.ASCII,
)
_LONGEST_FIXED = 30  # digits; a number that needs more zeros is written with an exponent all the same
_BOOLEANS = {"true": "false", "yes": "no", "on": "off"}
_OPPOSITES = _BOOLEANS | {no: yes for yes, no in _BOOLEANS.items()}


def parse_number(text: str) -> int | float | None:
    """The number that a literal stands for, None for anything else (also ``inf``, ``nan`` and ``017``)."""
    if _INTEGER.fullmatch(text):
        return int(text, 0)
    match = _DECIMAL.fullmatch(text)
    if match is None or len(text) > 100:
        return None
    if match["whole"] and not match["point"] and not match["exponent"]:
        zero_padded = len(match["whole"]) > 1 and match["whole"].startswith("0")
        return None if zero_padded else int(text)
    value = float(text)
    return value if abs(value) != float("inf") else None


def parse_bool(text: str) -> bool | None:
    """The truth that ``True``, ``yes``, ``off`` … stands for, None for anything else."""
    word = text.lower()
    if word not in _OPPOSITES or text not in (word, word.capitalize(), word.upper()):
        return None
    return word in _BOOLEANS


def render(value: Value, like: str) -> str:
    """``value`` in the notation of the literal ``like``, which stays as it is where it already means ``value``.

    A number reads back as exactly the same number.
    """
    if isinstance(value, bool):
        return _render_bool(value, like)
    if isinstance(value, str):
        quote = like[:1] if like[:1] in ("'", '"') else ""
        return f"{quote}{value}{quote}"
    meant = parse_number(like.replace(" ", ""))  # - 0.5
    if meant == value and type(meant) is type(value):
        return like
    text = _render_int(value, like) if isinstance(value, int) else _render_float(value, like)
    return f"+{text}" if like.startswith("+") and not text.startswith("-") else text


def _render_bool(value: bool, like: str) -> str:
    if parse_bool(like) is value:
        return like
    word = _OPPOSITES[like.lower()]
    if like.islower():
        return word
    return word.upper() if like.isupper() else word.capitalize()


def _render_int(value: int, like: str) -> str:
    unsigned = like.lstrip("+-")
    base = {"0x": "x", "0b": "b", "0o": "o"}.get(unsigned[:2].lower(), "d")
    grouped = "_" if "_" in like else ""
    if base == "d":
        return format(value, f"{grouped}d")
    digits = format(abs(value), f"{grouped}{base}")
    if base == "x" and any(c in "ABCDEF" for c in unsigned[2:]):
        digits = digits.upper()
    return ("-" if value < 0 else "") + unsigned[:2] + digits


def _render_float(value: float, like: str) -> str:
    sign, digits, exponent = Decimal(repr(value)).normalize().as_tuple()
    assert isinstance(exponent, int)
    minus = "-" if sign else ""
    mantissa, mark, power = re.split(r"([eE])", like, maxsplit=1) if re.search("[eE]", like) else (like, "", "")
    if mark:
        numerals = "".join(map(str, digits))
        tail = f".{numerals[1:]}" if len(numerals) > 1 else (".0" if "." in mantissa else "")
        return f"{minus}{numerals[0]}{tail}{mark}{_power(exponent + len(digits) - 1, power)}"
    if abs(exponent) > _LONGEST_FIXED:
        return repr(value)
    whole, _, fraction = format(abs(Decimal(repr(value))), "f").partition(".")
    if "_" in like:
        whole = format(int(whole), "_d")
    if mantissa.endswith(".") and not fraction.strip("0"):
        return f"{minus}{whole}."
    if mantissa.lstrip("+-").startswith(".") and whole == "0":
        whole = ""
    return f"{minus}{whole}.{fraction or '0'}"


def _power(exponent: int, like: str) -> str:
    """An exponent with the sign and zero padding of ``like``. A minus becomes a plus: to YAML, 1.0e0 is a text."""
    width = len(like.lstrip("+-")) if like.lstrip("+-").startswith("0") else 1
    sign = "-" if exponent < 0 else "+" if like[:1] in ("+", "-") else ""
    return f"{sign}{abs(exponent):0{width}d}"
