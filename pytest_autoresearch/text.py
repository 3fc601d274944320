"""Foreign words made fit to show: the one cleaner, for whatever an agent, a run or a plugin says. Pure; knows no room.

It is applied once, where words enter: a proposal, a failure's detail, the end of a log. What a surface needs beside it,
such as Markdown's or a table's escapes, is that surface's business.
"""

from __future__ import annotations

import re
import unicodedata

from pytest_autoresearch.patterns import regex

LONGEST_LINE = 200  # characters of a line for people, where nothing else is said
MOST_MARKS = 6  # combining marks in a row; no script needs as many, and a tall pile covers the lines around it

# ECMA-48 in 7 and in 8 bits. Each alternative takes what it can even if its end is missing, so that a sequence that was
# cut leaves no words behind, and all of them are linear: nothing is tried twice.
_SEQUENCE = regex(
    r"(?:\x1b\[|\x9b)[0-?]*[ -/]*[@-~]?"  # CSI: colours, cursor moves
    r"|(?:\x1b[\]PX^_]|[\x90\x98\x9d\x9e\x9f])[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?"  # OSC, DCS: titles, clipboard
    r"|\x1b[ -/]*[0-~]?"  # the short ones
)
_ODD = regex(r"[^ -~\n\t]+")
# Default_Ignorable_Code_Point (DerivedCoreProperties.txt, Unicode 16), as far as a category does not say it: letters
# and marks that show nothing, in which another text can be hidden.
_INVISIBLE = regex("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]")


def clean(text: str | bytes) -> str:
    """Text that shows what it says: no terminal sequences, no control, invisible or direction characters.

    Lines and tabs stay, other blanks become plain ones, what is no character becomes U+FFFD.
    """
    if isinstance(text, bytes):
        text = text.decode("utf-8", "replace")
    if text.isascii() and text.isprintable():
        return text
    text = _SEQUENCE.sub("", text).replace("\r\n", "\n").replace("\r", "\n")
    return _ODD.sub(_visible, text)


def without_sequences(text: str) -> str:
    """Text without what steers a terminal; everything else in it stays as it is."""
    return _SEQUENCE.sub("", text) if "\x1b" in text or not text.isascii() else text


def shown(line: str) -> str:
    """A line of a terminal as it is laid out, without what steers one: for words that another machine has recorded."""
    return clean(line).replace("\n", " ").replace("\t", " ")


def one_line(text: str | bytes, limit: int | None = LONGEST_LINE) -> str:
    """Clean text on one line, cut at ``limit`` characters; None: as long as it is."""
    if limit is not None:
        text = text[: 20 * limit]
    line = " ".join(clean(text).split())
    return line if limit is None or len(line) <= limit else line[: limit - 1].rstrip() + "…"


def last_words(text: str | bytes, limit: int = LONGEST_LINE) -> str:
    """The end of what a program said, on one line of at most ``limit`` characters."""
    line = " ".join(clean(text[-20 * limit :]).split())
    return line if len(line) <= limit else "…" + line[-(limit - 1) :].lstrip()


def fenced(text: str, language: str = "") -> str:
    """A block of code in Markdown that nothing inside of it can close."""
    body = clean(text).strip("\n").rstrip()
    longest = max((len(ticks) for ticks in re.findall(r"`+", body)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{body}\n{fence}"


def _visible(run: re.Match[str]) -> str:
    shown, marks = "", 0
    for character in run[0]:
        category = unicodedata.category(character)
        if category == "Cs":  # half a character, or a byte of a file's name
            character = "\N{REPLACEMENT CHARACTER}"
        elif not character.isprintable():
            character = " " if character.isspace() else ""
        if not character or _INVISIBLE.match(character):
            continue
        marks = marks + 1 if category in ("Mn", "Me") else 0
        if marks <= MOST_MARKS:
            shown += character
    return shown
