"""Where the executors of a session come from: this machine, a Ray cluster, or a plugin."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.lab.cpus import cores, share_of_memory, shared_out
from pytest_autoresearch.lab.executors.local import LocalExecutor
from pytest_autoresearch.lab.job import Executor, Site
from pytest_autoresearch.lab.sandbox import WEAK, choose
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.settings import Settings
from pytest_autoresearch.research.admission import slot_count

Cores = Sequence[tuple[int, ...]]


@dataclass(frozen=True)
class Fleet:
    """``slots`` executors can be had by ``executor``, each for a site with a number of its own.

    ``own`` are the cores of this machine that each slot has, none where it sits elsewhere, and ``memory`` the bytes.
    ``remarks`` are for people.
    """

    slots: int
    executor: Callable[[Site], AbstractContextManager[Executor]]
    own: Sequence[Cores] = ()
    memory: int | None = None
    remarks: tuple[str, ...] = ()

    def cores(self, slot: int) -> tuple[tuple[int, ...], ...]:
        """The hardware threads of each core of this machine that a slot has for itself."""
        return tuple(self.own[slot]) if slot < len(self.own) else ()


@contextmanager
def mustered(
    protocol: Protocol, settings: Settings, hook: Any, *, slots: int | None = None, state: Path | None = None
) -> Iterator[Fleet]:
    """The executors that ``settings`` ask for: as many as they say, or ``slots``.

    ``state`` is where ``aa --workers`` leaves what it has found, for ``auto``.
    """
    if settings.executor == "ray":
        with _clustered(protocol, settings, settings.workers if slots is None else slots) as fleet:
            yield fleet
        return
    if slots is None:
        assert state is not None
        slots = slot_count(settings.workers, protocol, state)
    machine, remarks = cores(), []
    if slots > len(machine):
        remarks = [f"{slots} slots share {len(machine)} cores, so runs slow each other and their numbers scatter more"]
    executor = partial(_executor, name=settings.executor, hook=hook)
    memory = share_of_memory(slots) if slots > 1 else None
    yield Fleet(slots, executor, shared_out(slots, machine), memory, tuple(remarks))


@contextmanager
def _clustered(protocol: Protocol, settings: Settings, asked: int | str) -> Iterator[Fleet]:
    from pytest_autoresearch.lab.executors.ray.cluster import joined
    from pytest_autoresearch.lab.executors.ray.seats import Needs

    needs = Needs(**(protocol.options.ray or {}))
    with joined(settings.address, needs, settings.isolation) as cluster:
        cluster.survey()
        slots = cluster.choose(asked)
        yield Fleet(slots, partial(_closing, make=cluster.executor, name="ray"), remarks=tuple(cluster.left_out()))


@contextmanager
def _executor(site: Site, *, name: str, hook: Any) -> Iterator[Executor]:
    executor: Executor | None = hook.pytest_autoresearch_executor(name=name, site=site)
    if executor is None and name == "local":
        executor = LocalExecutor(site, choose(site.isolation, scratch=site.scratch, repository=site.top))
    if executor is None:
        raise LabError(f"executor {name!r} is unknown; `local` and `ray` are built in, others come from plugins")
    found = executor
    with _closing(site, make=lambda _: found, name=name):
        yield executor


@contextmanager
def _closing(site: Site, *, make: Callable[[Site], Executor], name: str) -> Iterator[Executor]:
    executor = make(site)
    try:
        if site.isolation == "strict" and executor.isolation in WEAK:
            raise LabError(f"isolation is strict, and the executor {name!r} gives {executor.isolation}\n  use another")
        yield executor
    finally:
        executor.close()
