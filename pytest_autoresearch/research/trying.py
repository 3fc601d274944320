"""``autoresearch-try``: an agent has the protocol's command run on its edit, as often as the protocol grants it.

The program lies on the agent's PATH in a directory that only the supervisor writes, beside two sockets: to connect to
one is the whole request. The edit is taken from the workspace as it is at that moment and run in another one, in the
sandbox of a run, without what is hidden. What it prints goes to the agent, and to nobody else: it is no evidence.
"""

from __future__ import annotations

import shlex
import shutil
import socket
import sys
import tempfile
import threading
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pytest_autoresearch.errors import AutoresearchError
from pytest_autoresearch.lab.job import Finished, Tick
from pytest_autoresearch.protocol.experiment import Change, FileEntry
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.settings import Settings
from pytest_autoresearch.research.guards import suite_of
from pytest_autoresearch.text import one_line

PROGRAM = "autoresearch-try"
KINDS = ("run", "guard")
MOST_REFUSED = 20  # requests of a turn that get nothing; then nobody answers any more
LONGEST_OUTPUT = 64_000  # bytes, of which the end counts
SEND_TIMEOUT = 5.0  # s for an agent to take what it asked for
LONGEST_SOCKET = 90  # bytes of a socket's path; the kernel takes 107

_CLIENT = f"""\
#!/usr/bin/env python3
import os, socket, sys
if sys.argv[1:] not in ([], ["--guard"]):
    sys.exit("usage: {PROGRAM} [--guard]: runs the protocol's command, or its guards, on your edit")
name = os.path.join(os.path.dirname(os.path.realpath(__file__)), "guard" if sys.argv[1:] else "run")
asked = socket.socket(socket.AF_UNIX)
try:
    asked.connect(name)
    answer = asked.makefile("rb")
    code = int(answer.readline())
except (OSError, ValueError):
    sys.exit("{PROGRAM}: nobody answers (any more)")
sys.stdout.buffer.write(answer.read())
sys.stdout.flush()
sys.exit(code)
"""

Edited = Callable[[Sequence[Change]], tuple["Mapping[str, FileEntry] | None", str]]
"""From what differs in the workspace to the state it makes, or to why it is none that would be run."""

Guard = Callable[[str, "Mapping[str, FileEntry]", float, Tick], Finished]
"""Runs a command on a state, ended after so many seconds, in a workspace and a sandbox of a run."""


class _Over(Exception):
    """The turn has ended, and with it what it had tried."""


@dataclass(frozen=True, slots=True)
class Grant:
    """What a turn may try: so many runs of these commands by kind, each ended after ``deadline`` seconds."""

    runs: int
    commands: Mapping[str, Sequence[str]]
    deadline: float

    @property
    def seconds(self) -> float:
        """How much longer a turn may take for it."""
        return self.runs * self.deadline


def granted(
    protocol: Protocol, settings: Settings, start: Collection[str], deadline: float, budget: float | None
) -> Grant | None:
    """What the protocol grants a turn; None where that is nothing. ``start`` are the files of the start commit."""
    if not settings.agent_try:
        return None
    suite = suite_of(protocol, start, settings.guard_workers)
    guards = [suite.commands(guard, fail_fast=True, first=[])[-1] for guard in protocol.guard]
    time = "" if budget is None else f"export AUTORESEARCH_TIME_BUDGET={budget:g}\n"
    return Grant(settings.agent_try, {"run": [time + protocol.run], "guard": guards}, deadline)


