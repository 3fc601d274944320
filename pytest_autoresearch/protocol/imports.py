"""Reads the set-ups of other autoresearch tools into a protocol, and says what it could not map.

Two kinds are known: sessions of pi-autoresearch (a prompt with sections, a script that prints ``METRIC name=value``
lines, a script of checks), and repositories with a ``program.md`` in prose. Reads files only; runs nothing.
"""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol.blocks import Document, Part, read_document
from pytest_autoresearch.protocol.durations import parse_duration
from pytest_autoresearch.protocol.model import Direction, Metric, Options, PathRule, Protocol, Section
from pytest_autoresearch.protocol.paths import read_paths
from pytest_autoresearch.protocol.text import one_line, remark_of, spans, without_emphasis

PLACEHOLDER = "<metric name>"
"""Stands for a metric that was not found; the config can not be used before somebody fills it in."""

_PI_PROMPTS = (".auto/prompt.md", ".auto/autoresearch.md", "autoresearch.md")
_PI_MEASURES = (".auto/measure.sh", ".auto/autoresearch.sh", "autoresearch.sh")
_PI_CHECKS = (".auto/checks.sh", ".auto/autoresearch.checks.sh", "autoresearch.checks.sh")
_PI_CONFIGS = (".auto/config.json", ".auto/autoresearch.config.json", "autoresearch.config.json")
_PI_IDEAS = (".auto/ideas.md", ".auto/autoresearch.ideas.md", "autoresearch.ideas.md")
_PI_LOGS = (".auto/log.jsonl", ".auto/autoresearch.jsonl", "autoresearch.jsonl")
_PI_HOOKS = (".auto/hooks", "autoresearch.hooks")
PROGRAM = "program.md"

_METRIC_LINE = re.compile(r"METRIC\s+([A-Za-z_][\w.%-]*)\s*=")
_HIGHER = re.compile(r"\bhigh(?:er|est)\b|\bmaximi[sz]e\b|\blargest\b", re.IGNORECASE)
_LOWER = re.compile(r"\blow(?:er|est)\b|\bminimi[sz]e\b|\bsmallest\b|\bfast(?:er|est)\b", re.IGNORECASE)
_GOAL = re.compile(r"get the (lowest|highest|best)\s+`?([A-Za-z_][\w.]*)`?", re.IGNORECASE)
_LAUNCH = re.compile(r"(?:launch\s+it|run it|Run the experiment)[^`\n]{0,40}`([^`\n]+)`", re.IGNORECASE)
_FENCED_LAUNCH = re.compile(r"^((?:uv run|python3?|torchrun|bash|make|\./)[ \w][^\n#]*)", re.MULTILINE)
_BUDGET = re.compile(r"(?:fixed\s+)?time budget of (?:about |~)?([\d.]+\s*\w+)", re.IGNORECASE)
_KILL = re.compile(
    r"(?:exceeds|longer than|more than)\s+~?([\d.]+\s*(?:s\w*|m\w*|h\w*))[^.\n]{0,20}kill", re.IGNORECASE
)
_GREP = re.compile(r"grep\s+\"([^\"]+)\"")
_REDIRECTED = re.compile(r"(?:(?<!\s)\s+)?(?:2>&1|[12&]?>{1,2}\s*\S+|\|\s*tee\s.*)")
_IS_FILE = re.compile(r"[\w./*-]+\.\w+|[\w.*-]+/[\w./*-]*")
_BOLD_START = re.compile(r"^\*\*([^*]+?)[:.]?\*\*[:.]?\s*")
_LOOP_RULES = ("first run", "goal is", "can do", "cannot do", "timeout", "crash", "never stop", "not do")


@dataclass(frozen=True, slots=True)
class Imported:
    """A protocol as far as it was understood, where from, and one line for each thing that was not mapped."""

    protocol: Protocol
    source: Path
    unmapped: tuple[str, ...]


