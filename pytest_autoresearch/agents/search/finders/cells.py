"""Finds the knobs of a notebook in its code cells, and their bytes in the file. Never writes through JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from pytest_autoresearch.agents.search.finders.code import code_knobs
from pytest_autoresearch.agents.search.finders.python import python_knobs
from pytest_autoresearch.agents.search.knob import Knob
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.reading.notebook import read_notebook, without_magics
from pytest_autoresearch.reading.source import Unread

_TOKEN = regex(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)
_ESCAPE = regex(r"\\(?:u[0-9a-fA-F]{4}|.)", re.DOTALL)
_SUFFIXES = {
    "julia": ".jl",
    "r": ".r",
    "rust": ".rs",
    "javascript": ".js",
    "typescript": ".ts",
    "go": ".go",
    "c++": ".cpp",
}


def notebook_knobs(file: str, data: bytes, metric: str = "") -> tuple[Knob, ...]:
    """The knobs of all code cells as one source, at their places in the notebook. Raises Unread."""
    language = read_notebook(data).language
    text = data.decode("utf-8-sig")
    source = _Joined()
    for pieces in _code_cells(text):
        source.add_cell(text, pieces)
    code = without_magics(source.text)
    if language.startswith("python"):
        found = python_knobs(file, code.encode(), metric)
    else:
        suffix = next((_SUFFIXES[name] for name in _SUFFIXES if language.startswith(name)), None)
        if suffix is None:
            raise Unread(f"a notebook in {language}, which is not read")
        found = tuple(knob._replace(file=file) for knob in code_knobs(f"cells{suffix}", code.encode(), metric))
    characters = _offsets(code)
    bytes_of = _offsets_by_character(text, data)
    placed = []
    for knob in found:
        first, last = source.places[characters[knob.start]], source.places[characters[knob.end - 1]]
        start, end = bytes_of[first], bytes_of[last + 1]
        if data[start:end].decode() == knob.text:  # no escape in it
            placed.append(knob._replace(start=start, end=end))
    return tuple(placed)


class _Joined:
    """The cells' code, and for every character of it where it stands in the notebook's text."""

    def __init__(self) -> None:
        self.places: list[int] = []
        self._parts: list[str] = []

    def add_cell(self, text: str, pieces: list[tuple[int, int]]) -> None:
        for start, end in pieces:
            place = start
            for found in _ESCAPE.finditer(text, start, end):
                self._add(text[place : found.start()], range(place, found.start()))
                self._add(json.loads(f'"{found[0]}"'), range(found.start(), found.start() + 1))
                place = found.end()
            self._add(text[place:end], range(place, end))
        self._add("\n", range(pieces[-1][1], pieces[-1][1] + 1))

    def _add(self, piece: str, places: range) -> None:
        self._parts.append(piece)
        self.places += places

    @property
    def text(self) -> str:
        return "".join(self._parts)


def _code_cells(text: str) -> Iterator[list[tuple[int, int]]]:
    """The texts within ``source`` of every code cell, by their places without the quotes."""
    stack: list[str] = []
    key, expects_key = "", False
    kind, pieces = "", list[tuple[int, int]]()
    for found in _TOKEN.finditer(text):
        token = found[0]
        if token in ("{", "["):
            stack.append(f"{key}{token}")
            expects_key = token == "{"
            if _is_cell(stack):
                kind, pieces = "", []
        elif token in ("}", "]"):
            if _is_cell(stack) and kind == "code" and pieces:
                yield pieces
            stack.pop()
            expects_key = False
        elif token == ",":
            expects_key = bool(stack) and stack[-1].endswith("{")
        elif token == ":":
            expects_key = False
        elif token.startswith('"'):
            if expects_key:
                key = json.loads(token)
            elif _is_cell(stack) and key == "cell_type":
                kind = json.loads(token)
            elif (_is_cell(stack) and key == "source") or (stack[-1:] == ["source["] and _is_cell(stack[:-1])):
                pieces.append((found.start() + 1, found.end() - 1))


def _is_cell(stack: list[str]) -> bool:
    return len(stack) == 3 and stack[1] == "cells[" and stack[2].endswith("{")


def _offsets(code: str) -> list[int]:
    """For every byte of a text the character that it belongs to."""
    if code.isascii():
        return list(range(len(code) + 1))
    return [at for at, character in enumerate(code) for _ in character.encode()] + [len(code)]


def _offsets_by_character(text: str, data: bytes) -> list[int]:
    """For every character of a text the byte at which it starts in the file."""
    at, offsets = len(data) - len(text.encode()), []
    for character in text:
        offsets.append(at)
        at += len(character.encode())
    return [*offsets, at]
