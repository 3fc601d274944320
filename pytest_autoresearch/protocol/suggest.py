"""Guesses a protocol from a repository's files: which metric is printed, by what, and what is tuned. Pure."""

from __future__ import annotations

import ast
import json
import posixpath
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.ecosystems import build_command, command_for, launches_python
from pytest_autoresearch.protocol.model import Direction

_CALLS = (
    r"""(?:[pP]rint(?:f|ln)?!?|echo|console\.log|(?:logger|logging|log)\.info|cout\s{0,3}<<"""
    r"""|(?:stdout|tqdm)\.write|\bputs|\bcat(?=\()|Console\.WriteLine)"""
)
_PRINTED = regex(
    _CALLS
    + r"""[^\n]{0,20}?["'`](?:METRIC\s{1,4})?(?P<name>[A-Za-z_][\w./]{0,40})\s{0,9}[:=]\s{0,9}(?:[{$%]|#\{|\\\()"""
)
_PRINTED_BESIDE = regex(
    _CALLS
    + r"""\s{0,3}\(?\s{0,3}["'](?:METRIC )?(?P<name>[A-Za-z_][\w./]{0,40})\s{0,9}[:=]\s{0,9}["']"""
    + r"""\s{0,3}(?:,|<<|\+|\.\.)"""
)
_PRINTED_BEHIND = regex(  # `print(f"final val_acc: {x}")`
    _CALLS
    + r"""\s{0,3}\(?\s{0,3}[frFR]{0,2}["'`](?:[A-Za-z]{1,20} ){1,3}(?P<name>[a-z]+_\w{1,40})\s{0,9}[:=]\s{0,9}[{%]"""
)
_PRINTED_WORDS = regex(  # `print(f"Test accuracy: {x}")`
    _CALLS
    + r"""\s{0,3}\(?\s{0,3}[frFR]{0,2}["'`](?!METRIC )(?P<name>[A-Za-z]{2,20}(?: [a-z][\w-]{1,20}){1,2})"""
    + r"""\s{0,9}[:=]\s{0,9}[{%]"""
)
_DUMPED = regex(
    r"""(?:json\.dumps|JSON\.stringify)\(\s{0,9}\{\s{0,9}["']?(?P<name>[A-Za-z_][\w./]{0,40})["']?\s{0,3}:"""
)
_PRINTED_APART = regex(  # `print("val_acc", x)`, `print(f"val_acc {x}")`
    _CALLS + r"""\s{0,3}\(?\s{0,3}[frFR]{0,2}["'`](?P<name>[A-Za-z_]\w{1,40})(?:["']\s{0,3}[,%]|\s{1,3}[{%])"""
)
_PRINTED_ITSELF = regex(  # `print(f"{val_acc=}")`, `print({"val_acc": x})`
    _CALLS
    + r"""\s{0,3}\(\s{0,3}(?:[frFR]{1,2}["'][^\n"']{0,60}?\{(?P<name>[A-Za-z_]\w{1,40})="""
    + r"""|(?:dict\()?\{\s{0,9}["'](?P<key>[A-Za-z_]\w{1,40})["']\s{0,3}:)"""
)
_PRINTED_BELOW = regex(  # `printf("checked: %d\\nms: %f\\n", …)`
    _CALLS + r"""[^\n]{0,200}?\\n(?P<name>[A-Za-z_][\w./]{0,40})\s{0,9}[:=]\s{0,9}[{%]"""
)
_FORMS = (_PRINTED, _PRINTED_BESIDE, _PRINTED_BEHIND, _PRINTED_WORDS, _PRINTED_BELOW, _DUMPED)
_NAMES_ALONE = (_PRINTED_APART, _PRINTED_ITSELF)
"""Forms that any word has: they count for a name that says which way is better."""
_LOGGED = regex(
    r"^(?:METRIC\s+)?(?P<name>[A-Za-z_][\w./]{0,40})\s*[:=]\s*[-+]?\d[\d.]*(?:e[-+]?\d+)?\s*$", re.MULTILINE
)
_LOWER = regex(
    r"loss|bpb|perplexity|ppl|err|mae|mse|latency|time|(?<!per_)seconds|duration|(?<!per)_m?s\b|bytes|size|memory|cost|(?<![a-z])p[59]\d|regret|"
    r"(?:^|_)(?:wer|cer|fid|nll|ece|brier|mape|ttft|tpot|allocs?|cycles|instructions|drawdown)(?:$|[_@\d])"
)
_HIGHER = regex(
    r"acc|score|f1|auc|recall|precision|throughput|per_m?s|ops|reward|bleu|psnr|speed|rate\b|r2\b|goodput|sharpe|/s(?:ec)?$|"
    r"pass@|ndcg|ssim|fitness|coverage|(?:^|_)(?:map|iou|miou|mrr|mcc|fps|qps|rps|tps|kappa|elo)(?:$|[_@\d])"
)
_LIKELY = regex(r"^(?:val|valid|eval|test|final|best)_|^METRIC")
_UNLIKELY = regex(
    r"^(?:usage|error|warning|info|debug|step|epoch|iter|seed|lr|elapsed|checksum|hash|crc|digest|device|file|path|url|name|http)",
    re.I,
)
_PROGRESS = regex(r"epoch|step|seed|file|path|version|usage", re.I)
_JUDGING = regex(r"(?:^|[/_.-])(?:bench\w*|eval\w*|test\w*|score\w*|measure\w*|prepare\w*|grader?)(?:[/_.-]|$)", re.I)
_THIN = regex(r"(?:^|/)(?:__main__|main|run|cli|app)\.py$")
_TUNED = regex(
    r"(?:^|[/_.-])(?:models?|net(?:work)?s?|arch\w*|layers?|optim\w*|params?|hparams|hyperparams?|polic(?:y|ies)|solvers?|"
    r"algo\w*|kernels?|core|strategy)(?:[/_.-]|$)"
)
_LEFT = regex(r"[\"']([\w./-]{1,80}\.(?:json|pkl|pickle|pt|pth|npz?|joblib|ckpt|safetensors|bin|model|csv))[\"']")
_WRITES = regex(r"dump|save|[\"']w[b+]?[\"']|to_csv|to_json|write_")
_HYDRA = regex(r"(config_path|config_name)\s{0,3}=\s{0,3}[\"']([^\"'\n]{1,200})[\"']")
_SETTINGS = regex(r"[\"']([\w./-]{1,120}\.(?:ya?ml|toml|json|ini|cfg|gin))[\"']")
_LEFT_BEHIND = regex(
    r"out(?:put)?s?$|results?|^runs?$|^logs?$|checkpoints?|ckpts?|wandb|mlruns|lightning_logs|tmp|temp|cache|figures?|plots?|"
    r"reports?$|\.(?:log|tsv|pyc|so|o|egg-info)$",
    re.IGNORECASE,
)
_NO_DATA = frozenset("node_modules venv env build dist target __pycache__ site-packages bin obj".split())
_REQUIRED = regex(r"(?:from|require\(|import\(?)\s{0,3}[\"'](\.{1,2}/[^\"'\n]{1,200})[\"']")
_LOGS = (".log", ".out", ".txt")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """What a repository looks like it wants to optimise; None and empty where it does not tell."""

    metric: str | None = None
    direction: Direction | None = None
    run: str | None = None
    targets: tuple[str, ...] = ()
    readonly: tuple[str, ...] = ()
    build: str | None = None
    data: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class _Sighting:
    """A metric and the file that prints it."""

    name: str
    path: str
    rank: tuple[int, int, int, str]


