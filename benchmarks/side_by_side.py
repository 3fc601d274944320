"""How real the keeps of a session with several slots are.

The loop, the script, the driver, the merging and the judge are the product's own; git is a dict, the notebook a list,
runs are numbers and the clock jumps.

Runs and turns take unlike times, so answers are late and come in another order; proposals set one of few lines, so a
would-be keep whose base was left behind is merged, or meets a conflict.

    python -m benchmarks.side_by_side [EXPERIMENTS SEED [SLOTS ...]]

prints the rows of docs/slots.md: there agents take no time, runs take about the same, and each proposal has a line of
its own.
"""

from __future__ import annotations

import hashlib
import random
import sys
from collections.abc import Collection, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass, field, replace
from datetime import datetime, timezone
from itertools import count
from pathlib import Path
from typing import Any, cast

from benchmarks.jumping import Clock, jumping
from benchmarks.worlds import Draw, mix
from pytest_autoresearch.agents.base import Proposal
from pytest_autoresearch.judge import Judge, JudgeSettings, JudgeState
from pytest_autoresearch.lab.job import Finished, Job, Tick
from pytest_autoresearch.notebook import chain
from pytest_autoresearch.notebook.record import Group, History, Note, Session
from pytest_autoresearch.protocol.experiment import (
    Change,
    Experiment,
    FileEntry,
    Measurement,
    Outcome,
    Place,
    Reason,
    Role,
)
from pytest_autoresearch.protocol.markdown import parse
from pytest_autoresearch.protocol.scope import resolve_paths
from pytest_autoresearch.protocol.settings import resolve
from pytest_autoresearch.research.candidate import Drafts
from pytest_autoresearch.research.case import Case
from pytest_autoresearch.research.desk import Taken
from pytest_autoresearch.research.loop import Loop
from pytest_autoresearch.research.parts import Parts
from pytest_autoresearch.research.session import Research
from pytest_autoresearch.research.slots import Lane, Slots
from pytest_autoresearch.research.work import Think

LINES = 40  # of the target; two changes of one line are a conflict
RUN, TURN = 300.0, 60.0  # s, the medians
SCATTER = 0.5  # standard deviation of the logarithm of a run's seconds
EVEN = 0.05  # the same of runs with a budget of time
START = 100.0
TARGET = "values.txt"
CONFIG = """\
## Goal
Be small.
## Metric
- Name: loss
- Direction: lower
## Target Files
- values.txt
## Run Command
    true
"""


class Git:
    """What the session asks of git, in a dict. A tree and its commit have one name."""

    top = common_dir = Path("/nowhere")

    def __init__(self) -> None:
        self.blobs: dict[str, bytes] = {}
        self.trees: dict[str, dict[str, FileEntry]] = {}

    def files(self, tree: str) -> Mapping[str, FileEntry]:
        return self.trees[tree]

    def tree(self, tree: str) -> str:
        return tree

    def read(self, blobs: Sequence[str]) -> dict[str, bytes]:
        return {blob: self.blobs[blob] for blob in blobs}

    def blob_id(self, data: bytes) -> str:
        name = hashlib.sha1(data).hexdigest()
        self.blobs[name] = data
        return name

    def write_tree(self, base: str, changes: Sequence[Change]) -> str:
        files = dict(self.trees.get(base, {}))
        for change in changes:
            assert change.data is not None
            files[change.path] = FileEntry(change.mode, self.blob_id(change.data))
        name = hashlib.sha1(repr(sorted(files.items())).encode()).hexdigest()
        self.trees[name] = files
        return name

    def ignored_among(self, paths: Sequence[str]) -> frozenset[str]:
        return frozenset()

    def text(self, tree: str) -> str:
        return self.blobs[self.trees[tree][TARGET].blob].decode()


class Notebook:
    """The history alone."""

    unmeasured = None

    def __init__(self, session: Session) -> None:
        self.history = History(session)
        self.pending: dict[int, Any] = {}

    def next_number(self, under_way: Collection[int] = ()) -> int:
        taken = {*(e.number for e in self.history.experiments), *self.pending, *under_way}
        return next(each for each in count() if each not in taken)

    def begin_session(self, session: Session) -> None:
        """It has begun."""

    def begin(self, number: int, **proposal: Any) -> None:
        self.pending[number] = proposal

    def progress(self, number: int, runs: Sequence[Measurement], judge: Mapping[str, Any]) -> None:
        """Nobody resumes it."""

    def record(self, experiment: Experiment) -> Experiment:
        recorded = replace(experiment, commit=experiment.tree)
        self.pending.pop(experiment.number, None)
        self.history = self.history.followed_by(recorded)
        return recorded

    def group(self, group: Group) -> None:
        experiments = tuple(chain.grouped(self.history.experiments, group))
        self.history = replace(self.history, experiments=experiments, groups=(*self.history.groups, group))

    def note(self, kind: str, text: str) -> None:
        self.history = replace(self.history, notes=(*self.history.notes, Note(kind, text, datetime.now(timezone.utc))))


