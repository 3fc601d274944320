"""What an experiment costs beside what it can not do without: ratios of processor time, taken in turns in one run.

    python benchmarks/overhead.py [--rounds 3] [--long 3000] [ROW ...]

Every figure is the processor time of a whole process tree: of a control group (cgroup v1's ``cpuacct``) where one can
be made, which also counts what nobody waited for, else of all processes that were waited for. The floor is what no loop
with this record and this isolation can leave out: the same git objects, two bubblewraps with bash in them, a row that
is synced. ``labloop`` comes from PyPI into an environment of its own; its runs are not confined. A ratio is the median
over the rounds, of figures that were taken one after the other. The two rows by the clock need a quiet machine.

Rows that are missed, and why:

* ``start``, ``start-cold``: 3.4. An empty pytest session is 1.8 of it. Of the rest
  two hundred modules of ours are .9, half of that for the methods that Python compiles for our dataclasses; to take
  all that apart at Python's end is .3; markdown-it is .1, what is left of GitPython .1, 14 starts of git .2.
* ``empty``: +4 %, of which 2 are pytest's for any plugin that is named, whatever is in it; ``plugin`` leaves them out.
* ``floor``: 2.0 to 2.4, ``labloop``: 1.6 to 1.7. Of 34 ms the floor has 15. 5 are mounts that bubblewrap makes:
  toolchains in HOME, masks of what only root reads, where the floor shows all of ``/etc``. 7 are two threads that
  start, watch, measure and sweep what runs, and fill, compare and settle its workspace; the floor waits for its two
  commands, and labloop does not confine its run. 5 are the main thread's: briefing, pytest's item, checks, the
  record.
* ``process``: .92 to .96 on a quiet machine, 1.05 on a busy one; ``landlock``: 1.06 to 1.12. A warden in Python and a
  HOME on the disk: see architecture.md.
* ``size``, not always: 1.7 as a median of three, 2.4 at the worst. Of 28 ms more for 5 MB 13 name and
  compress them once; the rest writes, reads and counts lines.
* ``history``: 1.07 after 3,000; .9 to 1.2 after 1,200 on a busy machine. Of it .6 ms of 30 are the rows that a
  longer briefing shows; where the rest is was not found.
* ``marked``, by .01: 1.02 to 1.06.
"""

from __future__ import annotations

import argparse
import os
import re
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

GROUPS = Path("/sys/fs/cgroup/cpuacct")
LABLOOP = "labloop==1.0.5"
AGENT = "cat > /dev/null; echo $AUTORESEARCH_EXPERIMENT >> train.py; echo count"
THINKER = f"began=$EPOCHREALTIME; sleep 1; {AGENT.removesuffix('count')}thought $began $EPOCHREALTIME"
RUN = "echo loss: 1.0"
NOTHING = "nothing_at_all"  # a plugin without a line
BATCH = 12  # experiments of one session
WALL = 6  # of one by the clock
LARGE = 4_990_000  # bytes; of 5 MB and more the change is out of scope
COMPARED = [sys.executable, "-m", "pytest", "-q", "-p", "pytest_timeout", "-p", "pytest_autoresearch.plugin"]

