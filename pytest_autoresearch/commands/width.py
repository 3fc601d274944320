"""Rows of commands on a narrow terminal."""

from __future__ import annotations

import textwrap

NARROWEST = 16  # columns in which words are still worth a column of their own


def hung(head: str, text: str, width: int) -> list[str]:
    """A row: a text behind its head, wrapped at words below where it begins; a width of 0 has no end."""
    indent = len(head)
    if not text or not 0 < width < indent + len(text):
        return [head + text]
    if width - indent >= NARROWEST:
        wrapped = textwrap.wrap(text, width - indent, break_on_hyphens=False)
        return [head + wrapped[0], *(" " * indent + line for line in wrapped[1:])]
    below = textwrap.wrap(text, max(NARROWEST, width - 6), break_on_hyphens=False)
    return [head.rstrip(), *(" " * 6 + line for line in below)]  # below the commit
