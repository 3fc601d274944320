"""What front matter and marker may say beside the metric and the files: one table of keys, and how each is read.

Values arrive as text, numbers, lists and mappings, from YAML or from Python. Pure; refusals are BadValue.
"""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from pytest_autoresearch.protocol.amounts import parse_limit, parse_memory, percent
from pytest_autoresearch.protocol.durations import parse_duration, parse_float
from pytest_autoresearch.protocol.knobs import knob_entries
from pytest_autoresearch.protocol.model import Holdout, Limit
from pytest_autoresearch.protocol.options import OPTIONS
from pytest_autoresearch.protocol.shell import not_a_command
from pytest_autoresearch.protocol.text import quoted
from pytest_autoresearch.protocol.values import (
    parse_auto,
    parse_bool,
    parse_count,
    parse_host,
    parse_name,
    parse_positive_count,
    parse_reach,
    parse_tries,
)


class BadValue(ValueError):
    """A value that can not be meant. ``line`` is where it stands, if that is known."""

    def __init__(self, message: str, culprit: object = None, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message, self.remedy = message, remedy
        self.line: int | None = getattr(culprit, "line", None)


class Key(NamedTuple):
    """A key: the field of Protocol or Options that it fills, and how."""

    field: str
    read: Callable[[Any], Any]
    is_option: bool = False


def as_text(value: object) -> str:
    """One scalar as text; numbers and paths from Python too."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, os.PathLike):
        return str(os.fspath(value))
    if not isinstance(value, str):
        raise BadValue(f"{_shape(value)} stands where one value is expected", value)
    if "\0" in value or not value.strip():
        raise BadValue("an empty value is given", value)
    return value.strip()


def parsed(parse: Callable[[str], Any]) -> Callable[[object], Any]:
    """A reader for one scalar."""

    def read(value: object) -> Any:
        try:
            return parse(as_text(value))
        except BadValue:
            raise
        except ValueError as error:
            raise BadValue(str(error), value) from None

    return read


def each(read: Callable[[Any], Any]) -> Callable[[object], tuple[Any, ...]]:
    """A reader for a list, or for one value as a list of one."""

    def read_all(value: object) -> tuple[Any, ...]:
        return tuple(read(item) for item in (value if isinstance(value, (list, tuple)) else [value]))

    return read_all


def mapping_of(read: Callable[[Any], Any]) -> Callable[[object], dict[str, Any]]:
    """A reader for a mapping from names."""

    def read_all(value: object) -> dict[str, Any]:
        if not isinstance(value, Mapping):
            raise BadValue(f"{_shape(value)} stands where a mapping `name: value` is expected", value)
        return {as_text(name): read(item) for name, item in value.items()}

    return read_all


def command(value: object) -> str:
    """A shell command."""
    text = as_text(value)
    complaint = not_a_command(text)
    if complaint:
        raise BadValue(f"{quoted(text)} {complaint}", value)
    return text


def nearest(name: str, known: Any) -> str:
    """`; did you mean …?`, or nothing."""
    near = difflib.get_close_matches(name.lower().replace("-", "_"), [str(key) for key in known], n=1, cutoff=0.5)
    return f"did you mean `{near[0]}`?" if near else f"known are: {', '.join(sorted(known))}"


def read_keys(values: Mapping[Any, Any]) -> tuple[dict[str, Any], dict[str, Any], dict[str, int]]:
    """Fields of Protocol, fields of Options, and the lines of both. A key without a value says nothing."""
    fields: dict[str, Any] = {}
    options: dict[str, Any] = {}
    lines: dict[str, int] = {}
    for name, value in values.items():
        key = KEYS.get(name.lower().replace("-", "_"))
        if key is None:
            raise BadValue(f"the key `{name}` is not known", name, remedy=nearest(name, KEYS))
        if value is None:
            continue
        into = options if key.is_option else fields
        if key.field in into:
            raise BadValue(f"`{name}` says again what another key says", name, remedy="keep one of the two")
        try:
            into[key.field] = key.read(value)
        except BadValue as error:
            error.args = (f"`{name}`: {error.message}",)
            error.line = error.line or getattr(name, "line", None)
            raise
        lines[key.field] = getattr(name, "line", 0)
    return fields, options, lines


def _knobs(value: object) -> tuple[str, ...]:
    try:
        return knob_entries(value)
    except ValueError as error:
        raise BadValue(str(error), value) from None


def _environment(value: object) -> dict[str, str]:
    pairs = mapping_of(lambda item: "" if item is None else str(item) if isinstance(item, str) else as_text(item))(
        value
    )
    for name, text in pairs.items():
        if not name.isidentifier() or not name.isascii() or "\0" in text:
            raise BadValue(f"`{name[:60]}` is no usable environment variable", value)
    return pairs


HOLDOUT = ("run", "inputs", "score", "files", "extract", "when")
HOLDOUT_WHEN = ("keep", "verify")
LIMIT = {"max": "at_most", "min": "at_least", "at_most": "at_most", "at_least": "at_least"} | {
    "max_regression": "max_regression"
}


def _limits(value: object) -> tuple[Limit, ...]:
    """One limit per name, whichever of the three forms it is written in."""
    if isinstance(value, Mapping):
        listed = [(_limit(as_text(name), bound, name), name) for name, bound in value.items()]
    else:
        listed = [
            (parsed(parse_limit)(item), item) for item in (value if isinstance(value, (list, tuple)) else [value])
        ]
    merged: dict[str, Limit] = {}
    for limit, culprit in listed:
        other = merged.get(limit.name)
        merged[limit.name] = limit if other is None else _joined(other, limit, culprit)
    return tuple(merged.values())


def _joined(one: Limit, other: Limit, culprit: object) -> Limit:
    """``a >= 1`` and ``a <= 5`` as one limit."""
    bounds: dict[str, float] = {}
    for limit in (one, other):
        for name in ("at_most", "at_least", "max_regression"):
            bound = getattr(limit, name)
            if bound is None:
                continue
            if name in bounds:
                raise BadValue(f"`{one.name}` is limited twice", culprit)
            bounds[name] = bound
    return Limit(one.name, **bounds, extract=one.extract or other.extract)


def _limit(name: str, bound: object, culprit: object) -> Limit:
    """``512``, ``<= 512`` or a mapping with at_most (max), at_least (min), max_regression, and an extract command."""
    if isinstance(bound, Mapping):
        said = {LIMIT.get(str(key), str(key)): item for key, item in bound.items()}
        unknown = next((key for key in bound if str(key) not in (*LIMIT, *LIMIT.values(), "extract")), None)
        extract = command(said.pop("extract")) if said.get("extract") is not None else None
        if unknown is not None or not said:
            known = "at_most, at_least or max_regression, and perhaps extract"
            raise BadValue(f"a limit has {known}, not `{unknown}`" if unknown else f"a limit has {known}", culprit)
        if len(said) + (extract is not None) < len(bound):
            raise BadValue(f"`{name}` is limited twice", culprit)
        numbers = {key: parsed(_fraction if key == "max_regression" else parse_float)(v) for key, v in said.items()}
        return Limit(name, **numbers, extract=extract)
    text = parsed(str)(bound)
    limit: Limit = parsed(parse_limit)(f"{name} {text}" if text[:1] in "<>≤≥" else f"{name} <= {text}")
    return limit


def _fraction(text: str) -> float:
    value = percent(repr(parse_float(text[:-1]))) if text.endswith("%") else parse_float(text)
    if value < 0:
        raise ValueError(f"`{text}` is negative")
    return value


def _holdout(value: object) -> Holdout:
    if not isinstance(value, Mapping):
        return Holdout(run=command(value))
    unknown = next((key for key in value if key not in HOLDOUT), None)
    if unknown is not None:
        raise BadValue(f"`{unknown}` is not known here; a holdout has {', '.join(HOLDOUT)}", unknown)
    if "run" not in value:
        raise BadValue("a holdout needs `run`, its command", next(iter(value), None))
    extract, score = (command(value[key]) if value.get(key) is not None else None for key in ("extract", "score"))
    if score is not None and extract is not None:
        raise BadValue("a holdout has either `score` or `extract`: the score is what reads the result", "extract")
    if score is None and value.get("inputs"):
        raise BadValue("`inputs` are for a `run` that does not see the files: write `score`, its own command", "inputs")
    when = str(value.get("when") or "keep").lower()
    if when not in HOLDOUT_WHEN:
        raise BadValue(f"`when: {when[:40]}` is not known; it is {' or '.join(HOLDOUT_WHEN)}", "when")
    files, inputs = (each(as_text)(value.get(key) or ()) for key in ("files", "inputs"))
    return Holdout(command(value["run"]), extract, files, inputs, score, when)


def _publish(value: object) -> bool | dict[str, str]:
    if not isinstance(value, Mapping):
        return bool(parsed(parse_bool)(value))
    for key, item in value.items():
        if key != "results" or as_text(item) not in ("commit", "artifact", "none"):
            raise BadValue("publish is `yes`, `no`, or `{results: commit|artifact|none}`", key)
    return {"results": as_text(value["results"])} if value else True


def _git(value: object) -> bool:
    if as_text(value) not in ("throwaway", "none", "no"):
        raise BadValue(f"`{value}` is neither `throwaway` nor `none`", value)
    return as_text(value) == "throwaway"


def _soft(value: object) -> bool:
    if as_text(value) not in ("soft", "hard"):
        raise BadValue(
            f"`{value}` is neither `soft` nor `hard`; the time itself goes to the section Time Budget", value
        )
    return as_text(value) == "soft"


def _paired(value: object) -> bool:
    if as_text(value) not in ("paired", "own"):
        raise BadValue("`seeds` is `paired` or `own`; the number that they all come from is `seed: 7`", value)
    return as_text(value) == "paired"


RAY = ("cpus", "gpus", "resources", "labels")


def _ray(value: object) -> dict[str, Any]:
    """What a slot on a Ray cluster gets: whole processors and GPUs, amounts and labels by the cluster's own names."""
    if not isinstance(value, Mapping):
        raise BadValue(f"{_shape(value)} stands where a mapping with {', '.join(RAY)} is expected", value)
    unknown = next((key for key in value if key not in RAY), None)
    if unknown is not None:
        raise BadValue(f"`{unknown}` is not known here; a slot has {', '.join(RAY)}", unknown)
    said = {str(key): item for key, item in value.items() if item is not None}
    readers = {
        "cpus": parsed(parse_positive_count),
        "gpus": parsed(parse_count),
        "resources": mapping_of(parsed(parse_float)),
        "labels": mapping_of(as_text),
    }
    return {key: readers[key](item) for key, item in said.items()}


def _price(text: str) -> float:
    price = parse_float(text.removeprefix("$"))
    if price < 0:
        raise ValueError(f"`{text}` is negative")
    return price


_FROM_TABLE = {option.name: Key(option.name, parsed(option.parse), True) for option in OPTIONS}
del _FROM_TABLE["tag"], _FROM_TABLE["targets"], _FROM_TABLE["guard"], _FROM_TABLE["agent"]

KEYS: dict[str, Key] = {
    **_FROM_TABLE,
    "agent": Key("agents", lambda value: (parsed(parse_name)(value),), True),
    "agents": Key("agents", each(parsed(parse_name)), True),
    "agent_args": Key("agent_args", each(as_text), True),
    "agent_env": Key("agent_env", each(as_text), True),
    "agent_network": Key("agent_network", parsed(parse_reach), True),
    "agent_hosts": Key("agent_hosts", each(parsed(parse_host)), True),
    "review": Key("review", parsed(parse_name), True),
    "agent_try": Key("agent_try", parsed(parse_tries), True),
    "agent_deadline": Key("agent_deadline", parsed(parse_duration), True),
    "prices": Key("prices", mapping_of(parsed(_price)), True),
    "ray": Key("ray", _ray, True),
    "guard_workers": Key("guard_workers", parsed(parse_positive_count), True),
    "observers": Key("observers", each(parsed(parse_name)), True),
    "publish": Key("publish", _publish, True),
    "guard": Key("guard", each(as_text)),
    "limits": Key("limits", _limits),
    "holdout": Key("holdout", _holdout),
    "data": Key("data", each(as_text)),
    "caches": Key("caches", each(as_text)),
    "build": Key("build", command),
    "env": Key("env", _environment),
    "network": Key("network", parsed(parse_bool)),
    "memory": Key("memory_mb", parsed(parse_memory)),
    "git": Key("git_throwaway", _git),
    "knobs": Key("knobs", _knobs),
    "one_variable": Key("one_variable", parsed(parse_bool)),
    "attribute": Key("attribute", parsed(parse_auto)),
    "seeds": Key("paired_seeds", _paired),
    "progress": Key("progress", as_text),
    "budget": Key("budget_soft", _soft),
}


def _shape(value: object) -> str:
    return {"list": "a list", "tuple": "a list", "dict": "a mapping", "NoneType": "nothing"}.get(
        type(value).__name__, f"a {type(value).__name__}"
    )
