"""Foreign words made harmless for GitHub: in Markdown, in a mermaid chart, in a job's log. Pure.

Whatever an agent or a log says may be shown, but must not mention people, close issues, carry HTML or give commands.
"""

from __future__ import annotations

import re

from pytest_autoresearch.notebook.text import clean

_HARMLESS = str.maketrans({"&": "&amp;", "<": "&lt;", ">": "&gt;", **{c: "\\" + c for c in "\\`*_[]#-!|~$"}})
_BREAK = "\u200b"
# GitHub looks for these after it has rendered the Markdown, so an entity or a backslash would not stop it.
_ALIVE = re.compile(r"@|#|(?<=\w)(?=-\d)|(?<=:)(?=//)|(?<=www)(?=\.)", re.IGNORECASE)


def words(text: str, most: int = 200) -> str:
    """One line of Markdown, fit for a table's cell, that renders as ``text`` and as nothing else."""
    line = " ".join(text.split()) if text.isprintable() else clean(text)  # the same, but fast for the usual
    line = line if len(line) <= most else line[: most - 1].rstrip() + "…"
    return _ALIVE.sub(lambda found: found[0] + _BREAK, line).translate(_HARMLESS)


def fenced(text: str, language: str = "") -> str:
    """A block of code that ends where ``text`` ends; mentions and HTML mean nothing inside."""
    body = clean(text, lines=True)
    longest = max((len(ticks) for ticks in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{body}\n{fence}"


def label(text: str) -> str:
    """A title inside of a mermaid chart: letters, digits and little else."""
    return re.sub(r"[^\w .%/-]+", " ", clean(text))[:60].strip() or "metric"


def command_data(text: str) -> str:
    """The text of a workflow command such as ``::notice::``."""
    return clean(text).replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def command_property(text: str) -> str:
    """A property of a workflow command, such as its title."""
    return command_data(text).replace(":", "%3A").replace(",", "%2C")


def log_lines(text: str, most: int) -> list[str]:
    """The last lines of a foreign log, fit for a job's log: none begins as a command does, in its old form either."""
    return [f"| {line[:500].replace('##[', '# #[')}" for line in clean(text, lines=True).split("\n")[-most:] if line]
