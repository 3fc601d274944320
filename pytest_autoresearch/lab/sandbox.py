"""Which of the three levels that confine a run this machine gives."""

from __future__ import annotations

import platform
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.lab import bwrap, landlock, selftest
from pytest_autoresearch.lab.plain import PlainSandbox
from pytest_autoresearch.lab.view import Sandbox

WEAK = ("landlock", "process")
"""Levels that ``strict`` does not take."""


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
