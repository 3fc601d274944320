"""Records as versioned JSON documents, and back. ``record.schema.json`` beside this file is the published schema.

An empty field whose default is empty is left out, so an older document reads like one that never said more.
"""

from __future__ import annotations

import json
import math
import sys
import types
from collections.abc import Callable, Mapping
from dataclasses import MISSING, fields, is_dataclass
from datetime import datetime, timezone
from enum import Enum
from functools import cache
from typing import Any, Union, get_args, get_origin, get_type_hints

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.record import Attribution, Drop, Group, Level, Note, Record, Session, Verification
from pytest_autoresearch.protocol.experiment import Experiment

VERSION = 1
OUT_OF_ORDER = 2
"""Of an experiment that does not stand where its number does: older programs refuse it by its version."""
KINDS: Mapping[str, type[Record]] = {
    "session": Session,
    "experiment": Experiment,
    "group": Group,
    "drop": Drop,
    "level": Level,
    "verify": Verification,
    "attribute": Attribution,
    "note": Note,
}
_AS_THEY_ARE = frozenset({str, int, bool, type(None)})
_NAMES = {cls: kind for kind, cls in KINDS.items()}


def encode(record: Record, *, in_order: bool = True) -> str:
    """One record as one line of JSON; ``in_order``: as many experiments stand before it as its number says."""
    document = {
        "version": VERSION if in_order else OUT_OF_ORDER,
        "kind": _NAMES[type(record)],
        "data": to_plain(record),
    }
    # An agent's words may hold bytes that are no text; written as escapes they stay valid JSON.
    text = json.dumps(document, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "backslashreplace").decode()


def decode(text: str, *, slim: bool = False) -> Record:
    """The record that a ledger commit's message holds, without the judge's state if ``slim``.

    NotebookError for one that this version can not read.
    """
    try:
        document = json.loads(text)
        version, kind, data = int(document["version"]), str(document["kind"]), document["data"]
    except (ValueError, TypeError, KeyError):
        raise NotebookError(f"no record of this product: {text[:60]!r}") from None
    if version > OUT_OF_ORDER or kind not in KINDS:
        raise NotebookError(
            f"the ledger holds a {kind} record of version {version}, this program reads up to version {OUT_OF_ORDER}"
            "\n  upgrade: pip install -U pytest-autoresearch"
        )
    if slim and kind in ("experiment", "group") and isinstance(data, dict):
        data.pop("judge", None)
    try:
        record: Record = from_plain(KINDS[kind], data)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise NotebookError(f"a {kind} record can not be read: {error}") from None
    return record


def to_plain(value: Any) -> Any:
    """Dataclasses, enums, times and tuples as what JSON knows. Times are UTC; numbers that JSON lacks become words."""
    kind: Any = type(value)
    if kind in _AS_THEY_ARE:
        return value
    if kind is float:
        return value if math.isfinite(value) else str(value)
    if named := _fields(kind):
        return {
            name: content if type(content) in _AS_THEY_ARE else to_plain(content)
            for name, default in named
            if (content := getattr(value, name)) or default or content != default
        }
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, datetime):
        return value.astimezone(timezone.utc).isoformat().replace("+00:00", "Z")
    if isinstance(value, Mapping):
        return {str(key): to_plain(content) for key, content in value.items()}
    if isinstance(value, (list, tuple)):
        return [to_plain(content) for content in value]
    return value


def from_plain(cls: Any, value: Any) -> Any:
    """The value of type ``cls`` that :func:`to_plain` made this of. Unknown keys are ignored."""
    return _reader(cls)(value)


@cache
def _fields(cls: Any) -> tuple[tuple[str, Any], ...]:
    """Names and defaults of a dataclass; those whose default is empty may be left out, see :func:`is_optional`."""
    return tuple((field.name, _default(field)) for field in fields(cls)) if is_dataclass(cls) else ()


def is_optional(field: Any) -> bool:
    """Whether a document may leave a field out."""
    return not _default(field)


def _default(field: Any) -> Any:
    return field.default_factory() if field.default_factory is not MISSING else field.default


def _time(text: str) -> datetime:
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def _word(text: Any) -> Any:
    """Once in memory, however many records have it: most words of an experiment are those of the one before."""
    return sys.intern(text) if type(text) is str else text


def _same(value: Any) -> Any:
    return value


@cache
def _reader(cls: Any) -> Callable[[Any], Any]:
    """A function that reads values of one type, built once: a resume reads many thousands."""
    origin, args = get_origin(cls), get_args(cls)
    if origin in (Union, types.UnionType):
        (inner,) = (_reader(arg) for arg in args if arg is not type(None))
        return lambda value: None if value is None else inner(value)
    if origin is tuple:
        inner = _reader(args[0])
        return lambda value: tuple(inner(each) for each in value)
    if origin is not None and issubclass(origin, Mapping):
        of_key, of_value = _reader(args[0]), _reader(args[1])
        if (of_key, of_value) == (_same, _same):
            return dict
        return lambda value: {of_key(key): of_value(each) for key, each in value.items()}
    if isinstance(cls, type) and is_dataclass(cls):
        readers = {name: _reader(hint) for name, hint in get_type_hints(cls).items()}
        return lambda value: cls(**{name: readers[name](each) for name, each in value.items() if name in readers})
    if cls is datetime:
        return _time
    if cls is str:
        return _word
    if cls in (int, float) or (isinstance(cls, type) and issubclass(cls, Enum)):
        read: Callable[[Any], Any] = cls
        return read
    return _same
