"""What one experiment costs besides its run, at the beginning and after thousands; memory and open files with it.

    python benchmarks/loop.py [EXPERIMENTS] [ISOLATION]

A session with a run command that only prints its metric, proposals by an agent inside the process. Allowed: 60 ms an
experiment, the same at experiment 10 and 3,000, memory and open files flat. First one session of that many experiments;
then turns of a new session and of that long one, so that a machine that slows down meanwhile does so for both.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
from itertools import pairwise
from pathlib import Path

CONFIG = """\
## Goal
Cost nothing.
## Metric
- Name: loss
- Direction: lower
## Target Files
- train.txt
## Run Command
    echo "loss: 1.0"
## Time Budget
20s
## Branch
autoresearch/cost
"""

CONFTEST = """\
import os, time, resource
from pytest_autoresearch.agents.base import Proposal

class Counter:
    name = "counter"
    reads = False
    def propose(self, briefing, desk):
        desk.write("train.txt", b"%d\\n" % briefing.number)
        return Proposal(f"count to {briefing.number}")

def pytest_autoresearch_agent(settings):
    return Counter() if settings.name == "counter" else None

def pytest_autoresearch_recorded(experiment, history):
    with open("/proc/self/statm") as file:
        pages = int(file.read().split()[1])
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    own = resource.getrusage(resource.RUSAGE_SELF)
    cpu = own.ru_utime + own.ru_stime + children.ru_utime + children.ru_stime
    run = sum(m.duration for m in experiment.measurements)
    with open(os.environ["COST_LOG"], "a") as log:
        print(experiment.number, time.monotonic(), run, cpu, pages * 4096, len(os.listdir("/proc/self/fd")), file=log)
"""


TURNS, TURN = 6, 50

Row = list[float]


def main() -> None:
    experiments = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    isolation = sys.argv[2] if len(sys.argv) > 2 else "none"
    with tempfile.TemporaryDirectory() as directory:
        long = new_repository(Path(directory) / "long")
        rows = session(long, experiments, isolation)
        tenth = max(2, len(rows) // 10)
        print("experiments          wall ms  outside the run ms  cpu ms  memory MB  open files")
        print(f"{f'first {tenth} in a row':<20} {shown([rows[1 : tenth + 1]])}")
        print(f"{f'last {tenth} in a row':<20} {shown([rows[-tenth:]])}")
        early, late = [], []
        for turn in range(TURNS):
            early.append(session(new_repository(Path(directory) / f"new{turn}"), TURN, isolation)[10:])
            late.append(session(long, TURN, isolation)[10:])
        print(f"{f'10 to {TURN}, in turns':<20} {shown(early)}")
        print(f"{f'{experiments} and on':<20} {shown(late)}")
        ratios = [b / a for a, b in zip(costs(early), costs(late), strict=True)]
        print(f"{'ratio':<20} {ratios[0]:7.2f} {ratios[1]:19.2f} {ratios[2]:7.2f}")


def new_repository(root: Path) -> Path:
    root.mkdir()
    for name, text in (("autoresearch.config.md", CONFIG), ("train.txt", "0\n"), ("conftest.py", CONFTEST)):
        (root / name).write_text(text)
    git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@example.invalid"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "start"]):
        subprocess.run([*git, *command], cwd=root, check=True)
    return root


def session(root: Path, experiments: int, isolation: str) -> list[Row]:
    """Begin or resume; a row for each experiment, as conftest.py writes it."""
    log = root / ".cost.log"
    log.unlink(missing_ok=True)
    options = [f"--autoresearch-experiments={experiments}", "--autoresearch-agent=counter"]
    subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "--autoresearch", *options, f"--autoresearch-isolation={isolation}"],
        cwd=root,
        env={**os.environ, "COST_LOG": str(log), "XDG_CACHE_HOME": str(root / ".cache")},
        stdout=subprocess.DEVNULL,
        check=True,
    )
    return [[float(field) for field in line.split()] for line in log.read_text().splitlines()]


def costs(parts: list[list[Row]]) -> tuple[float, float, float]:
    """Medians of wall time, of its part outside the run and of processor time between two records, in ms."""
    pairs = [pair for part in parts for pair in pairwise(part)]
    wall = statistics.median(b[1] - a[1] for a, b in pairs)
    outside = statistics.median(b[1] - a[1] - b[2] for a, b in pairs)
    cpu = statistics.median(b[3] - a[3] for a, b in pairs)
    return 1000 * wall, 1000 * outside, 1000 * cpu


def shown(parts: list[list[Row]]) -> str:
    """Costs, then memory and open files at the end."""
    wall, outside, cpu = costs(parts)
    *_, memory, files = parts[-1][-1]
    return f"{wall:7.1f} {outside:19.1f} {cpu:7.1f} {memory / 1e6:10.1f} {int(files):11d}"


if __name__ == "__main__":
    main()
