"""The structure of a config: which sections it has and what stands in them, with line numbers. Knows no meanings
but the names of sections; what a section says is for others to read.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.keynames import is_loose, key_of, opens_within_a_line
from pytest_autoresearch.protocol.text import bold_field_of, escape_start, field_of, one_line, replace_comments, span_of
from pytest_autoresearch.protocol.vocabulary import BUDGET_FIELDS, METRIC_FIELDS, Names, normalise, section_of

if TYPE_CHECKING:
    from markdown_it.token import Token

RUN_IN = 7
"""The level of a section that begins within a line, deeper than any heading."""

_FOUND_ANYWHERE = frozenset({"goal", "metric", "targets", "readonly", "run", "budget"})
"""Sections that a bold word opens also where others have headings."""

_OF_ONE_VALUE = frozenset({"tag", "run", "extract", "budget", "kill_timeout", "name", "direction"})
_OF_TEXT = frozenset({"goal", "notes", "constraints"})

_MOST_TANGLES = 5
_UNCLOSED_HTML = (
    (regex(r"\s*<!--"), "-->"),
    (regex(r"\s*<\?"), "?>"),
    (regex(r"\s*<!\[CDATA\["), "]]>"),
    (regex(r"\s*<!"), ">"),
    (regex(r"\s*<(?:script|pre|style|textarea)(?:\s|>|$)", re.IGNORECASE), "</"),
)
_FIELDS = {"metric": METRIC_FIELDS, "budget": BUDGET_FIELDS}


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a section. ``kind``: ``text``, ``item`` (its first paragraph), ``code``, ``quote``, ``row``, ``head``
    (of a table), ``heading``.

    Lines are 1-based, ``end`` is the line after; ``depth`` counts the lists around it.
    """

    kind: str
    text: str
    line: int
    end: int
    depth: int = 0
    cells: tuple[str, ...] = ()

    @property
    def first(self) -> int:
        """The line of a block's first words: for code in a fence, the line after it."""
        is_fenced = self.kind == "code" and self.end - self.line > self.text.count("\n")
        return self.line + is_fenced


@dataclass(slots=True)
class Part:
    """A section; its content is ``inline`` and the lines from ``start``.

    ``name`` None: it has no meaning here, unless ``key`` names the key of the front matter that it stands for.
    """

    name: str | None
    title: str
    level: int
    line: int
    start: int
    key: str | None = None
    end: int = 0
    inline: str = ""
    blocks: list[Block] = field(default_factory=list)
    is_opening: bool = False
    opened_by: str = "heading"


@dataclass(frozen=True, slots=True)
class Document:
    """A config's sections in order, and its lines (comments and front matter blanked)."""

    lines: list[str]
    parts: list[Part]

    def raw(self, part: Part) -> str:
        """The Markdown of a section's content."""
        return trimmed("\n".join([escape_start(part.inline), *self.lines[part.start - 1 : part.end - 1]]))

    def raw_of(self, part: Part, blocks: list[Block]) -> str:
        """Markdown of some of a section's blocks; entries of a list that is not whole make a list of their own."""
        text, outer = "", 0
        for block in blocks:
            depth = min(block.depth, outer + 1)
            text += "\n" if depth and outer else "\n\n"
            if block.line == part.line:
                text += escape_start(block.text)
            elif depth == 0:
                text += "\n".join(self.lines[block.line - 1 : block.end - 1])
            else:
                entry = span_of(block.text.strip()) if block.kind == "code" else block.text
                text += "  " * (depth - 1) + "- " + escape_start(one_line(entry))
            outer = depth
        return trimmed(text)


def read_document(text: str, *, file: str) -> Document:
    """Split a config into its sections. ConfigError for code or comments that never end."""
    lines = text.split("\n")
    tokens = _tokens(lines, file)
    blocks = list(_blocks(tokens))
    walker = _Walker(lines, {name for b in blocks if b.kind == "heading" and (name := _known(b.text)[0])})
    for block in blocks:
        walker.take(block)
    return Document(lines, walker.finish())