@dataclass(slots=True)
class _Draft:
    """What has been found so far."""

    goal: str = ""
    name: str | None = None
    direction: Direction | None = None
    extract: str | None = None
    targets: list[PathRule] = field(default_factory=list)
    readonly: list[PathRule] = field(default_factory=list)
    run: str = ""
    budget: float | None = None
    kill_timeout: float | None = None
    constraints: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    sections: list[Section] = field(default_factory=list)
    guard: list[str] = field(default_factory=list)
    data: list[str] = field(default_factory=list)
    caches: list[str] = field(default_factory=list)
    experiments: int | None = None
    unmapped: list[str] = field(default_factory=list)


def import_session(place: Path) -> Imported:
    """The protocol of the session at ``place``: a directory, or the prompt or program file itself.

    Raises ConfigError where there is nothing that is known.
    """
    directory, prompt = _found(place)
    draft = _Draft()
    if prompt is not None and prompt.name == PROGRAM:
        _read_program(draft, _text(prompt))
    else:
        _read_pi(draft, directory, prompt)
    return Imported(_protocol(draft), prompt or directory, tuple(draft.unmapped))


def _found(place: Path) -> tuple[Path, Path | None]:
    """The session's directory, and the file that says what it is about."""
    if place.is_file():
        directory = place.parent
        return (directory.parent if directory.name == ".auto" else directory), place
    for name in _PI_PROMPTS:
        if (place / name).is_file():
            return place, place / name
    if any((place / name).is_file() for name in _PI_MEASURES):
        return place, None
    if (place / PROGRAM).is_file():
        return place, place / PROGRAM
    raise ConfigError(
        "nothing to import",
        file=place,
        remedy=f"known are {', '.join((*_PI_PROMPTS, *_PI_MEASURES, PROGRAM))}; without them: pytest-autoresearch init",
    )


def _protocol(draft: _Draft) -> Protocol:
    """The draft as a protocol; what must be there and is not is told, and left for the user to fill in."""
    told = draft.unmapped
    if draft.name is None:
        told.append("Metric: no name was found; fill it in")
    if draft.direction is None:
        told.append("Metric: neither lower nor higher was said; lower is assumed")
    if not draft.targets:
        told.append("Target Files: no list of files was found; fill it in")
    if not draft.run:
        told.append("Run Command: none was found; fill it in")
    if draft.budget is None:
        told.append("Time Budget: none was said; twice the baseline's run time is taken")
    targets = {rule.pattern for rule in draft.targets}
    return Protocol(
        goal=draft.goal,
        metric=Metric(draft.name or PLACEHOLDER, draft.direction or Direction.LOWER, extract=draft.extract),
        targets=tuple(draft.targets),
        run=draft.run,
        readonly=tuple(rule for rule in draft.readonly if rule.pattern not in targets),
        budget=draft.budget,
        kill_timeout=draft.kill_timeout,
        constraints=tuple(draft.constraints),
        notes="\n\n".join(draft.notes),
        extra_sections=tuple(draft.sections),
        guard=tuple(draft.guard),
        data=tuple(draft.data),
        caches=tuple(draft.caches),
        options=Options(experiments=draft.experiments),
    )


# ── pi-autoresearch ───────────────────────────────────────────────────────────────────────────────────────────────────


def _read_pi(draft: _Draft, directory: Path, prompt: Path | None) -> None:
    if prompt is not None:
        _read_prompt(draft, read_document(_text(prompt), file=str(prompt)), str(prompt))
    measure, checks = _first(directory, _PI_MEASURES), _first(directory, _PI_CHECKS)
    if measure is not None:
        draft.run = f"bash {shlex.quote(measure)}"
        draft.readonly.append(PathRule(measure, "the measurement"))
        printed = _METRIC_LINE.findall(_text(directory / measure))
        if draft.name is None and printed:
            draft.name = printed[0]
    if checks is not None:
        draft.guard.append(f"bash {shlex.quote(checks)}")
        draft.readonly.append(PathRule(checks, "the checks"))
    if (ideas := _first(directory, _PI_IDEAS)) is not None:
        draft.sections.append(Section("Ideas", _text(directory / ideas).strip()))
    if (config := _first(directory, _PI_CONFIGS)) is not None:
        _read_config(draft, directory / config, config)
    if (log := _first(directory, _PI_LOGS)) is not None:
        draft.unmapped.append(f"{log}: earlier results are not taken over; the baseline is measured anew")
    for hooks in _PI_HOOKS:
        if (directory / hooks).is_dir():
            draft.unmapped.append(f"{hooks}: scripts around an iteration have no counterpart; they are not run")


