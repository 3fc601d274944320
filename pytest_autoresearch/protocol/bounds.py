"""Bounds on numbers in words: `p95 must stay below 20`, `accuracy may regress by 1 %`. Pure."""

from __future__ import annotations

import re

from pytest_autoresearch.patterns import regex

_WORDY_BOUND = (
    (regex(r"(?<!\s)\s+(?:must\s+|should\s+)?(?:stays?\s+|is\s+|be\s+|remains?\s+)?(?:at\s+most|no\s+more\s+than|not\s+exceed|"
           r"not\s+above|max(?:imum)?(?:\s+of)?|up\s+to|höchstens)\s+(?=[\d.+-])", re.I), " <= "),
    (regex(r"(?<!\s)\s+(?:must\s+|should\s+)?(?:stays?\s+|is\s+|be\s+|remains?\s+)?(?:below|under|less\s+than|unter)\s+"
           r"(?=[\d.+-])", re.I), " < "),
    (regex(r"(?<!\s)\s+(?:must\s+|should\s+)?(?:stays?\s+|is\s+|be\s+|remains?\s+)?(?:at\s+least|no\s+less\s+than|not\s+below|"
           r"min(?:imum)?(?:\s+of)?|mindestens)\s+(?=[\d.+-])", re.I), " >= "),
    (regex(r"(?<!\s)\s+(?:must\s+|should\s+)?(?:stays?\s+|is\s+|be\s+|remains?\s+)?(?:above|over|more\s+than|greater\s+than|"
           r"über)\s+(?=[\d.+-])", re.I), " > "),
)  # fmt: skip
_LONGEST_BOUND = 300  # characters of a limit in words that are looked at
_REGRESSION = regex(
    r"(?P<name>[A-Za-z_][\w./@%-]*)(?:\s*[:=,—–-])?\s*(?:with\s+)?(?:a\s+)?"
    r"(?:max(?:imum)?[\s_-]*regression|(?:may|must)\s+(?:not\s+)?(?:regress|worsen)|(?:not\s+)?(?:regress|worsen)[^\W\d]*)"
    r"(?:\s+(?:of|by|at\s+most|up\s+to|more\s+than))*(?:\s*[:=])?\s*(?P<size>[\d.]+\s*%?)",
    re.IGNORECASE,
)
NAME = regex(r"[A-Za-z_][\w./@%-]*")
_BOUND = regex(
    r"[A-Za-z_][\w./@%-]{0,60}\s{0,4}[:=]?\s{0,4}(?:[<>]=?|[≤≥])\s{0,4}[-+]?\.?[0-9][0-9.eE%+-]{0,30}"
    r"\s{0,4}(?:[A-Za-z%]{1,9})?[.;]?"
)


def with_signs(text: str) -> str:
    """A text whose bounds in words are written with signs."""
    for pattern, sign in _WORDY_BOUND:
        text = pattern.sub(sign, text)
    return text


def regression_of(text: str) -> tuple[str, str] | None:
    """Whose number may get worse, and by how much, where a line says nothing else."""
    found = _REGRESSION.fullmatch(text.strip(" .")[:_LONGEST_BOUND])
    return None if found is None else (found["name"], found["size"])


def is_bound(text: str) -> bool:
    """Whether a line is a bound on a number."""
    plain = re.sub(r"[`*]", "", text)
    return _BOUND.fullmatch(with_signs(plain).strip()) is not None or regression_of(plain) is not None
