"""What slots bring: how full they are, and how much sooner the same gain is there.

    python benchmarks/scale.py [EXPERIMENTS] [SLOTS ...]

First utilisation, of real sessions whose runs sleep for 2 s and whose agent thinks for 1 s: one slot with and without
looking ahead, and four. Allowed: 97 % with one slot that looks ahead, 95 % with four.

Then simulated time: the real session, driver, judge and notebook, on slots that only compute and a clock that jumps.
Runs take 5 minutes, a tenth of the proposals is a gain of 0.5 to 3 standard deviations of a run. Told are the hours
until the true gain is 0.9 of what one slot has reached at its end, what the slots' hours went into, and what the
session and its gits take of a core. Asked for: 4 slots 3.3 times, 16 slots 10 times as soon.
"""

from __future__ import annotations

import os
import random
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.jumping import Clock, jumping
from benchmarks.worlds import mix
from pytest_autoresearch.agents.base import Briefing, Desk, Proposal
from pytest_autoresearch.lab.job import Job
from pytest_autoresearch.notebook.chain import read_history
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.protocol.experiment import Measurement, Place, Reason, Role
from tests.research.side_by_side import World, every

CONFIG = """\
## Goal
Be small.
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
autoresearch/scale
"""
RUN = 300.0  # s, simulated
START, SIGMA = 100.0, 1.0


def new_repository(root: Path, run: str, text: str) -> Path:
    root.mkdir(parents=True)
    (root / "autoresearch.config.md").write_text(CONFIG.format(run=run))
    (root / "train.py").write_text(text)
    git = ["git", "-c", "user.name=bench", "-c", "user.email=bench@example.invalid"]
    for command in (["init", "-q"], ["add", "-A"], ["commit", "-q", "-m", "start"]):
        subprocess.run([*git, *command], cwd=root, check=True)
    return root


# Utilisation


def utilisation(root: Path, slots: int, look_ahead: str, experiments: int) -> float:
    """The share of the slots' time inside runs beside an agent that thinks for a second."""
    agent = root.parent / "agent.py"
    agent.parent.mkdir(parents=True)
    agent.write_text(
        "import os, time\ntime.sleep(1)\n"
        "open('train.py', 'a').write('X = %s\\n' % os.environ['AUTORESEARCH_EXPERIMENT'])\n"
    )
    options = f"--autoresearch-look-ahead={look_ahead}", f"--autoresearch-agent=command:{sys.executable} {agent}"
    return filled(root, slots, experiments, 2.0, *options)


def filled(
    root: Path,
    slots: int,
    experiments: int,
    seconds: float,
    *options: str,
    files: Mapping[str, str] = MappingProxyType({}),
) -> float:
    """The share of the slots' time inside runs that sleep, by the runs' own clocks.

    From when every slot has ended its second run (the first ones wait for the first turns), until the first slot ends
    its last one. ``files`` are beside the config.
    """
    stamps = root.parent / "stamps"
    told = f'echo "$AUTORESEARCH_EXPERIMENT $begun $(date +%s.%N)" >> {stamps}'
    new_repository(root, f"begun=$(date +%s.%N); sleep {seconds:g}; echo loss: 1; {told}", "X = 0\n")
    for name, text in files.items():
        (root / name).write_text(text)
    command = [sys.executable, "-m", "pytest", "-q", "--autoresearch", "--autoresearch-isolation=none"]
    command += [f"--autoresearch-experiments={experiments}", f"--autoresearch-workers={slots}", *options]
    subprocess.run(command, cwd=root, stdout=subprocess.DEVNULL, check=True)
    with Git.discover(root) as git:
        slot_of = {each.number: each.place.slot for each in read_history(git, "scale").experiments[1:] if each.place}
    runs: dict[int, list[tuple[float, float]]] = {}
    for line in stamps.read_text().splitlines():
        number, begun, ended = line.split()
        if int(number):
            runs.setdefault(slot_of[int(number)], []).append((float(begun), float(ended)))
    assert len(runs) == slots
    first = max(sorted(of)[1][1] for of in runs.values())
    last = min(max(of)[1] for of in runs.values())
    inside = sum(max(0.0, min(ended, last) - max(begun, first)) for of in runs.values() for begun, ended in of)
    return inside / ((last - first) * slots)


# Simulated time


