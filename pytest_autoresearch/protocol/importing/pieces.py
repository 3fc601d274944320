"""A prompt in Markdown as a flat list of pieces, each with the headings and the label that it stands under. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.blocks import Block, blocks_of
from pytest_autoresearch.protocol.text import one_line
from pytest_autoresearch.protocol.vocabulary import normalise

_LABEL = regex(r"(?:\*\*|__).{1,120}(?:\*\*|__)[:.]?|.{1,160}[:：]\**", re.DOTALL)
_SETUP = regex(
    r"\b(?:set ?up|install\w*|prerequisites?|requirements?|getting started|quick ?start|data preparation|prepare|"
    r"environment|resum\w+|logging|results?|git|crash\w*|ideas?|history|tried|notes|current (?:state|best)|"
    r"baseline table|progress|output format|reporting|dashboard|stopping|troubleshooting|judge)\b"
)


@dataclass(frozen=True, slots=True)
class Piece:
    """``titles`` are the headings above, normalised, the nearest last; ``label`` the words that lead up to a list."""

    kind: str
    text: str
    titles: tuple[str, ...]
    label: str = ""
    cells: tuple[str, ...] = ()
    language: str = ""
    raw_title: str = ""

    @property
    def title(self) -> str:
        return self.titles[-1] if self.titles else ""

    @property
    def is_setup(self) -> bool:
        """Whether it stands in a part about getting ready, or about afterwards."""
        return any(_SETUP.search(title) for title in self.titles)


def pieces_of(text: str, file: str) -> list[Piece]:
    """All pieces of a prompt. What Markdown can not make sense of is read line by line."""
    text = text.replace("\r\n", "\n").removeprefix("\ufeff")
    try:
        blocks = list(blocks_of(text, file=file))
    except ConfigError:
        blocks = [Block("text", line, n, n + 1) for n, line in enumerate(text.split("\n"), 1) if line.strip()]
    return list(_placed(blocks, text.split("\n")))


def _placed(blocks: list[Block], lines: list[str]) -> Iterator[Piece]:
    titles: list[tuple[int, str, str]] = []
    label = ""
    for block in blocks:
        if block.kind == "heading":
            titles = [above for above in titles if above[0] < block.depth]
            titles.append((block.depth, normalise(block.text), block.text))
            label = ""
            yield Piece("heading", block.text, tuple(title for _, title, _ in titles), raw_title=block.text)
            continue
        above = tuple(title for _, title, _ in titles)
        raw_title = titles[-1][2] if titles else ""
        if block.kind == "text" and not block.depth:
            yield Piece("text", block.text, above, "", raw_title=raw_title)
            last = block.text.strip().split("\n")[-1]
            label = one_line(last) if _LABEL.fullmatch(last.strip()) else ""
            continue
        if block.kind == "item" and block.text.rstrip("*_ ").endswith((":", "：")):
            yield Piece("item", block.text, above, label, raw_title=raw_title)
            label = one_line(block.text)
            continue
        language = ""
        if block.kind == "code" and block.first > block.line:
            language = lines[block.line - 1].strip().lstrip("`~> -*").strip().lower()
        yield Piece(block.kind, block.text, above, label, block.cells, language, raw_title)


def sentences(text: str) -> Iterator[str]:
    """The sentences of a paragraph or an item, on one line each."""
    for part in re.split(r"(?<=[.!;])\s+(?=[A-Z*`\"(])", one_line(text)):
        if part.strip():
            yield part.strip()
