"""A Protocol as the text of an autoresearch.config.md; parsing it gives the same Protocol. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import fields
from typing import Any

from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.amounts import format_amount, format_bounds
from pytest_autoresearch.protocol.durations import format_duration, format_float
from pytest_autoresearch.protocol.model import Direction, Limit, Options, PathRule, Protocol
from pytest_autoresearch.protocol.text import escape_start, span_of

_SAFE_SCALAR = regex(r"[A-Za-z0-9_./][\w./+-]*", re.ASCII)
_WORDS_OF_YAML = frozenset({"null", "true", "false", "yes", "no", "on", "off"})
_HIGH_HEADING = regex(r"^ {0,3}(?:#{1,2}(?:[ \t]|$)|(?:=+|-+)[ \t]*$)", re.MULTILINE)
_DURATIONS = frozenset({"duration", "agent_deadline"})


def render(protocol: Protocol) -> str:
    """The config's text. Comments and layout of a file that was parsed are not kept."""
    texts = [protocol.goal, protocol.notes, *(section.text for section in protocol.extra_sections)]
    level = "#" if any(_HIGH_HEADING.search(text) for text in texts) else "##"
    sections = [f"{level} {title}".rstrip() + (f"\n\n{text}" if text else "") for title, text in _sections(protocol)]
    front = list(_front_matter(protocol))
    head = ["---", *front, "---", ""] if front else []
    if level == "##":
        head += ["# Autoresearch", ""]
    return "\n".join(head) + ("\n" if head else "") + "\n\n".join(sections) + "\n"


def _sections(protocol: Protocol) -> Iterator[tuple[str, str]]:
    yield "Goal", protocol.goal
    yield "Metric", "\n".join(_metric(protocol))
    yield "Target Files", _paths(protocol.targets)
    yield "Read-Only Files", _paths(protocol.readonly)
    yield "Run Command", _script(protocol.run)
    extract = protocol.metric.extract
    if extract is not None and not _fits_inline(extract):
        yield "Extract Command", _script(extract)
    yield "Time Budget", "\n".join(_budget(protocol))
    if protocol.constraints:
        yield "Constraints", "\n".join(f"- {escape_start(text)}" for text in protocol.constraints)
    if protocol.tag is not None:
        yield "Branch", f"autoresearch/{protocol.tag}"
    if protocol.notes:
        yield "Notes", protocol.notes
    for section in protocol.extra_sections:
        yield section.title, section.text


def _metric(protocol: Protocol) -> Iterator[str]:
    metric = protocol.metric
    yield f"- **Name**: {span_of(metric.name)}"
    yield f"- **Direction**: {'lower' if metric.direction is Direction.LOWER else 'higher'} is better"
    if metric.extract is not None and _fits_inline(metric.extract):
        yield f"- **Extract command**: {span_of(metric.extract)}"
    if metric.file is not None:
        yield f"- **From**: {span_of(metric.file.path)}"
        for title, said in (("Key", metric.file.key), ("Column", metric.file.column), ("Row", metric.file.row)):
            if said is not None:
                yield f"- **{title}**: {span_of(said)}"
    if metric.target is not None:
        yield f"- **Target**: {format_float(metric.target)}"
    if metric.min_delta.value:
        yield f"- **Min delta**: {format_amount(metric.min_delta)}"
    if bounds := format_bounds(metric.bounds):
        yield f"- **Bounds**: {bounds}"


def _budget(protocol: Protocol) -> Iterator[str]:
    yield f"- **Per experiment**: {'none' if protocol.budget is None else format_duration(protocol.budget)}"
    if protocol.kill_timeout is not None:
        yield f"- **Kill timeout**: {format_duration(protocol.kill_timeout)}"


def _paths(rules: tuple[PathRule, ...]) -> str:
    return "\n".join(f"- {span_of(rule.pattern)}{f' — {rule.note}' if rule.note else ''}" for rule in rules) or "- none"


def _script(command: str) -> str:
    fence = "`" * max(3, *(len(run) + 1 for run in re.findall("`+", command)), 3)
    return f"{fence}sh\n{command}\n{fence}"


def _fits_inline(command: str) -> bool:
    return "\n" not in command and "`" not in command


# Front matter


def _front_matter(protocol: Protocol) -> Iterator[str]:
    values = {**_options(protocol.options), **_rest(protocol)}
    for key, value in values.items():
        yield from _yaml(key, value)


def _options(options: Options) -> dict[str, Any]:
    said = {f.name: value for f in fields(options) if (value := getattr(options, f.name)) is not None}
    agents = said.pop("agents", ())
    if agents:
        said = {"agent" if len(agents) == 1 else "agents": agents[0] if len(agents) == 1 else agents, **said}
    return {name: format_duration(value) if name in _DURATIONS else value for name, value in said.items()}


def _rest(protocol: Protocol) -> dict[str, Any]:
    """The fields that have no section; what is empty or the default is left out."""
    holdout = protocol.holdout
    values: dict[str, Any] = {
        "guard": protocol.guard,
        "limits": {limit.name: _limit(limit) for limit in protocol.limits},
        "holdout": holdout
        and {
            "run": holdout.run,
            "inputs": holdout.inputs,
            "score": holdout.score,
            "extract": holdout.extract,
            "files": holdout.files,
            "when": None if holdout.when == "keep" else holdout.when,
        },
        "data": protocol.data,
        "caches": protocol.caches,
        "build": protocol.build,
        "env": protocol.env,
        "network": protocol.network,
        "memory": protocol.memory_mb,
        "git": "throwaway" if protocol.git_throwaway else None,
        "knobs": protocol.knobs,
        "one_variable": protocol.one_variable,
        "attribute": "auto" if protocol.attribute else None,
        "seeds": "paired" if protocol.paired_seeds else None,
        "progress": protocol.progress,
        "budget": "soft" if protocol.budget_soft else None,
    }
    return {name: value for name, value in values.items() if value}


def _limit(limit: Limit) -> dict[str, float | str]:
    bounds = {
        "at_most": limit.at_most,
        "at_least": limit.at_least,
        "max_regression": limit.max_regression,
        "extract": limit.extract,
    }
    return {name: value for name, value in bounds.items() if value is not None}


def _yaml(key: str, value: Any, indent: str = "") -> Iterator[str]:
    """One key in YAML, as plain as it can be written."""
    if isinstance(value, Mapping):
        yield f"{indent}{_scalar(key)}:"
        for name, item in value.items():
            if item is not None and item != ():
                yield from _yaml(str(name), item, indent + "  ")
    elif isinstance(value, (tuple, list)):
        yield f"{indent}{_scalar(key)}: [{', '.join(_scalar(item) for item in value)}]"
    else:
        yield f"{indent}{_scalar(key)}: {_scalar(value)}"


def _scalar(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, (int, float)):
        return format_float(float(value)) if isinstance(value, float) else str(value)
    text = str(value)
    if _SAFE_SCALAR.fullmatch(text) and text.lower() not in _WORDS_OF_YAML and not text.endswith(":"):
        return text
    return '"' + "".join(_escaped(char) for char in text) + '"'


def _escaped(char: str) -> str:
    if char in '"\\':
        return "\\" + char
    if char == "\n":
        return "\\n"
    if char.isprintable() and char != "\ufeff":
        return char
    code = ord(char)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"
