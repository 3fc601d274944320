"""Names that a new file must not take: what an honest program imports, reads or starts from elsewhere. Pure.

A target that is a glob or a directory admits new files. One beside a read-only grader that is called ``statistics.py``
would be imported in place of the standard library's; one called ``iniconfig.py`` would be run by every pytest.
"""

from __future__ import annotations

import posixpath
import re
import sys
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from pytest_autoresearch.patterns import regex

STEERING = frozenset(
    """
    pytest.ini .pytest.ini pytest.toml .pytest.toml tox.ini setup.cfg pyproject.toml .coveragerc
    mypy.ini .mypy.ini ruff.toml .ruff.toml .flake8 .pylintrc pylintrc
    .gitattributes .gitmodules .gitignore Makefile makefile GNUmakefile justfile Justfile .justfile
    Taskfile.yml Taskfile.yaml package.json .npmrc .Rprofile .Renviron .rspec
    .env .envrc .python-version .tool-versions go.mod go.work Cargo.toml pyvenv.cfg
    """.split()
)
"""Names that change what a command does although nobody names them."""

_ALSO_STEERING = frozenset(
    """
    setup.py BSDmakefile Rakefile Gemfile build.rs rust-toolchain rust-toolchain.toml clippy.toml
    Project.toml JuliaProject.toml Manifest.toml LocalPreferences.toml JuliaLocalPreferences.toml startup.jl
    mise.toml .mise.toml uv.toml poetry.toml pixi.toml hatch.toml pip.conf pdm.toml pyrightconfig.json .isort.cfg
    tsconfig.json jsconfig.json .babelrc .swcrc .mocharc.yml .mocharc.json .mocharc.js .yarnrc .yarnrc.yml .pnp.cjs
    .nycrc .c8rc.json .node-version .nvmrc .ruby-version bunfig.toml deno.json deno.jsonc nodemon.json
    CMakeLists.txt CMakePresets.json CMakeUserPresets.json CTestTestfile.cmake meson.build meson_options.txt
    build.gradle build.gradle.kts settings.gradle settings.gradle.kts gradle.properties pom.xml
    .bashrc .bash_profile .profile .zshenv .bash_env .inputrc .gdbinit .sqliterc .irbrc
    .clang-format .clang-tidy compile_flags.txt matplotlibrc ipython_config.py jupyter_config.py php.ini .user.ini
    noxfile.py tasks.py dodo.py fabfile.py Snakefile SConstruct wscript MODULE.bazel WORKSPACE .bazelrc
    python._pth pybuilddir.txt
    """.split()
)
"""More of them, which runs may well leave behind: a candidate adds none."""

_STEERING_FOLDED = frozenset(name.casefold() for name in STEERING | _ALSO_STEERING)

NEEDED = frozenset(
    """
    pytest _pytest iniconfig pluggy packaging pygments exceptiongroup tomli colorama argcomplete attr attrs py
    xdist execnet pytest_autoresearch pytest_timeout pytest_cov coverage setproctitle psutil typing_extensions
    importlib_metadata importlib_resources zipp pkg_resources setuptools distutils _distutils_hack zope twisted trio
    anyio curio numpy mock pexpect readline sitecustomize usercustomize
    """.split()
)
"""What pytest, its usual plugins and an interpreter's start import if it is there, installed or not."""