class Task(World):
    """Each proposal sets a line of its own to what it is worth, so that changes add up and merge."""

    concurrent = False

    def __init__(self, seed: int) -> None:
        self._lots = random.Random(seed)
        super().__init__({}, self._measured, seconds=RUN)

    def propose(self, briefing: Briefing, desk: Desk) -> Proposal:
        lines = desk.read("train.py").decode().splitlines()
        lines[briefing.number] = f"# {mix(self._lots):.4f} of {briefing.number}"
        desk.write("train.py", ("\n".join(lines) + "\n").encode())
        return Proposal(f"proposal {briefing.number}")

    @staticmethod
    def _measured(text: str, job: Job, place: Place) -> float:
        return START - true_gain(text) + random.Random(job.seed).gauss(0, SIGMA)


def true_gain(text: str) -> float:
    return sum(float(line.split()[1]) for line in text.splitlines() if line.startswith("# "))


@dataclass
class Course:
    """A session's true gain over simulated hours, and how its slots' time was spent."""

    slots: int
    gains: list[tuple[float, float]]
    history: History
    hours: float
    busy: float
    cpu: float

    def until(self, gain: float) -> float | None:
        return next((hours for hours, reached in self.gains if reached >= gain), None)


def _cpu() -> float:
    """Processor seconds of this process and of the gits that it has waited for."""
    return sum(os.times()[:4])


def simulated(root: Path, slots: int, experiments: int, seed: int) -> Course:
    clock = Clock()
    text = "".join(f"line {n}\n" for n in range(experiments + 100))
    new_repository(root, "true", text)
    task, gains, began = Task(seed), [], _cpu()
    options = {"workers": str(slots), "experiments": str(experiments), "look_ahead": "no", "judge": "grouped"}
    with jumping(clock), task.session(root, **options) as research:
        for _ in every(research):
            files = research.drafts.incumbent
            blob = files["train.py"].blob
            gains.append((clock.now / 3600, true_gain(research.parts.git.read([blob])[blob].decode())))
        gains.append((clock.now / 3600, gains[-1][1]))
        history = research.notebook.history
    cpu = _cpu() - began
    return Course(slots, gains, history, clock.now / 3600, clock.busy / 3600, cpu)


def told(course: Course, alone: Course, target: float) -> str:
    """One line: how much sooner, and what the slots' hours went into besides runs of candidates and of pairs."""
    own, reached = course.until(target), alone.until(target)
    sooner = "never" if own is None or reached is None else f"{reached / own:5.2f}x"
    history, total = course.history, course.slots * course.hours
    start, *done = history.experiments
    calibration = _hours(start.measurements) * (course.slots - 1)  # of the others, which wait
    earlier = _hours(run for each in done for run in each.earlier)
    beside = _hours(run for each in done for run in each.measurements if run.role is Role.INCUMBENT)
    groups = _hours(run for group in history.groups for run in (*group.base_runs, *group.tip_runs))
    idle = total - course.busy - calibration
    stale = sum(each.reason is Reason.STALE for each in done)
    return (
        f"{course.slots:3d} slots {course.hours:7.1f} h, same gain {sooner}; of {total:.0f} slot-hours: calibration"
        f" {calibration / total:.1%}, the incumbent {beside / total:.1%}, left behind {earlier / total:.1%} ({stale}"
        f" conflicts), groups {groups / total:.1%}, idle {idle / total:.1%}; supervisor and git"
        f" {course.cpu / (course.hours * 3600):.3%} of a core"
    )


def _hours(runs: Iterable[Measurement]) -> float:
    return sum(run.duration for run in runs) / 3600


def main() -> None:
    experiments = int(sys.argv[1]) if len(sys.argv) > 1 else 3000
    sizes = [int(word) for word in sys.argv[2:]] or [4, 16, 64]
    with tempfile.TemporaryDirectory() as directory:
        room = Path(directory)
        for slots, ahead, name in (
            (1, "no", "one slot"),
            (1, "yes", "one slot, ahead"),
            (4, "yes", "four slots, ahead"),
        ):
            share = utilisation(room / name / "repository", slots, ahead, 20 * slots)
            print(f"{name:<18} {share:4.0%} of the time inside runs", flush=True)
        alone = simulated(room / "alone", 1, experiments, 1)
        target = 0.9 * alone.gains[-1][1]
        print(told(alone, alone, target), flush=True)
        for slots in sizes:
            print(told(simulated(room / str(slots), slots, experiments, 1), alone, target), flush=True)


if __name__ == "__main__":
    main()
