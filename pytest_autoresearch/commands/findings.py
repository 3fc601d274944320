"""What ``doctor`` has found, as a value."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Health(str, Enum):
    """How much a finding matters. Only BAD keeps a session from starting."""

    OK = "ok"
    NOTE = "note"
    BAD = "bad"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. ``remedy`` is what to do for more, empty where there is nothing to do."""

    topic: str
    health: Health
    text: str
    remedy: str = ""
