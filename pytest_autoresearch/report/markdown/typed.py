"""What a reviewer may type. Pure. Tests run every block as it is rendered, in a fresh clone."""

from __future__ import annotations

from collections.abc import Sequence
from shlex import quote

from pytest_autoresearch.text import fenced


def fetching(tag: str) -> str:
    """The line that brings a session into a clone; everything else is derived from its ledger."""
    return f"pytest-autoresearch fetch --tag {quote(tag)}"


def block(tag: str, lines: Sequence[str]) -> str:
    """Lines for a shell that work in a fresh clone, as a block of code."""
    return fenced("\n".join([fetching(tag), *lines]), "console")


def reproducing(tag: str, start: str, head: str) -> str:
    """How to see and to measure again what a session found. ``start`` and ``head`` are commits."""
    name = quote(tag)
    return block(
        tag,
        [
            f"pytest-autoresearch verify --tag {name}      # start against head, fresh runs, interleaved",
            f"pytest-autoresearch log --tag {name}         # every experiment; --diff N shows discarded ones too",
            *([f"git diff {start[:12]} {head[:12]}"] if head != start else []),
        ],
    )


def dropping(tag: str, number: int) -> str:
    """How to take a keep out by hand."""
    name = quote(tag)
    return block(tag, [f"pytest-autoresearch drop {number} --tag {name}", f"pytest-autoresearch publish --tag {name}"])
