"""What a check says of a commit. Values only."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Conclusion(str, Enum):
    """How a check ends; neutral is neither good nor bad."""

    SUCCESS = "success"
    NEUTRAL = "neutral"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class Verdict:
    """A check's outcome. ``summary`` is Markdown, ``address`` where more is told; it may be empty.

    ``check`` is the check's name.
    """

    conclusion: Conclusion
    title: str
    summary: str
    address: str = ""
    check: str = "autoresearch"
