"""Compiled code: which targets are, what builds them, and what is only the product of a build. Pure.

An interpreter that imports a binary which git ignores measures that binary, whatever a candidate does to its source. So
what was built is never data; a protocol with a compiled target says how it is built.
"""

from __future__ import annotations

import json
import posixpath
import re
from collections.abc import Callable, Collection, Iterable, Iterator
from pathlib import PurePosixPath

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol.model import Protocol

COMPILED = frozenset(
    ".c .cc .cpp .cxx .c++ .h .hh .hpp .hxx .inl .pyx .pxd .pxi .rs .f .for .f90 .f95 .f03 .f08 .cu .cuh .go"
    " .zig .nim .swift .kt .java .scala .hs .ml .cr .adb .asm .s".split()
)
"""Suffixes of sources that do nothing before they are built."""

_PRODUCT = re.compile(r"\.(?:so(?:\.\d+)*|pyd|dylib|dll|o|obj|a|lib|exe|class|jar|wasm|rlib|egg)$", re.IGNORECASE)
_BUILT_FOLDERS = frozenset(
    "build target dist out bin obj _build cmake-build-debug cmake-build-release zig-out zig-cache builddir".split()
)

_BUILDERS = """
    make gmake ninja meson cmake bazel buck buck2 scons just xmake gcc g++ cc c++ clang clang++ tcc nvcc hipcc rustc
    gfortran ifort ifx ghc cabal stack ocamlopt dune nim ldc2 dmd swiftc kotlinc javac mvn mvnw gradle gradlew sbt
    crystal gnatmake nasm cython cythonize maturin f2py build_ext
""".split()
_BUILDER = (
    "(?:"
    + "|".join(map(re.escape, _BUILDERS))
    + r"|cargo\s+(?:\+\S+\s+)?(?:run|build|bench|test|r|b|t)|go\s+(?:run|build|test|install|tool)"
    r"|zig\s+(?:run|build|test|cc|c\+\+)|swift\s+(?:run|build|test)|pip\s+(?:install|wheel)|-m\s+build"
    r"|(?:npm|pnpm|yarn|bun)\s+(?:run\s+)?build)(?![\w+-])"
)
_BUILDS = re.compile(rf"(?<![\w.+-]){_BUILDER}")
_STARTS = re.compile(rf"[\"'`]{_BUILDER}|[\"'`](?:cargo|go|zig)[\"'`]")
"""Commands that build what they run. Importing pyximport or torch's cpp_extension does as well: see `_BY_IMPORT`."""

_BY_IMPORT = re.compile(r"pyximport|import\s+numba|torch\.utils\.cpp_extension|ffi\.verify|cppyy|load_inline|taichi")

_EXTENDS = re.compile(r"ext_modules|Extension\(|cythonize|cffi_modules|rust_extensions|mypycify")

Read = Callable[[str], str | None]
"""The text of a file of the start commit by its path relative to the top; None where there is none."""


def is_compiled(path: str) -> bool:
    """Whether a file is source that has to be built."""
    return PurePosixPath(path).suffix.lower() in COMPILED


def is_product(path: str) -> bool:
    """Whether a file looks like something that a build has made: by its suffix, or a program in a folder of builds."""
    parts = PurePosixPath(path)
    return bool(_PRODUCT.search(path)) or (not parts.suffix and not _BUILT_FOLDERS.isdisjoint(parts.parts[:1]))


def refuse_stale(protocol: Protocol, targets: Iterable[str], read: Read, paths: Collection[str]) -> None:
    """ConfigError for a protocol by which every candidate would be measured with the binary of the start.

    ``targets`` and ``paths`` (all of the start commit) are relative to the top, as are the names that ``read`` takes.
    """
    compiled = [path for path in targets if is_compiled(path)]
    if not compiled:
        return
    told = suggested(read, paths, compiled[0])
    as_marker = "::" in protocol.source
    line = protocol.origins.get("targets")
    written = f"build={json.dumps(told)}" if as_marker else f"build: {told}"
    remedy = f"write in the {'marker' if as_marker else 'front matter'}: {written}" if told else "say how with build"
    product = next((path for path in protocol.data if is_product(path)), None)
    if product is not None:
        raise ConfigError(
            f"data: {product} is built from sources that may change ({compiled[0]}): every candidate would be measured"
            " with the same binary",
            file=protocol.source.partition("::")[0],
            line=protocol.origins.get("data", line),
            remedy=remedy,
        )
    directory = protocol.directory.as_posix()
    if protocol.build is None and told is not None and not builds([protocol.run], read, directory):
        raise ConfigError(
            f"the target {compiled[0]} is compiled, and neither build nor the run builds it: every candidate would be"
            " measured with the same binary",
            file=protocol.source.partition("::")[0],
            line=line,
            remedy=remedy,
        )


