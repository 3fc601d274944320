"""Which reader reads a file, and in words why none does."""

from __future__ import annotations

from pathlib import PurePosixPath

from pytest_autoresearch.reading.grammars import language_of, read_tree
from pytest_autoresearch.reading.python import read_python
from pytest_autoresearch.reading.r import read_r
from pytest_autoresearch.reading.source import LARGEST, Source, Unread

PYTHON = frozenset({".py", ".pyw", ".pyi", ".pyx"})
_OTHER_CODE = {
    ".kt": "Kotlin", ".scala": "Scala", ".swift": "Swift", ".cs": "C#", ".fs": "F#", ".rb": "Ruby", ".php": "PHP",
    ".lua": "Lua", ".pl": "Perl", ".m": "MATLAB", ".f90": "Fortran", ".f": "Fortran", ".hs": "Haskell", ".ml": "OCaml",
    ".zig": "Zig", ".nim": "Nim", ".d": "D", ".ex": "Elixir", ".clj": "Clojure", ".dart": "Dart",
}  # fmt: skip


def is_code(path: str) -> bool:
    """Whether a name says that a file is written in a programming language, one that is read or one that is not."""
    suffix = PurePosixPath(path).suffix
    return suffix.lower() in PYTHON | {".r"} or language_of(path) is not None or suffix.lower() in _OTHER_CODE


def read_source(path: str, data: bytes) -> Source:
    """What is bound and called in a file of code. Raises Unread with the reason where that can not be said."""
    if len(data) > LARGEST:
        raise Unread(f"over {LARGEST // 1_000_000} MB, which is data rather than code")
    suffix = PurePosixPath(path).suffix.lower()
    if suffix in PYTHON:
        return read_python(data)
    if suffix == ".r":
        return read_r(data)
    language = language_of(path)
    if language is None:
        other = _OTHER_CODE.get(suffix)
        raise Unread(f"no reader of {other} is known" if other else "its name says no language that is read")
    return read_tree(language, data)