CONFIG = """\
## Goal
Cost nothing.
## Metric
- Name: loss
- Direction: lower
## Target Files
- train.py
## Run Command
    {run}
## Time Budget
20s
## Branch
autoresearch/cost
"""
CONFTEST = """\
import os, resource, time
from pytest_autoresearch.agents.base import Proposal
from pytest_autoresearch.lab import sandbox

if os.environ.get("COST_LEVEL") == "landlock":
    sandbox._bwrap = lambda *_: "left out here"
class Reader:
    name, reads = "reader", True
    def propose(self, briefing, desk):
        assert briefing.text
        desk.write("train.py", b"%d\\n" % briefing.number)
        return Proposal(f"count to {briefing.number}")

def pytest_autoresearch_agent(settings):
    return Reader() if settings.name == "reader" else None

def used():
    if group := os.environ.get("COST_GROUP"):
        with open(f"{group}/cpuacct.usage") as file:
            return int(file.read()) / 1e9
    both = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in both)

thought = 0.0

def pytest_autoresearch_recorded(experiment, history):
    global thought
    if experiment.description.startswith("thought "):
        _, began, ended = experiment.description.split()
        thought += float(ended) - float(began)
    with open(os.environ["COST_LOG"], "a") as log:
        print(used(), time.monotonic() - thought, file=log)
"""
THEIRS = """\
import os, sys
from labloop import Experiment, Goal, Loop

def used():
    with open(os.environ["COST_GROUP"] + "/cpuacct.usage") as file:
        return int(file.read()) / 1e9

loop = Loop(Experiment(run=sys.argv[1], metric="loss", goal=Goal.MINIMIZE, budget_seconds=20, propose=sys.argv[2],
                       sandbox="bwrap"))
loop.baseline()
loop.run(trials=1)
before, trials = used(), int(sys.argv[3])
assert [trial.outcome.value for trial in loop.run(trials=trials)] == trials * ["reverted"]
print((used() - before) / trials)
"""


# ── how processor time is taken ───────────────────────────────────────────────────────────────────────────────────────


@contextmanager
def group() -> Iterator[Path | None]:
    """A control group that counts processor time, None where this machine has none to give."""
    path = GROUPS / f"overhead-{os.getpid()}"
    try:
        path.mkdir()
    except OSError:
        yield None
        return
    try:
        yield path
    finally:
        path.rmdir()