def suggest(files: Mapping[str, str], *, metric: str | None = None, ignored: Sequence[str] = ()) -> Suggestion:
    """The best guess from file contents by path; ``metric`` is the one asked for, if it is known.

    ``ignored`` are paths that git ignores and the checkout has: those that the code names may be its data.
    """
    files = {path: _code_of(path, text) for path, text in files.items()}
    sightings = sorted(_sightings(files), key=_rank)
    if metric is not None:
        sightings = [sighting for sighting in sightings if sighting.name == metric] or _printed_somehow(metric, files)
    found = next((sighting for sighting in sightings if not sighting.path.endswith(_LOGS)), None)
    name = metric or (found.name if found else sightings[0].name if sightings else None)
    direction = direction_of(name) if name else None
    if found is None:
        command = build_command(files)
        run, build = (command.run, command.build) if command else (None, None)
        return Suggestion(name, direction, run, build=build)
    command = command_for(found.path, files)
    measured, targets = _parts(found.path, files)
    settings = tuple(path for path in _settings_named(found.path, measured, files) if path not in targets)
    readonly = {*measured, found.path} - {*targets, *settings}
    run = _with_import_path(command.run, found.path, files) if command else None
    maker = _maker_of(found.path, measured, files) if targets == (found.path,) else None
    if run is not None and maker is not None and (first := command_for(maker, files)) is not None:
        run = f"{_with_import_path(first.run, maker, files)} && {run}"
        targets, readonly = (maker,), {found.path, *measured}
    named = {found.path, *measured, *targets}
    return Suggestion(
        metric=name,
        direction=direction,
        run=run,
        targets=(*targets, *settings),
        readonly=tuple(sorted(readonly)),
        build=command.build if command else None,
        data=data_named(ignored, (files[path] for path in named if path in files)),
    )


