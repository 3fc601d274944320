"""What a session is made of. Values and doors only; who opens them is :mod:`pytest_autoresearch.research.opening`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from pytest_autoresearch.agents.base import Agent
from pytest_autoresearch.judge import Judge
from pytest_autoresearch.lab.job import Executor
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.ledger import Notebook
from pytest_autoresearch.notebook.record import Session
from pytest_autoresearch.protocol.experiment import Experiment, Place
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.scope import Scope
from pytest_autoresearch.protocol.settings import Settings
from pytest_autoresearch.research.candidate import Drafts
from pytest_autoresearch.research.slots import Slots
from pytest_autoresearch.research.watch import Watch


@dataclass(frozen=True)
class Parts:
    """Opened, locked and ready.

    ``lab`` and ``place`` are the first slot's, ``isolation`` is the level of the agents' desks. ``compares``: what was
    measured of a pending proposal compares with what is measured now.
    """

    protocol: Protocol
    settings: Settings
    scope: Scope
    session: Session
    git: Git
    notebook: Notebook
    slots: Slots
    drafts: Drafts
    judge: Judge
    compares: bool
    agents: Sequence[Agent]
    reviewer: Agent | None
    isolation: str
    watch: Watch
    told: Callable[[Experiment], None]
    told_by_people: Callable[[], tuple[Protocol, Sequence[str]]]
    stop_requested: Callable[[], str]
    paused: Callable[[], bool]

    @property
    def lab(self) -> Executor:
        """The first slot's, which may be another one once a slot was lost."""
        return self.slots.first.executor

    @property
    def place(self) -> Place:
        """Where that is."""
        return self.slots.first.place
