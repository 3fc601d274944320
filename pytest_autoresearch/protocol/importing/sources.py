"""The forms that are no prompt in prose: pi's scripts, autoloop's front matter, evo, one-line parameters."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.durations import parse_float
from pytest_autoresearch.protocol.importing.commands import cleaned
from pytest_autoresearch.protocol.importing.draft import Draft, Rank
from pytest_autoresearch.protocol.importing.metrics import metric_lines, name_in, one_direction
from pytest_autoresearch.protocol.model import Direction, Section

PI_PROMPTS = (".auto/prompt.md", ".auto/autoresearch.md", "autoresearch.md")
PI_MEASURES = (".auto/measure.sh", ".auto/autoresearch.sh", "autoresearch.sh", "autoresearch.ps1")
PI_CHECKS = (".auto/checks.sh", ".auto/autoresearch.checks.sh", "autoresearch.checks.sh")
PI_CONFIGS = (".auto/config.json", ".auto/autoresearch.config.json", "autoresearch.config.json")
PI_IDEAS = (".auto/ideas.md", ".auto/autoresearch.ideas.md", "autoresearch.ideas.md")
PI_LOGS = (".auto/log.jsonl", ".auto/autoresearch.jsonl", "autoresearch.jsonl")
PI_HOOKS = (".auto/hooks", "autoresearch.hooks")

_INLINE = regex(
    r"^\W{0,4}(Goal|Scope|Metric|Direction|Verify|Guard|Iterations|Minimize|Maximize)\**\s?:\**\s?(.+)$", re.I
)
_EVO = regex(r"\bevo init\b([^\n]{1,2000})")
WAYS = {"max": Direction.HIGHER, "maximize": Direction.HIGHER, "higher": Direction.HIGHER, "min": Direction.LOWER,
         "minimize": Direction.LOWER, "lower": Direction.LOWER}  # fmt: skip
ANY_NUMBER = "grep -oE '[-+]?[0-9]+(\\.[0-9]+)?' run.log | tail -n 1"


def read_scripts(draft: Draft, directory: Path) -> str | None:
    """Pi's scripts beside the prompt; returns the one that measures."""
    measure, checks = first_of(directory, PI_MEASURES), first_of(directory, PI_CHECKS)
    if measure is not None:
        names = metric_lines(text_of(directory / measure))
        draft.printed[:0] = names
        for name in names if len(names) == 1 else ():
            draft.name.add(Rank.SAID, name, f"{measure} prints no other METRIC")
    if checks is not None:
        draft.guard.append(f"bash {shlex.quote(checks)}")
    if (ideas := first_of(directory, PI_IDEAS)) is not None:
        draft.sections.append(Section("Ideas", text_of(directory / ideas).strip()))
    if (config := first_of(directory, PI_CONFIGS)) is not None:
        _read_config(draft, directory / config, config)
    if (log := first_of(directory, PI_LOGS)) is not None:
        draft.tell(f"{log}: earlier results are not taken over; the baseline is measured anew")
    for hooks in PI_HOOKS:
        if (directory / hooks).is_dir():
            draft.tell(f"{hooks}: scripts around an iteration have no counterpart; they are not run")
    return measure


def lock_scripts(draft: Draft, directory: Path, measure: str | None) -> None:
    """The measurement and the checks are never a candidate's to change."""
    for script, note in ((measure, "the measurement"), (first_of(directory, PI_CHECKS), "the checks")):
        if script is not None:
            draft.must_not_change(script, note)


def _read_config(draft: Draft, path: Path, name: str) -> None:
    config = _json(path)
    if config is None:
        draft.tell(f"{name}: is not JSON")
        return
    for key, value in config.items():
        if key in ("maxIterations", "max_iterations") and type(value) is int and value > 0:
            draft.experiments = value
        elif key in ("metric", "metricName", "metric_name") and isinstance(value, str):
            draft.name.add(Rank.DECLARED, name_in(value), f"{name} says so")
        elif key in ("direction", "bestDirection", "metricDirection") and str(value).lower() in WAYS:
            draft.direction.add(Rank.DECLARED, WAYS[str(value).lower()], f"{name} says so")
        else:
            draft.tell(f"{name}: {key} has no counterpart")


# One-line parameters: `Goal: … Scope: … Metric: … Verify: … Guard: …`


def is_inline(text: str) -> bool:
    """Whether a text gives at least a metric and how it is verified as `Key: value` lines."""
    keys = {found[1].lower() for line in text.split("\n") if (found := _INLINE.match(line[:2000]))}
    return {"metric", "verify"} <= keys