def cost(command: Sequence[str], cwd: Path, **env: str) -> tuple[float, str]:
    """Seconds of the processor that a command and all its descendants took, and what it printed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    with group() as counted:
        environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONDONTWRITEBYTECODE": "", **env}
        entering: list[str] = []
        if counted is not None:
            environment["COST_GROUP"] = str(counted)
            entering = ["sh", "-c", 'echo 0 > "$0/cgroup.procs"; exec "$@"', str(counted)]
        # Where much is at work the scheduler gives each session its share, and our runs have sessions of their own.
        alone = {"start_new_session": True, "capture_output": True, "text": True}
        done = subprocess.run([*entering, *command], cwd=cwd, env=environment, **alone)  # type: ignore[call-overload]
        if done.returncode:
            raise SystemExit(f"{' '.join(command)}\n{done.stdout}{done.stderr}")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
        if counted is not None:
            seconds = int((counted / "cpuacct.usage").read_text()) / 1e9
    return seconds, done.stdout


# ── what is compared ──────────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Room:
    """Repositories below one directory; each has a name of its own."""

    top: Path
    long: int
    count: int = 0
    built: dict[str, Path] = field(default_factory=dict)

    def repository(self, files: int = 0, size: int = 0, test: str = "") -> Path:
        """A fresh repository with a config, a target of ``size`` bytes of code and ``files`` files beside it."""
        self.count += 1
        root = self.top / str(self.count)
        root.mkdir()
        line = "rate_{:07d} = 0.125  # of the step\n"
        (root / "train.py").write_text("".join(map(line.format, range(max(1, size // len(line.format(0)))))))
        (root / "autoresearch.config.md").write_text(CONFIG.format(run=RUN))
        (root / "conftest.py").write_text(CONFTEST)
        (root / ".gitignore").write_text(".cost*\nresults*.tsv\n.labloop*\nlabloop*\n__pycache__/\n")
        if test:
            (root / "test_loss.py").write_text(test)
        for n in range(files):
            place = root / "data" / f"{n // 100}"
            place.mkdir(parents=True, exist_ok=True)
            (place / f"{n}.txt").write_text(f"{n}\n")
        git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@example.invalid"]
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "start"]):
            subprocess.run([*git, *command], cwd=root, check=True)
        return root

    def ours(
        self,
        root: Path,
        *options: str,
        level: str = "bwrap",
        agent: str = f"command:{AGENT}",
        experiments: int = BATCH,
        command: Sequence[str] = COMPARED,
        by_clock: bool = False,
        **env: str,
    ) -> tuple[float, float]:
        """Seconds of one experiment (the first of a session is left out) and of the whole session's processor time.

        ``by_clock``: those of the experiment are the clock's, without what its agent says that it thought.
        """
        log = root / ".cost.log"
        log.unlink(missing_ok=True)
        isolation = {"bwrap": "strict", "landlock": "auto", "process": "none"}[level]
        limits = [f"--autoresearch-isolation={isolation}", f"--autoresearch-experiments={experiments}"]
        whole, said = cost(
            [*command, "--autoresearch", *limits, f"--autoresearch-agent={agent}", *options],
            root,
            COST_LOG=str(log),
            COST_LEVEL=level,
            XDG_CACHE_HOME=str(self.top / "cache"),
            **env,
        )
        assert experiments == 0 or f"isolation {level}" in said or level in said, said
        lines = log.read_text().splitlines()[-experiments:] if experiments else []
        readings = [float(line.split()[by_clock]) for line in lines]
        return (readings[-1] - readings[0]) / max(1, len(readings) - 1) if readings else 0.0, whole

    def long_session(self) -> Path:
        """A session that has been going on for long, by an agent that reads its briefing."""
        if "long" not in self.built:
            self.built["long"] = self.repository()
            self.ours(self.built["long"], level="process", agent="reader", experiments=self.long)
        return self.built["long"]

    def floor(self, root: Path) -> float:
        """Seconds of one turn of the floor."""
        _, said = cost([sys.executable, __file__, "--floor"], root)
        return float(said)

    def naive(self, root: Path) -> float:
        """Seconds of one turn of a loop that people write in an evening."""
        _, said = cost([sys.executable, __file__, "--naive"], root)
        return float(said)

    def theirs(self) -> float | str:
        """Seconds of a trial of labloop, or why there is none."""
        python = self.top / "labloop" / "bin" / "python"
        if not python.exists():
            for words in (["-m", "venv", "--without-pip", str(python.parent.parent)],):
                subprocess.run([sys.executable, *words], check=True)
            installer = ["uv", "pip", "install", "-q", "--python", str(python), LABLOOP]
            if shutil.which("uv") is None:
                site = next((python.parent.parent / "lib").glob("python*/site-packages"))
                installer = [sys.executable, "-m", "pip", "install", "-q", "--target", str(site), LABLOOP]
            done = subprocess.run(installer, capture_output=True, text=True, check=False)
            if done.returncode:
                shutil.rmtree(python.parent.parent)
                return f"{LABLOOP} can not be had: {(done.stderr or done.stdout).strip().splitlines()[-1]}"
        with group() as counted:
            if counted is None:
                return "its trials can only be told apart by a control group, and this machine gives none"
        root = self.repository()
        propose = AGENT.replace("AUTORESEARCH_EXPERIMENT", "LABLOOP_TRIAL")
        _, said = cost(["env", *_git_identity(), str(python), "-c", THEIRS, RUN, propose, str(BATCH)], root)
        return float(said.split()[-1])


def _git_identity() -> list[str]:
    names = [f"GIT_{role}_NAME=bench" for role in ("AUTHOR", "COMMITTER")]
    return [*names, *(f"GIT_{role}_EMAIL=bench@example.invalid" for role in ("AUTHOR", "COMMITTER"))]


def _own_seconds() -> float:
    if path := os.environ.get("COST_GROUP"):
        return int(Path(path, "cpuacct.usage").read_text()) / 1e9
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def _turns(turn: Callable[[int], None]) -> None:
    """Print the seconds of one turn, the first left out."""
    turn(0)
    before = _own_seconds()
    for n in range(1, BATCH + 1):
        turn(n)
    print((_own_seconds() - before) / BATCH)


def run_floor() -> None:
    """The git objects of an experiment, two bubblewraps and a row; in the repository of the current directory."""
    from pytest_autoresearch.notebook.git import Git
    from pytest_autoresearch.protocol.experiment import Change

    top = Path.cwd()
    system = [path for path in map(Path, ("/bin", "/sbin", "/lib", "/lib64")) if path.is_symlink()]
    confine = [
        *("bwrap", "--unshare-user", "--unshare-pid", "--unshare-ipc", "--unshare-uts", "--unshare-net"),
        *("--die-with-parent", "--new-session", "--cap-drop", "ALL", "--ro-bind", "/usr", "/usr"),
        *(word for path in system for word in ("--symlink", os.readlink(path), str(path))),
        *("--ro-bind", "/etc", "/etc", "--proc", "/proc", "--dev", "/dev", "--tmpfs", "/tmp"),
        *("--bind", str(top), str(top), "--chdir", str(top), "--", "bash", "-c"),
    ]
    with Git.discover(top) as git, open(top / "results.tsv", "ab") as table:
        start, previous, ref = git.head(), git.zero, "refs/floor/log"

        def turn(n: int) -> None:
            nonlocal previous
            env = {"PATH": os.defpath, "AUTORESEARCH_EXPERIMENT": str(n)}
            subprocess.run([*confine, AGENT], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
            data = (top / "train.py").read_bytes()
            tree = git.write_tree(start, [Change("train.py", "file", "100644", data, len(data))])
            provisional = git.commit(tree, [start], f"try {n}")
            git.move_ref("refs/floor/pending", provisional, git.zero)
            subprocess.run([*confine, RUN], env=env, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, check=True)
            final = git.commit(tree, [start], f"try {n}\n\nloss 1.0")
            parents = [final] if previous == git.zero else [previous, final]
            record = git.commit(git.empty_tree, parents, f'{{"number": {n}}}')
            git.move_ref(ref, record, previous)
            git.objects.flush()
            git.delete_ref("refs/floor/pending", provisional)
            previous = record
            table.write(f"{final[:7]}\t1.000000\tdiscard\ttry {n}\n".encode())
            table.flush()
            os.fsync(table.fileno())

        _turns(turn)


def run_naive() -> None:
    """Edit, commit, run, reset, by git's commands and with nothing confined."""
    quiet = {"check": True, "stdout": subprocess.DEVNULL}
    git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@example.invalid"]

    def turn(n: int) -> None:
        env = {**os.environ, "AUTORESEARCH_EXPERIMENT": str(n)}
        subprocess.run(["bash", "-c", AGENT], env=env, stdin=subprocess.DEVNULL, **quiet)  # type: ignore[call-overload]
        subprocess.run([*git, "commit", "-q", "-a", "-m", f"try {n}"], **quiet)  # type: ignore[call-overload]
        said = subprocess.run(["bash", "-c", RUN], capture_output=True, text=True, check=True).stdout
        subprocess.run([*git, "reset", "-q", "--hard", "HEAD~1"], **quiet)  # type: ignore[call-overload]
        with open("results.tsv", "a") as table:
            table.write(f"{n}\t{said.split()[-1]}\tdiscard\ttry {n}\n")

    _turns(turn)


