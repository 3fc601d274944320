"""Kill sessions with SIGKILL at random moments and count what was lost: ``python -m benchmarks.kills --count 1000``.

Every session is a process group that is killed as a whole while it works as fast as it can. After every kill no
recorded experiment may be missing; after the next start rows are 0..n-1, ledger, branch and table agree, ``git fsck``
is clean, and no lock, process or workspace is left. ``--product`` kills ``pytest --autoresearch`` itself, with
``--slots`` experiments side by side, under the rule of ``--judge``; its targets have four lines that count, so that
would-be keeps are merged. There each number recorded must be what its state prints under its seed, and the runs of a
record must give its verdict again. With ``--room`` it goes on from where it was when it is started again.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import psutil

from pytest_autoresearch.judge import JudgeSettings, JudgeState
from pytest_autoresearch.notebook.chain import ledger_ref, read_chain, read_records
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import Group
from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Reason, Role
from tests.notebook.diary import CONFIG, Diary, assert_agreed, assert_sound, ended_by, git, in_child, new_repository
from tests.research.test_slots import replayed

PROTOCOL = """\
---
agent: "command:sh agent.sh"
isolation: none
judge: JUDGE
---
## Metric
- Name: loss
- Direction: lower
## Target Files
- `rate.txt`
## Run Command
`sleep 0.05; s=$(($(tr '\\n' + < rate.txt)0)); echo "loss: $((s + NOISE))"`
## Time Budget
- Per experiment: 20s
## Branch
autoresearch/demo
"""
NOISE = 23  # of a noisy run at most, evenly spread; gains are 5 to 29
RATES = "100000\n0\n0\n0\n" * 4  # so far apart that changes of two lines are merged
AGENT = """\
cat > /dev/null
n=$AUTORESEARCH_EXPERIMENT
at=$((n % 4 * 4 + 1))
old=$(sed -n "${at}p" rate.txt)
if [ $((n % 3)) = 0 ]; then new=$((old - 5 - n % 25)); else new=$((old + n)); fi
sed "${at}s/.*/$new/" rate.txt > new.txt
cat new.txt > rate.txt
rm new.txt
echo "try $n"
"""


@dataclass
class Counts:
    """What happened: sessions killed, experiments recorded, and proposals that went on under their number."""

    killed: int = 0
    experiments: int = 0
    pending: int = 0
    records: int = 0
    """Records that were looked through."""
    replayed: int = 0
    """Those of them whose verdict was had again."""


def kill_at_random(root: Path, *, kills: int, rng: random.Random, check_every: int = 25) -> Counts:
    """Kill ``kills`` sessions of the notebook alone; AssertionError as soon as anything is lost."""
    counts = Counts()
    while counts.killed < kills:
        child = in_child(lambda: _session(root))
        _kill(child, rng.uniform(0, 0.4))
        assert ended_by(child) == -signal.SIGKILL
        counts.killed += 1
        with Diary(root) as diary:
            assert len(diary.experiments) >= counts.experiments, "an experiment was lost"
            assert diary.notebook.notices == []
            counts.pending += len(diary.notebook.pending)
            counts.experiments = len(diary.experiments)
        if counts.experiments and counts.killed % check_every == 0:
            with Diary(root) as diary:
                diary.reach(counts.experiments + 1)  # what was pending is recorded, so nothing is left over
            assert_sound(root)
    with Diary(root) as diary:
        diary.reach(counts.experiments + 3)
    assert_sound(root)
    return counts


@dataclass
class Product:
    """``pytest --autoresearch`` in a room of its own, and what must hold of what it leaves when it is killed."""

    room: Path
    judge: str = "classic"
    slots: int = 1

    @property
    def root(self) -> Path:
        return self.room / "repository"

    @property
    def home(self) -> Path:
        return self.room / "home"

    @property
    def noisy(self) -> bool:
        """One run decides under ``classic``, so that there what is kept is known beforehand."""
        return self.judge != "classic"

    def begin(self) -> None:
        """Lay out the repository, unless it is there."""
        if self.root.exists():
            return
        self.home.mkdir(parents=True)
        new_repository(self.root)
        noise = f"(AUTORESEARCH_SEED + s) * 7919 % {NOISE}" if self.noisy else "0"
        protocol = PROTOCOL.replace("JUDGE", self.judge).replace("NOISE", noise)
        for name, text in ((CONFIG, protocol), ("agent.sh", AGENT), ("rate.txt", RATES)):
            (self.root / name).write_text(text)
        git(self.root, "add", "-A")
        git(self.root, "commit", "-q", "-m", "protocol")

    def start(self, experiments: int) -> subprocess.Popen[bytes]:
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-p", "pytest_timeout"]
        command += ["-p", "pytest_autoresearch.plugin", "--autoresearch", f"--autoresearch-experiments={experiments}"]
        env = {**os.environ, "HOME": str(self.home), "XDG_CACHE_HOME": str(self.home / ".cache")}
        env["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
        with open(self.room / "log", "wb") as log:
            return subprocess.Popen(
                [*command, f"--autoresearch-workers={self.slots}"],
                cwd=self.root,
                env=env,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    def kill_after(self, used: float) -> None:
        """Kill a session as a whole when it has used so many processor seconds."""
        running = self.start(100_000)
        try:
            while running.poll() is None and _used(running.pid) < used:
                time.sleep(0.01)
        finally:
            _kill(running.pid, 0.0)
        assert running.wait() == -signal.SIGKILL, (self.room / "log").read_text()

    @property
    def pending(self) -> set[int]:
        return {int(path.stem) for path in (self.root / ".git/autoresearch/demo/pending").glob("*.json")}

    def recorded(self) -> set[int]:
        with Git.discover(self.root) as repository:
            chain = read_chain(repository, ledger_ref("demo"))
        return set() if chain is None else {each.number for each in chain.history.experiments}

    def check(self, counts: Counts) -> None:
        """The next start goes on, nothing of the killed ones is left, and new records say what their runs show."""
        before = self.recorded()
        # what is owed too: pending, or of an agent that was killed in its turn, so that no number is left out
        known = self.pending | before
        more = 2 + len(set(range(max(known, default=0) + 1)) - before)
        running = self.start(more)
        assert running.wait() == 0, (self.room / "log").read_text()
        history = assert_agreed(self.root, "demo", in_order=self.slots == 1)
        assert len(history.experiments) == max(len(before), 1) + more
        for experiment in history.experiments[1:]:
            if experiment.reason in (Reason.INTERRUPTED, Reason.STALE, Reason.DUPLICATE):
                continue
            assert experiment.value is not None and experiment.against is not None
            assert self.noisy or experiment.kept == (experiment.value < experiment.against)
        cache = self.home / ".cache/pytest-autoresearch"
        assert not cache.exists() or not list(cache.iterdir()), "a workspace is left"
        left = [process for process in psutil.process_iter(["environ"]) if _belongs(process, self.home)]
        assert left == [], "a process is left"
        self._replay(counts)

    def _replay(self, counts: Counts) -> None:
        """Each number is what its state prints under its seed, and a record's runs give its verdict."""
        with Git.discover(self.root) as repository:
            records = [
                record
                for record in read_records(repository, ledger_ref("demo"))
                if isinstance(record, (Experiment, Group))
            ]
            prints = Prints(repository, self.noisy)
            settings = JudgeSettings(policy=self.judge, workers=self.slots)
            for at, record in enumerate(records):
                if at < counts.records:
                    continue
                if isinstance(record, Group):
                    states = {each.number: each.tree for each in records[:at] if isinstance(each, Experiment)}
                    for number, of in ((record.base, record.base_runs), (record.keeps[-1], record.tip_runs)):
                        assert [run.value for run in of] == [prints.at(states[number], run) for run in of], record
                    continue
                runs = {Role.CANDIDATE: record.tree, Role.INCUMBENT: record.parent}
                for measured in record.measurements:
                    assert measured.value == prints.at(runs[measured.role], measured), (record.number, measured)
                if record.number == 0 or not record.measurements or record.reason is Reason.INTERRUPTED:
                    continue
                opening = records[(at if record.opened is None else record.opened) - 1]
                verdict = replayed(JudgeState.from_json(opening.judge).standing, record, settings)
                found = (verdict.reason, verdict.estimate, verdict.threshold, verdict.evidence)
                assert found == (record.reason, record.value, record.threshold, record.evidence), record.number
                counts.replayed += 1
        counts.records = len(records)