def blocks_of(text: str, *, file: str) -> Iterator[Block]:
    """The pieces of any Markdown in order, whatever its headings are called. ConfigError as :func:`read_document`."""
    return _blocks(_tokens(text.split("\n"), file))


def upright(blocks: Iterable[Block], fields: Names) -> Iterator[Block]:
    """The same, where tables with a field in every column are turned, so that every row is a field and its value."""
    head: tuple[str, ...] = ()
    for block in blocks:
        if block.kind == "head":
            meant = {fields.get(normalise(cell)) for cell in block.cells}
            head = block.cells if len(block.cells) == len(meant) > 1 and None not in meant else ()
        if head and block.kind == "row":
            yield from (replace(block, cells=pair) for pair in zip(head, block.cells, strict=False) if pair[1])
        elif not head or block.kind != "head":
            yield block


def trimmed(text: str) -> str:
    """A text without blank lines around it; the indentation of its first line stays."""
    return re.sub(r"\A(?:[ \t]*\n)+", "", text).rstrip()


class _Walker:
    """Decides where sections begin. A config is written with headings, or with bold words, or with both."""

    def __init__(self, lines: list[str], headed: set[str]) -> None:
        self._end, self._headed = len(lines) + 1, headed
        self._parts = [Part(None, "Introduction", 0, 1, 1, is_opening=True)]

    @property
    def _current(self) -> Part:
        return self._parts[-1]

    def take(self, block: Block) -> None:
        if block.depth and block.kind in ("item", "text") and (cut := self._section_in(block)):
            lines = block.text.split("\n")
            self.take(replace(block, text="\n".join(lines[:cut]), end=block.line + cut))
            self._paragraph(Block("text", "\n".join(lines[cut:]), block.line + cut, block.end))
        elif block.kind == "heading":
            self._heading(block)
        elif block.kind == "text" and block.depth == 0:
            self._paragraph(block)
        elif block.kind == "item" and block.depth == 1 and self._current.is_opening:
            self._item(block)
        elif block.kind == "row" and len(block.cells) > 1 and self._current.is_opening:
            self._row(block)
        elif self._current.opened_by == "item" and block.depth:
            self._current.blocks.append(replace(block, depth=block.depth - 1))
        else:
            self._current.blocks.append(block)

    def _section_in(self, block: Block) -> int:
        """Where in an item a section begins: Markdown takes the line after a list for a part of it. 0: nowhere."""
        fields = field_of if self._current.is_opening else bold_field_of
        lines = block.text.split("\n")
        return next((n for n, line in enumerate(lines) if n and self._run_in(fields(line), block.line + n)), 0)

    def finish(self) -> list[Part]:
        for part, following in pairwise(self._parts):
            part.end = following.line
        self._current.end = self._end
        return self._parts

    def _heading(self, block: Block) -> None:
        level, title = block.depth, block.text
        name, inline = _known(title)
        key, key_inline = (None, "") if name else _keyed(title)
        is_nested = bool(self._current.level) and level > self._current.level and not self._current.is_opening
        is_beside = key in ("guard", "limits") and self._current.name in _OF_ONE_VALUE
        if key is not None and is_nested and not is_beside and is_loose(title.partition(":")[0]):
            key = None  # `### Data` among the target files is a label there
        if name is not None or key is not None:
            inline = inline or key_inline
            self._parts.append(Part(name, title, level, block.line, block.end, key, inline=inline))
            self._keep([inline], block.line, block.end)
        elif is_nested and self._current.name != "tag":  # a branch has nothing below it
            self._current.blocks.append(block)
        else:
            is_title = level == 1 and self._current.level == 0
            self._parts.append(Part(None, title, level, block.line, block.end, is_opening=is_title))

    def _paragraph(self, block: Block) -> None:
        """A paragraph may hold sections of its own: ``**Goal**: …`` or, before the first section, ``Goal: …``."""
        kept: list[str] = []
        begin = block.line
        for number, line in enumerate(block.text.split("\n"), block.line):
            part = _jammed(line, number) or self._run_in(
                field_of(line) if self._current.is_opening else bold_field_of(line), number
            )
            if part is None:
                kept.append(line)
                continue
            self._keep(kept, begin, number)
            self._parts.append(part)
            kept, begin = [part.inline], number
        self._keep(kept, begin, block.end)

    def _item(self, block: Block) -> None:
        part = self._run_in(field_of(block.text), block.line)
        if part is None:
            self._current.blocks.append(block)
        else:
            part.opened_by = "item"
            self._parts.append(part)
            self._keep([part.inline], block.line, block.end)

    def _row(self, block: Block) -> None:
        """A row of a table of sections: ``| Metric | val_bpb |``; one that a heading opens is only spoken of."""
        key, value = block.cells[0], " | ".join(filter(None, block.cells[1:]))
        part = None if section_of(key) in self._headed else self._run_in((key, value), block.line)
        is_field = normalise(key) in _FIELDS.get(self._current.name or "", ())
        if part is None and self._current.opened_by == "row" and not is_field:
            title = " ".join(re.sub(r"[^\w ]+", " ", key).split()) or "Row"
            part = Part(None, title, RUN_IN, block.line, block.line + 1, inline=value, is_opening=True)
        if part is None:
            self._current.blocks.append(block)
        else:
            part.opened_by = "row"
            self._parts.append(part)
            self._keep([part.inline], block.line, block.end)

    def _run_in(self, key_value: tuple[str, str] | None, line: int) -> Part | None:
        """The section that a line opens. A field of the current section is none."""
        if key_value is None or normalise(key_value[0]) in _FIELDS.get(self._current.name or "", ()):
            return None
        name, current = section_of(key_value[0]), self._current
        key = key_of(key_value[0]) if name is None else None
        if key is not None and opens_within_a_line(
            key, key_value[0], is_opening=current.is_opening or current.level == RUN_IN
        ):
            title, value = key_value
            return Part(None, title, RUN_IN, line, line + 1, key, inline=value, is_opening=current.is_opening)
        if name is None:
            return None
        if not current.is_opening and current.level != RUN_IN:
            is_heading = current.name is None or (not key_value[1] and current.name not in _OF_TEXT)
            if not is_heading or name in self._headed or name not in _FOUND_ANYWHERE:
                return None
        return Part(name, key_value[0], RUN_IN, line, line + 1, inline=key_value[1], is_opening=current.is_opening)

    def _keep(self, lines: list[str], begin: int, end: int) -> None:
        blank = next((n for n, line in enumerate(lines) if line.strip()), None)
        if blank is not None:
            self._current.blocks.append(Block("text", "\n".join(lines[blank:]), begin + blank, end))