# ── the table ─────────────────────────────────────────────────────────────────────────────────────────────────────────

Ratios = list[float]


def in_turns(rounds: int, over: Callable[[], float], under: Callable[[], float]) -> Ratios:
    return [over() / under() for _ in range(rounds)]


def floor_row(room: Room, rounds: int) -> Ratios:
    return in_turns(rounds, lambda: room.ours(room.repository())[0], lambda: room.floor(room.repository()))


def naive_row(room: Room, rounds: int) -> Ratios:
    return in_turns(rounds, lambda: room.ours(room.repository())[0], lambda: room.naive(room.repository()))


def labloop_row(room: Room, rounds: int) -> Ratios | str:
    if isinstance(reason := room.theirs(), str):
        return reason
    return in_turns(rounds, lambda: room.ours(room.repository())[0], lambda: float(room.theirs()))


def level_row(level: str) -> Callable[[Room, int], Ratios | str]:
    def row(room: Room, rounds: int) -> Ratios:
        return in_turns(
            rounds,
            lambda: room.ours(room.repository(), level=level)[0],
            lambda: room.ours(room.repository())[0],
        )

    return row


def files_row(room: Room, rounds: int) -> Ratios:
    roots = room.repository(files=20_000), room.repository(files=10)
    return in_turns(rounds, lambda: room.ours(roots[0])[0], lambda: room.ours(roots[1])[0])


