"""What a run asked for: paths, by a watch on its system calls or by the words it left. Plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from pathlib import Path


class Asked(str, Enum):
    """How a path was asked for. ``KEPT``: a command looked for what an earlier one had written to its HOME."""

    FILE = "file"
    PROGRAM = "program"
    WRITE = "write"
    KEPT = "kept"


@dataclass(frozen=True, slots=True)
class Lookup:
    """A path of the machine, absolute, that a command did not find although the machine has it.

    Of ``WRITE`` the machine has the directory, and of ``KEPT`` it may have nothing.
    """

    path: Path
    asked: Asked = Asked.FILE