class Slot:
    """Runs are numbers: what the lines are worth, and noise."""

    isolation: str = "process"
    device: str = "cpu"
    refused: tuple[str, ...] = ()

    def __init__(self, git: Git, number: int, scatter: float) -> None:
        self._git, self._scatter, self.place = git, scatter, Place("here", number, "process")

    def occupy(self, tick: Tick) -> Place:
        return self.place

    def measure(self, job: Job, tick: Tick) -> Measurement:
        lots = random.Random(f"{job.seed}:{job.state[TARGET].blob}")  # another state draws other numbers from a seed
        value = START - worth(self._git.blobs[job.state[TARGET].blob].decode()) + lots.gauss(0, 1)
        lasts = RUN * lots.lognormvariate(0, self._scatter)
        return Measurement(job.role, value, seed=job.seed, duration=lasts, place=self.place)

    def guard(self, command: str, state: Mapping[str, FileEntry], timeout: float, tick: Tick) -> Finished:
        raise AssertionError("there is no guard")

    def close(self) -> None:
        """Nothing was started."""


class Desks:
    """Where an agent draws what its proposal is worth."""

    def __init__(self, git: Git, effect: Draw, seed: int) -> None:
        self._git, self._effect, self._lots = git, effect, random.Random(seed)

    def take_turn(self, place: int, think: Think, tick: Tick) -> Taken:
        lines = self._git.blobs[think.state[TARGET].blob].decode().splitlines()
        at = self._lots.randrange(LINES)
        lines[at] = f"# {float(lines[at].split()[1]) + self._effect(self._lots):.6f} of {think.briefing.number}"
        data = ("\n".join(lines) + "\n").encode()
        change = Change(TARGET, "file", "100644", data, len(data))
        return Taken(Proposal(f"proposal {think.briefing.number}"), [change], TURN * self._lots.lognormvariate(0, 1))

    def close(self) -> None:
        """Nothing is there."""


class OwnLines(Desks):
    """Agents that take no time; a proposal sets the line of its number, to the same whatever the number of slots."""

    def __init__(self, git: Git, effect: Draw, seed: int) -> None:
        super().__init__(git, effect, seed)
        self._seed = seed

    def take_turn(self, place: int, think: Think, tick: Tick) -> Taken:
        number = think.briefing.number
        lines = self._git.blobs[think.state[TARGET].blob].decode().splitlines()
        lines[number] = f"# {self._effect(random.Random(f'{self._seed}:{number}')):.6f} of {number}"
        data = ("\n".join(lines) + "\n").encode()
        return Taken(Proposal(f"proposal {number}"), [Change(TARGET, "file", "100644", data, len(data))], 0.001)


class Agent:
    """Draws at its desk; several turns at once."""

    name, concurrent, reads = "drawing", True, False


class Unresumed(Research):
    """A session that nobody goes on with."""

    def keep_progress(self, case: Case, judge: JudgeState) -> None:
        """Not kept."""


class Watch:
    """Nobody watches."""

    def phase(self, number: int, text: str, *, budget: float | None = None) -> None:
        """A run begins."""

    def tick(self, elapsed: float) -> None:
        """A run goes on."""

    def remark(self, text: str) -> None:
        """Something is said."""


def worth(text: str) -> float:
    """The true gain of a text over the start, in standard deviations of a run."""
    return sum(float(line.split()[1]) for line in text.splitlines())


@dataclass
class Played:
    """A session that has ended, and its course: simulated hours, and what the incumbent was truly worth by then."""

    history: History
    git: Git
    clock: Clock
    course: list[tuple[float, float]] = field(default_factory=list)

    def play(self, loop: Loop, notebook: Notebook) -> None:
        """To the end, noting the course."""
        while (ended := loop.next()) is not None:
            if ended.error is not None:
                raise ended.error
            best = notebook.history.incumbent
            assert best is not None
            self.course.append((self.clock.now / 3600, worth(self.git.text(best.tree))))
        self.history = notebook.history

    def until(self, gain: float) -> float | None:
        """Hours until the incumbent was worth so much."""
        return next((hours for hours, reached in self.course if reached >= gain), None)


