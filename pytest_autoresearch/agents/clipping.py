"""Text that stays in bounds: whole lines, what is left out is counted, and no fence stays open. Pure."""

from __future__ import annotations

import re


def clip(text: str, limit: int, *, end: bool = False) -> str:
    """At most ``limit`` bytes of the text's start, or of its ``end``, in whole lines where possible."""
    text = text.strip()
    data = text.encode("utf-8", "replace")
    if len(data) <= limit:
        return text
    room = limit - 60  # for the note, and for the fence below
    part = (data[-room:] if end else data[:room]).decode("utf-8", "ignore")
    if end:
        part = part.partition("\n")[2] or part
        return f"[… the first {len(data) - size(part)} bytes are left out]\n{part}"
    part = part.rpartition("\n")[0] or part
    if fence := _open_fence(part):
        part += f"\n{fence}"
    return f"{part}\n[… {len(data) - size(part)} more bytes are left out]"


def _open_fence(text: str) -> str:
    """The fence of the code block that the text ends in."""
    fence = ""
    for ticks in re.findall(r"^[ \t]*(`{3,})", text, re.MULTILINE):
        if not fence:
            fence = ticks
        elif len(ticks) >= len(fence):
            fence = ""
    return fence


def size(text: str) -> int:
    return len(text.encode("utf-8", "replace"))
