"""The other slots of an arena: runs that are under way while one attacks."""

from __future__ import annotations

import os
import sys
import time
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

from pytest_autoresearch.lab.command import Command, Outcome
from pytest_autoresearch.lab.process import execute
from pytest_autoresearch.lab.view import Sandbox, View
from tests.attacks.neighbours import NEIGHBOUR, NEIGHBOURS


@dataclass(slots=True)
class Beside:
    """Runs at one level. ``view`` is that of the attacker, ``name`` and ``key`` those of the arena."""

    sandbox: Sandbox
    view: View
    name: str
    key: int
    secret: str
    facts: dict[str, object] = field(default_factory=dict)
    processes: frozenset[int] = frozenset()
    victim: int = 0
    _running: list[Future[Outcome]] = field(default_factory=list)

    @property
    def places(self) -> list[Path]:
        return [self.view.scratch / f"slot-{number + 1}" for number in range(NEIGHBOURS)]

    def begin(self, ends: ExitStack) -> None:
        """All are under way when this returns, and over when ``ends`` ends."""
        pool = ends.enter_context(ThreadPoolExecutor(NEIGHBOURS))
        ends.callback(self.end)
        shared = str(self.view.data[0] / "numbers")
        program = (os.path.realpath(sys.executable), "-S", "-I", "-c", NEIGHBOUR, self.name, str(self.key), shared)
        for place in self.places:
            place.mkdir(parents=True, exist_ok=True)
            (place / "secret").write_text(self.secret)
            if place == self.places[0]:
                (place / "first").touch()
            self._running.append(pool.submit(self._run, program, place))
        deadline = time.monotonic() + 60
        while not all((place / "begun").exists() for place in self.places):
            assert time.monotonic() < deadline and not any(each.done() for each in self._running)
            time.sleep(0.02)
        told = map(int, (self.places[0] / "begun").read_text().split())
        self.facts = {"shared": shared, **dict(zip(("address", "open_file", "their_port"), told, strict=True))}
        mine = [int(pid) for pid in filter(str.isdigit, os.listdir("/proc")) if self.name in words(pid)]
        self.processes = frozenset(mine)
        self.victim = max(pid for pid in mine if words(str(pid)) == list(program))

    def _run(self, program: tuple[str, ...], place: Path) -> Outcome:
        view = replace(self.view, workspace=place, readonly=())
        environment = {"PATH": os.defpath, "SECRET": self.secret}
        with self.sandbox.wrap(Command(program, view.shown_at, environment, 3600.0, disk_floor=0), view) as confined:
            return execute(confined)

    def let_go(self, attack: Future[Outcome]) -> Outcome:
        """An attack's outcome; one that holds something is let go when it was looked at again."""
        holding, since = self.view.workspace / "holding", 0
        while not attack.done():
            since = since or (self._looks() if holding.exists() else 0)
            if since and self._looks() > since + 1:
                (self.view.workspace / "enough").touch()
            time.sleep(0.02)
        return attack.result()

    def noticed(self) -> list[str]:
        """What was found amiss since this was asked last."""
        until = self._looks() + 1
        while self._looks() <= until:
            time.sleep(0.02)
        log = self.places[0] / "noticed"
        found = log.read_text().splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return found

    def _looks(self) -> int:
        return int((self.places[0] / "looks").read_text())

    def end(self) -> list[str]:
        """What they say at their end."""
        for place in self.places:
            (place / "over").touch()
        return [each.result(60).stdout.decode().strip() for each in self._running]


def words(pid: str) -> list[str]:
    """The command line of a process; nothing where it is gone."""
    with suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes().decode(errors="replace").split("\0")[:-1]
    return []