@dataclass
class Prints:
    """What runs of a state print."""

    repository: Git
    noisy: bool

    def at(self, state: str, measured: Measurement) -> float:
        file = self.repository.files(state)["rate.txt"].blob
        rate = sum(map(int, self.repository.read([file])[file].split()))
        assert measured.seed is not None
        return rate + ((measured.seed + rate) * 7919 % NOISE if self.noisy else 0)


def kill_the_product(product: Product, *, kills: int, seed: int, longest: float = 4.0, check_every: int = 25) -> Counts:
    """Go on to ``kills`` killed runs of ``pytest --autoresearch``; AssertionError as soon as anything is lost."""
    product.begin()
    tally = product.room / "tally.json"
    counts = Counts(**json.loads(tally.read_text())) if tally.exists() else Counts()
    while counts.killed < kills:
        product.kill_after(random.Random(f"{seed} {counts.killed}").uniform(0, longest))
        counts.killed += 1
        counts.pending += len(product.pending)
        recorded = len(product.recorded())
        assert recorded >= counts.experiments, "an experiment was lost"
        counts.experiments = recorded
        if counts.killed % check_every == 0 or counts.killed == kills:
            product.check(counts)
            print(f"  {time.strftime('%H:%M:%S')} {asdict(counts)}", flush=True)
        tally.write_text(json.dumps(asdict(counts)))
    return counts


