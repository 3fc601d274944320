"""Files with the names of programs that the supervisor starts, where a careless PATH leads; without pytest.

Also a program, ``python -m tests.attacks.planting LEVEL``, for users and interpreters that have none: it prints what
was started as JSON.
"""

from __future__ import annotations

import json
import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

from pytest_autoresearch.executables import workspaces
from pytest_autoresearch.lab.executors.local import LocalExecutor
from pytest_autoresearch.lab.job import Job, Site
from pytest_autoresearch.lab.sandbox import Choice
from pytest_autoresearch.protocol.experiment import FileEntry, Role, blob_id
from pytest_autoresearch.protocol.model import Direction, Metric, Protocol
from tests.attacks.arena import available

NAMES = (
    *("git", "bwrap", "bash", "sh", "python", "python3", "node", "uname"),
    *("ssh", "env", "valgrind", "ldconfig", "pgrep"),
)
# The run finds its repository and fills the settings with programs, for the git that makes the next one.
SPOIL = """
import os, pathlib
print("score:", int(os.path.exists(".git/HEAD")))
evil = os.path.abspath("evil")
pathlib.Path(evil).write_text("#!/bin/sh\\n/bin/echo settings >> 'MARKER'\\nexit 1\\n")
os.chmod(evil, 0o755)
with open(".git/config", "a") as file:
    file.write(f"[core]\\nfsmonitor = {evil}\\nhooksPath = {os.getcwd()}\\nsshCommand = {evil}\\npager = {evil}\\n")
    file.write(f"[filter \\"x\\"]\\nclean = {evil}\\nprocess = {evil}\\nrequired = true\\n")
    file.write(f"[diff \\"x\\"]\\ncommand = {evil}\\ntextconv = {evil}\\n")
    file.write(f"[gpg]\\nprogram = {evil}\\n[commit]\\ngpgsign = true\\n[include]\\npath = {os.getcwd()}/more\\n")
for hook in ("pre-commit", "post-commit", "reference-transaction", "post-index-change", "fsmonitor-watchman"):
    os.makedirs(".git/hooks", exist_ok=True)
    os.path.lexists(f".git/hooks/{hook}") or os.symlink(evil, f".git/hooks/{hook}")
os.path.lexists("pre-commit") or os.symlink(evil, "pre-commit")
"""
ENTRIES = ("", ".", "bin", "./bin")


def plant(directory: Path, marker: Path) -> Iterator[tuple[str, str]]:
    """Programs that tell that they were started, and by which name."""
    for name in NAMES:
        yield str(directory / name), f'#!/bin/sh\n/bin/echo {name} >> "{marker}"\nexit 1\n'


def started_by_a_throwaway_repository(level: str, entry: str, root: Path) -> str:
    """What of a candidate's was started while its repository was made and it was measured, twice; empty: nothing."""
    sandbox = available(level)
    assert sandbox is not None
    marker, top = root / "outside", root / "repo"
    top.mkdir()
    texts = {"train.py": SPOIL.replace("MARKER", str(marker)), ".gitattributes": "* filter=x diff=x\n"}
    for directory in (Path(), Path("bin")):
        texts |= dict(plant(directory, marker))
    blobs = {blob_id(text.encode()): text.encode() for text in texts.values()}
    state = {path: FileEntry("100755", blob_id(text.encode())) for path, text in texts.items()}
    protocol = Protocol("", Metric("score", Direction.LOWER), (), "python3 train.py", git_throwaway=True)
    careless = {"XDG_CACHE_HOME": str(root)}
    with mock.patch.dict(os.environ, careless):
        scratch = workspaces() / "session"
        scratch.mkdir(parents=True)
        os.environ["PATH"] = f"{entry}:{scratch}/workspace:{os.environ['PATH']}"
        here = os.getcwd()
        os.chdir(top)
        lab = LocalExecutor(
            Site(top, scratch, "tag", protocol, lambda ids: blobs, Path(sys.executable).parent), Choice(sandbox, level)
        )
        try:
            for number in (1, 2):  # what an earlier run has left lies there when the second one is prepared
                measured = lab.measure(Job(Role.CANDIDATE, number, 1, state, 60.0), lambda _: None)
                assert measured.value == 1.0, measured
        finally:
            lab.close()
            os.chdir(here)
    return marker.read_text() if marker.exists() else ""


def main(level: str) -> None:
    found = {}
    with tempfile.TemporaryDirectory() as directory:
        for number, entry in enumerate(ENTRIES if available(level) else ()):
            root = Path(directory).resolve() / str(number)
            root.mkdir()
            found[entry] = started_by_a_throwaway_repository(level, entry, root)
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
