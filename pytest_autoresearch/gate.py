"""A pytest that was started before there is anything to measure: it has loaded what is installed, and waits to be told.

Runs inside the sandbox of the run that it will be: ``python gate.py IN OUT ARGUMENT...`` in the place of ``python -m
pytest ARGUMENT...``, which it becomes; IN and OUT are descriptors of pipes. ``lab/headstart.py`` is the other end.

Nothing of the workspace is loaded before the word comes: until then no directory of it is looked into for modules. What
pytest has read of it by then, the settings, has to be as it was; so has everything that was loaded, and the workspace
may have nothing that would have been loaded by then. Else this process ends without having begun, and the run is
started as ever.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
import time
from collections.abc import Iterator, Sequence
from importlib.machinery import BuiltinImporter, FrozenImporter, PathFinder, all_suffixes
from typing import Any, NoReturn

SETTINGS = (
    *("pytest.toml", ".pytest.toml", "pytest.ini", ".pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg"),
    "setup.py",  # where there is none of the others, its directory is pytest's root
)
_STANDARD = (BuiltinImporter, FrozenImporter, PathFinder)
_AT_START = ("sitecustomize", "usercustomize")  # what an interpreter loads by itself
_METADATA = (".dist-info", ".egg-info")  # what pytest looks for plugins in

_gate: _Gate | None = None


def wait() -> None:
    """Go on when the word comes, if this is a pytest that was started ahead; what its test runs in here was not."""
    global _gate
    if (gate := _gate) is not None:
        _gate = None
        gate.wait()


def main(arguments: Sequence[str]) -> None:
    """Be ``python -m pytest``, up to where it would load the first file of the workspace."""
    global _gate
    entrance, exit_, *words = arguments
    _gate = _Gate(int(entrance), int(exit_), words)
    sys.argv[1:] = words
    runpy.run_module("pytest", run_name="__main__", alter_sys=True)


class _Missed:
    """The last finder: hears what was asked for and not found, by an ``import`` that may fail."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def find_spec(self, name: str, *_: object) -> None:
        if "." not in name:
            self.names.add(name)


class _Gate:
    def __init__(self, entrance: int, exit_: int, words: Sequence[str]) -> None:
        self._entrance, self._exit = open(entrance, "rb", buffering=0), exit_
        self._top = str(self._told()["top"])
        self._here = os.getcwd()
        self._path = [self._here, *sys.path]
        self._installed = [entry for entry in sys.path if not self._is_workspace(entry)]
        self._finders = [*sys.meta_path]
        sys.path[:] = self._installed
        self._missed = _Missed()
        sys.meta_path[:] = [*(finder for finder in sys.meta_path if finder in _STANDARD), self._missed]
        self._settings = [*self._places(words)]
        self._read = [*map(_stamp, self._settings)]

    def wait(self) -> None:
        """See above. The settings were read, every installed plugin is there, and no conftest.py."""
        loaded = [*self._loaded()]
        stamps, ready = [*map(_stamp, loaded)], time.monotonic()
        variables = self._told()["variables"]
        is_same = [*map(_stamp, loaded)] == stamps and [*map(_stamp, self._settings)] == self._read
        if not is_same or sys.path != self._installed or self._is_shadowed():
            _leave()
        sys.path[:] = self._path
        first = next(n for n, finder in enumerate(sys.meta_path) if finder in _STANDARD)  # pytest's own is before them
        later = [finder for finder in sys.meta_path[first:] if finder not in (*self._finders, self._missed)]
        sys.meta_path[:] = [*sys.meta_path[:first], *self._finders, *later]
        os.environ.update(variables)
        os.write(self._exit, b"%.6f\n" % ready)
        os.close(self._exit)
        self._entrance.close()

    def _told(self) -> dict[str, Any]:
        line = self._entrance.readline()
        if not line.endswith(b"\n"):
            _leave()
        told: dict[str, Any] = json.loads(line)
        return told

    def _is_workspace(self, path: str) -> bool:
        """Whether it is the candidate's; an environment inside the repository is not."""
        path = os.path.abspath(path)
        around = [_lies_in(path, prefix) for prefix in (sys.prefix, sys.base_prefix) if prefix != self._top]
        return _lies_in(path, self._top) and not any(around)

    def _places(self, words: Sequence[str]) -> Iterator[str]:
        """What pytest looks at before it loads a file: the settings it is given, those it looks for, and the test."""
        for before, word in zip(["", *words], words, strict=False):
            if before == "-c":
                yield os.path.abspath(word)
        tests = [os.path.abspath(word.partition("::")[0]) for word in words if "::" in word]
        yield from tests
        for start in {self._here, *map(os.path.dirname, tests)}:
            while _lies_in(start, self._top):
                yield from (os.path.join(start, name) for name in SETTINGS)
                start = os.path.dirname(start)

    def _loaded(self) -> Iterator[str]:
        """The files of all modules, and the directories in which others would be found."""
        for module in [*sys.modules.values()]:
            file = getattr(module, "__file__", None)
            if isinstance(file, str):
                yield file
        yield from self._installed

    def _is_shadowed(self) -> bool:
        """Whether the workspace has something that would have been loaded by now, from elsewhere or not at all."""
        missed = self._missed.names.union(_AT_START)
        taken = missed.union(name.partition(".")[0] for name in sys.modules)
        for directory in {entry for entry in self._path if entry not in self._installed}:
            try:
                names = os.listdir(directory or ".")
            except OSError:
                continue
            if not taken.isdisjoint(map(_module, names)) or any(name.endswith(_METADATA) for name in names):
                return True
        others = [finder for finder in self._finders if finder not in _STANDARD]
        return any(finder.find_spec(name, None) is not None for finder in others for name in missed)


def _stamp(path: str) -> tuple[int, ...] | None:
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino, status.st_size, status.st_mtime_ns, status.st_ctime_ns


def _module(name: str) -> str:
    """What a file or directory is imported as."""
    return next((name.removesuffix(suffix) for suffix in all_suffixes() if name.endswith(suffix)), name)


def _lies_in(path: str, top: str) -> bool:
    return path == top or path.startswith(top.rstrip("/") + "/")


def _leave() -> NoReturn:
    os._exit(0)


if __name__ == "__main__":
    del sys.path[0]  # where this file lies
    from pytest_autoresearch import gate  # itself, by the name under which the plugin finds it

    gate.main(sys.argv[1:])
