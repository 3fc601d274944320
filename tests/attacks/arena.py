"""A small world around the attacks: a user with secrets, a repository, a service and a process; what became of them.

Also a program, ``python -m tests.attacks.arena LEVEL``, that prints the successes of every attack as JSON: for users
and interpreters that have no pytest.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import secrets
import shutil
import signal
import socket
import stat
import subprocess
import sys
import sysconfig
import tempfile
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from unittest import mock

import pytest_autoresearch
from pytest_autoresearch.lab import reach
from pytest_autoresearch.lab.bwrap import BwrapSandbox, find_program
from pytest_autoresearch.lab.command import Command, Outcome
from pytest_autoresearch.lab.landlock import LandlockSandbox, version
from pytest_autoresearch.lab.plain import PlainSandbox
from pytest_autoresearch.lab.process import execute
from pytest_autoresearch.lab.view import Sandbox, View
from tests.attacks.beside import Beside, words
from tests.attacks.programs import ATTACKS, PRELUDE, Attack

GRACE = 0.3

# Another process of the user: it holds the secret in its environment, its memory, an open file and its directory.
_VICTIM = """
import ctypes, os, sys, time
secret = ctypes.create_string_buffer(os.environ["SECRET"].encode())
held = open("secret")
print(ctypes.addressof(secret), held.fileno(), flush=True)
time.sleep(600)
"""


def available(level: str) -> Sandbox | None:
    """The sandbox of this level, None where this machine has not got it."""
    if level == "bwrap":
        program = find_program()
        return BwrapSandbox(program) if program else None
    if level == "landlock":
        return LandlockSandbox() if version() >= 6 else None
    return PlainSandbox()


@dataclass(frozen=True, slots=True)
class State:
    """What the arena compares before and after: contents, rights and times of its files, and the victim's settings."""

    files: Mapping[str, tuple[int, int, bytes]]
    victim: tuple[object, ...]


