"""How a file that prints a number is run, by what the repository is built with. Pure: knows files by path and text.

A command is suggested only where the repository says how: a source of Rust, C or Go is never run by its own path.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from pytest_autoresearch.patterns import regex

_RUNNERS = {
    ".py": "python",
    ".sh": "bash",
    ".bash": "bash",
    ".js": "node",
    ".mjs": "node",
    ".cjs": "node",
    ".rb": "ruby",
    ".R": "Rscript",
    ".jl": "julia",
    ".lua": "lua",
    ".pl": "perl",
    ".php": "php",
}
_NATIVE = frozenset(".c .cc .cpp .cxx .cu .h .hpp".split())
_MAKE_RULE = regex(
    r"^(bench(?:mark)?|run[-_]bench(?:mark)?|eval(?:uate)?|train|run)[ \t]{0,9}:(?!=)"
    r"([^\n]{0,400}\n(?:\t[^\n]{0,400}\n?){0,40})",
    re.MULTILINE,
)
_BUILDS = regex(r"\$\((?:CC|CXX|NVCC|LD|FC)\)|\b(?:gcc|g\+\+|clang|clang\+\+|cc|c\+\+|nvcc|gfortran|rustc)\s")
_BESIDE = regex(r"\s{0,9}@?\s{0,9}(?:mkdir|cd|rm|echo|true|:)\b")
_EXECUTABLE = regex(r"add_executable\s{0,9}\(\s{0,9}([\w.+-]{1,80})\s([^()]{0,4000})\)")
_PACKAGE_NAME = regex(r"^\s{0,9}name\s{0,9}=\s{0,9}\"([\w-]{1,80})\"", re.MULTILINE)
_SCRIPT = regex(r"bench|eval|perf|train")
_LOCKS = (("uv.lock", "uv run "), ("poetry.lock", "poetry run "), ("pdm.lock", "pdm run "), ("pixi.lock", "pixi run "),
          ("pixi.toml", "pixi run "), ("Pipfile.lock", "pipenv run "))  # fmt: skip
_CELLS = (
    "python -c \"import json; [exec(compile(''.join(c['source']), {path!r}, 'exec'), globals()) "
    "for c in json.load(open({path!r}))['cells'] if c['cell_type'] == 'code']\""
)


@dataclass(frozen=True, slots=True)
class Command:
    """What runs a file, and what has to be built before."""

    run: str
    build: str | None = None


def command_for(path: str, files: Mapping[str, str]) -> Command | None:
    """How the file that prints the metric is run; None where the repository does not tell."""
    suffix = posixpath.splitext(path)[1]
    if suffix == ".rs":
        return _cargo(path, files)
    if suffix == ".go":
        return _go(path, files)
    if suffix in _NATIVE:
        return _cmake(path, files) or _fallback(files)
    if suffix == ".ipynb":
        return Command(_CELLS.format(path=path))
    if suffix in (".ts", ".tsx", ".mts"):
        return _npm(path, files)
    if suffix == ".jl" and "Project.toml" in files:
        return Command(f"julia --project=. {shlex.quote(path)}")
    if suffix == ".py":
        return Command(f"{_launcher(files)}{_python(path, files)}")
    if suffix in _RUNNERS:
        return (
            _npm(path, files) if suffix in (".js", ".mjs", ".cjs") and _npm_runs(path, files) else _plain(path, suffix)
        )
    return _fallback(files)


def build_command(files: Mapping[str, str]) -> Command | None:
    """A benchmark that the repository's own tools know, where nothing prints a metric that is known."""
    return _fallback(files) or _cargo_default(files)


def launches_python(files: Mapping[str, str]) -> str:
    """What puts a project's own environment before `python`; empty where there is none."""
    return _launcher(files)


def _plain(path: str, suffix: str) -> Command:
    return Command(f"{_RUNNERS[suffix]} {shlex.quote(path)}")


def _launcher(files: Mapping[str, str]) -> str:
    return next((launcher for lock, launcher in _LOCKS if lock in files), "")


def _python(path: str, files: Mapping[str, str]) -> str:
    """A script, or a module of a package that imports its neighbours."""
    directory = posixpath.dirname(path)
    is_relative = re.search(r"^\s{0,9}from \.", files.get(path, ""), re.MULTILINE) is not None
    if is_relative and f"{directory}/__init__.py" in files:
        root, inside = ("src", path[4:]) if path.startswith("src/") else ("", path)
        module = inside.removesuffix(".py").replace("/", ".")
        return f"python -m {module}" if not root else f"PYTHONPATH=src python -m {module}"
    return f"python {shlex.quote(path)}"


