"""The near side of a slot on another machine: ships states and contents, and has its runner do the work."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.lab.executors.remote.contents import Cargo, Changes, State, changes_between
from pytest_autoresearch.lab.executors.remote.messages import Berth, Failed, Opened
from pytest_autoresearch.lab.job import Finished, Job, Site, Tick, as_it_is
from pytest_autoresearch.protocol.experiment import FileEntry, Measurement, Place

LOOK = 0.2  # s between two ticks


class RemoteExecutor(ABC):
    """One slot elsewhere, see :class:`pytest_autoresearch.lab.job.Executor`. A subclass has :meth:`ask` and ``close``.

    ``name`` is where, for people. ``cargo`` is what the machine was sent already, where several slots are on it.
    """

    isolation: str
    refused: tuple[str, ...]
    device: str

    def __init__(self, site: Site, name: str, berth: Berth, tick: Tick, cargo: Cargo | None = None) -> None:
        self._site, self._name, self._cargo = site, name, cargo or Cargo()
        self._base: State | None = None
        told = replace(site, read_blobs=_elsewhere, expand=as_it_is, said=None)
        opened: Opened = self._answer(tick, "open", told, berth)
        self.isolation, self.refused, self.device = opened.isolation, opened.refused, opened.device
        self._place = opened.place
        if opened.is_new:
            with self._cargo.lock:
                self._cargo.sent.clear()

    @abstractmethod
    def ask(self, tick: Tick, name: str, *arguments: Any) -> Any:
        """What the runner answers to ``(name, arguments)``; PlaceLost where it is gone.

        ``tick`` is called meanwhile. What that raises ends what runs there, by CANCEL, which the answer then tells of.
        """

    def occupy(self, tick: Tick) -> Place:
        """See :meth:`pytest_autoresearch.lab.job.Executor.occupy`."""
        return self._place

    def measure(self, job: Job, tick: Tick) -> Measurement:
        """Ship what the machine lacks, and have it run there."""
        changes = self._shipped(job.state, tick)
        measured: Measurement = self._answer(tick, "measure", changes, replace(job, state={}))
        return measured

    def guard(self, command: str, state: Mapping[str, FileEntry], timeout: float, tick: Tick) -> Finished:
        """Run a guard there."""
        finished: Finished = self._answer(tick, "guard", self._shipped(state, tick), command, timeout)
        return finished

    @abstractmethod
    def close(self) -> None:
        """End the runner, which sweeps and removes what it has."""

    def _answer(self, tick: Tick, name: str, *arguments: Any) -> Any:
        answer = self.ask(tick, name, *arguments)
        if isinstance(answer, Failed):
            what = "" if answer.is_ours else "a bug of pytest-autoresearch there\n"
            raise LabError(f"{self._name}: {what}{answer.words}")
        return answer

    def _shipped(self, state: State, tick: Tick) -> Changes:
        """How the state differs from the first one, once the machine has the contents of both."""
        state = self._site.expand(state)
        changes = changes_between(self._base or {}, state)
        entries = [entry for entry in changes.values() if entry is not None]
        while not self._cargo.lock.acquire(timeout=LOOK):
            tick(0.0)
        try:
            if lacking := self._cargo.lacking(entries):
                self._cargo.send(lacking, self._site.read_blobs, lambda blobs: self._answer(tick, "give", blobs))
        finally:
            self._cargo.lock.release()
        if self._base is not None:
            return changes
        self._answer(tick, "begin_with", state)
        self._base = state
        return {}


def _elsewhere(blobs: object) -> dict[str, bytes]:
    """No contents cross with a site."""
    raise LabError("the contents of files are asked for before the machine has a store of its own")