def played(
    policy: str,
    effect: Draw,
    slots: int,
    experiments: int,
    seed: int,
    desks: type[Desks] = Desks,
    lines: int = LINES,
    scatter: float = SCATTER,
) -> Played:
    """One session to its end."""
    git, protocol = Git(), parse(CONFIG, file="autoresearch.config.md")
    text = "".join(f"# 0.0 of {n}\n" for n in range(lines)).encode()
    start = git.write_tree("", [Change(TARGET, "file", "100644", text, len(text))])
    told = {"agent": "drawing", "judge": policy, "workers": str(slots), "experiments": str(experiments)}
    settings = resolve({**told, "look_ahead": "yes" if slots > 1 else "no"}, {}, protocol.options, {})
    now = datetime.now(timezone.utc)
    session = Session("sim", protocol.source, start, {}, {}, "here", {}, now, seed=seed, workers=slots)
    notebook, clock, watch = Notebook(session), Clock(turns=True), Watch()
    first, *others = [Lane(slot, slot.place) for slot in (Slot(git, number, scatter) for number in range(slots))]
    with jumping(clock), closing(Slots(first, lambda: others, cast("Any", desks(git, effect, seed)), watch)) as of:
        scope = resolve_paths(protocol, git.files(start).keys())
        research = Unresumed(
            Parts(
                protocol=protocol,
                settings=settings,
                scope=scope,
                session=session,
                git=cast("Any", git),
                notebook=cast("Any", notebook),
                slots=of,
                drafts=Drafts(cast("Any", git), scope, start, ()),
                judge=Judge(JudgeSettings(protocol.metric.direction, policy, workers=slots)),
                compares=False,
                agents=[cast("Any", Agent())],
                reviewer=None,
                isolation="process",
                watch=watch,
                told=lambda experiment: None,
                told_by_people=lambda: (protocol, ()),
                stop_requested=lambda: "",
                paused=lambda: False,
            )
        )
        done = Played(notebook.history, git, clock)
        done.play(Loop(research), notebook)
    return done


def claims(history: History, git: Git, policy: str) -> list[float]:
    """What each published keep, or each certified group, is really worth beside what it was published over."""
    if policy == "grouped":
        proven = [group for group in history.groups if group.outcome is Outcome.CERTIFIED]
        pairs = [(history.at(group.base), history.at(group.keeps[-1])) for group in proven]
        return [worth(git.text(tip.tree)) - worth(git.text(base.tree)) for base, tip in pairs]
    return [worth(git.text(keep.tree)) - worth(git.text(keep.parent)) for keep in history.keeps]


def line(policy: str, name: str, effect: Draw, slots: int, seeds: range, experiments: int) -> str:
    """One row: sessions with a false claim, the share of false claims, gain, and what several slots cost."""
    spoilt = claimed = false = runs = stale = carried = late = 0
    gain = hours = 0.0
    for seed in seeds:
        session = played(policy, effect, slots, experiments, seed)
        history, git, clock = session.history, session.git, session.clock
        found = claims(history, git, policy)
        wrong = sum(each <= 1e-9 for each in found)
        spoilt, claimed, false = spoilt + (wrong > 0), claimed + len(found), false + wrong
        done = history.experiments[1:]
        runs += sum(len(each.measurements) + len(each.earlier) for each in done)
        runs += sum(len(group.base_runs) + len(group.tip_runs) for group in history.groups)
        stale += sum(each.reason is Reason.STALE for each in done)
        carried += sum(bool(each.earlier) for each in done)
        late += sum(each.number != place for place, each in enumerate(history.experiments))
        best = history.certified
        gain += worth(git.text(best.tree)) if best is not None else 0.0
        hours += clock.now / 3600
    count = len(seeds)
    return (
        f"{policy:10}{name:7}{slots:3} slots  P(any false) {spoilt / count:.3f}  false {false} of {claimed} claims"
        f" ({false / max(claimed, 1):.3f})  gain {gain / count:6.2f}  runs/exp {runs / count / experiments:5.2f}"
        f"  out of order {late / count:5.1f}  judged anew {carried / count:5.2f}  conflicts {stale / count:5.2f}"
        f"  {hours / count:6.1f} h"
    )


def row(session: Played, slots: int, alone: Played) -> str:
    """One row of the table in docs/slots.md; ``as soon`` beside the session of one slot."""
    history, hours = session.history, session.clock.now / 3600
    start, *done = history.experiments
    proofs = [run for group in history.groups for run in (*group.base_runs, *group.tip_runs)]
    behind = [run for each in done for run in each.earlier]
    own = [run for each in done for run in each.measurements]
    beside = [run for run in own if run.role is Role.INCUMBENT]
    target = 0.9 * alone.course[-1][1]
    mine, its = session.until(target), alone.until(target)
    soon = "never" if mine is None or its is None else f"{its / mine:.1f}"
    shares = [sum(run.duration for run in runs) / 3600 / slots / hours for runs in (behind, beside, proofs)]
    waits = 1 - session.clock.busy / 3600 / slots / hours
    runs = sum(map(len, (start.measurements, proofs, behind, own)))
    told = " | ".join(f"{share:.1%}" for share in (*shares, waits))
    return f"| {slots} | {hours:.0f} | {session.course[-1][1]:.0f} | {soon} | {runs:,} | {told} |"


def main() -> None:
    words = [int(word) for word in sys.argv[1:]]
    experiments, seed = words[:2] or (3000, 1)
    sizes = words[2:] or [4, 16, 64]
    alone = None
    for slots in (1, *sizes):
        session = played("grouped", mix, slots, experiments, seed, OwnLines, experiments + 150, EVEN)
        alone = alone or session
        print(row(session, slots, alone), flush=True)


if __name__ == "__main__":
    main()
