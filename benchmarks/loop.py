"""What one experiment costs besides its run, at the beginning and after thousands; memory and open files with it.

    python benchmarks/loop.py [EXPERIMENTS] [ISOLATION]

A session with a run command that only prints its metric, proposals by an agent inside the process. Allowed: 60 ms an
experiment, the same at experiment 10 and 3,000, memory and open files flat.
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
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


def main() -> None:
    experiments = int(sys.argv[1]) if len(sys.argv) > 1 else 300
    isolation = sys.argv[2] if len(sys.argv) > 2 else "none"
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        for name, text in (("autoresearch.config.md", CONFIG), ("train.txt", "0\n"), ("conftest.py", CONFTEST)):
            (root / name).write_text(text)
        git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@example.invalid"]
        for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "start"]):
            subprocess.run([*git, *command], cwd=root, check=True)
        options = [f"--autoresearch-experiments={experiments}", "--autoresearch-agent=counter"]
        subprocess.run(
            [sys.executable, "-m", "pytest", "-q", "--autoresearch", *options, f"--autoresearch-isolation={isolation}"],
            cwd=root,
            env={**os.environ, "COST_LOG": str(root / "cost.log"), "XDG_CACHE_HOME": str(root / ".cache")},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        rows = [[float(field) for field in line.split()] for line in (root / "cost.log").read_text().splitlines()]
    report(rows)


def report(rows: list[list[float]]) -> None:
    """Wall and processor time between two records, memory and files, of the first and the last tenth."""
    tenth = max(2, len(rows) // 10)
    print("experiments        wall ms  outside the run ms  cpu ms  memory MB  open files")
    for name, part in (("first", rows[1 : tenth + 1]), ("last", rows[-tenth:])):
        pairs = [(part[i], part[i + 1]) for i in range(len(part) - 1)]
        wall = statistics.median(b[1] - a[1] for a, b in pairs)
        outside = statistics.median(b[1] - a[1] - b[2] for a, b in pairs)
        cpu = statistics.median(b[3] - a[3] for a, b in pairs)
        span = f"{name} {int(part[0][0])}-{int(part[-1][0])}"
        print(
            f"{span:<18} {1000 * wall:7.1f} {1000 * outside:19.1f} {1000 * cpu:7.1f} "
            f"{part[-1][4] / 1e6:10.1f} {int(part[-1][5]):11d}"
        )


if __name__ == "__main__":
    main()