class Trying:
    """The tries of one turn. ``count`` of them were made, in ``seconds``.

    Requests are taken, and the edit is read, in the caller's ticks; the runs are made in a thread, so that the turn's
    own deadline and limits hold meanwhile. One runs at a time.
    """

    def __init__(self, grant: Grant, guard: Guard, changes: Callable[[], Sequence[Change]], edited: Edited) -> None:
        self.grant, self._guard, self._changes, self._edited = grant, guard, changes, edited
        self.count, self.seconds = 0, 0.0
        self._refused = 0
        self._sockets: dict[str, socket.socket] = {}
        self._worker: threading.Thread | None = None
        self._over = threading.Event()

    @contextmanager
    def offered(self) -> Iterator[str]:
        """The lines of shell that put the program into reach, while this lasts."""
        place = _short_directory()
        try:
            for kind in KINDS:
                listening = self._sockets[kind] = socket.socket(socket.AF_UNIX)
                listening.bind(str(place / kind))
                listening.listen(4)
                listening.setblocking(False)
            program = place / PROGRAM
            program.write_text(_CLIENT)
            program.chmod(0o755)
            shown = shlex.quote(str(place))
            yield f': {shown}\nexport PATH={shown}:"$PATH"\n'  # the first line: a sandbox shows the paths it is told
        finally:
            self._over.set()
            for listening in self._sockets.values():
                listening.close()
            if self._worker is not None:
                self._worker.join()
            shutil.rmtree(place, ignore_errors=True)

    def look(self) -> None:
        """Take the requests that have come."""
        for kind, listening in self._sockets.items():
            if self._refused >= MOST_REFUSED:
                listening.close()
                continue
            with suppress(OSError):  # nobody asks
                asked, _ = listening.accept()
                asked.settimeout(SEND_TIMEOUT)
                self._answer(kind, asked)

    def _answer(self, kind: str, asked: socket.socket) -> None:
        state, why = None, ""
        if self._worker is not None and self._worker.is_alive():
            why = "one try is under way; ask again when it has ended"
        elif self.count >= self.grant.runs:
            why = f"the tries of this turn are used up ({self.grant.runs})"
        elif not self.grant.commands[kind]:
            why = "the protocol has no guard"
        else:
            try:
                state, why = self._edited(self._changes())
            except (AutoresearchError, OSError) as error:
                why = f"the edit can not be read: {one_line(str(error))}"
        if state is None:
            self._refused += 1
            _send(asked, 1, f"{PROGRAM}: {why}\n".encode())
            return
        self.count += 1
        left = self.grant.runs - self.count
        self._worker = threading.Thread(target=self._run, args=(self.grant.commands[kind], state, asked, left))
        self._worker.start()

    def _run(self, commands: Sequence[str], state: Mapping[str, FileEntry], asked: socket.socket, left: int) -> None:
        output, code = b"", 0
        try:
            for command in commands:
                done = self._guard(command, state, self.grant.deadline, self._tick)
                self.seconds += done.duration
                output += done.stdout
                code = 124 if done.timed_out else 1 if done.exit_code is None else done.exit_code
                if code:
                    break
            words = f"killed after {self.grant.deadline:g} s" if code == 124 else f"exit status {code}"
        except _Over:
            asked.close()
            return
        except AutoresearchError as error:
            code, words = 1, one_line(str(error))
        shown = output if len(output) <= LONGEST_OUTPUT else b"[...]\n" + output[-LONGEST_OUTPUT:]
        told = f"\n{PROGRAM}: {words}; {self.seconds:.1f} s in all; {left} left; it is for you alone, and no evidence\n"
        _send(asked, code, shown + told.encode())

    def _tick(self, elapsed: float) -> None:
        if self._over.is_set():
            raise _Over


def watched(trying: Trying, tick: Tick) -> Tick:
    """The tick of a turn that takes requests as well."""

    def look(elapsed: float) -> None:
        tick(elapsed)
        trying.look()

    return look


def _short_directory() -> Path:
    """A new directory for sockets, whose paths may not be long."""
    where = None if len(tempfile.gettempdir()) + 30 < LONGEST_SOCKET or sys.platform == "win32" else "/tmp"
    return Path(tempfile.mkdtemp(prefix="autoresearch-", dir=where)).resolve()


def _send(asked: socket.socket, code: int, text: bytes) -> None:
    with suppress(OSError), asked:
        asked.sendall(b"%d\n" % min(max(code, 0), 255) + text)