def size_row(room: Room, rounds: int) -> Ratios:
    roots = room.repository(size=LARGE), room.repository()
    return in_turns(rounds, lambda: room.ours(roots[0])[0], lambda: room.ours(roots[1])[0])


def read(room: Room, root: Path, experiments: int, cold: str = "") -> tuple[float, float]:
    """As :meth:`Room.ours`, by an agent that reads its briefing and starts no process."""
    return room.ours(root, level="process", agent="reader", experiments=experiments, PYTHONDONTWRITEBYTECODE=cold)


def history_row(room: Room, rounds: int) -> Ratios:
    long = room.long_session()
    return in_turns(rounds, lambda: read(room, long, 40)[0], lambda: read(room, room.repository(), 40)[0])


def resume_row(room: Room, rounds: int) -> Ratios:
    """Seconds, no ratio: the long session, begun and ended, less one that has hardly begun."""
    long, fresh = room.long_session(), room.repository()
    read(room, fresh, 1)
    return [read(room, long, 0)[1] - read(room, fresh, 0)[1] for _ in range(rounds)]


def start_row(cold: str = "") -> Callable[[Room, int], Ratios]:
    def row(room: Room, rounds: int) -> Ratios:
        root = room.repository()
        read(room, root, 1)
        bare = [sys.executable, "-c", "import pytest"]
        return in_turns(
            rounds,
            lambda: read(room, root, 0, cold)[1],
            lambda: cost(bare, root, PYTHONDONTWRITEBYTECODE=cold)[0],
        )

    return row


MARKED = """\
import pytest

@pytest.mark.autoresearch(metric="loss", direction="lower", targets=["train.py"], budget="20s")
def test_loss(record_metric):
    record_metric("loss", 1.0)
"""


TEST = "test_loss.py::test_loss"
PLAIN = [sys.executable, "-m", "pytest", "-q", "-p", "no:asyncio"]
HAND = [*PLAIN, "--autoresearch-measure", "loss", TEST]


def marked_row(room: Room, rounds: int) -> Ratios:
    """With the plugins of this environment: the run's pytest finds them by itself, so the others do too."""
    root = room.repository(test=MARKED)
    return in_turns(
        rounds,
        lambda: room.ours(root, TEST, command=PLAIN, PYTEST_DISABLE_PLUGIN_AUTOLOAD="")[0],
        lambda: cost(HAND, root, COST_LOG=os.devnull, PYTEST_DISABLE_PLUGIN_AUTOLOAD="")[0],
    )


def wall_row(look_ahead: str) -> Callable[[Room, int], Ratios]:
    """By the clock and without what the agent thought, which it says itself; by hand after a pause as long.

    ``look_ahead`` is the option: with ``auto``, the default, the agent thinks of the next while a candidate runs.
    """

    def row(room: Room, rounds: int) -> Ratios:
        env = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": ""}
        by_hand = room.repository(test=MARKED)

        def ours() -> float:
            options = f"--autoresearch-look-ahead={look_ahead}", TEST
            agent, root = f"command:{THINKER}", room.repository(test=MARKED)
            return room.ours(root, *options, agent=agent, experiments=WALL, command=PLAIN, by_clock=True, **env)[0]

        def hand() -> float:
            time.sleep(1)
            began = time.perf_counter()
            cost(HAND, by_hand, COST_LOG=os.devnull, **env)
            return time.perf_counter() - began

        return in_turns(rounds, ours, lambda: statistics.fmean(hand() for _ in range(WALL)))

    return row


