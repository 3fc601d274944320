"""The door of the sandboxes: what a run may see, the three levels that confine it, and which one this machine gives."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol as Interface

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.lab import bwrap, landlock, selftest
from pytest_autoresearch.lab.plain import PlainSandbox
from pytest_autoresearch.lab.process import Command

WEAK = ("landlock", "process")
"""Levels that ``strict`` does not take."""


@dataclass(frozen=True, slots=True)
class View:
    """What a run sees of the machine. All paths are absolute.

    ``workspace`` is the directory it works in, ``shown_at`` the path of the user's repository, where a level with
    mounts shows the workspace. ``scratch`` is ours, for what the level needs beside it. ``readonly`` are paths inside
    the workspace, ``data`` (read-only) and ``caches`` (writable) any paths of the machine; ``hidden`` is masked
    wherever it would be visible. ``devices`` are device nodes, ``described`` the directories of sysfs that tell of
    them. ``home`` are files put into the run's fresh HOME, by path relative to it.
    ``frozen``: the workspace can not be written.
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


def choose(isolation: str, *, scratch: Path, repository: Path | None = None) -> Choice:
    """The best level that passes its self-test on this machine, which really attacks it.

    ``isolation`` is ``strict`` (bwrap or nothing), ``auto`` or ``none`` (level process). ``scratch`` is a directory
    of the session; no program is taken from the ``repository``. Raises LabError with the remedy if ``strict`` can not
    be had.
    """
    if isolation not in ("strict", "auto", "none"):
        raise LabError(f"isolation is {isolation!r}; it must be strict, auto or none")
    refused: list[str] = []
    if isolation != "none":
        for level, sandbox in _better(scratch, repository):
            if not isinstance(sandbox, str):
                return Choice(sandbox, level, tuple(refused))
            refused.append(f"{level}: {sandbox}")
            if isolation == "strict":
                raise LabError(f"isolation is strict, and this machine does not give it.\n  {refused[0]}")
    return Choice(PlainSandbox(), "process", tuple(refused))


def _better(scratch: Path, repository: Path | None) -> Iterator[tuple[str, Sandbox | str]]:
    """The levels that confine, best first, each probed when it is asked for."""
    yield "bwrap", _bwrap(scratch, repository)
    yield "landlock", _landlock(scratch)


def _bwrap(scratch: Path, repository: Path | None) -> Sandbox | str:
    """The level, or why not and the remedy."""
    if sys.platform != "linux":
        return f"needs Linux namespaces, which {platform.system()} does not have; run in a Linux container or machine"
    program = bwrap.find_program(repository)
    if program is None:
        return "bubblewrap is not installed; `apt install bubblewrap`, or `pip install pytest-autoresearch[sandbox]`"
    sandbox = bwrap.BwrapSandbox(program)
    if weak := selftest.weaknesses(sandbox, scratch):
        return f"{weak[0]}; {selftest.remedy(weak[0])}"
    return sandbox


def _landlock(scratch: Path) -> Sandbox | str:
    if sys.platform != "linux":
        return f"needs the Linux kernel, not {platform.system()}"
    if not landlock.version():
        return "the kernel has no Landlock; it came with Linux 5.13 and may have to be named in the boot option lsm="
    sandbox = landlock.LandlockSandbox()
    if weak := selftest.weaknesses(sandbox, scratch):
        return f"{weak[0]}; this kernel's Landlock has version {landlock.version()}, and 6 (Linux 6.12) is needed"
    return sandbox