def _jammed(line: str, number: int) -> Part | None:
    """The section that ``##Metric`` opens, which Markdown takes for text."""
    found = re.fullmatch(r"(#{1,6})(?=[^\s#])(.*?)#*\s*", line)
    name, inline = _known(found[2]) if found else (None, "")
    key, key_inline = _keyed(found[2]) if found and name is None else (None, "")
    if found is None or (name is None and key is None):
        return None
    return Part(name, found[2], len(found[1]), number, number + 1, key, inline=inline or key_inline)


def _known(title: str) -> tuple[str | None, str]:
    """The section a heading opens and what the heading says beyond its name: ``Branch: autoresearch/x``."""
    name = section_of(title)
    if name is not None:
        return name, ""
    head, separator, rest = title.replace("：", ":").partition(":")
    name = section_of(head) if separator else None
    return name, rest.strip(" *_") if name else ""


def _keyed(title: str) -> tuple[str | None, str]:
    """The same for a key of the front matter: ``Guard: pytest -q``."""
    head, separator, rest = title.replace("：", ":").partition(":")
    key = key_of(title) or (key_of(head) if separator else None)
    return key, rest.strip(" *_") if separator and key else ""


def _tokens(lines: list[str], file: str) -> list[Token]:
    """Markdown's block tokens, after HTML comments were blanked in ``lines``."""
    from markdown_it import MarkdownIt

    parser = MarkdownIt("commonmark").enable("table").disable(["reference", "inline"])
    for _ in range(_MOST_TANGLES):
        tokens = parser.parse("\n".join(lines))
        comments = [t for t in tokens if t.type == "html_block" and "<!--" in t.content and t.map]
        for token in tokens:
            _refuse_unclosed(token, lines, file)
        if not comments:
            return tokens
        for token in comments:
            _blank_comments(lines, *(token.map or (0, 0)))
    raise ConfigError(
        "HTML comments are nested too deeply", file=file, remedy="close each `<!--` with `-->` before the next begins"
    )


