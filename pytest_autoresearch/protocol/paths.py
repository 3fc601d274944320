"""Target Files and Read-Only Files: which paths a section lists, and why. Pure; whether they exist is for scope.py."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from itertools import pairwise

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol.blocks import Block
from pytest_autoresearch.protocol.durations import says_none
from pytest_autoresearch.protocol.model import PathRule
from pytest_autoresearch.protocol.text import (
    Span,
    field_of,
    is_placeholder,
    one_line,
    quoted,
    remark_of,
    spans,
    unescaped,
    valued,
    without_box,
)

_BETWEEN = re.compile(r"\s*(?:,|;|&|/|\+|、|，|；|and|und|和|及)\s*")
_EVERYTHING_ELSE = re.compile(
    r"(?:all|any|every)\w*\s+(?:\w+\s+)?(?:else|other)|alle[sn]?\s+ander|其他|其余|所有其他", re.IGNORECASE
)
_LOOKS_LIKE_PATH = re.compile(r"[/*]|\.\w+$|^\.|^\S+$")
_IS_FILE = re.compile(r"\S*/\S*|\S+\.\w+")

EXAMPLE = "list paths relative to this file, one per line, for example: - `src/train.py` (the model)"


def read_paths(blocks: Sequence[Block], *, what: str, file: str) -> list[tuple[PathRule, int]]:
    """The rules of a section with their lines, each pattern once. Nested lists are remarks."""
    rules: dict[str, tuple[PathRule, int]] = {}
    for text, line, cells in _entries(blocks):
        for pattern, note in _rules_of(text, cells):
            complaint = _complaint(pattern)
            if complaint:
                raise ConfigError(f"{what}: {quoted(pattern)} {complaint}", file=file, line=line, remedy=EXAMPLE)
            rules.setdefault(pattern, (PathRule(pattern, note), line))
    return list(rules.values())


def _entries(blocks: Sequence[Block]) -> Iterator[tuple[str, int, tuple[str, ...]]]:
    """One entry per item, per line of a paragraph or fence, per row of a table."""
    has_items = any(block.kind in ("item", "row") for block in blocks)
    for block in blocks:
        if block.kind == "item" and block.depth == 1:
            yield without_box(one_line(block.text)), block.line, ()
        elif block.kind == "row" and block.cells:
            yield one_line(block.cells[0]), block.line, block.cells[1:]
        elif block.kind in ("text", "code") and block.depth == 0 and not has_items:
            for number, text in enumerate(block.text.split("\n"), block.first):
                if text.strip() and not (block.kind == "code" and text.lstrip().startswith("#")):
                    yield one_line(text), number, ()


def _rules_of(text: str, cells: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if not text or _EVERYTHING_ELSE.match(text):
        return
    found = list(spans(text))
    if found:
        listed = _listed(text, found)
        before = text[: listed[0].start].strip("*_ :：")
        note = remark_of(text[listed[-1].end :].lstrip("*_")) or before or one_line(" ".join(cells))
        for span in listed:
            yield _clean(span.code), note
        return
    key_note = field_of(text)
    if key_note and _IS_FILE.fullmatch(key_note[0]):
        yield _clean(unescaped(key_note[0])), key_note[1]
        return
    value = valued(text)
    if says_none(value.value):
        return
    names = [name for name in re.split(r"\s*[,，、]\s+", value.value) if name]
    if not all(_LOOKS_LIKE_PATH.search(name) for name in names):
        names = [value.value]
    for name in names:
        yield _clean(name), value.remark or one_line(" ".join(cells))


def _listed(text: str, found: list[Span]) -> list[Span]:
    """The spans before the first word of explanation."""
    listed = [found[0]]
    for before, after in pairwise(found):
        if not _BETWEEN.fullmatch(text[before.end : after.start]):
            break
        listed.append(after)
    return listed


def _clean(path: str) -> str:
    path = path.strip().rstrip(":")
    return path[2:] if path.startswith("./") and len(path) > 2 else path


def _complaint(pattern: str) -> str:
    if is_placeholder(pattern):
        return "is still the template's placeholder"
    if not pattern or not pattern.isprintable():
        return "is not a path"
    if " " in pattern and not _LOOKS_LIKE_PATH.search(pattern):
        return "is not a path"
    if "://" in pattern:
        return "is an address, not a path"
    return ""