@dataclass(slots=True)
class Arena:
    """One user's world below ``root``.

    ``beside``: the level at which other slots are busy. The secrets are theirs then, and the victim is a run on one.
    """

    root: Path
    beside: Sandbox | None = None
    secret: str = field(default_factory=lambda: secrets.token_hex(16))
    name: str = field(default_factory=lambda: f"autoresearch-attack-{secrets.token_hex(6)}")
    facts: dict[str, object] = field(default_factory=dict)
    victim: int = 0
    neighbours: Beside | None = None
    ends: ExitStack = field(default_factory=ExitStack)
    sockets: dict[str, socket.socket] = field(default_factory=dict)
    terminal: tuple[int, int] = field(default_factory=os.openpty)

    @property
    def view(self) -> View:
        return View(
            workspace=self.root / "scratch/workspace",
            shown_at=self.root / "home/repository",
            scratch=self.root / "scratch",
            readonly=(self.root / "home/repository/lib/grader.py",),
            data=(self.root / "home/data",),
            hidden=(self.root / "home/repository/holdout.csv",),
        )

    @property
    def key(self) -> int:
        """Of System V's objects; the next one is a neighbour's."""
        return int(self.name[-7:], 16)

    @property
    def outside(self) -> Path:
        """Where the victim works."""
        return self.root / "outside" if self.beside is None else self.root / "scratch/slot-1"

    def build(self) -> None:
        """Lay the files out, start the services and the victim."""
        home, repository, outside = self.root / "home", self.root / "home/repository", self.outside
        for path, content in {
            home / ".ssh/id_rsa": self.secret,
            home / ".bashrc": "# mine",
            home / "data/numbers": "1 2 3",
            outside / "secret": self.secret,
            repository / ".git/config": f"[remote]\n  url = https://x:{self.secret}@example.org/",
            repository / ".git/hooks/post-commit": "#!/bin/sh",
            repository / "holdout.csv": self.secret,
            repository / "train.py": "print(1)",
            repository / "lib/grader.py": "print(2)",
            self.view.workspace / "train.py": "print(1)",
            self.view.workspace / "lib/grader.py": "print(2)",
            self.view.workspace / "holdout.csv": "",
        }.items():
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content)
        self.sockets = {
            "tcp": socket.create_server(("127.0.0.1", 0)),
            "udp": socket.socket(socket.AF_INET, socket.SOCK_DGRAM),
            "abstract": socket.socket(socket.AF_UNIX),
            "socket": socket.socket(socket.AF_UNIX),
        }
        self.sockets["udp"].bind(("127.0.0.1", 0))
        self.sockets["abstract"].bind("\0" + self.name)
        self.sockets["socket"].bind(str(outside / "service"))
        for name, server in self.sockets.items():
            server.setblocking(False)
            if name != "udp":
                server.listen()
        if self.beside is None:
            self._start_victim()
        else:
            self.neighbours = Beside(self.beside, self.view, self.name, self.key, self.secret)
            self.neighbours.begin(self.ends)
            self.victim = self.neighbours.victim
            self.facts |= self.neighbours.facts
        self._note_facts()

    def _start_victim(self) -> None:
        victim = subprocess.Popen(
            [sys.executable, "-S", "-I", "-c", _VICTIM, self.name],
            env={"SECRET": self.secret},
            cwd=self.outside,
            stdout=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.ends.callback(victim.communicate)
        self.ends.callback(victim.kill)
        assert victim.stdout is not None
        self.victim = victim.pid
        self.facts["address"], self.facts["open_file"] = map(int, victim.stdout.readline().split())

    def _note_facts(self) -> None:
        home, outside = self.root / "home", self.outside
        self.facts |= {
            "victim": self.victim,
            "supervisor": os.getpid(),
            "network": os.readlink("/proc/self/ns/net"),
            "name": self.name,
            "key": self.key,
            "home": str(home),
            "outside": str(outside),
            "secret": str(outside / "secret"),
            "data": str(home / "data"),
            "hidden": str(home / "repository/holdout.csv"),
            "repository": str(home / "repository"),
            "checkout_file": str(home / "repository/.git/../train.py"),
            "packages": sysconfig.get_paths()["purelib"],
            "package": str(Path(pytest_autoresearch.__file__).parent),
            "terminal": os.ttyname(self.terminal[1]),
            "handle": _handle(outside / "secret").hex(),
            "tcp": self.sockets["tcp"].getsockname()[1],
            "udp": self.sockets["udp"].getsockname()[1],
            "abstract": self.name,
            "socket": str(outside / "service"),
        }

    def attack(self, attack: Attack, sandbox: Sandbox) -> set[str]:
        """Run it, twice if it may leave itself something, and answer what harm it did; empty: it was stopped."""
        before, harms = self._state(), set[str]()
        with open(self.outside / "secret") as inheritable:
            os.set_inheritable(inheritable.fileno(), True)
            for _ in range(2 if attack.kind == "state" else 1):
                began = time.monotonic()
                with ThreadPoolExecutor(1) as pool:
                    running = pool.submit(self._run, attack, sandbox)
                    outcome = self.neighbours.let_go(running) if self.neighbours else running.result()
                taken = time.monotonic() - began
                harms |= self._harms(attack, outcome, taken)
        after = self._state()
        harms |= {
            f"changed {name}"
            for name in before.files.keys() | after.files.keys()
            if before.files.get(name) != after.files.get(name)
        }
        if before.victim != after.victim:
            harms.add("another process was changed")
        return harms

    def _run(self, attack: Attack, sandbox: Sandbox) -> Outcome:
        program = (
            os.path.realpath(sys.executable),
            "-S",
            "-I",
            "-c",
            f"{PRELUDE}\n{attack.program}",
            json.dumps(self.facts),
        )
        environment = {"PATH": os.defpath}
        command = Command(
            program,
            self.view.shown_at,
            environment,
            attack.timeout,
            grace=GRACE,
            memory=200_000_000,
            disk_floor=0,
            processes=60,
        )
        with sandbox.wrap(command, self.view) as confined:
            return execute(confined)

    def _harms(self, attack: Attack, outcome: Outcome, taken: float) -> set[str]:
        output, harms = outcome.stdout, set[str]()
        for word, harm in {self.secret: "a secret was read", "DID": "it did it", "KEPT": "state was kept"}.items():
            if word.encode() in output:
                harms.add(harm)
        if (
            taken > attack.timeout + GRACE + 2.0
        ):  # how exactly a timeout is kept is measured elsewhere, on a quiet machine
            harms.add("the answer was delayed")
        if len(output) > 600_000:
            harms.add("the output was not bounded")
        if self._is_anything_alive():
            harms.add("a process outlived the run")
        if any(path.name.startswith("core") for path in self.view.workspace.iterdir()):
            harms.add("a core dump was left")
        harms |= {f"the service was reached ({name})" for name, server in self.sockets.items() if _was_reached(server)}
        self._restore_workspace()
        return harms

    def _is_anything_alive(self) -> bool:
        """A process of the run is one that works in the workspace, by the path it has there; its survivor is ended."""
        places = (str(self.view.workspace), str(self.view.shown_at))
        for pid in filter(str.isdigit, os.listdir("/proc")):
            with suppress(OSError):
                if self.neighbours and int(pid) in self.neighbours.processes:
                    continue
                if int(pid) != os.getpid() and os.readlink(f"/proc/{pid}/cwd").startswith(places):
                    os.kill(int(pid), signal.SIGKILL)
                    return True
        return False

    def _restore_workspace(self) -> None:
        """What the executor does between runs, as far as the attacks need it; the grader is left for :meth:`_state`."""
        for path in self.view.workspace.iterdir():
            if path.name not in ("train.py", "lib", "holdout.csv"):
                shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()

    def _state(self) -> State:
        files = {}
        slots = [f"scratch/{place.name}" for place in self.neighbours.places] if self.neighbours else []
        for top in ("home", "outside", "scratch/workspace/lib", *slots):
            for directory, _, names in os.walk(self.root / top):
                own = {"looks", "looks.part", "noticed"} if top in slots else set()
                for path in [Path(directory), *(Path(directory, name) for name in {*names} - own)]:
                    status = path.lstat()
                    content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
                    when = 0 if path.is_dir() else status.st_mtime_ns
                    files[str(path.relative_to(self.root))] = (status.st_mode, when, content)
        return State(files, _settings(self.victim))

    def close(self) -> None:
        self.ends.close()
        for server in self.sockets.values():
            server.close()
        for descriptor in self.terminal:
            os.close(descriptor)
        for name in (self.name, f"theirs{self.name}"):
            with suppress(OSError):
                os.unlink(f"/dev/shm/{name}")
        for place in ("/tmp", "/var/tmp"):
            with suppress(OSError):
                os.unlink(f"{place}/{self.name}")
        self._remove_system_v()

    def _remove_system_v(self) -> None:
        libc, key = ctypes.CDLL(None), self.key
        for segment in filter(lambda found: found >= 0, (libc.shmget(each, 1, 0) for each in (key, key + 1))):
            libc.shmctl(segment, 0, None)
        if (queue := libc.msgget(key, 0)) >= 0:
            libc.msgctl(queue, 0, None)
        if (semaphore := libc.semget(key, 0, 0)) >= 0:
            libc.semctl(semaphore, 0, 0)
        with suppress(OSError, AttributeError):
            ctypes.CDLL("librt.so.1").mq_unlink(("/" + self.name).encode())


@contextmanager
def arena(root: Path, beside: Sandbox | None = None) -> Iterator[Arena]:
    """An arena below ``root``, with its own HOME, for the time of the context."""
    place = Arena(root, beside)
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, {"HOME": str(root / "home")}))
        reach.reach.cache_clear()
        stack.callback(reach.reach.cache_clear)
        stack.callback(place.close)
        place.build()
        yield place


