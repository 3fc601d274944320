"""A long session that is killed, collected by git, out of disk for ten seconds, and whose clock jumps an hour.

    python -m benchmarks.soak [--experiments 3000] [--kills 100] [--seed 0]

``pytest --autoresearch`` with an agent inside the process and runs that only print a number, so that what is worn is
the supervisor. Between the kills somebody runs ``git gc``; once the repository's disk, a small one where this
user may mount, is filled; once the clock of the process jumps. After every death no experiment that was told may be
missing from the ledger. At the end ledger, branch and table agree, ``git fsck`` is clean and no lock, process or
workspace is left. Allowed: 60 MB of memory, open files as at the beginning, 10 MB of .git.
"""

from __future__ import annotations

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from pytest_autoresearch.notebook.chain import ledger_ref, read_chain
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.experiment import Reason
from tests.notebook.diary import CONFIG, IDENTITY, assert_agreed, git, new_repository

DISK = 96  # MB; a night's loose objects between two repacks need 10
FULL = 10.0  # s
PROTOCOL = """\
---
isolation: none
judge: classic
---
## Metric
- Name: loss
- Direction: lower
## Target Files
- `rate.txt`
## Run Command
`echo "loss: $(cat rate.txt)"`
## Time Budget
- Per experiment: 20s
## Branch
autoresearch/demo
"""
CONFTEST = """\
import datetime, os, sys, time
from pathlib import Path
from pytest_autoresearch.agents.base import Proposal

JUMP, TOLD = Path(os.environ["SOAK_JUMP"]), os.environ["SOAK_TOLD"]

class Agent:
    name, reads = "counter", True
    def propose(self, briefing, desk):
        n = briefing.number
        desk.write("rate.txt", b"%d\\n" % (100_000 - n if n % 3 == 0 else 100_000 + n))
        return Proposal(f"try {n}", hypothesis=f"a hypothesis of {n}")

def pytest_autoresearch_agent(settings):
    return Agent() if settings.name == "counter" else None

class Jumping(datetime.datetime):
    @classmethod
    def now(cls, tz=None):
        ahead = datetime.timedelta(hours=JUMP.exists())
        return datetime.datetime.now(tz) + ahead

def pytest_autoresearch_recorded(experiment, history):
    for name, module in [*sys.modules.items()]:
        reads = name.startswith("pytest_autoresearch.") and not name.endswith(".codec")  # which asks for the type
        if reads and getattr(module, "datetime", None) is datetime.datetime:
            module.datetime = Jumping
    with open(TOLD, "a") as told:
        print(experiment.number, file=told)
"""


@dataclass
class Seen:
    """What a soak has met: memory in bytes and open files as (first, most) of any process."""

    memory: int = 0
    files: list[int] = field(default_factory=list)
    kills: int = 0
    collected: int = 0
    full: int = 0
    jumped: int = 0


