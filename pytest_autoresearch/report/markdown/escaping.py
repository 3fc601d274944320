"""Foreign words made harmless in Markdown as GitHub reads it, and in a mermaid chart. Pure.

Whatever an agent or a log says may be shown, but must not mention people, close issues or carry HTML.
"""

from __future__ import annotations

import re

from pytest_autoresearch.patterns import regex
from pytest_autoresearch.text import one_line

_HARMLESS = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", **{c: "\\" + c for c in "\\`*_[]#-!|~$"}})
_BREAK = "\u200b"
# GitHub looks for these after it has rendered the Markdown, so an entity or a backslash would not stop it.
_ALIVE = regex(r"@|#|(?<=\w)(?=-\d)|(?<=:)(?=//)|(?<=www)(?=\.)", re.IGNORECASE)


def words(text: str, most: int = 200) -> str:
    """One line of Markdown, fit for a table's cell, that renders as ``text`` and as nothing else."""
    return _ALIVE.sub(lambda found: found[0] + _BREAK, one_line(text, most)).translate(_HARMLESS)


def label(text: str) -> str:
    """A title inside of a mermaid chart: letters, digits and little else."""
    return re.sub(r"[^\w .%/-]+", " ", one_line(text))[:60].strip() or "metric"