def _settings(pid: int) -> tuple[object, ...]:
    if not words(str(pid)):
        return ("dead",)
    score = Path(f"/proc/{pid}/oom_score_adj").read_text()
    limits = resource.prlimit(pid, resource.RLIMIT_CORE)
    scheduled = (os.getpriority(os.PRIO_PROCESS, pid), os.sched_getscheduler(pid), os.sched_getaffinity(pid))
    return (*scheduled, score, limits)


def _was_reached(server: socket.socket) -> bool:
    with suppress(BlockingIOError):
        if server.type == socket.SOCK_DGRAM:
            server.recv(1)
        else:
            server.accept()[0].close()
        return True
    return False


def _handle(path: Path) -> bytes:
    """The kernel's handle of a file, as a program with the right could forge it; empty where there is none."""
    body, mount = ctypes.create_string_buffer(8 + 128), ctypes.c_int()
    ctypes.memmove(body, (128).to_bytes(4, sys.byteorder), 4)
    if ctypes.CDLL(None).name_to_handle_at(-100, os.fsencode(path), body, ctypes.byref(mount), 0) < 0:
        return b""
    return body.raw


def main(level: str) -> None:
    sandbox = available(level)
    results = {}
    with tempfile.TemporaryDirectory() as directory:
        for number, attack in enumerate(ATTACKS if sandbox else []):
            with arena(Path(directory).resolve() / str(number)) as place:
                assert sandbox is not None
                results[attack.name] = sorted(place.attack(attack, sandbox))
    print(json.dumps(results))


if __name__ == "__main__":
    main(sys.argv[1])
