"""Durations and plain numbers as people write them: ``90s``, ``1h30m``, ``5 minutes``, ``2 min (single run)``.

Pure text in, values out; every refusal is a ValueError that says what is right.
"""

from __future__ import annotations

import math
import re

from pytest_autoresearch.patterns import regex

_UNITS = {
    0.001: "ms msec milliseconds millisecond millisekunden millisekunde",
    1.0: "seconds second secs sec s sekunden sekunde sek",
    60.0: "minutes minute mins min m minuten",
    3600.0: "hours hour hrs hr h stunden stunde std",
    86400.0: "days day d tagen tage tag",
}
_CHINESE_UNITS = {0.001: "毫秒", 1.0: "秒钟 秒", 60.0: "分钟 分", 3600.0: "小时 时", 86400.0: "天 日"}
_SECONDS = {name: unit for table in (_UNITS, _CHINESE_UNITS) for unit, names in table.items() for name in names.split()}

_ABOUT = r"(?:~|≈|≤|<=?|=|about|approx\.?|around|ca\.?|circa|max\.?|at most|up to|etwa|höchstens|maximal|约|最多)?\s*"
_NUMBER = r"(?:\d+[.,]\d+|\d+\.?|\.\d+)(?:[eE][+-]?\d{1,3})?"
_WORDS, _CHARACTERS = ("|".join(" ".join(table.values()).split()) for table in (_UNITS, _CHINESE_UNITS))
_UNIT = rf"(?:(?:{_WORDS})(?![^\W\d_])|{_CHARACTERS})"
_TIME = rf"{_NUMBER}(?:\s*|-){_UNIT}"
_WITH_UNITS = rf"{_ABOUT}({_TIME}(?:[\s,]*{_TIME})*)"
_BARE = rf"{_ABOUT}({_NUMBER})(?=\s*$|\s*[(,;]|\s+[–—-]\s|\s+(?:per|pro|je|each|for|total)\b)"
_CLOCK = r"(\d{1,3}):([0-5]\d):([0-5]\d)(?![\d:])"
_RANGE = rf"\s*(?:-|–|—|~|\.\.+|/|to|or|bis|oder|至|到|或)\s*{_NUMBER}"
_ANDED = r"(?:\s+and|\s+und|,(?![^,;.]*\b(?:each|per|pro|je|kill)))\s+(?=[1-5]?\d\s*"
_AND_LESS = regex(
    rf"(?<=\d)(\s*(?:h|hrs?|hours?|std|stunden?)){_ANDED}m)|(?<=\d)(\s*(?:m|mins?|minutes?|minuten?)){_ANDED}s)",
    re.IGNORECASE,
)
_NONE = frozenset("none no nothing unlimited never n/a - – — 无 无限 无限制 keine keins kein nichts unbegrenzt".split())

LONGEST = 1e9
LONGEST_TEXT = 500
EXAMPLE = "write one number with a unit: `90s`, `5 minutes`, `1h30m`"


def parse_duration(text: str) -> float:
    """Seconds, positive and finite. A bare number is seconds; what follows the duration is an explanation."""
    plain = in_one_piece(plain_text(text))
    if clock := re.match(_CLOCK, plain, re.ASCII):
        plain = "{}h{}m{}s".format(*clock.groups())
    found = re.match(_WITH_UNITS, plain, re.IGNORECASE | re.ASCII) or re.match(_BARE, plain, re.IGNORECASE)
    rest = plain[found.end() :] if found else ""
    if re.match(_RANGE, rest) or re.match(rf"{_ABOUT}{_NUMBER}{_RANGE}", plain, re.IGNORECASE):
        raise ValueError(f"`{_short(text)}` is a range; {EXAMPLE}")
    if not found or rest.lstrip()[:1].isdigit():
        raise ValueError(f"`{_short(text)}` is not a duration; {EXAMPLE}")
    pieces = re.findall(rf"({_NUMBER})(?:-|\s*)({_UNIT})?", found[1], re.IGNORECASE)
    seconds = sum(float(number.replace(",", ".")) * _SECONDS[unit.lower() or "s"] for number, unit in pieces)
    if not 0.0 < seconds <= LONGEST:
        raise ValueError(f"`{_short(text)}` is no usable duration; {EXAMPLE}")
    return seconds


def in_one_piece(text: str) -> str:
    """A text whose ``1 hour and 30 minutes`` are ``1 hour 30 minutes``."""
    return _AND_LESS.sub(lambda found: f"{found[1] or found[2]} ", text)


def has_unit(text: str) -> bool:
    """Whether a text holds a number with a unit of time."""
    return re.search(rf"(?<!\d){_TIME}", plain_text(text[:LONGEST_TEXT]), re.IGNORECASE | re.ASCII) is not None


def says_none(text: str) -> bool:
    """Whether a value says that there is none: ``none``, ``no limit``, ``-``, ``无``, ``keine``."""
    words = plain_text(text).strip("*.").lower().split()
    return bool(words) and (words[0] in _NONE and (len(words) == 1 or words[0] not in ("-", "–", "—")))


def format_duration(seconds: float) -> str:
    """The shortest exact way to write it: ``90s``, ``5m``, ``1h30m``, ``0.5s``."""
    if seconds != int(seconds):
        return f"{seconds!r}s"
    whole = int(seconds)
    if whole < 100 and whole % 60:
        return f"{whole}s"
    hours, minutes, rest = whole // 3600, whole // 60 % 60, whole % 60
    parts = [f"{hours}h" if hours else "", f"{minutes}m" if minutes else "", f"{rest}s" if rest else ""]
    return "".join(parts)


def parse_float(text: str) -> float:
    """A finite number in plain notation."""
    plain = plain_text(text)
    if not re.fullmatch(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,3})?", plain, re.ASCII):
        raise ValueError(f"`{_short(text)}` is not a number")
    value = float(plain)
    if not math.isfinite(value):
        raise ValueError(f"`{_short(text)}` is not a finite number")
    return value


def format_float(value: float) -> str:
    """Exact, and without a trailing ``.0``."""
    return str(int(value)) if value == int(value) and abs(value) < 1e15 else repr(value)


def plain_text(text: str) -> str:
    """The text in its plainest letters (full-width digits and brackets are ASCII), without Markdown around it."""
    from unicodedata import normalize  # an extension module: not at start

    return normalize("NFKC", text).strip().strip("`*").strip()


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= 60 else line[:59] + "…"
