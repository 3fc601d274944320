"""Instructions as the metric: valgrind's callgrind counts, pytest-codspeed tells it where the measured code begins.

Stock valgrind is enough. pytest-codspeed is spoken to by the environment and the marker it documents, never imported.
"""

from __future__ import annotations

import os
import re
from importlib.util import find_spec
from pathlib import Path

import pytest

from pytest_autoresearch.executables import find

_FOLDER = "CODSPEED_PROFILE_FOLDER"
UNDER_CALLGRIND = (
    "for name in BEST EXPERIMENT SEED TIME_BUDGET; do "
    """name=AUTORESEARCH_$name; export "$name=$(printf %32s "${!name}")"; done; """
    f'export {_FOLDER}="$(mktemp -d)" CODSPEED_ENV=autoresearch PYTHONHASHSEED=0 PYTHONDONTWRITEBYTECODE=1 && '
    f'exec valgrind -q --tool=callgrind --instr-atstart=no --vgdb=no --callgrind-out-file="${_FOLDER}/%p"'
)
"""Goes before the measuring pytest. The count depends on the hashes of strings, and on where objects lie in memory; the
size of the environment moves them. So both are the same in each run: numbers that differ are padded with blanks."""


def missing_tools() -> list[str]:
    """What has to be installed before instructions can be counted, as its owner would do it."""
    valgrind = [] if find("valgrind") else ["valgrind (on Debian: apt install valgrind)"]
    return valgrind + ([] if find_spec("pytest_codspeed") else ["pytest-codspeed (pip install pytest-codspeed)"])


class Counting:
    """Registered in the fresh pytest of the workspace where instructions are counted."""

    @pytest.hookimpl(tryfirst=True)
    def pytest_collection_modifyitems(self, items: list[pytest.Item]) -> None:
        """A test without the ``benchmark`` fixture is measured as a whole."""
        for item in items:
            if not {"benchmark", "codspeed_benchmark"} & set(getattr(item, "fixturenames", ())):
                item.add_marker("codspeed_benchmark")


def instructions_of(item: pytest.Item) -> dict[str, float]:
    """The count of the body that was called, from the file that callgrind has written at its end; or nothing."""
    written = Path(os.environ[_FOLDER]).glob(f"{os.getpid()}.*") if _FOLDER in os.environ else ()
    for text in (path.read_text(encoding="utf-8", errors="replace") for path in written):
        request = re.search(r"^desc: Trigger: Client Request: (.*)$", text, re.MULTILINE)
        total = re.search(r"^totals: (\d+)$", text, re.MULTILINE)
        if request and total and request[1].endswith(item.nodeid):
            return {"instructions": float(total[1])}
    return {}
