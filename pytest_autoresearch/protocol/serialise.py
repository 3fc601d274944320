"""A Protocol as plain JSON values and back, and the digests that a resumed session is compared by. Pure.

docs/configuration.md describes the form. Durations are seconds; what is not set is null, empty or left out.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import fields
from pathlib import PurePosixPath
from typing import Any

from pytest_autoresearch.protocol.amounts import format_amount, parse_amount
from pytest_autoresearch.protocol.model import (
    Amount,
    Direction,
    Holdout,
    Limit,
    Metric,
    MetricFile,
    Options,
    PathRule,
    Protocol,
    Section,
)
from pytest_autoresearch.protocol.tags import PREFIX

Json = dict[str, Any]

_LISTS = ("constraints", "guard", "data", "caches", "knobs")
_SCALARS = (
    *("goal", "run", "budget", "kill_timeout", "budget_soft", "notes", "build", "network", "memory_mb"),
    *("git_throwaway", "one_variable", "attribute", "paired_seeds", "progress", "aggregate", "source"),
)
_TUPLE_OPTIONS = ("agents", "agent_args", "agent_env", "agent_hosts", "observers")


def to_json(protocol: Protocol) -> Json:
    """The documented JSON form."""
    return {
        "goal": protocol.goal,
        "metric": _metric_to_json(protocol.metric),
        "targets": [rule.pattern for rule in protocol.targets],
        "readonly": [rule.pattern for rule in protocol.readonly],
        "run": protocol.run,
        "budget": protocol.budget,
        "kill_timeout": protocol.kill_timeout,
        "constraints": list(protocol.constraints),
        "branch": None if protocol.tag is None else PREFIX + protocol.tag,
        "notes": protocol.notes,
        "extra_sections": [{"title": section.title, "text": section.text} for section in protocol.extra_sections],
        "target_notes": {rule.pattern: rule.note for rule in protocol.targets if rule.note},
        "readonly_notes": {rule.pattern: rule.note for rule in protocol.readonly if rule.note},
        **{name: list(getattr(protocol, name)) for name in _LISTS},
        **{name: getattr(protocol, name) for name in _SCALARS},
        "env": dict(protocol.env),
        "limits": [_said(limit) for limit in protocol.limits],
        "holdout": None if protocol.holdout is None else _holdout_to_json(protocol.holdout),
        "directory": str(protocol.directory),
        "options": {name: _plain(value) for name, value in _said(protocol.options).items()},
    }


def from_json(form: Mapping[str, Any]) -> Protocol:
    """The protocol that :func:`to_json` wrote; fields that an older form lacks are as if they were not set."""
    branch, holdout = form.get("branch"), form.get("holdout")
    scalars: Json = {name: form[name] for name in _SCALARS if name in form}
    lists: Json = {name: tuple(form[name]) for name in _LISTS if name in form}
    options: Json = {n: tuple(v) if n in _TUPLE_OPTIONS else v for n, v in form.get("options", {}).items()}
    if isinstance(options.get("agent_network"), bool):  # as it was before there was a third value
        options["agent_network"] = "yes" if options["agent_network"] else "no"
    return Protocol(
        **scalars,
        **lists,
        metric=_metric_from_json(form["metric"]),
        targets=_rules(form["targets"], form.get("target_notes", {})),
        readonly=_rules(form.get("readonly", ()), form.get("readonly_notes", {})),
        tag=None if branch is None else branch.removeprefix(PREFIX),
        extra_sections=tuple(Section(**section) for section in form.get("extra_sections", ())),
        env=dict(form.get("env", {})),
        limits=tuple(Limit(**limit) for limit in form.get("limits", ())),
        holdout=None if holdout is None else _holdout_from_json(holdout),
        directory=PurePosixPath(form.get("directory", ".")),
        options=Options(**options),
    )


def fixed(protocol: Protocol) -> dict[str, Any]:
    """What must not change within a session, by name."""
    metric = protocol.metric
    return {
        "metric": metric.name,
        "direction": metric.direction.value,
        "run": protocol.run,
        "extract": metric.extract if metric.file is None else _said(metric.file),
        "budget": protocol.budget,
        "targets": sorted(rule.pattern for rule in protocol.targets),
        "readonly": sorted(rule.pattern for rule in protocol.readonly),
        "data": sorted(protocol.data),
        "env": dict(sorted(protocol.env.items())),
        **({"seeds": "paired"} if protocol.paired_seeds else {}),
    }


def digests(protocol: Protocol) -> dict[str, str]:
    """What must not change within a session, each as a short digest."""
    return {name: _digest(value) for name, value in fixed(protocol).items()}


def _digest(value: Any) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _holdout_to_json(holdout: Holdout) -> Json:
    """What is said beyond the defaults; ``files`` always, as ever."""
    said = {name: value for name, value in _said(holdout).items() if name == "files" or value not in ((), "keep")}
    return {name: _plain(value) for name, value in said.items()}


def _holdout_from_json(form: Mapping[str, Any]) -> Holdout:
    paths = {name: tuple(form.get(name, ())) for name in ("files", "inputs")}
    return Holdout(**{**form, **paths})


def _metric_to_json(metric: Metric) -> Json:
    delta = metric.min_delta
    return {
        "name": metric.name,
        "direction": metric.direction.value,
        "extract": metric.extract,
        "target": metric.target,
        "min_delta": format_amount(delta) if delta.relative else delta.value,
        "bounds": None if metric.bounds == (None, None) else list(metric.bounds),
        "file": None if metric.file is None else _said(metric.file),
    }


def _metric_from_json(form: Mapping[str, Any]) -> Metric:
    delta, bounds = form.get("min_delta", 0.0), form.get("bounds") or (None, None)
    return Metric(
        name=form["name"],
        direction=Direction(form["direction"]),
        extract=form.get("extract"),
        target=form.get("target"),
        min_delta=parse_amount(delta) if isinstance(delta, str) else Amount(delta),
        bounds=(bounds[0], bounds[1]),
        file=None if form.get("file") is None else MetricFile(**form["file"]),
    )


def _rules(patterns: list[str], notes: Mapping[str, str]) -> tuple[PathRule, ...]:
    return tuple(PathRule(pattern, notes.get(pattern, "")) for pattern in patterns)


def _said(value: Limit | Holdout | MetricFile | Options) -> Json:
    """The fields that are set."""
    return {f.name: said for f in fields(value) if (said := getattr(value, f.name)) is not None}


def _plain(value: Any) -> Any:
    if isinstance(value, tuple):
        return list(value)
    return dict(value) if isinstance(value, Mapping) else value