def _read_prompt(draft: _Draft, document: Document, file: str) -> None:
    for part in document.parts:
        title, text = part.title.lower(), document.raw(part)
        if part.is_opening or not text:
            continue
        if "objective" in title or title.startswith("goal"):
            draft.goal = text
        elif title.startswith("metric"):
            _read_metrics(draft, part)
        elif "how to run" in title or title.startswith(("run", "command", "benchmark")):
            draft.run = next((span.code for span in spans(text)), text.strip("`\n ").partition("\n")[0])
        elif "off limits" in title or "read-only" in title or "read only" in title:
            draft.readonly += _files(draft, part, file, targets=())
        elif "scope" in title or title.startswith("target"):
            draft.targets += _files(draft, part, file)
        elif title.startswith("constraint"):
            draft.constraints += [one_line(block.text) for block in part.blocks if block.kind in ("item", "text")]
        else:
            draft.sections.append(Section(part.title, text))


def _read_metrics(draft: _Draft, part: Part) -> None:
    for line in (one_line(block.text) for block in part.blocks):
        head, _, rest = without_emphasis(line).replace("*", "").partition(":")
        if "secondary" in head.lower():
            draft.notes.append(f"Secondary metrics, watched but not limited: {rest.strip()}")
            draft.unmapped.append("Secondary metrics are kept in Notes; a bound on one is written `limits:` in front")
        elif draft.name is None and rest.strip():
            name = next((span.code for span in spans(rest)), rest)
            draft.name = re.split(r"[\s(,;—–]", name.strip(), maxsplit=1)[0] or None
            draft.direction = _direction(rest)


def _files(draft: _Draft, part: Part, file: str, *, targets: tuple[str, ...] | None = None) -> list[PathRule]:
    """The paths of a section; what is prose becomes a constraint."""
    rules = []
    for block in part.blocks:
        try:
            found = [rule for rule, _ in read_paths([block], what=part.title, file=file, targets=targets)]
        except ConfigError:
            found = []
        paths = [rule for rule in found if _IS_FILE.fullmatch(rule.pattern)]
        rules += paths
        if not paths and block.kind in ("item", "text") and block.text.strip():
            draft.constraints.append(f"{part.title}: {one_line(block.text)}")
    return rules


def _read_config(draft: _Draft, path: Path, name: str) -> None:
    try:
        config = json.loads(_text(path))
    except (ValueError, RecursionError):
        draft.unmapped.append(f"{name}: is not JSON")
        return
    for key, value in config.items() if isinstance(config, dict) else ():
        if key == "maxIterations" and type(value) is int and value > 0:
            draft.experiments = value
        else:
            draft.unmapped.append(f"{name}: {key} has no counterpart")


# ── program.md ────────────────────────────────────────────────────────────────────────────────────────────────────────


def _without_fences(text: str) -> str:
    """A text without its blocks of code; one that is never closed is text."""
    kept: list[str] = []
    held: list[str] | None = None
    for line in text.split("\n"):
        if held is None and line.startswith("```"):
            held = [line]
        elif held is None:
            kept.append(line)
        else:
            held.append(line)
            if line.rstrip() == "```":
                held = None
                kept.append("")
    return "\n".join(kept + (held or []))


