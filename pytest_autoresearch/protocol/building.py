"""Compiled code: which targets are, what builds them, and what is only the product of a build. Pure.

An interpreter that imports a binary of the checkout measures that binary, whatever a candidate does to its source. So
what was built is never data and never in the commit; a protocol with a compiled target says how it is built.
"""

from __future__ import annotations

import json
import posixpath
import re
import shlex
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import PurePosixPath

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.model import Protocol

COMPILED = frozenset(
    ".c .cc .cpp .cxx .c++ .h .hh .hpp .hxx .inl .pyx .pxd .pxi .rs .f .for .f90 .f95 .f03 .f08 .cu .cuh .go"
    " .zig .nim .swift .kt .java .scala .hs .ml .cr .adb .asm .s".split()
)
"""Suffixes of sources that do nothing before they are built."""

TRANSPILED = frozenset(".ts .tsx .mts .cts .jsx .vue .svelte .coffee .elm .res .scss .less".split())
"""Suffixes of sources that some programs run as they are, and others only after a build into a folder of builds."""

_PRODUCT = regex(r"\.(?:so(?:\.\d+)*|pyd|dylib|dll|o|obj|a|lib|exe|class|jar|wasm|rlib|egg)$", re.IGNORECASE)
_EXTENSION = regex(r"\.(?:so|pyd)$", re.IGNORECASE)
"""Python imports these before a source of the same name beside them."""
_DATA_TOO = regex(r"\.(?:obj|lib)$|^[^.]*$", re.IGNORECASE)
"""Names that texts have as well: a mesh, a script."""

_MADE = regex(
    r"""(?:add_\w{1,60}|extension_module|library|executable)\s*\(\s*["']?([\w-]+)"""
    r"""|^[ \t]*(?:module-)?name[ \t]*=[ \t]*["']([\w.-]+)|^((?!\.)[\w./-]+)(?=[ \t:])[^:=\n]*:(?!=)""",
    re.MULTILINE,
)
"""What CMake, meson, Cargo, maturin and make name their products."""
_BUILD_FILES = ("Cargo.toml", "CMakeLists.txt", "meson.build", "Makefile", "makefile", "GNUmakefile")
_BUILT_FOLDERS = frozenset(
    "build target dist out bin obj _build cmake-build-debug cmake-build-release zig-out zig-cache builddir".split()
)

_BUNDLES = frozenset("build dist out .next .output".split())

_BUILDERS = """
    tsc esbuild rollup webpack vite swc tsup parcel
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
_BUILDS = regex(rf"(?<![\w.+-]){_BUILDER}")
_STARTS = regex(rf"[\"'`]{_BUILDER}|[\"'`](?:cargo|go|zig)[\"'`]")
"""Commands that build what they run. Importing pyximport or torch's cpp_extension does as well: see `_BY_IMPORT`."""

_BY_IMPORT = regex(r"pyximport|import\s+numba|torch\.utils\.cpp_extension|ffi\.verify|cppyy|load_inline|taichi")

_EXTENDS = regex(r"ext_modules|Extension\(|cythonize|cffi_modules|rust_extensions|mypycify")

Read = Callable[[str], str | None]
"""The text of a file of the start commit by its path relative to the top; None where there is none."""


def is_compiled(path: str) -> bool:
    """Whether a file is source that has to be built."""
    return PurePosixPath(path).suffix.lower() in COMPILED


def is_bundle(path: str) -> bool:
    """Whether a script lies where TypeScript and its kin are built to."""
    parts = PurePosixPath(path)
    return parts.suffix in (".js", ".mjs", ".cjs", ".css") and not _BUNDLES.isdisjoint(parts.parts)


def is_product(path: str) -> bool:
    """Whether a file looks like something that a build has made: by its suffix, or a program in a folder of builds."""
    parts = PurePosixPath(path)
    return bool(_PRODUCT.search(path)) or (not parts.suffix and not _BUILT_FOLDERS.isdisjoint(parts.parts[:1]))


def refuse_stale(protocol: Protocol, targets: Iterable[str], read: Read, paths: Collection[str]) -> None:
    """ConfigError for a protocol by which every candidate would be measured with the binary of the start.

    ``targets`` and ``paths`` (all of the start commit) are relative to the top, as are the names that ``read`` takes.
    """
    targets = list(targets)
    compiled = [path for path in targets if is_compiled(path)]
    given = {posixpath.normpath(path) for path in protocol.data}
    runs_bundle = not _BUNDLES.isdisjoint(given) or any(map(is_bundle, re.findall(r"[\w./@-]+", protocol.run)))
    compiled += [path for path in targets if runs_bundle and PurePosixPath(path).suffix.lower() in TRANSPILED]
    committed = shipped(targets, read, paths)
    if not compiled and not committed:
        return
    told = suggested(read, paths, (compiled or targets)[0])
    as_marker = "::" in protocol.source
    line = protocol.origins.get("targets")
    written = f"build={json.dumps(told)}" if as_marker else f"build: {told}"
    remedy = f"write in the {'marker' if as_marker else 'front matter'}: {written}" if told else "say how with build"
    directory = protocol.directory.as_posix()
    is_built = protocol.build is not None or builds([protocol.run], read, directory)
    if committed:
        needs_build = not is_built and bool(compiled or told)  # what hides a Python source only has to go
        raise _of_committed(protocol, committed, line, remedy if needs_build else "")
    product = next((path for path in protocol.data if is_product(path)), None)
    if product is not None:
        raise ConfigError(
            f"data: {product} is built from sources that may change ({compiled[0]}): every candidate would be measured"
            " with the same binary",
            file=protocol.source.partition("::")[0],
            line=protocol.origins.get("data", line),
            remedy=remedy,
        )
    if told is not None and not is_built:
        raise ConfigError(
            f"the target {compiled[0]} is compiled, and neither build nor the run builds it: every candidate would be"
            " measured with the same binary",
            file=protocol.source.partition("::")[0],
            line=line,
            remedy=remedy,
        )