def _cargo(path: str, files: Mapping[str, str]) -> Command | None:
    at = next((place for place in _parents(path) if posixpath.join(place, "Cargo.toml") in files), None)
    if at is None:
        return None
    inside = path[len(at) :].lstrip("/")
    manifest = "" if not at else f" --manifest-path {shlex.quote(posixpath.join(at, 'Cargo.toml'))}"
    name = posixpath.splitext(posixpath.basename(path))[0]
    if inside.startswith("benches/"):
        return Command(f"cargo bench{manifest} --bench {name}")
    which = {"src/bin": f" --bin {name}", "examples": f" --example {name}"}.get(posixpath.dirname(inside), "")
    return Command(f"cargo run --release --quiet{manifest}{which}", f"cargo build --release{manifest}{which}")


def _cargo_default(files: Mapping[str, str]) -> Command | None:
    if "Cargo.toml" not in files:
        return None
    if any(path.startswith("benches/") for path in files):
        return Command("cargo bench")
    if "src/main.rs" in files:
        return Command("cargo run --release --quiet", "cargo build --release")
    return None


def _go(path: str, files: Mapping[str, str]) -> Command | None:
    if not any(posixpath.join(place, "go.mod") in files for place in _parents(path)):
        return None
    package = f"./{posixpath.dirname(path)}".rstrip("/") or "."
    if path.endswith("_test.go"):
        return Command(f"go test -run '^$' -bench . {shlex.quote(package)}")
    return Command(f"go run {shlex.quote(package)}")


def _cmake(path: str, files: Mapping[str, str]) -> Command | None:
    """The executable of a CMake project that a source belongs to."""
    if "CMakeLists.txt" not in files:
        return None
    for place in _parents(path):
        for found in _EXECUTABLE.finditer(files.get(posixpath.join(place, "CMakeLists.txt"), "")):
            sources = [posixpath.normpath(posixpath.join(place, source.strip('"'))) for source in found[2].split()]
            if path in sources:
                program = posixpath.join("build", place, found[1])
                build = "cmake -S . -B build -DCMAKE_BUILD_TYPE=Release && cmake --build build"
                return Command(f"./{shlex.quote(program)}", build)
    return None


def _scripts(files: Mapping[str, str]) -> dict[str, str]:
    try:
        scripts = json.loads(files.get("package.json", "{}")).get("scripts", {})
        return {str(name): str(command) for name, command in scripts.items()}
    except (ValueError, AttributeError, TypeError, RecursionError):
        return {}


def _npm_runs(path: str, files: Mapping[str, str]) -> bool:
    return any(path in command for name, command in _scripts(files).items() if _SCRIPT.match(name))


def _npm(path: str, files: Mapping[str, str]) -> Command | None:
    """The script of package.json that runs a file."""
    naming = [name for name, command in _scripts(files).items() if path in command]
    name = next((name for name in naming if _SCRIPT.match(name)), naming[0] if naming else None)
    if name is not None:
        return Command(f"npm run --silent {shlex.quote(name)}")
    return Command(f"npx tsx {shlex.quote(path)}") if '"tsx"' in files.get("package.json", "") else None


def _fallback(files: Mapping[str, str]) -> Command | None:
    rules = {found[1]: found[2] for found in _MAKE_RULE.finditer(files.get("Makefile", "") + "\n")}
    last = rules.pop("run", None)  # of a benchmark that another rule compiles; else it may be anything
    target = next((name for name, rule in rules.items() if not _only_builds(rule)), "run" if rules and last else None)
    if target:
        return Command(f"make {target}")
    script = next((name for name in _scripts(files) if re.match(r"bench|eval|perf", name)), None)
    return Command(f"npm run {shlex.quote(script)}") if script else None


def _only_builds(rule: str) -> bool:
    """Whether a rule of a makefile compiles a program and does not run it."""
    steps = [step for line in rule.split("\n")[1:] for step in re.split(r"&&|;", line) if step.strip()]
    return any(_BUILDS.search(step) for step in steps) and all(
        _BUILDS.search(step) or _BESIDE.match(step) for step in steps
    )


def _parents(path: str) -> list[str]:
    """The directories above a path, the nearest first; the top is empty."""
    found = []
    while path:
        path = posixpath.dirname(path)
        found.append(path)
    return found
