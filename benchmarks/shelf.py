"""Simulated sessions kept one a line in a file, so that a table can be made in pieces, by several processes, and go on
after a kill. Knows no judge.

Each line names the commit at which its session was played; what was played at another commit is played anew.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any, Generic, TypeVar

_T = TypeVar("_T")


class Shelf(Generic[_T]):
    """``make`` is the dataclass of a session's result. Without a ``path`` nothing is kept."""

    def __init__(self, path: Path | None, make: Callable[..., _T]) -> None:
        self.path, self._make = path, make
        self.commit = said_by_git("describe", "--always", "--dirty")
        self._known: dict[tuple[str, int], dict[str, Any]] = {}
        for text in path.read_text().splitlines() if path is not None and path.exists() else ():
            held = json.loads(text)
            if held["commit"] == self.commit:
                self._known[held["row"], held["seed"]] = held["ended"]

    def get(self, row: str, seed: int, play: Callable[[], _T]) -> _T:
        """The session of this row with this seed, played unless it is there."""
        known = self._known.get((row, seed))
        if known is not None:
            return self._make(**{name: tuple(v) if name == "levels" else v for name, v in known.items()})
        ended = play()
        if self.path is not None:
            held = {"row": row, "seed": seed, "commit": self.commit, "ended": asdict(ended)}  # type: ignore[call-overload]
            with self.path.open("a") as file:  # one write, so that processes may share the file
                file.write(json.dumps(held) + "\n")
        return ended


def said_by_git(*command: str) -> str:
    """One line of git's on the checkout that this file is in; empty where there is none."""
    done = subprocess.run(
        ["git", "-C", str(Path(__file__).parent), *command], capture_output=True, text=True, check=False
    )
    return done.stdout.strip()