def _read_program(draft: _Draft, text: str) -> None:
    prose = _without_fences(text)
    lines = [line.strip() for line in prose.splitlines() if line.strip()]
    _read_goal(draft, prose, lines)
    draft.budget = _duration(_BUDGET.search(prose))
    draft.kill_timeout = _duration(_KILL.search(prose))
    launched = _LAUNCH.search(prose) or _FENCED_LAUNCH.search(text)
    draft.run = _REDIRECTED.sub("", launched[1]).strip() if launched else ""
    if draft.name is not None and any(draft.name in pattern for pattern in _GREP.findall(text)):
        draft.extract = f"grep '^{draft.name}:' run.log | tail -n 1"
    _read_scope(draft, lines)
    draft.data += dict.fromkeys(path.rstrip("/") for path in re.findall(r"`(~/\.cache/[^`\s]+)`", prose))
    if draft.run.startswith("uv "):
        draft.caches.append("~/.cache/uv")
        draft.unmapped.append("`uv run` needs an environment that is in place: a run has no network by default")
    draft.unmapped.append(f"{PROGRAM}: what it says on git, results.tsv and the loop is the supervisor's work now")


def _read_goal(draft: _Draft, prose: str, lines: Sequence[str]) -> None:
    if found := _GOAL.search(prose):
        draft.name = found[2].rstrip(".")
        draft.direction = _direction(found[1]) or _direction(prose[found.start() : found.end() + 400])
    draft.goal = next((line.replace("**", "") for line in lines if _GOAL.search(line)), "")
    for line in lines:
        bold = _BOLD_START.match(line)
        if bold and not any(word in bold[1].lower() for word in _LOOP_RULES):
            draft.notes.append(line)


def _read_scope(draft: _Draft, lines: Sequence[str]) -> None:
    """The bullets below "can" and "can not", and the list of files to read first."""
    allowed: bool | None = None
    for line in lines:
        if re.search(r"you can(?:not| not|'t)\b", line, re.IGNORECASE):
            allowed = False
        elif bullet := re.match(r"[-*+]\s+(.*)", line):
            _read_bullet(draft, bullet[1], allowed)
        else:
            allowed = True if re.search(r"you can\b", line, re.IGNORECASE) else None


def _duration(found: re.Match[str] | None) -> float | None:
    if found is not None:
        with suppress(ValueError):
            return parse_duration(found[1])
    return None


def _read_bullet(draft: _Draft, line: str, allowed: bool | None) -> None:
    files = [span for span in spans(line) if _IS_FILE.fullmatch(span.code.strip())]
    forbids = re.search(r"do not modify|don't modify|read-only|not be modified", line, re.IGNORECASE)
    if allowed is False:
        draft.constraints.append(f"Do not: {line}")
        if files and re.match(r"modify\b", line, re.IGNORECASE) and forbids:
            _add(draft.readonly, files[0].code, "")
    elif files and forbids:
        _add(draft.readonly, files[0].code, remark_of(line[files[0].end :]))
    elif files and re.search(r"you (?:modify|edit)|^modify\b|^edit\b", line, re.IGNORECASE):
        _add(draft.targets, files[0].code, remark_of(line[files[0].end :]))


def _add(rules: list[PathRule], pattern: str, note: str) -> None:
    if all(rule.pattern != pattern for rule in rules):
        rules.append(PathRule(pattern, note))


# ── both ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def _direction(text: str) -> Direction | None:
    higher, lower = _HIGHER.search(text), _LOWER.search(text)
    if higher and lower:
        return Direction.HIGHER if higher.start() < lower.start() else Direction.LOWER
    return Direction.HIGHER if higher else Direction.LOWER if lower else None


def _first(directory: Path, names: Iterable[str]) -> str | None:
    found = next((name for name in names if (directory / name).is_file()), None)
    return None if found is None else PurePosixPath(found).as_posix()


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig", errors="replace")
    except OSError as error:
        raise ConfigError(f"can not be read: {error.strerror}", file=path) from None
