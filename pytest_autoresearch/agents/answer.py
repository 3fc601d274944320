"""What an agent said, read from its last message: two documented lines, everything else tolerated.

    HYPOTHESIS: why the metric should move
    DESCRIPTION: what was changed, in one line

What an agent says is data that ends up in commits and tables: nothing that a terminal, a log or a diff viewer could
take for a command leaves this module.
"""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass

LONGEST_DESCRIPTION = 400  # characters; results.tsv shows the first 200 of them, the ledger has them all
LONGEST_HYPOTHESIS = 2000
LONGEST_FAILURE = 600
_LONGEST_MESSAGE = 100_000

_ESCAPES = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # CSI: colours, cursor moves
    r"|\x1b[\]PX^_].*?(?:\x07|\x1b\\|$)"  # OSC, DCS and their kin: titles, links, clipboard
    r"|\x1b[ -/]*[0-~]"  # two-character escapes
    r"|\x9b[0-?]*[ -/]*[@-~]",
    re.DOTALL,
)
_LABELLED = re.compile(r"^[\s>#*_`\-+]*(hypothesis|description)[\s*_`]*[:：][\s*_`]*(.*)$", re.IGNORECASE)
_FENCE = re.compile(r"^\s*(`{3,}|~{3,})")


@dataclass(frozen=True, slots=True)
class Answer:
    """One line each, free of control characters. Both may be empty."""

    description: str = ""
    hypothesis: str = ""


def parse_answer(message: str) -> Answer:
    """Read an agent's last message. The last labelled line of each kind counts; without one, the last line said."""
    labelled: dict[str, str] = {}
    last = ""
    for line in clean(message[-_LONGEST_MESSAGE:]).splitlines():
        if match := _LABELLED.match(line):
            labelled[match[1].lower()] = match[2].strip(" *_`")
        elif line.strip() and not _FENCE.match(line):
            last = line.strip(" \t*_`#>")
    description = labelled.get("description") or ("" if "hypothesis" in labelled else last)
    return Answer(
        one_line(description or labelled.get("hypothesis", ""), LONGEST_DESCRIPTION),
        one_line(labelled.get("hypothesis", ""), LONGEST_HYPOTHESIS),
    )


def is_labelled(line: str) -> bool:
    """Whether it is one of the two documented lines."""
    return _LABELLED.match(line) is not None


def clean(text: str) -> str:
    """Text without escape sequences and without control or invisible formatting characters; lines are kept."""
    if text.isascii() and text.isprintable():
        return text
    text = _ESCAPES.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return "".join(map(_visible, text))


def one_line(text: str, limit: int) -> str:
    """Clean text as one line of at most ``limit`` characters."""
    line = " ".join(clean(text[: 20 * limit]).split())
    return line if len(line) <= limit else line[: limit - 1].rstrip() + "…"


def last_words(text: str, limit: int = LONGEST_FAILURE) -> str:
    """The end of what a program said, as one line of at most ``limit`` characters."""
    line = " ".join(clean(text[-20 * limit :]).split())
    return line if len(line) <= limit else "…" + line[-(limit - 1) :].lstrip()


def _visible(character: str) -> str:
    if character in "\n\t" or character.isprintable():
        return character
    category = unicodedata.category(character)
    return " " if category in ("Zs", "Zl", "Zp") else ""