@dataclass
class Room:
    """Where one session lives, and what it is told from outside."""

    top: Path
    root: Path
    seen: Seen = field(default_factory=Seen)
    running: subprocess.Popen[bytes] | None = None

    @property
    def told(self) -> int:
        """Experiments that the session said were recorded."""
        log = self.top / "told"
        return len(set(log.read_text().split())) if log.exists() else 0

    def start(self, experiments: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_timeout"]
        command += ["-p", "pytest_autoresearch.plugin", "--autoresearch", "--autoresearch-agent=counter"]
        home = str(self.top / "home")
        env = {**os.environ, "HOME": home, "XDG_CACHE_HOME": f"{home}/.cache", "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
        env |= {"COLUMNS": "300", "SOAK_JUMP": str(self.top / "jump"), "SOAK_TOLD": str(self.top / "told")}
        with open(self.top / "log", "ab") as log:
            self.running = subprocess.Popen(
                [*command, f"--autoresearch-experiments={experiments}"],
                cwd=self.root,
                env=env,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        return self.running

    def end(self) -> None:
        """Leave nothing behind, whatever went wrong."""
        if self.running is not None and self.running.poll() is None:
            os.killpg(self.running.pid, signal.SIGKILL)
            self.running.wait()

    def until(self, running: subprocess.Popen[bytes], told: int) -> None:
        """Watch the session until it has told so many experiments, or has ended."""
        with suppress(psutil.Error):
            process = psutil.Process(running.pid)
            while running.poll() is None and self.told < told:
                self.seen.memory = max(self.seen.memory, process.memory_info().rss)
                self.seen.files.append(process.num_fds())
                time.sleep(0.2)

    def check(self) -> None:
        """Whatever was told is in the ledger."""
        with Git.discover(self.root) as repository:
            chain = read_chain(repository, ledger_ref("demo"))
        recorded = 0 if chain is None else len(chain.history.experiments)
        assert recorded >= self.told, f"{self.told - recorded} experiments were lost"

    # What happens to it

    def kill(self, running: subprocess.Popen[bytes], rng: random.Random) -> None:
        time.sleep(rng.uniform(0, 0.3))  # the moment is what is drawn; nothing is waited for
        if running.poll() is None:
            os.killpg(running.pid, signal.SIGKILL)
            self.seen.kills += 1
        else:
            why = [line for line in (self.top / "log").read_text().splitlines() if line.startswith(("FAILED", "ERROR"))]
            print(f"ended by itself at {self.told}: {why[-1] if why else 'without a word'}", flush=True)
        running.wait()
        self.check()

    def collect(self) -> None:
        """It may give up where the session writes meanwhile, and takes what no ref leads to."""
        words = ["git", *IDENTITY, "gc", "-q", "--prune=now"]
        done = subprocess.run(words, cwd=self.root, capture_output=True, check=False)
        self.seen.collected += done.returncode == 0

    def fill_the_disk(self) -> None:
        """Not a byte is free for a while; the session may end, and says why."""
        filler = self.root / ".git" / "filler"
        with open(filler, "wb", buffering=0) as file:
            try:
                while True:
                    file.write(bytes(1 << 16))
            except OSError:
                self.seen.full += 1
        time.sleep(FULL)  # that it stays so for a while is what is tried
        filler.unlink()


@contextmanager
def disk_of_its_own(directory: Path) -> Iterator[bool]:
    """A small file system at ``directory``, where this user may mount one."""
    directory.mkdir()
    words = ["mount", "-t", "tmpfs", "-o", f"size={DISK}m", "autoresearch-soak", str(directory)]
    mounted = subprocess.run(words, capture_output=True, check=False).returncode == 0
    try:
        yield mounted
    finally:
        if mounted:
            subprocess.run(["umount", str(directory)], check=True)


def soak(top: Path, experiments: int, kills: int, rng: random.Random) -> bool:
    """The whole session; AssertionError as soon as anything is lost. Returns whether there was a disk to fill."""
    with disk_of_its_own(top / "disk") as mounted, ExitStack() as stack:
        room = Room(top, new_repository(top / "disk" / "repository"))
        stack.callback(room.end)
        (top / "home").mkdir()
        for name, text in ((CONFIG, PROTOCOL), ("conftest.py", CONFTEST), ("rate.txt", "100000\n")):
            (room.root / name).write_text(text)
        git(room.root, "add", "-A")
        git(room.root, "commit", "-q", "-m", "protocol")
        step = max(1, experiments // (kills + 1))
        for turn in range(kills):
            running = room.start(experiments)
            room.until(running, (turn + 1) * step)
            if turn % 5 == 1:
                room.collect()
            if turn == kills // 3 and mounted:
                room.fill_the_disk()
            if turn == kills // 2:
                (top / "jump").touch()
                room.seen.jumped += 1
                room.until(running, room.told + 1)
            room.kill(running, rng)
        rest = max(2, experiments - room.told)
        running = room.start(rest)
        room.until(running, 10 * experiments)
        assert running.wait() == 0, (top / "log").read_text()[-2000:]
        finish(room)
    return mounted


def finish(room: Room) -> None:
    """What must hold when nobody is at work any more; prints what was met."""
    history = assert_agreed(room.root, "demo")
    numbers = [experiment.number for experiment in history.experiments]
    assert numbers == list(range(len(numbers))), "a number is missing"
    for experiment in history.experiments[1:]:
        odd = experiment.reason in (Reason.INTERRUPTED, Reason.DUPLICATE)
        assert odd or experiment.kept == (experiment.number % 3 == 0), experiment
    cache = room.top / "home" / ".cache" / "pytest-autoresearch"
    assert not cache.exists() or not list(cache.iterdir()), "a workspace is left"
    size = sum(file.stat().st_size for file in (room.root / ".git").rglob("*") if file.is_file()) / 1e6
    seen, files = room.seen, room.seen.files
    fifth = max(1, len(files) // 5)
    interrupted = sum(e.reason is Reason.INTERRUPTED for e in history.experiments)
    print(f"{len(numbers)} experiments ({interrupted} interrupted twice), {seen.kills} kills, {seen.collected} git gc,")
    print(f"{seen.full} full disk of {FULL:.0f} s, {seen.jumped} jump of the clock by an hour: nothing was lost")
    print(f"memory {seen.memory / 1e6:.0f} MB at most (allowed 60), .git {size:.1f} MB (allowed 10)")
    print(f"open files {max(files[:fifth])} at most at the beginning, {max(files[-fifth:])} at the end")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--experiments", type=int, default=3000)
    parser.add_argument("--kills", type=int, default=100)
    parser.add_argument("--seed", type=int, default=0, help="of the moments; default 0")
    arguments = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        mounted = soak(Path(directory), arguments.experiments, arguments.kills, random.Random(arguments.seed))
    if not mounted:
        print("no disk was filled: this user may not mount one")
    print(f"seed {arguments.seed}, {time.monotonic() - began:.0f} s")


if __name__ == "__main__":
    main()
