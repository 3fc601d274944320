"""Target Files and Read-Only Files: which paths a section lists, and why. Pure; whether they exist is for scope.py."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Sequence
from itertools import pairwise, takewhile
from typing import NamedTuple, NoReturn

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.patterns import regex
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
from pytest_autoresearch.protocol.vocabulary import normalise

_BETWEEN = regex(r"(?:[\s,;&/+*_、，；]|\b(?:and|or|nor|plus|as well as|und|oder|sowie)\b|和|及|与|或)+", re.IGNORECASE)
_APART = regex(r"(?:(?<!\s)\s+)?[,;，、；和及与]\s*|(?<!\s)\s+(?:and|or|und|oder|[&+/|])\s+")
_EVERYTHING_ELSE = regex(
    r"(?:all|any|every)\w*\s+(?:\w+\s+)?(?:else|other)|(?:the\s+)?(?:rest|remainder)\b|alle[sn]?\s+(?:ander|übrig)"
    r"|(?:all|any|every)\w*\s+(?:\w+\s+)?(?:(?:that|which)\s+(?:is|are)\s+)?not\s+(?:listed|named|mentioned|above|in|a)\b"
    r"|其他|其余|所有其他",
    re.IGNORECASE,
)
_EVERYTHING_BUT = regex(
    r"(?:every|any|all)\w*\s+(?:\w+\s+)?(?:except|but|besides|other\s+than|apart\s+from|outside(?:\s+of)?)\s+(?P<rest>.*)"
    r"|alle[sn]?\s+(?:\w+\s+)?außer\s+(?P<german>.*)|除了?(?P<chinese>.*?)(?:以外|之外|外).*",
    re.IGNORECASE,
)
_EVERYTHING = regex(r"(?:everything|anything|all|alles|全部|所有)(?:\s+(?:files?|dateien))?", re.IGNORECASE)
_NEGATED = regex(
    r"\b(?:not|cannot|can't|don't|never|off[- ]limits|out of scope|forbidden|protected|read[- ]?only|frozen|immutable"
    r"|nicht|nie|verboten|gesperrt|schreibgeschützt\w*)\b|不|禁止|只读",
    re.IGNORECASE,
)
_FORBIDDEN = regex(
    r"(?:(?:do not|don't|never|must not|may not|cannot|can not)\s+(?:modify|change|touch|edit)(?:\s+(?:it|this))?"
    r"|read[- ]?only|off[- ]limits|nicht ändern|不可修改|不要修改|只读)[.!]?",
    re.IGNORECASE,
)
_EXCEPTING = r"(?:but\s+)?(?:not|except(?:\s+for)?|excluding|without|apart\s+from|außer|ohne|nicht|除了?|不含)\s.*"
_LOOKS_LIKE_PATH = regex(r"[/*]|\.\w+$|^\.|^\S+$")
_IS_FILE = regex(r"\S*/\S*|\S+\.\w+")
_LINK = regex(r"(?<!!)\[`?([^\[\]`]+)`?\]\(([^()\s]*)\)")
_QUOTED = regex(r"([\"'])([^\"']+)\1|“([^“”]+)”")
_SYMBOLS = regex(r"^[^\w\s\x00-\x7f]+\s+|(?<!\s)\s+[^\w\s\x00-\x7f]+$")
_BULLET = regex(r"^\s*(?:[-*+]|\d+[.)])\s+")  # of a list that is indented too far to be one
_PATH_COLUMNS = frozenset("file files path paths target targets datei dateien pfad 文件 路径".split())

EXAMPLE = "list paths relative to this file, one per line, for example: - `src/train.py` (the model)"
NOTHING = "list paths, one per line, or write `none`: what is no target is read-only anyway"


class _Entry(NamedTuple):
    """A line that lists paths; ``cells`` are the rest of a table's row, ``base`` the directory it is nested in."""

    text: str
    line: int
    cells: tuple[str, ...] = ()
    base: str = ""


def read_paths(
    blocks: Sequence[Block], *, what: str, file: str, targets: Collection[str] | None = None
) -> list[tuple[PathRule, int]]:
    """The rules of a section with their lines, each pattern once. Nested lists are remarks, but below a label or a
    directory. ``targets`` is given for what is not to be changed: the patterns that may be.
    """
    rules: dict[str, tuple[PathRule, int]] = {}
    remedy = EXAMPLE if targets is None else NOTHING

    def fail(message: str, line: int, remedy: str = remedy) -> NoReturn:
        raise ConfigError(f"{what}: {message}", file=file, line=line, remedy=remedy)

    if targets is None:
        for block in blocks:
            is_label = block.kind == "heading" or block.text.rstrip("*_ ").endswith((":", "："))
            if is_label and block.kind in ("heading", "text", "item") and _NEGATED.search(block.text):
                fail(
                    f"{quoted(block.text)} names what must not change",
                    block.line,
                    "write it below `## Read-Only Files`",
                )
    for text, line, cells, base in _entries(blocks):
        if targets is not None and _is_all_but(text, targets):
            continue
        for pattern, note in _rules_of(text, cells):
            pattern = pattern if pattern.startswith(base) else base + pattern
            if complaint := _complaint(pattern):
                fail(f"{quoted(pattern)} {complaint}", line)
            if targets is None and _FORBIDDEN.fullmatch(note):
                fail(f"{quoted(pattern)} is no target: {quoted(note)}", line, "write it below `## Read-Only Files`")
            if targets is None and re.match(_EXCEPTING, note, re.IGNORECASE) and _paths_in(note):
                exception = "write what it leaves out below `## Read-Only Files`, which wins over a glob or directory"
                fail(f"{quoted(pattern)} has an exception: {quoted(note)}", line, exception)
            rules.setdefault(pattern, (PathRule(pattern, note), line))
    return list(rules.values())


