"""The one line of a failed command's words that tells most, with the place in the sources where there is one. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

from pytest_autoresearch.patterns import regex
from pytest_autoresearch.text import one_line

MOST_READ = 65_536
"""Bytes of a log's end that are looked at."""

_LINE_END = regex(rb"[\r\n]+")
_RAISED = regex(
    r"(?:E )?(?P<name>[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning|Failed))\b(?::(?P<words>.*))?"
)
_FRAME = regex(r'(?:E )?File "(?P<file>[^"<][^"]*)", line (?P<line>\d+)(?:, in .*)?')
_SHORT_FRAME = regex(r"(?P<file>[^\s:]+\.py):(?P<line>\d+): in .*")
_NODE_PLACE = regex(r"(?:file://)?(?P<file>/?[^\s:()]+\.[cm]?[jt]sx?):(?P<line>\d+)")
_COMPILER = regex(
    r"(?P<file>[^\s:()]+):(?P<line>\d+)(?::\d+)?: (?:fatal )?(?:[Ee]rror|ERROR)(?: [A-Z]+\d+)?: (?P<words>.+)"
)
_TYPESCRIPT = regex(r"(?P<file>[^\s:()]+)\((?P<line>\d+),\d+\): error (?P<words>.+)")
_PLACED = regex(r"(?P<file>[^\s:()]+):(?P<line>\d+):\d+: (?P<words>.+)")
_OF_COMPILERS = (".go", ".pyx", ".pxd", ".pxi")
"""Sources whose compilers do not say that a complaint is an error."""
_RUST = regex(r"(?P<name>error(?:\[E\d+\])?): (?P<words>.+)")
_RUST_PLACE = regex(r"--> (?P<file>[^\s:]+):(?P<line>\d+):\d+")
_CMAKE = regex(r"CMake Error at (?P<file>[^\s:]+):(?P<line>\d+).*")
_BUILDER = regex(r"(?:configuration error|error|ERROR|FAILED): .+|ninja: build stopped.*|make(?:\[\d+\])?: \*\*\* .+")

_OF_THE_TEXT = ("SyntaxError", "IndentationError", "TabError")
_OF_IMPORTS = ("ImportError", "ModuleNotFoundError")


def telling_line(log: bytes, tops: Sequence[str] = ()) -> str:
    """What a compiler or an interpreter complains of first, else the last exception, else the last words.

    ``tops`` are the directories whose paths are shown relative to them: the repository, and where it was shown.
    """
    lines = [line for text in _LINE_END.split(log[-MOST_READ:]) if (line := one_line(text))]
    return _compiled(lines, tops) or _interpreted(lines, tops) or _builder(lines) or (lines[-1] if lines else "")


def _compiled(lines: Sequence[str], tops: Sequence[str]) -> str:
    """The first complaint of a compiler."""
    for at, line in enumerate(lines):
        for form in (_COMPILER, _TYPESCRIPT, _PLACED):
            found = form.fullmatch(line)
            if found and (form is not _PLACED or found["file"].endswith(_OF_COMPILERS)):
                return f"{_place(found, tops)}: error: {found['words'].strip()}"
        if (found := _RUST.fullmatch(line)) and (place := _next(lines[at + 1 : at + 4], _RUST_PLACE)):
            return f"{_place(place, tops)}: {found['name']}: {found['words']}"
        if found := _CMAKE.fullmatch(line):
            words = next(iter(lines[at + 1 : at + 2]), "")
            return f"{_place(found, tops)}: CMake Error: {words}"
    return ""


def _interpreted(lines: Sequence[str], tops: Sequence[str]) -> str:
    """The last exception; one of the text or of an import with the place it is about."""
    for at in range(len(lines) - 1, -1, -1):
        found = _RAISED.fullmatch(lines[at])
        if found is None:
            continue
        said, name = lines[at].removeprefix("E "), found["name"].rpartition(".")[2]
        if name in _OF_THE_TEXT + _OF_IMPORTS:
            before = lines[max(0, at - 40) : at]
            frame = _last(before, _FRAME, _SHORT_FRAME) or (
                _last(before[-12:], _NODE_PLACE) if name == "SyntaxError" else None
            )
            if frame is not None:
                return f"{name}: {_place(frame, tops)}: {(found['words'] or '').strip()}".rstrip(": ")
        return said
    return ""


def _builder(lines: Sequence[str]) -> str:
    """The first complaint of a build tool, which ends with many words about itself."""
    return next((line for line in lines if _BUILDER.fullmatch(line)), "")


def _next(lines: Iterable[str], form: re.Pattern[str]) -> re.Match[str] | None:
    return next((found for line in lines if (found := form.search(line))), None)


def _last(lines: Sequence[str], *forms: re.Pattern[str]) -> re.Match[str] | None:
    return next((found for line in reversed(lines) for form in forms if (found := form.fullmatch(line))), None)


def _place(found: re.Match[str], tops: Sequence[str]) -> str:
    file = found["file"]
    for top in tops:
        file = file.removeprefix(f"{top.rstrip('/')}/")
    return f"{file.removeprefix('./')}:{found['line']}"
