"""Guesses a protocol from a repository's files: which metric is printed, by what, and what is tuned. Pure."""

from __future__ import annotations

import ast
import json
import posixpath
import re
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from pytest_autoresearch.protocol.model import Direction

_PRINTED = re.compile(
    r"""(?:print|echo|printf|console\.log|println!?|logger\.info)\b[^\n]{0,20}?["'`](?:METRIC\s+)?"""
    r"""(?P<name>[A-Za-z_][\w./]{0,40})\s*[:=]\s*[{$%]"""
)
_PRINTED_BESIDE = re.compile(r"""print\(\s*["'](?P<name>[A-Za-z_][\w./]{0,40})\s*[:=]\s*["']\s*,""")
_LOGGED = re.compile(
    r"^(?:METRIC\s+)?(?P<name>[A-Za-z_][\w./]{0,40})\s*[:=]\s*[-+]?\d[\d.]*(?:e[-+]?\d+)?\s*$", re.MULTILINE
)
_MAKE_TARGET = re.compile(r"^(bench(?:mark)?|eval(?:uate)?|train)\s*:", re.MULTILINE)

_LOWER = re.compile(
    r"loss|bpb|perplexity|ppl|err|mae|mse|latency|time|(?<!per_)seconds|duration|(?<!per)_m?s\b|bytes|size|memory|cost|p9\d|regret"
)
_HIGHER = re.compile(r"acc|score|f1|auc|recall|precision|throughput|per_m?s|ops|reward|bleu|psnr|speed|rate\b|r2\b")
_LIKELY = re.compile(r"^(?:val|valid|eval|test|final|best)_|^METRIC")
_UNLIKELY = re.compile(
    r"^(?:usage|error|warning|info|debug|step|epoch|iter|seed|lr|elapsed|device|file|path|url|name|http)", re.I
)
_JUDGING = re.compile(
    r"(?:^|[/_.-])(?:bench\w*|eval\w*|test\w*|score\w*|measure\w*|prepare\w*|grader?)(?:[/_.-]|$)", re.I
)
_RUNNERS = {
    ".py": "python",
    ".sh": "bash",
    ".js": "node",
    ".mjs": "node",
    ".rb": "ruby",
    ".R": "Rscript",
    ".jl": "julia",
}
_LOGS = (".log", ".out", ".txt")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What a repository looks like it wants to optimise; None and empty where it does not tell."""

    metric: str | None = None
    direction: Direction | None = None
    run: str | None = None
    targets: tuple[str, ...] = ()
    readonly: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Sighting:
    """A metric and the file that prints it."""

    name: str
    path: str
    rank: tuple[int, int, int, str]


def suggest(files: Mapping[str, str], *, metric: str | None = None) -> Suggestion:
    """The best guess from file contents by path; ``metric`` is the one asked for, if it is known."""
    sightings = sorted(_sightings(files), key=lambda sighting: sighting.rank)
    if metric is not None:
        sightings = [sighting for sighting in sightings if sighting.name == metric]
    found = next((sighting for sighting in sightings if not sighting.path.endswith(_LOGS)), None)
    name = metric or (found.name if found else sightings[0].name if sightings else None)
    direction = direction_of(name) if name else None
    if found is None:
        return Suggestion(name, direction, _build_command(files))
    imported = tuple(sorted(_imported(found.path, files)))
    judging = _JUDGING.search(found.path) is not None and found.path.endswith(".py")
    targets = tuple(path for path in imported if not _JUDGING.search(path)) if judging else (found.path,)
    readonly = {*imported, found.path} - set(targets)
    return Suggestion(name, direction, _command(found.path, files), targets or (found.path,), tuple(sorted(readonly)))


def direction_of(metric: str) -> Direction | None:
    """Which way a metric of this name improves, where the name tells."""
    lower, higher = _LOWER.search(metric.lower()), _HIGHER.search(metric.lower())
    if (lower is None) == (higher is None):
        return None
    return Direction.LOWER if lower else Direction.HIGHER


def _sightings(files: Mapping[str, str]) -> Iterator[_Sighting]:
    for path, text in files.items():
        patterns = (_LOGGED,) if path.endswith(_LOGS) else (_PRINTED, _PRINTED_BESIDE)
        for name in {found["name"] for pattern in patterns for found in pattern.finditer(text)}:
            if _UNLIKELY.match(name):
                continue
            doubts = (_LIKELY.match(name) is None) + (direction_of(name) is None) + path.endswith(_LOGS)
            yield _Sighting(name, path, (doubts, path.count("/"), len(path), f"{path}:{name}"))


def _command(path: str, files: Mapping[str, str]) -> str:
    """How the file that prints the metric is run."""
    suffix = posixpath.splitext(path)[1]
    quoted = shlex.quote(path)
    if suffix in _RUNNERS:
        return f"{_import_path(path, files)}{_RUNNERS[suffix]} {quoted}"
    return _build_command(files) or f"./{quoted}"


def _import_path(path: str, files: Mapping[str, str]) -> str:
    """What a script needs before it finds modules of the repository that do not lie beside it."""
    places = [place for place, found in _imported_from(path, files).items() if found]
    return "" if posixpath.dirname(path) in places or not places else f"PYTHONPATH={places[0] or '.'} "


def _build_command(files: Mapping[str, str]) -> str | None:
    """A benchmark that the repository's own tools know."""
    target = _MAKE_TARGET.search(files.get("Makefile", ""))
    if target:
        return f"make {target[1]}"
    try:
        scripts = json.loads(files.get("package.json", "{}")).get("scripts", {})
        script = next((name for name in scripts if re.match(r"bench|eval|perf", name)), None)
    except (ValueError, AttributeError, TypeError, RecursionError):
        return None
    return f"npm run {shlex.quote(script)}" if script else None


def _imported(path: str, files: Mapping[str, str]) -> set[str]:
    """The repository's own modules that a Python file imports."""
    return {module for found in _imported_from(path, files).values() for module in found}


def _imported_from(path: str, files: Mapping[str, str]) -> dict[str, set[str]]:
    """The same, by the directory that they are imported from."""
    try:
        tree = ast.parse(files[path]) if path.endswith(".py") else None
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        tree = None
    if tree is None:
        return {}
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            names.add(node.module)
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    modules = {name.replace(".", "/") + end for name in names for end in (".py", "/__init__.py")}
    return {
        place: {posixpath.join(place, module) for module in modules} & files.keys() - {path}
        for place in (posixpath.dirname(path), "", "src")
    }