def _entries(blocks: Sequence[Block]) -> Iterator[_Entry]:
    """One entry per item, per line of a paragraph or fence, per row of a table."""
    has_items = any(block.kind in ("item", "row") for block in blocks)
    column = 0
    for at, block in enumerate(blocks):
        if block.kind == "item" and block.depth == 1:
            yield from _item(block, (blocks[n] for n in range(at + 1, len(blocks))))
        elif block.kind == "head":
            column = next((n for n, cell in enumerate(block.cells) if normalise(cell) in _PATH_COLUMNS), 0)
            if block.cells and re.fullmatch(r"`?\S+(?:\.\w+|/)`?", block.cells[0]):
                yield _Entry(one_line(block.cells[0]), block.line, block.cells[1:])
        elif block.kind == "row" and block.cells:
            rest = block.cells[column + 1 :] if column else block.cells[1:]
            yield _Entry(one_line(block.cells[column]), block.line, rest)
        elif block.kind in ("text", "code") and block.depth == 0 and not has_items:
            for number, text in enumerate(block.text.split("\n"), block.first):
                if text.strip() and not (block.kind == "code" and text.lstrip().startswith("#")):
                    yield _Entry(one_line(_BULLET.sub("", text) if block.kind == "code" else text), number)


def _item(block: Block, following: Iterable[Block]) -> Iterator[_Entry]:
    """An item; instead of a label, and of a directory whose files are listed below it, what is listed there."""
    text = without_box(one_line(block.text))
    below = [piece for piece in takewhile(lambda piece: piece.depth > 1, following) if piece.kind == "item"]
    nested = [_Entry(without_box(one_line(piece.text)), piece.line) for piece in below if piece.depth == 2]
    rules = [pattern for pattern, _ in _rules_of(text, ())]
    is_directory = len(rules) == 1 and rules[0].endswith("/")
    if nested and text.rstrip("*_ ").endswith((":", "：")) and not _IS_FILE.fullmatch(text):
        yield from nested
    elif (
        nested and is_directory and all(_IS_FILE.fullmatch(p) for entry in nested for p, _ in _rules_of(entry.text, ()))
    ):
        yield from (entry._replace(base=rules[0]) for entry in nested)
    else:
        yield _Entry(text, block.line)


def _is_all_but(text: str, targets: Collection[str]) -> bool:
    """Whether a text says that everything is meant but the targets, in whatever words."""
    found = _EVERYTHING_BUT.match(text)
    rest = next((part for part in found.groups() if part is not None), "") if found else ""
    return found is not None and {_clean(path) for path in _paths_in(rest)} <= set(targets)


def _paths_in(text: str) -> list[str]:
    """The words of a text that look like paths."""
    words = (word.strip("`\"'.,;()（）").rstrip(":") for word in text.split())
    return [word for word in words if _IS_FILE.fullmatch(word)]


def _rules_of(text: str, cells: tuple[str, ...]) -> Iterator[tuple[str, str]]:
    if not any(spans(text)) or text.startswith("[`"):
        text = _LINK.sub(lambda link: link[1] if "://" in link[2] or link[2][:1] == "#" else link[2], text)
    if not text or (_EVERYTHING_ELSE.match(text) and not _paths_in(text)):
        return
    found = list(spans(text))
    if found:
        listed = _listed(text, found)
        before = text[: listed[0].start].strip("*_ :：(（")
        note = remark_of(text[listed[-1].end :].lstrip("*_)）")) or before or one_line(" ".join(cells))
        for span in listed:
            yield _clean(span.code), note
        return
    key_note = field_of(text)
    if key_note and _IS_FILE.fullmatch(key_note[0]):
        yield _clean(unescaped(key_note[0])), key_note[1]
        return
    value = valued(text)
    if says_none(value.value) and not _paths_in(value.value.partition(" ")[2]):
        return
    names, remark = _names(_SYMBOLS.sub("", value.value))
    for name in names:
        yield _clean(name), value.remark or remark or one_line(" ".join(cells))


def _names(value: str) -> tuple[list[str], str]:
    """The paths that a bare text lists, and the remark that follows them without a sign."""
    if in_quotes := _QUOTED.fullmatch(value):
        return [in_quotes[2] or in_quotes[3]], ""
    names = [name for name in _APART.split(value) if name]
    if "{" not in value and all(_IS_FILE.fullmatch(name) for name in names):
        return names, ""
    names = [name for name in re.split(r"(?:(?<!\s)\s+)?[,，、]\s+", value) if name]
    if all(_LOOKS_LIKE_PATH.search(name) for name in names):
        if len(names) == 1 and (excepting := re.fullmatch(rf"(?=\S*[/.*])(\S+)\s+({_EXCEPTING})", value, re.I)):
            return [excepting[1]], excepting[2]
        return names, ""
    if _IS_FILE.fullmatch(names[0]) and not _paths_in(" ".join(names[1:])):
        return names[:1], ", ".join(names[1:])
    return [value], ""


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
    if not pattern or not pattern.isprintable() or _EVERYTHING.fullmatch(pattern) or _EVERYTHING_BUT.match(pattern):
        return "is not a path"
    if " " in pattern and not _LOOKS_LIKE_PATH.search(pattern):
        return "is not a path"
    if "://" in pattern:
        return "is an address, not a path"
    return ""
