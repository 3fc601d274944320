"""Level ``process``: no confinement of files or network, only a fresh HOME and TMPDIR and a tree that can be swept."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_autoresearch.lab.process import Command

if TYPE_CHECKING:
    from pytest_autoresearch.lab.sandbox import View


class PlainSandbox:
    """Runs the command as it is."""

    level = "process"

    @contextmanager
    def wrap(self, command: Command, view: View) -> Iterator[Command]:
        with fresh_directories(view) as environment:
            yield replace(command, cwd=inside(command.cwd, view), env={**command.env, **environment})


@contextmanager
def fresh_directories(view: View) -> Iterator[dict[str, str]]:
    """An own HOME and TMPDIR for one run; answers the environment that points there."""
    place = Path(tempfile.mkdtemp(prefix="run-", dir=view.scratch))
    try:
        home, temporary = place / "home", place / "tmp"
        home.mkdir()
        temporary.mkdir()
        for name, content in view.home.items():
            (home / name).parent.mkdir(parents=True, exist_ok=True)
            (home / name).write_bytes(content)
        yield {"HOME": str(home), "TMPDIR": str(temporary)}
    finally:
        shutil.rmtree(place, ignore_errors=True)


def inside(path: Path, view: View) -> Path:
    """Where a path below the repository lies for levels that can not remap it: in the workspace."""
    if path.is_relative_to(view.shown_at) and not path.is_relative_to(view.workspace):
        return view.workspace / path.relative_to(view.shown_at)
    return path