def read_inline(draft: Draft, text: str) -> None:
    """The parameters that a slash command is called with."""
    for line in text.split("\n"):
        found = _INLINE.match(line[:2000])
        if found is None:
            continue
        key, value = found[1].lower(), found[2].strip().strip("`").rstrip("*").strip()
        if key == "goal":
            draft.goal = draft.goal or value
        elif key == "scope":
            for path in re.split(r"[\s,]+", value):
                if path and path not in ("and", "or"):
                    draft.may_change(path.strip("`\"'()"))
        elif key in ("metric", "minimize", "maximize"):
            draft.name.add(Rank.DECLARED, name_in(value), f"`{key.capitalize()}:` says so")
            draft.direction.add(Rank.DECLARED, WAYS.get(key) or one_direction(value), f"`{key.capitalize()}:` says so")
        elif key == "direction":
            draft.direction.add(Rank.DECLARED, WAYS.get(value.lower()) or one_direction(value), "`Direction:` says so")
        elif key == "verify":
            draft.run.add(Rank.DECLARED, cleaned(value) if "|" not in value else value, "`Verify:` says so")
            draft.extract.add(Rank.INFERRED, ANY_NUMBER, "the last number that the command prints is taken")
        elif key == "guard":
            draft.guard.append(value)
        elif key == "iterations" and value.split()[0].isdecimal():
            draft.experiments = int(value.split()[0])


# autoloop


def read_front_matter(draft: Draft, values: Mapping[Any, Any], file: str) -> None:
    """Autoloop's keys; of others those that we have too."""
    for key, value in values.items():
        name = str(key).lower().replace("_", "-")
        if name in ("target-metric", "target") and isinstance(value, str):
            try:
                draft.target = parse_float(value)
            except ValueError:
                draft.tell(f"{file}: {key}: {value} is no number")
        elif name in ("metric", "metric-name") and isinstance(value, str):
            draft.name.add(Rank.DECLARED, name_in(value), f"{file} says so")
        elif name in ("direction", "metric-direction") and str(value).lower() in WAYS:
            draft.direction.add(Rank.DECLARED, WAYS[str(value).lower()], f"{file} says so")
        elif name in ("run", "command", "run-command", "evaluate", "evaluation") and isinstance(value, str):
            draft.run.add(Rank.DECLARED, cleaned(value), f"{file} says so")
        elif name in ("max-iterations", "iterations") and str(value).isdecimal():
            draft.experiments = int(value)
        else:
            draft.tell(f"{file}: {key} has no counterpart")


# evo


def read_evo_command(draft: Draft, text: str) -> None:
    """`evo init --target F --benchmark "…" --metric max --gate "…"`, wherever it is written down."""
    for found in _EVO.finditer(re.sub(r"\\\n\s*", " ", text)):
        try:
            words = shlex.split(found[1].strip("` "))
        except ValueError:
            continue
        given: dict[str, list[str]] = {}
        for word, value in zip(words, [*words[1:], ""], strict=False):
            if word.startswith("--"):
                flag, _, joined = word.partition("=")
                given.setdefault(flag[2:], []).append(joined or value)
        config = {key: values[-1] for key, values in given.items()}
        _evo(draft, {**config, "gates": given.get("gate", [])}, "`evo init`")


def read_evo_config(draft: Draft, path: Path) -> None:
    """Evo's own file of a run."""
    config = _json(path)
    if config is None:
        raise ConfigError("it is not JSON", file=path, remedy="name another file")
    _evo(draft, config, path.name)


def _evo(draft: Draft, config: Mapping[str, Any], where: str) -> None:
    target = str(config.get("target") or "")
    if target and "<" not in target:
        draft.may_change(target)
    benchmark = str(config.get("benchmark") or config.get("benchmark_command") or "")
    if benchmark:
        draft.run.add(Rank.DECLARED, benchmark.replace("{target}", target or "{target}"), f"{where} says so")
        draft.name.add(Rank.DECLARED, "score", "evo's benchmarks print a JSON `score`")
    draft.direction.add(Rank.DECLARED, WAYS.get(str(config.get("metric") or "").lower()), f"{where} says so")
    gates = config.get("gates") or config.get("gate") or []
    for gate in gates if isinstance(gates, list) else [gates]:
        command = gate.get("command") if isinstance(gate, dict) else gate
        if isinstance(command, str) and command:
            draft.guard.append(command.replace("{target}", target))


def _json(path: Path) -> dict[str, Any] | None:
    try:
        config = json.loads(text_of(path))
    except (ValueError, RecursionError):
        return None
    return config if isinstance(config, dict) else None


def first_of(directory: Path, names: tuple[str, ...]) -> str | None:
    """The first of these names that is a file there."""
    return next((name for name in names if (directory / name).is_file()), None)


def text_of(path: Path) -> str:
    """A file's text. ConfigError where it can not be read."""
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise ConfigError(f"can not be read: {error.strerror}", file=path) from None
