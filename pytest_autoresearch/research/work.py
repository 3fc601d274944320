"""What an experiment wants done while it waits: yielded by its script, answered by whoever drives it.

A script is a generator. It decides everything and does nothing that is untrusted itself; how many of them are under way
at once is the business of :mod:`pytest_autoresearch.research.slots`.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass
from typing import Any, TypeAlias, TypeVar

from pytest_autoresearch.agents.base import Agent, Briefing
from pytest_autoresearch.lab.job import Executor, Job, Tick
from pytest_autoresearch.protocol.experiment import FileEntry
from pytest_autoresearch.research.trying import Edited, Grant


@dataclass(frozen=True, slots=True)
class Think:
    """An agent's turn at a desk that holds ``state``; the answer is a :class:`~research.desk.Taken`.

    ``introduces``: people are told what the agent is about to do. ``grant`` is what it may try, of the states that
    ``edited`` makes of its changes.
    """

    agent: Agent
    briefing: Briefing
    state: Mapping[str, FileEntry]
    introduces: bool = False
    grant: Grant | None = None
    edited: Edited | None = None


@dataclass(frozen=True, slots=True)
class Seat:
    """A slot, which the script keeps to its end: what it compares is measured at one place. The answer is the Place."""


@dataclass(frozen=True, slots=True)
class Leave:
    """The slot is given back before the script ends, as what follows needs none. The answer is None."""


@dataclass(frozen=True, slots=True)
class Await:
    """Nothing, on the slot that the script has, until it is ``over``; that is asked whenever some work has ended."""

    over: Callable[[], bool]


@dataclass(frozen=True, slots=True)
class Run:
    """One run; the answer is its Measurement."""

    job: Job


@dataclass(frozen=True, slots=True)
class Check:
    """A guard on a state, ended after ``timeout`` seconds; the answer is a :class:`~lab.job.Finished`."""

    command: str
    state: Mapping[str, FileEntry]
    timeout: float


Work: TypeAlias = Think | Seat | Leave | Await | Run | Check
_T = TypeVar("_T")
Script: TypeAlias = Generator[Work, Any, _T]
"""Yields work, is sent its answer, returns what came of it all."""


def one(work: Work) -> Script[Any]:
    """The script of a single piece of work."""
    return (yield work)


def drive(script: Script[_T], perform: Callable[[Work], Any]) -> _T:
    """A script from its beginning to its end, one piece of work after the other, in the caller's thread."""
    try:
        work = next(script)
        while True:
            work = script.send(perform(work))
    except StopIteration as end:
        result: _T = end.value
        return result


def performed_by(lab: Executor, tick: Tick) -> Callable[[Work], Any]:
    """Does what an executor can do."""

    def perform(work: Work) -> Any:
        if isinstance(work, Run):
            return lab.measure(work.job, tick)
        assert isinstance(work, Check)
        return lab.guard(work.command, work.state, work.timeout, tick)

    return perform
