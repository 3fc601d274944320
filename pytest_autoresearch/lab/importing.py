"""Which top-level names the machine's interpreters import from elsewhere than the repository."""

from __future__ import annotations

import os
import pkgutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path

from pytest_autoresearch.executables import NEUTRAL, find, outside, surroundings
from pytest_autoresearch.lab.editable import packages_elsewhere, site_directories
from pytest_autoresearch.patterns import regex

LONGEST_ANSWER = 20.0  # s; an interpreter that does not say what it has is taken for one like ours

# Run with -I: the directory it starts in, and PYTHONPATH, are not what is asked for.
_ASK = "import sys, pkgutil; print(*sys.stdlib_module_names, *(m.name for m in pkgutil.iter_modules()))"
_PYTHON = regex(r"(?<![\w./~-])(?:~?/[\w./+-]*/)?(?:python|pypy)[\d.]*(?=\s)")


def names_elsewhere(commands: Iterable[str], *, top: Path) -> frozenset[str]:
    """Names of modules that this interpreter, and each other one that ``commands`` start, finds outside of ``top``."""
    named = {word for command in commands for word in _PYTHON.findall(command)}
    found = {path for word in named if (path := _interpreter(word, top)) is not None}
    others = {path for path in found if path.parent != Path(sys.executable).parent}
    names = set(_own_names(top))
    for interpreter in sorted(others):
        with suppress(OSError, subprocess.SubprocessError):
            done = subprocess.run(
                [interpreter, "-I", "-c", _ASK],
                cwd=NEUTRAL,
                env={**os.environ, **surroundings(top)},
                capture_output=True,
                text=True,
                timeout=LONGEST_ANSWER,
                check=True,
            )
            names.update(done.stdout.split())
    return frozenset(names)


def _interpreter(word: str, top: Path) -> Path | None:
    """What a command means by ``word``; one in the repository may be a candidate's, and nobody starts it to ask."""
    if "/" not in word:
        own = Path(sys.executable).with_name(word)  # the first place where a run looks
        return own if own.exists() else find(word, top)
    path = Path(os.path.expanduser(word))
    return path if outside(path, top) and os.access(path, os.X_OK) else None


def _own_names(top: Path) -> Iterator[str]:
    """Of modules, packages, namespaces without an ``__init__``, and editable installs of other repositories."""
    installed = [place for place in site_directories() if place.is_dir()]
    search = [Path(place) for place in sys.path if place]
    places = [*installed, *(place for place in search if place.is_dir() and not place.resolve().is_relative_to(top))]
    yield from (module.name for module in pkgutil.iter_modules([str(place) for place in places]))
    for place in installed:
        yield from (entry.name for entry in place.iterdir() if entry.name.isidentifier() and entry.is_dir())
        yield from packages_elsewhere(place, top)
