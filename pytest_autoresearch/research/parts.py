"""What a session is made of. Values and doors only; who opens them is :mod:`pytest_autoresearch.research.opening`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

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
from pytest_autoresearch.research.watch import Watch


@dataclass(frozen=True)
class Parts:
    """Opened, locked and ready."""

    protocol: Protocol
    settings: Settings
    scope: Scope
    session: Session
    git: Git
    notebook: Notebook
    lab: Executor
    workspace: Path
    judge: Judge
    agents: Sequence[Agent]
    place: Place
    watch: Watch
    told: Callable[[Experiment], None]
    told_by_people: Callable[[], tuple[Protocol, Sequence[str]]]
    stop_requested: Callable[[], str]
    paused: Callable[[], bool]