def _of_committed(protocol: Protocol, committed: Sequence[str], line: int | None, build: str) -> ConfigError:
    removed = f"git rm --cached {shlex.join(committed)}, add to .gitignore and commit"
    return ConfigError(
        f"{committed[0]} is built from sources that may change, and it is in the commit: a candidate would be measured"
        " with the binary of the start, or its build would change a file that is no target",
        file=protocol.source.partition("::")[0],
        line=line,
        remedy=f"{removed}; {build}" if build else removed,
    )


def shipped(targets: Sequence[str], read: Read, paths: Collection[str]) -> list[str]:
    """Files of the commit that are built from the targets, sorted; a library that others have built is none.

    What is made from a target bears its name, or one that the files of the build give; an extension module may also
    stand in the place of a Python target (mypyc, Cython), which is then never imported.
    """
    compiled = [path for path in targets if is_compiled(path)]
    hidden = {path.removesuffix(".py") for path in targets if path.endswith(".py")}
    stems = {_plain(path) for path in compiled}
    found: list[str] = []
    made: tuple[set[str], set[str]] | None = None
    for path in sorted(paths):
        if not _PRODUCT.search(path) and "." in posixpath.basename(path):
            continue
        stem = posixpath.basename(path).partition(".")[0]
        is_extension = bool(_EXTENSION.search(path))
        if is_extension and posixpath.join(posixpath.dirname(path), stem) in hidden:
            found.append(path)
        elif compiled:
            made = made or _made(compiled, read)
            of_it = _plain(path) in stems | made[0] or (is_extension and stem in made[1])
            if of_it and not (_DATA_TOO.search(posixpath.basename(path)) and _is_text(read(path))):
                found.append(path)
    return found


def _made(compiled: Sequence[str], read: Read) -> tuple[set[str], set[str]]:
    """Plain names that the builds above the targets make, and modules that a Python project may make."""
    names: set[str] = set()
    modules: set[str] = set()
    for place in {place for path in compiled for place in _upwards(path)}:
        here = _from(read, place)
        for text in map(here, _BUILD_FILES):
            names.update(_plain(next(filter(None, match))) for match in _MADE.findall(text or ""))
        for text in map(here, ("setup.py", "pyproject.toml")):
            quoted = re.findall(r"""["']([\w.-]+)["']""", text or "")
            modules.update(name.rpartition(".")[2].replace("-", "_") for name in quoted)
    return names, modules


def _plain(path: str) -> str:
    """The name of a source or product as both may have it: ``src/_core.c`` and ``lib_core.so`` are ``core``."""
    name = posixpath.basename(path)
    stem = name.partition(".")[0].replace("-", "_").lower()
    return stem.removeprefix("lib").lstrip("_") or stem


def _is_text(text: str | None) -> bool:
    return text is not None and "\0" not in text


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
        here = _from(read, place)
        for found in (_python(here, paths, place), _cargo(here), _others(here, target)):
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


def _cargo(read: Read) -> str | None:
    return "cargo build --release" if read("Cargo.toml") is not None else None


def _others(read: Read, target: str) -> str | None:
    if read("CMakeLists.txt") is not None:
        return "cmake -S . -B build -DCMAKE_BUILD_TYPE=Release && cmake --build build"
    if read("meson.build") is not None:
        return "meson setup build && meson compile -C build"
    if any(read(name) is not None for name in ("Makefile", "makefile", "GNUmakefile")):
        return "make"
    is_transpiled = PurePosixPath(target).suffix.lower() in (*TRANSPILED, "")  # a target may be a folder
    scripts = re.search(r'"scripts"\s*:\s*\{[^}]*"build"\s*:', read("package.json") or "")
    if scripts is not None and is_transpiled:
        locks = (("pnpm-lock.yaml", "pnpm"), ("yarn.lock", "yarn"), ("bun.lock", "bun"), ("bun.lockb", "bun"))
        return f"{next((tool for lock, tool in locks if read(lock) is not None), 'npm')} run build"
    if read("tsconfig.json") is not None and is_transpiled:
        return "npx tsc"
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
