"""Level ``process``: no confinement of files or network, only a fresh HOME and TMPDIR and a tree that can be swept.

What the levels without mounts share is here too: the warden, and the links that stand in for binds.
"""

from __future__ import annotations

import os
import site
import sys
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import lru_cache, partial
from pathlib import Path

from pytest_autoresearch.lab.command import Command
from pytest_autoresearch.lab.kernel import libc
from pytest_autoresearch.lab.nursery import Keeper
from pytest_autoresearch.lab.places import borrowed, fresh_directories
from pytest_autoresearch.lab.reach import Reach, reach
from pytest_autoresearch.lab.reach import home as real_home
from pytest_autoresearch.lab.toolchains import VARIABLES
from pytest_autoresearch.lab.view import View

_PR_SET_DUMPABLE = 4


class PlainSandbox:
    """Runs the command below a warden where there is /proc, else as it is."""

    level = "process"

    @contextmanager
    def wrap(self, command: Command, view: View) -> Iterator[Command]:
        with (
            fresh_home(view) as (home, temporary),
            stand_ins(view),
            supervisor_concealed(),
        ):
            confined = replace(
                command,
                cwd=inside(command.cwd, view),
                env=settled(command.env, home, temporary),
            )
            yield guarded(confined, view.scratch) if sys.platform == "linux" else confined


def guarded(command: Command, scratch: Path, *, ruleset: int = -1, filter_handle: int = -1) -> Command:
    """``command`` below a warden; both handles are descriptors that the warden takes over.

    ``scratch`` is what its disk is watched by: no run can take that away.
    """
    keeper = Keeper(command.cwd, ruleset, filter_handle)
    return replace(command, cwd=scratch, keeper=keeper, wrappers=1, complaint=b"warden: ")


def settled(environment: Mapping[str, str], home: Path, temporary: Path) -> dict[str, str]:
    """The environment in a HOME of its own, where Python still finds what ``pip install --user`` gave the user."""
    user = {"PYTHONUSERBASE": site.getuserbase()} if site.ENABLE_USER_SITE else {}
    # A toolchain below HOME is found through the links of fresh_home, and takes its notes beside them.
    kept = {
        name: value
        for name, value in environment.items()
        if name not in VARIABLES or not Path(value).is_relative_to(real_home())
    }
    return {**user, **kept, "HOME": str(home), "TMPDIR": str(temporary)}


def inside(path: Path, view: View) -> Path:
    """Where a path below the repository lies for levels that can not remap it: in the workspace."""
    if path.is_relative_to(view.shown_at) and not path.is_relative_to(view.workspace):
        return view.workspace / path.relative_to(view.shown_at)
    return path


@contextmanager
def fresh_home(view: View) -> Iterator[tuple[Path, Path]]:
    """A HOME and a directory for temporary files of the run's own.

    Links lead to what a level with mounts would show below HOME: toolchains, data, caches.
    """
    with fresh_directories(view.scratch, {**reach().notes, **view.home}) as (home, temporary):
        for inner, path in _below_home(real_home(), reach(), view.shown_at, view.data, view.caches):
            place = os.path.join(home, inner)
            if not os.path.lexists(place):
                with suppress(OSError):  # below a link already, which shows it
                    os.makedirs(os.path.dirname(place), exist_ok=True)
                    os.symlink(path, place)
        yield home, temporary


@lru_cache(maxsize=8)
def _below_home(
    top: Path, reach: Reach, shown: Path, data: tuple[Path, ...], caches: tuple[Path, ...]
) -> tuple[tuple[str, str], ...]:
    """What lies below HOME and not in the repository: where in HOME, and where on the machine."""
    paths = (*reach.toolchains_beside(shown), *data, *caches)
    beside = (path for path in paths if path.is_relative_to(top) and not path.is_relative_to(shown))
    return tuple((str(path.relative_to(top)), str(path)) for path in beside)


@contextmanager
def stand_ins(view: View) -> Iterator[None]:
    """Links in the workspace to what git ignores in the repository but a run was promised: data, caches, ``.venv``."""
    with borrowed(view.workspace) as make:
        for path in (*reach().interpreter, *view.data, *view.caches):
            if path != view.shown_at and path.is_relative_to(view.shown_at):
                place = path.relative_to(view.shown_at)
                if not (view.workspace / place).exists():
                    make(place, partial(_link, path))
        yield


def _link(target: Path, name: str, directory: int) -> None:
    os.symlink(target, name, dir_fd=directory)


_concealed = 0
_concealing = threading.Lock()


@contextmanager
def supervisor_concealed() -> Iterator[None]:
    """While a run lives, its user's other processes can not read the supervisor's environment and memory."""
    if sys.platform != "linux":
        yield
        return
    _count_concealed(1)
    try:
        yield
    finally:
        _count_concealed(-1)


def _count_concealed(change: int) -> None:
    global _concealed
    with _concealing:
        _concealed += change
        libc().prctl(_PR_SET_DUMPABLE, int(not _concealed), 0, 0, 0)
