"""A description in few columns: what was turned and its values are the last to go. Pure."""

from __future__ import annotations

from pytest_autoresearch.patterns import regex

_PATH = regex(r"(?<![\w.@+-])[\w.@+-]*/[\w./@+-]+")
_ZERO = regex(r"(?<![\w.])([+-]?)0(\.\d)")
SHORTEST = 4  # letters of a name that still tell it
_ARROW = regex(r" ?(?:->|\N{RIGHTWARDS ARROW}) ?")


def squeezed(text: str, room: int) -> str:
    """At most ``room`` characters: paths are shortened first (`…/base.yaml`), then numbers, then the words before."""
    for shorten in (_whole, _without_folders, _with_short_values):
        text = shorten(text)
        if len(text) <= room:
            return text
    if "\N{RIGHTWARDS ARROW}" not in text or room < 12:
        return text[: max(0, room - 1)] + "\N{HORIZONTAL ELLIPSIS}"
    # The knob and its values stand at the end: the words before them give way.
    words, kept = text.split(" "), ""
    while words and len(longer := f"{words[-1]} {kept}".rstrip()) + 2 <= room:
        words.pop()
        kept = longer
    if not kept:
        return text[: room - 1] + "\N{HORIZONTAL ELLIPSIS}"
    left = room - len(kept) - 2
    if (
        words and left >= SHORTEST and "\N{RIGHTWARDS ARROW}" in kept.partition(" ")[0]
    ):  # the end of the name of what was turned
        return f"\N{HORIZONTAL ELLIPSIS}{words[-1][-left:]} {kept}"
    return f"\N{HORIZONTAL ELLIPSIS} {kept}"


def _whole(text: str) -> str:
    return text


def _without_folders(text: str) -> str:
    return _PATH.sub(lambda path: "\N{HORIZONTAL ELLIPSIS}/" + path[0].rpartition("/")[2], text)


def _with_short_values(text: str) -> str:
    return _ZERO.sub(r"\1\2", _ARROW.sub("\N{RIGHTWARDS ARROW}", text))
