"""The door of the sandboxes: what a run may see, and what confines it to that."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol as Interface

from pytest_autoresearch.lab.command import Command


@dataclass(frozen=True, slots=True)
class View:
    """What a run sees of the machine. All paths are absolute.

    ``workspace`` is the directory it works in, ``shown_at`` the path of the user's repository, where a level with
    mounts shows the workspace. ``scratch`` is ours, for what the level needs beside it. ``readonly`` are paths inside
    the workspace, ``data`` (read-only) and ``caches`` (writable) any paths of the machine; ``hidden`` is masked
    wherever it would be visible. ``devices`` are device nodes, ``described`` the directories of sysfs that tell of
    them. ``home`` are files put into the run's fresh HOME, by path relative to it.
    ``frozen``: the workspace can not be written. ``pinned``: it stays on the processors of the thread that starts it.
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
    described: tuple[Path, ...] = ()
    home: Mapping[str, bytes] = field(default_factory=dict)
    frozen: bool = False
    pinned: bool = False

    def candidates(self, path: Path) -> Path | None:
        """The candidate's file that a path from elsewhere leads to, None where it leads nowhere into the repository."""
        real, top = path.resolve(), self.shown_at.resolve()
        if path.is_relative_to(self.shown_at) or not real.is_relative_to(top):
            return None
        return self.workspace / real.relative_to(top)


class Sandbox(Interface):
    """Confines a command. ``level`` is ``bwrap``, ``landlock`` or ``process``."""

    level: str

    def wrap(self, command: Command, view: View) -> AbstractContextManager[Command]:
        """The command that runs ``command`` confined to ``view``. What it needed is removed when the context ends.

        ``command.cwd`` may be given below ``view.workspace`` or below ``view.shown_at``.
        """
