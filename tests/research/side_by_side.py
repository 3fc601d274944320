"""Sessions inside this process: the real session, driver, judge and notebook on slots that only compute."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from pytest_autoresearch.agents.base import Agent, AgentSettings, Briefing, Desk, Proposal
from pytest_autoresearch.lab.job import Executor, Finished, Job, Site, Tick
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.protocol.experiment import Experiment, FileEntry, Measurement, Place
from pytest_autoresearch.protocol.markdown import load
from pytest_autoresearch.protocol.settings import resolve
from pytest_autoresearch.research.loop import Ended, Loop
from pytest_autoresearch.research.opening import opened
from pytest_autoresearch.research.session import Research

Value = Callable[[str, Job, Place], float]
"""The metric of a target's text."""


@dataclass
class World:
    """What a session meets: ``edits`` by number, from the old text of train.py to the new one; ``value`` of a text.

    A run of a number in ``gates`` waits until that is open; ``jobs`` are the runs that began, with their place.
    """

    edits: Mapping[int, Callable[[str], str]]
    value: Value
    gates: Mapping[int, threading.Event] = field(default_factory=dict)
    jobs: list[tuple[Job, Place]] = field(default_factory=list)
    asked: list[Briefing] = field(default_factory=list)
    seconds: float = 0.01

    name = "scripted"
    concurrent = True

    def propose(self, briefing: Briefing, desk: Desk) -> Proposal:
        self.asked.append(briefing)
        before = desk.read("train.py").decode()
        desk.write("train.py", self.edits[briefing.number](before).encode())
        return Proposal(f"edit {briefing.number}")

    # The hooks

    def pytest_autoresearch_agent(self, settings: AgentSettings) -> Agent | None:
        return self

    def pytest_autoresearch_executor(self, name: str, site: Site) -> Executor | None:
        return _Slot(self, site)

    def pytest_autoresearch_recorded(self, experiment: Experiment, history: History) -> None:
        """Nobody looks on."""

    # The watch

    def phase(self, number: int, text: str, *, budget: float | None = None) -> None:
        """Nobody watches."""

    def tick(self, elapsed: float) -> None:
        """Nobody watches."""

    def remark(self, text: str) -> None:
        """Nobody listens."""

    @contextmanager
    def session(self, root: Path, **options: str) -> Iterator[Research]:
        with Git.discover(root) as git:
            protocol = load(root / "autoresearch.config.md", top=git.top)
            settings = resolve({"agent": "scripted", **options}, {}, protocol.options, {})
            with opened(protocol, git, settings, hook=self, watch=self) as research:
                yield research

    def run(self, root: Path, **options: str) -> History:
        """A whole session; its history."""
        with self.session(root, **options) as research:
            for _ in every(research):
                pass
            return research.notebook.history


def every(research: Research) -> Iterator[Ended]:
    loop = Loop(research)
    while (ended := loop.next()) is not None:
        if ended.error is not None:
            raise ended.error
        yield ended


class _Slot:
    isolation: str = "process"
    device: str = "cpu"
    refused: tuple[str, ...] = ()

    def __init__(self, world: World, site: Site) -> None:
        self._world, self._site = world, site
        self._place = Place(site.machine, site.slot, self.isolation)

    def occupy(self, tick: Tick) -> Place:
        return self._place

    def measure(self, job: Job, tick: Tick) -> Measurement:
        self._world.jobs.append((job, self._place))
        gate = self._world.gates.get(job.number)
        while gate is not None and not gate.wait(0.05):
            tick(0.0)
        blob = job.state["train.py"].blob
        text = self._site.read_blobs([blob])[blob].decode()
        value = self._world.value(text, job, self._place)
        return Measurement(job.role, value, seed=job.seed, duration=self._world.seconds, place=self._place)

    def guard(self, command: str, state: Mapping[str, FileEntry], timeout: float, tick: Tick) -> Finished:
        return Finished(0, b"", b"", timed_out=False, duration=0.0)

    def close(self) -> None:
        """Nothing was started."""
