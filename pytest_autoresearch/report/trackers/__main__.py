"""Reads a session and its records from standard input, a line of JSON each, and answers ``told`` when one is there."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from importlib import import_module
from typing import Any, Protocol


class Door(Protocol):
    """What the module of a tracker gives, as ``Door``. Metric units, seconds, bytes, US dollars."""

    def __init__(self, session: Mapping[str, Any]) -> None:
        """Begin a run for this session, or go on with the one that is there."""

    def record(self, document: Mapping[str, Any]) -> None:
        """Write an experiment; one that is there already is written over."""

    def end(self, why: str) -> None:
        """The session has ended."""


def main(name: str) -> None:
    """Speak with one tracker until standard input ends."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # whatever the library prints is no answer
    door: Door | None = None
    for line in sys.stdin:
        words = json.loads(line)
        if "session" in words:
            door = import_module(f"pytest_autoresearch.report.trackers.to_{name}").Door(words["session"])
        elif door is not None and "record" in words:
            door.record(words["record"])
        elif door is not None:
            door.end(str(words["ended"]))
        answers.write("told\n")
        answers.flush()


if __name__ == "__main__":
    main(sys.argv[1])
