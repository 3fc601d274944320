"""Where a protocol's commands run: a scratch directory, and an executor for each slot; all gone afterwards."""

from __future__ import annotations

import hashlib
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from pytest_autoresearch.agents.base import AgentSettings
from pytest_autoresearch.errors import LabError
from pytest_autoresearch.executables import workspaces
from pytest_autoresearch.lab.cpus import keep_to
from pytest_autoresearch.lab.executors.local import LocalExecutor
from pytest_autoresearch.lab.job import Executor, Site
from pytest_autoresearch.lab.machine import machine_fingerprint
from pytest_autoresearch.lab.removal import remove_tree
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.protocol.experiment import Experiment
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.scope import Scope
from pytest_autoresearch.protocol.settings import Settings
from pytest_autoresearch.research.fleet import Fleet, mustered
from pytest_autoresearch.research.slots import Lane, Slots
from pytest_autoresearch.research.submodules import Submodules
from pytest_autoresearch.research.watch import Watch, waiting


class NoPlugins:
    """The hooks where no pytest is: nobody answers."""

    def pytest_autoresearch_agent(self, settings: AgentSettings) -> None:
        """No third party's agent."""

    def pytest_autoresearch_executor(self, name: str, site: Site) -> None:
        """No third party's executor."""

    def pytest_autoresearch_recorded(self, experiment: Experiment, history: History) -> None:
        """No observer."""


@contextmanager
def at_site(protocol: Protocol, git: Git, settings: Settings, *, tag: str, scope: Scope) -> Iterator[Site]:
    """What an executor needs to know of a protocol, with a scratch directory for as long as this lasts."""
    with _scratch(git, tag) as scratch, closing(Submodules(git)) as submodules:
        yield Site(
            top=git.top,
            scratch=scratch,
            tag=tag,
            protocol=protocol,
            read_blobs=submodules.read,
            expand=submodules.expanded,
            interpreter_bin=Path(sys.executable).parent,
            targets=frozenset(scope.targets),
            readonly=frozenset(scope.readonly),
            isolation=settings.isolation,
            machine=machine_fingerprint(),
        )


@contextmanager
def lanes(site: Site, fleet: Fleet, watch: Watch, fitted: Callable[[Site], Site]) -> Iterator[Callable[[int], Lane]]:
    """Opens a slot of the fleet by its number, for as long as this lasts.

    ``fitted`` is asked then for what is known by then of the runs. The devices that ``site`` asks for are the first's.
    """
    with ExitStack() as stack:

        def lane(number: int) -> Lane:
            own = fleet.cores(number)
            devices = site.devices if number == 0 else ()
            here = replace(site, slot=number, cores=own, memory=fleet.memory, devices=devices)
            executor = stack.enter_context(fleet.executor(fitted(here)))
            then = executor.start_ahead if isinstance(executor, LocalExecutor) else _nothing
            return Lane(executor, executor.occupy(waiting(watch)), partial(keep_to, own), then)

        yield lane


@contextmanager
def equipped(
    protocol: Protocol, git: Git, settings: Settings, *, tag: str, scope: Scope, hook: Any
) -> Iterator[Executor]:
    """One slot for a protocol, without a session: a scratch directory, the best sandbox there is, and the executor."""
    with (
        at_site(protocol, git, settings, tag=tag, scope=scope) as site,
        mustered(protocol, settings, hook, slots=1) as fleet,
        fleet.executor(site) as executor,
    ):
        yield executor


@contextmanager
def equipped_slots(
    protocol: Protocol, git: Git, settings: Settings, count: int, *, tag: str, scope: Scope, hook: Any, watch: Watch
) -> Iterator[Slots]:
    """As many slots for a protocol, without a session; they are those that a session of so many workers would have."""
    with ExitStack() as stack:
        site = stack.enter_context(at_site(protocol, git, settings, tag=tag, scope=scope))
        fleet = stack.enter_context(mustered(protocol, settings, hook, slots=count))
        lane = stack.enter_context(lanes(site, fleet, watch, lambda site: site))
        slots = stack.enter_context(closing(Slots(lane(0), partial(map, lane, range(1, count)), None, watch)))
        slots.complete()
        yield slots


def _nothing() -> None:
    """What other machines do between two runs is their own business."""


@contextmanager
def _scratch(git: Git, tag: str) -> Iterator[Path]:
    """A directory of this session alone, in the user's cache and never in the checkout; gone afterwards."""
    name = hashlib.sha256(str(git.common_dir).encode("utf-8", "surrogateescape")).hexdigest()[:12]
    scratch = workspaces() / f"{name}-{tag}"
    try:
        remove_tree(scratch)  # what a session that died has left; the lock says that it is not in use
        scratch.mkdir(parents=True, mode=0o700)
    except OSError as error:
        raise LabError(
            f"{scratch}: {error.strerror}\n  set XDG_CACHE_HOME to a directory that can be written"
        ) from None
    try:
        yield scratch
    finally:
        remove_tree(scratch)
