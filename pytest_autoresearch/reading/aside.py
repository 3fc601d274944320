"""Has a source read by its grammar in a process of its own, which runs :mod:`pytest_autoresearch.reading.reader`.

A grammar is a C program that is given whatever an agent has written. Some take hours over a file of 100 kB that repeats
one sign, and none can be interrupted. So it gets seconds of the processor, and what it has made of the file as JSON;
where it takes longer, or breaks, the file is unread.
"""

from __future__ import annotations

import json
import subprocess
import sys
from functools import lru_cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any

LONGEST_WAIT = 120.0  # s
IN_PLACE = 64  # bytes that are read at once, by whoever asks
_READER = str(Path(__file__).with_name("reader.py"))


@lru_cache(maxsize=64)
def read_aside(language: str, module: str, data: bytes) -> Any:
    """What the reader prints for a source; None where the grammar does not come to an end."""
    from pytest_autoresearch.executables import NEUTRAL, surroundings

    named = ("pytest_autoresearch", "tree_sitter", module)
    places = dict.fromkeys(str(Path(spec.origin).parents[1]) for n in named if (spec := find_spec(n)) and spec.origin)
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", _READER, language, *places],
            input=data,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            cwd=NEUTRAL,
            env=surroundings(),
            timeout=LONGEST_WAIT,
            check=True,
        )
        return json.loads(done.stdout)
    except (OSError, subprocess.SubprocessError, ValueError):
        return None
