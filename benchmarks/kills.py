"""Kill sessions with SIGKILL at random moments and count what was lost: ``python -m benchmarks.kills --count 1000``.

Every session is a process group that is killed as a whole while it works as fast as it can. After every kill no
recorded experiment may be missing; after the next start rows are 0..n-1, ledger, branch and table agree, ``git fsck``
is clean, and no lock, process or workspace is left. ``--product`` kills ``pytest --autoresearch`` itself, with
``--slots`` experiments side by side.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

import psutil

from pytest_autoresearch.notebook.chain import ledger_ref, read_history
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.experiment import Reason
from tests.notebook.diary import CONFIG, Diary, assert_agreed, assert_sound, ended_by, git, in_child, new_repository

PROTOCOL = """\
---
agent: "command:sh agent.sh"
isolation: none
judge: classic
---
## Metric
- Name: loss
- Direction: lower
## Target Files
- `rate.txt`
## Run Command
`sleep 0.05; echo "loss: $(cat rate.txt)"`
## Time Budget
- Per experiment: 20s
## Branch
autoresearch/demo
"""
AGENT = """\
cat > /dev/null
n=$AUTORESEARCH_EXPERIMENT
if [ $((n % 3)) = 0 ]; then echo $((100000 - n)) > rate.txt; else echo $((100000 + n)) > rate.txt; fi
echo "try $n"
"""


@dataclass
class Counts:
    """What happened: sessions killed, experiments recorded, and proposals that went on under their number."""

    killed: int = 0
    experiments: int = 0
    pending: int = 0


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


def kill_the_product(
    room: Path, *, kills: int, rng: random.Random, slots: int = 1, longest: float = 4.0, check_every: int = 25
) -> Counts:
    """Kill ``kills`` runs of ``pytest --autoresearch``; AssertionError as soon as anything is lost."""
    root, home = room / "repository", room / "home"
    home.mkdir()
    new_repository(root)
    for name, text in ((CONFIG, PROTOCOL), ("agent.sh", AGENT), ("rate.txt", "100000\n")):
        (root / name).write_text(text)
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "protocol")
    counts = Counts()
    while counts.killed < kills:
        running = _pytest(root, home, 100_000, slots)
        moment = rng.uniform(0, longest)
        while running.poll() is None and _used(running.pid) < moment:
            time.sleep(0.01)
        _kill(running.pid, 0.0)
        assert running.wait() == -signal.SIGKILL, (room / "log").read_text()
        counts.killed += 1
        counts.pending += len([*(root / ".git/autoresearch/demo/pending").glob("*.json")])
        recorded = _recorded(root)
        assert recorded >= counts.experiments, "an experiment was lost"
        counts.experiments = recorded
        if counts.killed % check_every == 0 or counts.killed == kills:
            _check_product(root, home, slots)
            print(f"  {counts.killed} kills, {counts.experiments} experiments", flush=True)
    return counts


def _check_product(root: Path, home: Path, slots: int) -> None:
    """The next start goes on, and nothing of the killed ones is left."""
    before = _recorded(root)
    more = 2 + _owed(root)  # so that no proposal is left pending, and no number is left out
    running = _pytest(root, home, more, slots)
    assert running.wait() == 0, (root.parent / "log").read_text()
    history = assert_agreed(root, "demo", in_order=slots == 1)
    assert len(history.experiments) == max(before, 1) + more
    for experiment in history.experiments[1:]:
        if experiment.reason in (Reason.INTERRUPTED, Reason.STALE):
            continue
        assert experiment.value is not None and experiment.against is not None
        assert experiment.kept == (experiment.value < experiment.against)
        assert slots > 1 or experiment.kept == (experiment.number % 3 == 0)
    cache = home / ".cache/pytest-autoresearch"
    assert not cache.exists() or not list(cache.iterdir()), "a workspace is left"
    left = [process for process in psutil.process_iter(["environ"]) if _belongs(process, home)]
    assert left == [], "a process is left"


def _used(pid: int) -> float:
    """Processor seconds of a session and of what it has waited for: how far it got, however busy the machine is."""
    with contextlib.suppress(psutil.Error):
        times = psutil.Process(pid).cpu_times()
        return float(times.user + times.system + times.children_user + times.children_system)
    return float("inf")


def _pytest(root: Path, home: Path, experiments: int, slots: int) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--autoresearch", "-q"]
    env = {**os.environ, "HOME": str(home), "XDG_CACHE_HOME": str(home / ".cache")}
    with open(root.parent / "log", "wb") as log:
        return subprocess.Popen(
            [*command, f"--autoresearch-experiments={experiments}", f"--autoresearch-workers={slots}"],
            cwd=root,
            env=env,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def _recorded(root: Path) -> int:
    with Git.discover(root) as repository:
        if repository.resolve(ledger_ref("demo")) is None:
            return 0
        return len(read_history(repository, "demo").experiments)


def _owed(root: Path) -> int:
    """How many numbers up to the highest one are not recorded: pending, or of an agent that was killed in its turn."""
    numbers = {int(path.stem) for path in (root / ".git/autoresearch/demo/pending").glob("*.json")}
    with Git.discover(root) as repository:
        if repository.resolve(ledger_ref("demo")) is not None:
            recorded = {each.number for each in read_history(repository, "demo").experiments}
            return len(set(range(max(numbers | recorded, default=0) + 1)) - recorded)
    return 0


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
    parser.add_argument("--slots", type=int, default=1, help="of the product; default 1")
    parser.add_argument(
        "--longest", type=float, default=4.0, help="processor s until a kill of the product at most; default 4"
    )
    parser.add_argument("--product", action="store_true", help="kill pytest --autoresearch, not the notebook alone")
    args = parser.parse_args()
    began, rng = time.monotonic(), random.Random(args.seed)
    with tempfile.TemporaryDirectory() as directory:
        if args.product:
            counts = kill_the_product(
                Path(directory), kills=args.count, rng=rng, slots=args.slots, longest=args.longest
            )
        else:
            counts = kill_at_random(new_repository(Path(directory) / "repository"), kills=args.count, rng=rng)
    print(f"seed {args.seed}: {counts.killed} kills in {time.monotonic() - began:.0f} s, none lost anything")
    print(f"{counts.experiments} experiments recorded, {counts.pending} proposals went on under their number")


if __name__ == "__main__":
    main()