def empty_row(*others: str) -> Callable[[Room, int], Ratios | str]:
    """Instructions of an empty session with the plugin over those of one with pytest-timeout and ``others`` instead.

    Whatever is named by ``-p`` has pytest look through all that is installed, which is no price of ours: an installed
    plugin is not named. So there is a second comparison, with an empty module in the plugin's place.
    """

    def row(room: Room, rounds: int) -> Ratios | str:
        if shutil.which("valgrind") is None:
            return "needs valgrind"
        empty, beside = room.top / "empty", room.top / "beside"
        empty.mkdir(exist_ok=True)
        beside.mkdir(exist_ok=True)
        (beside / f"{NOTHING}.py").touch()
        found = os.environ.get("PYTHONPATH")
        environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTHONHASHSEED": "0"}
        environment |= {
            "PYTHONDONTWRITEBYTECODE": "",
            "PYTHONPATH": os.pathsep.join([*filter(None, [found]), str(beside)]),
        }
        counts = []
        for plugins in (("pytest_autoresearch.plugin",), others):
            named = [word for plugin in ("pytest_timeout", *plugins) for word in ("-p", plugin)]
            words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *named, "."]
            count = ["valgrind", "--tool=callgrind", "--callgrind-out-file=/dev/null"]
            for command in (words, [*count, *words]):  # the first fills the bytecode caches
                done = subprocess.run(command, cwd=empty, env=environment, capture_output=True, text=True, check=False)
            told = re.search(r"Collected : (\d+)", done.stdout + done.stderr)
            assert told, done.stderr
            counts.append(int(told[1]))
        return [counts[0] / counts[1]]

    return row


@dataclass(frozen=True)
class Row:
    what: str
    measure: Callable[[Room, int], Ratios | str]
    reach: float | None
    before: float | None = None
    """As measured when this script was written."""


ROWS: Mapping[str, Row] = {
    "floor": Row("an experiment at bwrap, agent a command / the floor", floor_row, 1.2, 2.07),
    "labloop": Row(f"the same / {LABLOOP}", labloop_row, 1.0, 1.81),
    "naive": Row("the same / a naive loop", naive_row, None),
    "process": Row("level process / bwrap", level_row("process"), 1.0, 2.1),
    "landlock": Row("level landlock / bwrap", level_row("landlock"), 1.1, 2.3),
    "files": Row("20,000 files / 10 files", files_row, 1.3, 8.3),
    "size": Row("5 MB target / small target", size_row, 2.0, 18.0),
    "marked": Row("marked test: an experiment / pytest by hand", marked_row, 1.05, 1.06),
    "marked-wall": Row("the same by the clock beside an agent that thinks 1 s", wall_row("no"), 0.6),
    "marked-ahead": Row("the same, the agent thinks ahead as it does by default", wall_row("auto"), 0.6),
    "start": Row("start of a session / import pytest", start_row(), 2.5, 3.8),
    "start-cold": Row("the same, no bytecode", start_row(cold="1"), 2.5, 6.0),
    "empty": Row("empty session / with pytest-timeout alone, instructions", empty_row(), 1.01, 1.043),
    "plugin": Row("the same / with an empty plugin as well", empty_row(NOTHING), 1.01),
    "history": Row("after 3,000 / after 10, agent reads", history_row, 1.05, 1.66),
    "resume": Row("resume of 3,000, seconds over a short one", resume_row, 0.7, 2.0),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("rows", nargs="*", metavar="ROW", help=f"of {', '.join(ROWS)}; all if none is named")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--long", type=int, default=3000, help="experiments of the long session")
    parser.add_argument("--floor", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--naive", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.floor or arguments.naive:
        return run_floor() if arguments.floor else run_naive()
    print(f"{'':58} {'ratio':>6} {'from':>6} {'to':>6} {'reach':>6} {'before':>6}")
    with tempfile.TemporaryDirectory() as directory:
        room = Room(Path(directory).resolve(), arguments.long)
        for name in arguments.rows or ROWS:
            row = ROWS[name]
            found = row.measure(room, arguments.rounds)
            if isinstance(found, str):
                print(f"{row.what:58} {textwrap.shorten(found, 60)}", flush=True)
                continue
            reach, before = (f"{number:6.2f}" if number else f"{'–':>6}" for number in (row.reach, row.before))
            told = f"{statistics.median(found):6.2f} {min(found):6.2f} {max(found):6.2f}"
            missed = row.reach is not None and statistics.median(found) > row.reach
            print(f"{row.what:58} {told} {reach} {before}{'  missed' if missed else ''}", flush=True)


if __name__ == "__main__":
    main()