def _refuse_unclosed(token: Token, lines: list[str], file: str) -> None:
    """What never ends would swallow the sections after it."""
    if token.map is None:
        return
    line = token.map[0] + 1
    if token.type == "fence":
        last = lines[token.map[1] - 1].strip(" \t" if token.level == 0 else "> \t")
        closed = token.map[1] - token.map[0] > 1 and set(last) == {token.markup[0]} and len(last) >= len(token.markup)
        if not closed:
            raise ConfigError("this code block never ends", file=file, line=line, remedy=f"add a line `{token.markup}`")
    if token.type == "html_block":
        end = next((end for start, end in _UNCLOSED_HTML if start.match(token.content)), "")
        if end not in token.content:
            raise ConfigError(
                f"this HTML never ends: no `{end}` follows", file=file, line=line, remedy="close or remove it"
            )


def _blank_comments(lines: list[str], begin: int, end: int) -> None:
    text = "\n".join(lines[begin:end])
    lines[begin:end] = replace_comments(text, lambda comment: "\n" * comment.count("\n")).split("\n")


def _without_closing(title: str) -> str:
    """A heading of one line without the `` ##`` that may close it."""
    while (shorter := title.rstrip("#")) != title and shorter[-1:].isspace():
        title = shorter.rstrip()
    return title


def _blocks(tokens: list[Token]) -> Iterator[Block]:
    """The pieces in order. A heading's ``depth`` is its level; inside of lists and quotes it is plain text."""
    lists, is_first, in_head = 0, False, False
    row: Token | None = None
    cells: list[str] = []
    for at, token in enumerate(tokens):
        line, end = (token.map[0] + 1, token.map[1] + 1) if token.map else (0, 0)
        match token.type:
            case "bullet_list_open" | "ordered_list_open":
                lists += 1
            case "bullet_list_close" | "ordered_list_close":
                lists, is_first = lists - 1, False
            case "list_item_open":
                is_first = True
            case "thead_open" | "tbody_open":
                in_head = token.type == "thead_open"
            case "tr_open":
                row, cells = token, []
            case "tr_close" if row is not None and row.map:
                yield Block(
                    "head" if in_head else "row", " | ".join(cells), row.map[0] + 1, row.map[1] + 1, lists, tuple(cells)
                )
                row = None
            case "inline" if row is not None:
                cells.append(token.content)
            case "inline":
                before = tokens[at - 1]
                if before.type == "heading_open" and before.level == 0:
                    title = _without_closing(one_line(token.content))
                    spread = before.map or (line - 1, end - 1)
                    yield Block("heading", title, spread[0] + 1, spread[1] + 1, int(before.tag[1:]))
                else:
                    kind = "item" if lists and is_first else "text" if lists or token.level == 1 else "quote"
                    yield Block(kind, token.content, line, end, lists)
                    is_first = False
            case "fence" | "code_block":
                yield Block("code", token.content, line, end, lists)
                is_first = False
            case "html_block":
                yield Block("item" if lists and is_first else "text", token.content.strip("\n"), line, end, lists)
                is_first = False
