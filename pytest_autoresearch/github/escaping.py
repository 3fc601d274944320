"""Foreign words made harmless for GitHub: in Markdown, in a mermaid chart, in a job's log. Pure.

Whatever an agent or a log says may be shown, but must not mention people, close issues, carry HTML or give commands.
"""

from __future__ import annotations

import re

from pytest_autoresearch.text import clean, one_line

_HARMLESS = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", **{c: "\\" + c for c in "\\`*_[]#-!|~$"}})
_BREAK = "\u200b"
# GitHub looks for these after it has rendered the Markdown, so an entity or a backslash would not stop it.
_ALIVE = re.compile(r"@|#|(?<=\w)(?=-\d)|(?<=:)(?=//)|(?<=www)(?=\.)", re.IGNORECASE)


def words(text: str, most: int = 200) -> str:
    """One line of Markdown, fit for a table's cell, that renders as ``text`` and as nothing else."""
    return _ALIVE.sub(lambda found: found[0] + _BREAK, one_line(text, most)).translate(_HARMLESS)


def label(text: str) -> str:
    """A title inside of a mermaid chart: letters, digits and little else."""
    return re.sub(r"[^\w .%/-]+", " ", one_line(text))[:60].strip() or "metric"


def command_data(text: str) -> str:
    """The text of a workflow command such as ``::notice::``."""
    return one_line(text, None).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def command_property(text: str) -> str:
    """A property of a workflow command, such as its title."""
    return command_data(text).replace(":", "%3A").replace(",", "%2C")


def log_lines(text: str, most: int) -> list[str]:
    """The last lines of a foreign log, fit for a job's log: none begins as a command does, in its old form either."""
    return [f"| {line[:500].replace('##[', '# #[')}" for line in clean(text).strip().split("\n")[-most:] if line]
