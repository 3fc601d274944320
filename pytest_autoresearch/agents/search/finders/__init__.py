"""Finds the knobs of a file by its kind. Pure: bytes in, literals with their places out."""

from __future__ import annotations

import gc
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import PurePosixPath

from pytest_autoresearch.agents.search.finders.cells import notebook_knobs
from pytest_autoresearch.agents.search.finders.closing import closed
from pytest_autoresearch.agents.search.finders.code import code_knobs
from pytest_autoresearch.agents.search.finders.python import python_knobs
from pytest_autoresearch.agents.search.finders.settings import json_knobs, plain_knobs, toml_knobs, yaml_knobs
from pytest_autoresearch.agents.search.knob import Knob, Rank
from pytest_autoresearch.reading.door import PYTHON, is_code
from pytest_autoresearch.reading.source import LARGEST, Unread

Finder = Callable[[str, bytes, str], tuple[Knob, ...]]

_LONGEST_LIST = 16
_holding_back = threading.Lock()
_PLAIN_SUFFIXES = ("", ".ini", ".cfg", ".conf", ".cnf", ".env", ".properties", ".params", ".gin", ".txt")
_FINDERS: dict[str, Finder] = {
    ".ipynb": notebook_knobs,
    **dict.fromkeys(PYTHON, python_knobs),
    **dict.fromkeys((".json", ".jsonc", ".json5"), json_knobs),
    **dict.fromkeys((".yaml", ".yml"), yaml_knobs),
    ".toml": toml_knobs,
    **dict.fromkeys(_PLAIN_SUFFIXES, plain_knobs),
}


@dataclass(frozen=True, slots=True)
class Found:
    """The literals of a file that may be turned and those that are closed; ``unread``: why there can be none."""

    knobs: tuple[Knob, ...] = ()
    unread: str = ""


def read_knobs(file: str, data: bytes, metric: str = "") -> Found:
    """Every literal of a file that may be a knob. ``metric`` is the name that its value is printed under."""
    name = PurePosixPath(file)
    suffix = name.suffix.lower() if name.suffix else ".env" if name.name.startswith(".env") else ""
    finder = _FINDERS.get(suffix) or (code_knobs if is_code(file) else None)
    if finder is None:
        return Found(unread=f"a file ending in {suffix} is of no kind that is read")
    if len(data) > LARGEST:
        return Found(unread=f"over {LARGEST // 1_000_000} MB, which is data rather than settings")
    if b"\0" in data:
        return Found(unread="it holds zero bytes, as no text does")
    try:
        with _no_collection():
            return Found(closed(_tables_last(finder(file, data, metric))))
    except Unread as error:
        return Found(unread=str(error))
    except (ValueError, RecursionError, MemoryError) as error:
        return Found(unread=f"it does not parse: {_first_line(error)}")
    except Exception as error:  # what a reader stumbles over is a file without knobs, never the end of a session
        return Found(unread=f"its reader stumbles over it ({type(error).__name__}): please report the file")


@contextmanager
def _no_collection() -> Iterator[None]:
    """Trees and knobs hold no cycles: on a large file the collector takes a sixth of the time and finds nothing.

    One thread at a time holds it back: a second would find it off, and leave it so.
    """
    if not gc.isenabled() or not _holding_back.acquire(blocking=False):
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        gc.enable()
        _holding_back.release()


def find_knobs(file: str, data: bytes, metric: str = "") -> tuple[Knob, ...]:
    """The same without the reason."""
    return read_knobs(file, data, metric).knobs


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or ["nested too deeply"])[0][:120]


def _tables_last(knobs: tuple[Knob, ...]) -> tuple[Knob, ...]:
    """The numbers of a long list are data rather than settings."""
    tables = Counter(knob.label.partition("[")[0] for knob in knobs if knob.label.endswith("]"))
    long = {name for name, count in tables.items() if count > _LONGEST_LIST}

    def is_entry(knob: Knob) -> bool:
        return knob.label.endswith("]") and knob.label.partition("[")[0] in long

    return tuple(knob._replace(rank=Rank.LITERAL) if is_entry(knob) else knob for knob in knobs)