_PYTHON = regex(r"\.(?:py|pyw|pyc|pyo|pyd|so|dylib)$", re.IGNORECASE)
_TEST = regex(r"(?:^|/)(?:test_[^/]*|[^/]*_test)\.py$")
_STUB = regex(r"\.pyi$", re.IGNORECASE)  # a type checker reads it in place of the module
_NODE = regex(r"\.(?:[cm]?[jt]s|[jt]sx|json|node)$", re.IGNORECASE)
_METADATA = (".dist-info", ".egg-info", ".egg", ".egg-link")
_STEERS = regex(
    r"(?:jest|vitest|vite|babel|webpack|rollup|ava|karma|playwright|cypress|eslint|prettier)\.config\.\w{2,4}"
    r"|python\d*\._pth|__editable__.*",
    re.IGNORECASE,
)
_OF_TOOLS = frozenset({".cargo", ".mvn", "vendor"})
"""Directories whose files steer a compiler."""
_PYTHON_PATH = regex(r"^[ \t]*pythonpath[ \t]*[=:](.*(?:\n(?:[ \t]+\S.*|[\"'\]].*))*)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Shadowing:
    """What a new file of a candidate could stand before.

    ``roots``: directories that are imported from although they are packages. ``reserved``: top-level names that an
    interpreter finds elsewhere. Of the files that are no targets, ``modules`` has each by its language and its place
    and name without the suffix, and ``provided`` the directories in which a bare name is found, each with such a file.
    """

    tracked: frozenset[str]
    packages: frozenset[str]
    roots: frozenset[str]
    reserved: frozenset[str]
    modules: Mapping[tuple[str, str], str]
    provided: Mapping[str, Mapping[str, str]]

    @classmethod
    def of(
        cls, tracked: Collection[str], *, targets: Collection[str], roots: Collection[str], installed: Collection[str]
    ) -> Shadowing:
        """``roots`` as far as the protocol names them; ``installed`` names as far as the machine is known."""
        named = [posixpath.split(path) for path in tracked]
        packages = frozenset(directory for directory, name in named if name.partition(".")[0] == "__init__")
        all_roots = frozenset(roots) | {directory for directory, name in named if name == "__main__.py"}
        reserved = frozenset(sys.stdlib_module_names) | NEEDED | frozenset(installed)
        modules: dict[tuple[str, str], str] = {}
        provided: dict[str, dict[str, str]] = defaultdict(dict)
        found = cls(frozenset(tracked), packages, all_roots, reserved, modules, provided)
        for path in sorted(found.tracked - frozenset(targets)):
            if not _STUB.search(path):
                modules.setdefault((_language(path), _module(path)), path)
            if _PYTHON.search(path):
                for place, name in _places(path):
                    if found._is_root(place):
                        provided[name].setdefault(place, path)
        return found

    def refusal(self, path: str) -> str | None:
        """Why no candidate may add this file, None if it stands before nothing."""
        if path in self.tracked:
            return None
        *directories, name = path.split("/")
        if name.casefold() in _STEERING_FOLDED or _STEERS.fullmatch(name) or self._of_a_tool(directories, name):
            return f"{path} would steer tools that nobody told of it: commit one and name it exactly to allow that"
        if any(part.casefold().endswith(_METADATA) or part == "node_modules" for part in directories):
            return f"{path} would pass for an installed package"
        if _is_init(path) and (held := self._held(posixpath.dirname(path))):
            return f"{path} would be run before {held}, whenever that is imported"
        language = _language(name)
        if language and (hidden := self.modules.get((language, _module(path)))):
            return f"{path} would be read in place of {hidden}"
        if not _PYTHON.search(name):
            return None
        taken = next(filter(None, (self._taken(*place, path) for place in _places(path))), None)
        return f"{path} takes the name of {taken}: choose another one" if taken else None

    def _of_a_tool(self, directories: list[str], name: str) -> bool:
        """What lies in a directory of a compiler's that the start commit does not have."""
        for depth, part in enumerate(directories, 1):
            inside = "/".join(directories[:depth]) + "/"
            if part.casefold() in _OF_TOOLS and (part != "vendor" or name == "modules.txt"):
                return not any(path.startswith(inside) for path in self.tracked)
        return False

    def _held(self, directory: str) -> str | None:
        """A module in a directory that is no package, and none of the candidate's own; new tests are run anyway."""
        inside = [path for path in self.modules.values() if path.startswith(f"{directory}/") and _PYTHON.search(path)]
        return next(iter(inside), None) if directory and not any(map(_TEST.search, inside)) else None

    def _taken(self, place: str, name: str, path: str) -> str | None:
        """What else has the bare name under which a program that imports from ``place`` finds the new file."""
        inner = posixpath.join(place, name)
        is_whole = _module(path) == inner  # it makes the module or the package, and is no part of one
        if not self._is_root(place) or inner in self.packages or (not is_whole and self._is_tracked(inner)):
            return None
        if name in self.reserved:
            return f"the module {name}, which is imported from elsewhere"
        others = (file for where, file in self.provided.get(name, {}).items() if where != place or not _is_init(path))
        return next(others, None) if is_whole else None

    def _is_tracked(self, directory: str) -> bool:
        """Whether it is a namespace of the start commit's own, with modules in it."""
        return any(path.startswith(f"{directory}/") and _PYTHON.search(path) for path in self.tracked)

    def _is_root(self, directory: str) -> bool:
        """Whether modules may be imported from a directory by their bare names; those of a package are not."""
        return directory not in self.packages or directory in self.roots


def python_paths(ini: str) -> Iterator[str]:
    """The directories that the ``pythonpath`` of a pytest configuration may name; some words too many do no harm."""
    for found in _PYTHON_PATH.finditer(ini[:100_000]):
        yield from (word.strip("/") or "." for word in re.findall(r"[\w./-]+", found[1]))


def _places(path: str) -> Iterator[tuple[str, str]]:
    """Every directory above a module, with the bare name that leads from there to it."""
    parts = path.split("/")
    stem = parts[-1].partition(".")[0]
    names = parts[:-1] if stem == "__init__" else [*parts[:-1], stem]
    return (("/".join(parts[:depth]), name) for depth, name in enumerate(names))


def _module(path: str) -> str:
    """Where a file's module is: ``a/b`` for ``a/b.py``, ``a/b.abi3.so``, ``a/b/__init__.py`` and ``a/b/index.js``."""
    directory, name = posixpath.split(path)
    stem = name.partition(".")[0]
    is_directory = stem == "__init__" or (stem == "index" and _NODE.search(name) is not None)
    return directory if is_directory and directory else posixpath.join(directory, stem)


def _language(path: str) -> str:
    if _PYTHON.search(path) or _STUB.search(path):
        return "python"
    return "node" if _NODE.search(path) else ""


def _is_init(path: str) -> bool:
    return posixpath.basename(path).partition(".")[0] == "__init__"
