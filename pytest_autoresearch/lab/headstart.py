"""The next run of a marked test's body, started while nobody has its candidate: its pytest loads what is installed.

It waits in the sandbox that the run has, and is used where that is still the sandbox the run would get; else, and where
it has died or does not answer, the run is started as ever. ``gate.py`` is the other end.
"""

from __future__ import annotations

import json
import os
import select
import shlex
import sys
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

from pytest_autoresearch import gate
from pytest_autoresearch.lab.bwrap import mount_table
from pytest_autoresearch.lab.command import Command, Outcome
from pytest_autoresearch.lab.process import Begun, begun
from pytest_autoresearch.lab.reach import reach
from pytest_autoresearch.lab.view import Sandbox, View
from pytest_autoresearch.protocol.marker import PYTEST

PATIENCE = 30.0  # s that it may still take to load what is installed
LOOK = 0.1  # s
_GATE = Path(gate.__file__)
_LEADS_IN = ("PYTHONPATH", "LD_LIBRARY_PATH", "PYTHONHOME", "PYTHONUSERBASE")
_AT_START = ("sitecustomize", "usercustomize")
"""What an interpreter loads by itself, wherever it finds it."""

Places = Mapping[Path, "tuple[int, int] | None"]


def can_wait(command: Command, view: View) -> bool:
    """Whether a pytest can be started by ``command`` that loads nothing of the workspace before it is told to."""
    top = view.shown_at
    inside = _GATE.is_relative_to(top) and (Path(sys.prefix) == top or not _GATE.is_relative_to(sys.prefix))
    return (
        PYTEST in command.argv[-1]
        and not inside
        and not command.env.get("PYTHONSAFEPATH")  # it takes the directory of a program from its path
        and not any(_lead_in(command.env[name], top) for name in _LEADS_IN if command.env.get(name))
    )


def _lead_in(paths: str, top: Path) -> bool:
    """Whether one of these paths leads into the repository, as a relative or an empty one does."""
    return any(not os.path.isabs(each) or _inside(each, top) for each in paths.split(os.pathsep))


def _inside(path: str, top: Path) -> bool:
    return any(Path(each).is_relative_to(top) for each in (os.path.normpath(path), os.path.realpath(path)))


def leads_in(path: str) -> bool:
    """Whether a file of a state would be loaded by an interpreter that has been told of its directory alone."""
    return path.rpartition("/")[2].startswith(_AT_START)


@dataclass(frozen=True)
class HeadStart:
    """A pytest that waits. ``mounted`` are the places in the workspace that its sandbox holds on to."""

    run: Begun
    command: Command
    view: View
    mounted: Places
    entrance: BinaryIO
    answer: BinaryIO
    cleanup: ExitStack

    @classmethod
    def of(cls, sandbox: Sandbox, command: Command, view: View) -> HeadStart | None:
        """One in the sandbox of ``command``, None where it does not start."""
        with ExitStack() as stack:
            theirs, entrance = _pipe(stack)
            answer, said = _pipe(stack)
            handles = theirs.fileno(), said.fileno()
            starts = f"exec python {shlex.quote(str(_GATE))} {handles[0]} {handles[1]} "
            waiting = replace(
                command,
                argv=(*command.argv[:-1], command.argv[-1].replace(PYTEST, starts, 1)),
                pass_fds=(*command.pass_fds, *handles),
            )
            run = stack.enter_context(begun(stack.enter_context(sandbox.wrap(waiting, view))))
            theirs.close()
            said.close()
            if isinstance(run, Outcome):
                return None
            entrance.write(_line({"top": str(view.shown_at)}))
            return cls(run, command, view, _mounted(view), entrance, answer, stack.pop_all())

    @property
    def held(self) -> frozenset[str]:
        """What :meth:`Workspace.fill` has to leave where it is."""
        return frozenset(str(path.relative_to(self.view.workspace)) for path in self.mounted)

    def go(
        self,
        command: Command,
        view: View,
        tick: Callable[[float], None] | None,
        observe: Callable[[bytes], None] | None,
    ) -> Outcome | None:
        """Be the run of ``command``; None where it has to be started as ever, and nothing of it has begun here.

        Its deadline counts from now. Its duration counts what was loaded ahead too, as that of any other run does.
        """
        variables = {name: value for name, value in command.env.items() if self.command.env.get(name) != value}
        if not self._fits(command, view, variables) or self._is_dead():
            return None
        told = time.monotonic()
        try:
            self.entrance.write(_line({"variables": variables}))
        except OSError:
            return None
        answered = select.poll()  # select() knows no descriptor from 1024 on
        answered.register(self.answer, select.POLLIN)
        while not answered.poll(1000 * LOOK):
            if time.monotonic() - told > PATIENCE:
                return None
            if tick is not None:
                tick(0.0)
        answer = self.answer.read(64)
        if not answer.endswith(b"\n"):
            return None
        loaded = min(float(answer), told) - self.run.started
        self.run.command = replace(self.run.command, timeout=command.timeout)
        self.run.started, self.run.tick, self.run.observe = time.monotonic(), tick, observe
        self.run.watch()
        outcome = self.run.outcome()
        return replace(outcome, duration=outcome.duration + loaded)

    def close(self) -> None:
        """End it, if it still waits."""
        self.cleanup.close()

    def _is_dead(self) -> bool:
        """Whether its outermost process is; what that had started may still be there, and would answer."""
        assert self.run.child is not None
        return os.waitid(os.P_PID, self.run.child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _fits(self, command: Command, view: View, variables: Mapping[str, str]) -> bool:
        """Whether this is what would be started now, but for what a run is told by variables of ours."""
        known = self.command
        return (
            view == self.view
            and replace(command, env=known.env, timeout=known.timeout) == known
            and known.env.keys() <= command.env.keys()
            and all(name.startswith("AUTORESEARCH_") for name in variables)
            and _mounted(view) == self.mounted
        )


def _mounted(view: View) -> Places:
    """The places in the workspace that a sandbox mounts, or mounts on, each with what is there."""
    top = view.shown_at
    inside = [path.relative_to(top) for path in mount_table(view, reach()) if path.is_relative_to(top)]
    return {view.workspace / path: _identity(view.workspace / path) for path in inside}


def _identity(path: Path) -> tuple[int, int] | None:
    try:
        status = os.lstat(path)
    except OSError:
        return None
    return status.st_dev, status.st_ino


def _line(told: Mapping[str, object]) -> bytes:
    return json.dumps(told).encode() + b"\n"


def _pipe(stack: ExitStack) -> tuple[BinaryIO, BinaryIO]:
    """The end that is read, and the one that is written."""
    read, write = os.pipe()
    reading = stack.enter_context(os.fdopen(read, "rb", buffering=0))
    return reading, stack.enter_context(os.fdopen(write, "wb", buffering=0))
