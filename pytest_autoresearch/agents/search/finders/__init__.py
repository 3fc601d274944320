"""Finds the knobs of a file by its kind. Pure: bytes in, literals with their places out."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import PurePosixPath

from pytest_autoresearch.agents.search.finders.python import python_knobs
from pytest_autoresearch.agents.search.finders.settings import json_knobs, plain_knobs, toml_knobs, yaml_knobs
from pytest_autoresearch.agents.search.knob import Knob, Rank

Finder = Callable[[str, bytes], tuple[Knob, ...]]

LARGEST_FILE = 1_000_000  # bytes; what is larger is data, not settings
_LONGEST_LIST = 16
_PLAIN_SUFFIXES = ("", ".ini", ".cfg", ".conf", ".cnf", ".env", ".properties", ".params", ".gin", ".sh", ".txt")
_FINDERS: dict[str, Finder] = {
    ".py": python_knobs,
    ".json": json_knobs,
    ".yaml": yaml_knobs,
    ".yml": yaml_knobs,
    ".toml": toml_knobs,
    **dict.fromkeys(_PLAIN_SUFFIXES, plain_knobs),
}


def find_knobs(file: str, data: bytes) -> tuple[Knob, ...]:
    """Every literal of a file that may be a knob; none when the file does not parse or is of no known kind."""
    finder = _FINDERS.get(PurePosixPath(file).suffix.lower())
    if finder is None or len(data) > LARGEST_FILE or b"\0" in data:
        return ()
    try:
        return _tables_last(finder(file, data))
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        return ()


def _tables_last(knobs: tuple[Knob, ...]) -> tuple[Knob, ...]:
    """The numbers of a long list are data rather than settings."""
    tables = Counter(knob.label.partition("[")[0] for knob in knobs if knob.label.endswith("]"))
    long = {name for name, count in tables.items() if count > _LONGEST_LIST}

    def is_entry(knob: Knob) -> bool:
        return knob.label.endswith("]") and knob.label.partition("[")[0] in long

    return tuple(replace(knob, rank=Rank.LITERAL) if is_entry(knob) else knob for knob in knobs)