def builds(commands: Iterable[str], read: Read, directory: str = ".") -> bool:
    """Whether one of the commands, or a script of the repository that one names, builds before it runs."""
    for command in commands:
        if _BUILDS.search(command):
            return True
        for name, text in _scripts(command, read, directory):
            # In another language than a shell's a program that is started stands in quotes.
            form = _STARTS if name.endswith((".py", ".js", ".mjs", ".cjs", ".ts", ".rb", ".pl", ".jl")) else _BUILDS
            if form.search(text) or _BY_IMPORT.search(text):
                return True
    return False


def suggested(read: Read, paths: Collection[str], target: str = "") -> str | None:
    """The command that builds this repository from its top, as its own files say; None where they do not."""
    for place in _upwards(target):
        for suggest in (_python, _cargo, _others):
            found = suggest(_from(read, place), paths, place)
            if found is not None:
                return found if place == "." else f"cd {place} && {found}"
    return None


def _scripts(command: str, read: Read, directory: str) -> Iterator[tuple[str, str]]:
    """Names and texts of the files that a command names, as far as they are small."""
    for word in re.findall(r"[\w./+-]+", command):
        if "/" in word or "." in word:
            text = read(_join(directory, word))
            if text is not None:
                yield word, text


def _python(read: Read, paths: Collection[str], place: str) -> str | None:
    project, setup = read("pyproject.toml") or "", read("setup.py")
    backend = re.search(r"""^[ \t]*build-backend[ \t]*=[ \t]*["']([\w.:]+)""", project, re.MULTILINE)
    name = backend[1].partition(".")[0] if backend else ""
    root = "src" if any(path.startswith(_join(place, "src/")) for path in paths) else "."
    if name == "maturin":
        source = re.search(r"""^[ \t]*python-source[ \t]*=[ \t]*["']([^"']+)""", project, re.MULTILINE)
        where = source[1] if source else "."
        return f"maturin build --release --offline -o .built && python -m zipfile -e .built/*.whl {where}"
    if name in ("mesonpy", "scikit_build_core", "skbuild", "sipbuild", "py_build_cmake", "enscons"):
        wheel = "python -m pip wheel -q --no-deps --no-build-isolation -w .built ."
        return f"{wheel} && python -m zipfile -e .built/*.whl {root}"
    if setup is not None and _EXTENDS.search(setup):
        return "python setup.py build_ext --inplace"
    if re.search(r"^[ \t]*(?:ext-modules|\[\[tool\.setuptools\.ext-modules)", project, re.MULTILINE):
        return 'python -c "import setuptools; setuptools.setup()" build_ext --inplace'
    if "cython" in project.lower() and any(path.endswith(".pyx") for path in paths):
        return f"cythonize -i {' '.join(sorted(p for p in paths if p.endswith('.pyx'))[:4])}"
    return None


def _cargo(read: Read, paths: Collection[str], place: str) -> str | None:
    return "cargo build --release" if read("Cargo.toml") is not None else None


def _others(read: Read, paths: Collection[str], place: str) -> str | None:
    if read("CMakeLists.txt") is not None:
        return "cmake -S . -B build -DCMAKE_BUILD_TYPE=Release && cmake --build build"
    if read("meson.build") is not None:
        return "meson setup build && meson compile -C build"
    if any(read(name) is not None for name in ("Makefile", "makefile", "GNUmakefile")):
        return "make"
    if read("build.zig") is not None:
        return "zig build -Doptimize=ReleaseFast"
    if read("go.mod") is not None:
        return "go build ./..."
    return None


def _from(read: Read, place: str) -> Read:
    """Reads relative to a directory."""
    return lambda name: read(_join(place, name))


def _upwards(target: str) -> Iterator[str]:
    """The directories above a target, the nearest first, the top last."""
    place = posixpath.dirname(target)
    while place:
        yield place
        place = posixpath.dirname(place)
    yield "."


def _join(place: str, name: str) -> str:
    return posixpath.normpath(posixpath.join(place, name)) + ("/" if name.endswith("/") else "")
