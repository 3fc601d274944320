"""What ``show`` says of knobs: every literal of the targets, with its range, and why it is open or closed."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from pytest_autoresearch.agents.search.finders.survey import Seen, Survey


def knob_lines(found: Survey, width: int) -> Iterator[str]:
    """One line for each literal, those that are turned first; then the targets that are not read."""
    several = len({seen.file for seen in found.knobs}) > 1
    for seen in found.knobs:
        if not seen.closed:
            text = f"  {_name(seen)}, {seen.scale}{', ' * bool(seen.range)}{seen.range}  {_place(seen, several)}"
            yield from _wrapped(text, width)
    closed = [seen for seen in found.knobs if seen.closed]
    if closed:
        yield "  closed:"
        for seen in closed:
            yield from _wrapped(f"    {_name(seen)}: {seen.closed}  {_place(seen, several)}", width)
    for file, why in found.unread.items():
        yield from _wrapped(f"  {file} is not read, neither for knobs nor for seeds: {why}", width)


def _name(seen: Seen) -> str:
    return f"{seen.label} = {seen.shown}"


def _place(seen: Seen, several: bool) -> str:
    return f"{seen.file}:{seen.line}" if several else f"line {seen.line}"


def _wrapped(line: str, width: int) -> list[str]:
    plain = "".join(char if char.isprintable() else "\N{MIDDLE DOT}" for char in line)
    return textwrap.wrap(plain, width, subsequent_indent=" " * 6, break_on_hyphens=False)