def data_named(ignored: Sequence[str], texts: Iterable[str]) -> tuple[str, ...]:
    """Ignored paths that code names and that are not what it leaves behind."""
    code = "\n".join(texts)
    found = []
    for path in ignored:
        bare = path.rstrip("/")
        name = posixpath.basename(bare)
        if name.startswith(".") or _LEFT_BEHIND.search(name) or not set(bare.split("/")).isdisjoint(_NO_DATA):
            continue
        if any(
            f"{quote}{form}" in code for quote in "\"'`" for form in (bare, f"{name}/", f"./{bare}", f"{name}{quote}")
        ):
            found.append(path)
    return tuple(found[:8])


def _code_of(path: str, text: str) -> str:
    """A file's code; of a notebook that of its cells."""
    if not path.endswith(".ipynb"):
        return text
    try:
        cells = json.loads(text)["cells"]
        return "\n".join("".join(cell["source"]) for cell in cells if cell["cell_type"] == "code")
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""


def _parts(path: str, files: Mapping[str, str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The files that what prints the metric is made of, and those of them that may be tuned."""
    used = tuple(sorted(_imported(path, files)))
    if path.endswith((".sh", ".bash")):
        used = tuple(name for name in files if name != path and _is_code(name) and re.search(_named(name), files[path]))
    if path.endswith(".rs") and path.startswith(("benches/", "examples/")):
        used = tuple(name for name in files if name.startswith("src/") and name.endswith(".rs"))
    judges = _JUDGING.search(path) is not None and not path.endswith(".ipynb")
    others = tuple(name for name in used if not _JUDGING.search(name))
    if not judges and not path.endswith(".sh"):
        beside = others if _THIN.search(path) else tuple(name for name in others if _TUNED.search(name))
        return used, (path, *beside)
    return used, others or (path,)


def _maker_of(path: str, used: Iterable[str], files: Mapping[str, str]) -> str | None:
    """The script beside one that judges, which writes the file that it reads: `train.py` of `evaluate.py`."""
    read = {name for each in (path, *used) for name in _LEFT.findall(files.get(each, "")) if name not in files}
    beside = [
        other
        for other, text in files.items()
        if other.endswith(".py") and other != path and posixpath.dirname(other) == posixpath.dirname(path)
        if read.intersection(_LEFT.findall(text)) and _WRITES.search(text) and not _JUDGING.search(other)
    ]
    return beside[0] if len(beside) == 1 and _JUDGING.search(path) and path.endswith(".py") else None


def _is_code(path: str) -> bool:
    return path.endswith((".py", ".js", ".mjs", ".ts", ".rb", ".jl", ".R", ".c", ".cpp", ".rs", ".go"))


def _named(path: str) -> str:
    return rf"(?<![\w/.-]){re.escape(path)}(?![\w/.-])"


def _settings_named(path: str, used: Iterable[str], files: Mapping[str, str]) -> list[str]:
    """Settings in YAML, TOML or JSON that the code reads: by name, or as Hydra composes them."""
    texts = {name: files.get(name, "") for name in (path, *used)}
    found = []
    for name, text in texts.items():
        if "@hydra.main" in text:
            given = {key: value for key, value in _HYDRA.findall(text)}
            place = posixpath.normpath(posixpath.join(posixpath.dirname(name), given.get("config_path", "conf")))
            config = given.get("config_name", "config").removesuffix(".yaml")
            found.append(f"{place}/{config}.yaml")
            found += [other for other in files if other.startswith(f"{place}/") and other.endswith((".yaml", ".yml"))]
        for literal in _SETTINGS.findall(text):
            near = posixpath.normpath(posixpath.join(posixpath.dirname(name), literal))
            found += [other for other in (literal.removeprefix("./"), near) if other in files]
            found += [other for other in files if posixpath.basename(other) == literal]
    unlike = {"package.json", "tsconfig.json", "pyproject.toml", "Cargo.toml", "package-lock.json"}
    return [name for name in dict.fromkeys(found) if name in files and posixpath.basename(name) not in unlike]


def direction_of(metric: str) -> Direction | None:
    """Which way a metric of this name improves, where the name tells."""
    lower, higher = _LOWER.search(metric.lower()), _HIGHER.search(metric.lower())
    if (lower is None) == (higher is None):
        return None
    return Direction.LOWER if lower else Direction.HIGHER


def _sightings(files: Mapping[str, str]) -> Iterator[_Sighting]:
    for path, text in files.items():
        patterns = (_LOGGED,) if path.endswith(_LOGS) else _FORMS
        names = {found["name"] for pattern in patterns for found in pattern.finditer(text)}
        for pattern in () if path.endswith(_LOGS) else _NAMES_ALONE:
            alone = (found[found.lastgroup or "name"] for found in pattern.finditer(text))
            names.update(name for name in alone if direction_of(name) is not None)
        for name in names:
            if _UNLIKELY.match(name) or (" " in name and _PROGRESS.search(name)):
                continue
            doubts = (_LIKELY.match(name) is None) + (direction_of(name) is None) + path.endswith(_LOGS) + (" " in name)
            yield _Sighting(name, path, (doubts, path.count("/"), len(path), f"{path}:{name}"))


def _printed_somehow(name: str, files: Mapping[str, str]) -> list[_Sighting]:
    """Where a metric of this name is printed among other words, `print(f"done | val_rmse: {x}")`; the nearest first."""
    printed = re.compile(rf"{_CALLS}[^\n]{{0,200}}(?<![\w.]){re.escape(name)}\s{{0,9}}[:=]")
    found = [path for path, text in files.items() if not path.endswith(_LOGS) and printed.search(text)]
    return sorted((_Sighting(name, path, (0, path.count("/"), len(path), path)) for path in found), key=_rank)


def _rank(sighting: _Sighting) -> tuple[int, int, int, str]:
    return sighting.rank


def _with_import_path(command: str, path: str, files: Mapping[str, str]) -> str:
    """The command with what a script needs to find modules of the repository that do not lie beside it."""
    if not path.endswith(".py") or launches_python(files) or not command.startswith("python "):
        return command
    places = [place for place, found in _imported_from(path, files).items() if found]
    prefix = "" if posixpath.dirname(path) in places or not places else f"PYTHONPATH={places[0] or '.'} "
    return prefix + command


def _imported(path: str, files: Mapping[str, str]) -> set[str]:
    """The repository's own modules that a file imports."""
    if path.endswith((".js", ".mjs", ".cjs", ".ts")):
        places = (
            posixpath.normpath(posixpath.join(posixpath.dirname(path), name)) for name in _REQUIRED.findall(files[path])
        )
        return {name + end for name in places for end in ("", ".js", ".mjs", ".ts", "/index.js")} & files.keys()
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
