"""The JSON schema of ledger records, made from the record types: ``python -m pytest_autoresearch.notebook.schema``."""

from __future__ import annotations

import json
import types
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from datetime import datetime
from enum import Enum
from typing import Any, Union, get_args, get_origin, get_type_hints

from pytest_autoresearch.notebook.codec import KINDS, VERSION, is_optional


def record_schema() -> dict[str, Any]:
    """JSON schema (2020-12) of one record document: version, kind and the kind's data."""
    definitions: dict[str, Any] = {}
    kinds = []
    for kind, cls in KINDS.items():
        data = _schema(cls, definitions)
        kinds.append({"properties": {"kind": {"const": kind}, "data": data}})
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "pytest-autoresearch ledger record",
        "description": "The message of one commit of refs/autoresearch/<tag>/log.",
        "type": "object",
        "required": ["version", "kind", "data"],
        "properties": {"version": {"const": VERSION}, "kind": {"enum": list(KINDS)}, "data": {"type": "object"}},
        "oneOf": kinds,
        "$defs": definitions,
    }


def _schema(cls: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    origin, args = get_origin(cls), get_args(cls)
    if origin in (Union, types.UnionType):
        return {"anyOf": [_schema(arg, definitions) for arg in args]}
    if origin is tuple:
        items = _schema(args[0], definitions)
        length = {} if args[-1] is ... else {"minItems": len(args), "maxItems": len(args)}
        return {"type": "array", "items": items, **length}
    if origin is not None and issubclass(origin, Mapping):
        return {"type": "object", "additionalProperties": _schema(args[1], definitions)}
    if is_dataclass(cls) and isinstance(cls, type):
        if cls.__name__ not in definitions:
            definitions[cls.__name__] = {}  # a type may contain itself
            definitions[cls.__name__] = _object(cls, definitions)
        return {"$ref": f"#/$defs/{cls.__name__}"}
    if isinstance(cls, type) and issubclass(cls, Enum):
        return {"enum": [member.value for member in cls]}
    return _SIMPLE.get(cls, {})


def _object(cls: Any, definitions: dict[str, Any]) -> dict[str, Any]:
    hints = get_type_hints(cls)
    return {
        "description": (cls.__doc__ or "").split("\n\n")[0].strip(),
        "type": "object",
        "required": [field.name for field in fields(cls) if not is_optional(field)],
        "properties": {field.name: _schema(hints[field.name], definitions) for field in fields(cls)},
    }


_SIMPLE: Mapping[Any, dict[str, Any]] = {
    str: {"type": "string"},
    int: {"type": "integer"},
    float: {"anyOf": [{"type": "number"}, {"enum": ["inf", "-inf", "nan"]}]},
    bool: {"type": "boolean"},
    type(None): {"type": "null"},
    datetime: {"type": "string", "format": "date-time"},
}

if __name__ == "__main__":
    print(json.dumps(record_schema(), indent=2))