def _used(pid: int) -> float:
    """Processor seconds of a session and of what it has waited for: how far it got, however busy the machine is."""
    with contextlib.suppress(psutil.Error):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return float("inf")


def _belongs(process: psutil.Process, home: Path) -> bool:
    environment = process.info["environ"] or {}
    return bool(str(home) in (environment.get("HOME", ""), environment.get("XDG_CACHE_HOME", "")[: len(str(home))]))


def _session(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(1_000_000)


def _kill(child: int, after: float) -> None:
    time.sleep(after)  # the moment is what is drawn; nothing is waited for
    try:
        os.killpg(child, signal.SIGKILL)
    except ProcessLookupError:  # it did not get as far as a group of its own
        os.kill(child, signal.SIGKILL)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=200, help="kills; default 200")
    parser.add_argument("--seed", type=int, default=0, help="of the moments; default 0")
    parser.add_argument("--product", action="store_true", help="kill pytest --autoresearch, not the notebook alone")
    parser.add_argument("--slots", type=int, default=1, help="of the product; default 1")
    parser.add_argument("--judge", choices=["classic", "fast", "certified", "grouped"], default="classic")
    parser.add_argument("--room", type=Path, help="of the product: a directory to go on in; default: a temporary one")
    parser.add_argument(
        "--longest", type=float, default=4.0, help="processor s until a kill of the product at most; default 4"
    )
    args = parser.parse_args()
    began = time.monotonic()
    with tempfile.TemporaryDirectory() as directory:
        if args.product:
            product = Product((args.room or Path(directory) / "room").absolute(), args.judge, args.slots)
            counts = kill_the_product(product, kills=args.count, seed=args.seed, longest=args.longest)
        else:
            root = new_repository(Path(directory) / "repository")
            counts = kill_at_random(root, kills=args.count, rng=random.Random(args.seed))
    print(f"seed {args.seed}: {counts.killed} kills in {time.monotonic() - began:.0f} s, none lost anything")
    print(f"{counts.experiments} experiments recorded, {counts.pending} proposals went on under their number")
    if args.product:
        print(f"{counts.replayed} verdicts were had again from their records")


if __name__ == "__main__":
    main()
