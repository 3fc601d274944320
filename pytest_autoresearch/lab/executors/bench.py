"""One workspace with its sandbox: fills it, builds in it, and runs commands as the contract says. Reads no metric."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, closing, nullcontext, suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.lab.aftermath import drop_links
from pytest_autoresearch.lab.bwrap import BwrapSandbox
from pytest_autoresearch.lab.command import Command, Ending, Outcome
from pytest_autoresearch.lab.cpus import thread_counts
from pytest_autoresearch.lab.editable import editable_roots, site_directories
from pytest_autoresearch.lab.environment import base_environment, contract_environment
from pytest_autoresearch.lab.extracting import CACHES, MODULES, WRITE
from pytest_autoresearch.lab.gpus import Lease
from pytest_autoresearch.lab.headstart import HeadStart, can_wait, leads_in
from pytest_autoresearch.lab.job import Site, Tick
from pytest_autoresearch.lab.layout import MOST_PARTS, Layout, Sight, moved
from pytest_autoresearch.lab.passage import Passage, only_to
from pytest_autoresearch.lab.places import set_aside
from pytest_autoresearch.lab.process import execute
from pytest_autoresearch.lab.programs import named_in, needed_by
from pytest_autoresearch.lab.throwaway import find_git, make_repository
from pytest_autoresearch.lab.view import Sandbox, View
from pytest_autoresearch.lab.watching import Lookout
from pytest_autoresearch.lab.workspace import Workspace
from pytest_autoresearch.protocol.experiment import FileEntry

FIRST_BUILD = 3600.0  # s; a later one gets several times what the first took
SHORTEST_BUILD = 60.0  # s
MOST_MISSED = 3
"""So many runs in a row that could not be what was started ahead are enough."""
NO_LEASE = Lease()


class Bench:
    """A workspace named ``name`` below the site's scratch directory.

    ``lookout``, where there is one, watches every command; that costs time, so it is for runs that are not compared.
    """

    def __init__(self, site: Site, sandbox: Sandbox, layout: Layout, name: str) -> None:
        self._site, self._sandbox, self._layout = site, sandbox, layout
        self.workspace = Workspace(
            site.scratch / name,
            site.read_blobs,
            checkout=site.top,
            ignored={layout.log},
            kept=layout.kept,
            watched=isinstance(sandbox, BwrapSandbox) and sandbox.is_heard and site.protocol.build is None,
        )
        self._state: Mapping[str, FileEntry] = {}
        self._data: tuple[Path, ...] = ()
        self._sight = Sight.RUN
        self._build_limit = FIRST_BUILD
        self.lookout: Lookout | None = None
        self._ahead: HeadStart | None = None
        self._missed = 0
        if site.protocol.git_throwaway:
            self._git = find_git(site.top)
        megabytes = site.protocol.memory_mb
        self._memory = site.memory if megabytes is None else int(megabytes * 1024 * 1024)
        self._imported = editable_roots(site.top, site_directories())

    def fill(self, state: Mapping[str, FileEntry], *, sight: Sight = Sight.RUN) -> bool:
        """Make the workspace hold ``state``, without the hidden files; returns whether a build is still good."""
        top, state = self._site.top, self._site.expand(state)
        self._sight = sight
        visible = self._layout.visible(state, top, sight)
        if self._layout.data and visible.keys() != self._state.keys():
            self._data = self._layout.data_beside(visible, top)
        self._state = visible
        built = self.workspace.fill(visible, held=() if self._ahead is None else self._ahead.held)
        if self._site.protocol.git_throwaway:
            make_repository(self.workspace.root, self._git, top)
        return built

    def reveal(self, state: Mapping[str, FileEntry]) -> None:
        """Add what was hidden of ``state`` to what a run has left, for the command that scores it."""
        top, state = self._site.top, self._site.expand(state)
        more = {path: entry for path, entry in state.items() if path not in self._state}
        beside = (path.relative_to(top) for path in self._layout.hidden(self._sight) if path.is_relative_to(top))
        drop_links(self.workspace, {*more, *map(str, beside)})
        self._sight = Sight.SCORE
        self.workspace.extend(more)
        self._state = state

    def prepare(self, state: Mapping[str, FileEntry], tick: Tick, *, sight: Sight = Sight.RUN) -> Outcome | None:
        """Fill and build; returns how the build ended if it failed."""
        build = self._site.protocol.build
        if self.fill(state, sight=sight) or build is None:
            return None
        outcome = self.run(build, self.environment(), timeout=self._build_limit, tick=tick)
        if outcome.ending is not Ending.EXITED or outcome.exit_code != 0:
            return outcome
        if self._build_limit == FIRST_BUILD:
            self._build_limit = max(SHORTEST_BUILD, 10 * outcome.duration)
        self.workspace.adopt()
        return None

    def environment(
        self,
        *,
        number: int | None = None,
        budget: float | None = None,
        seed: int | None = None,
        network: bool | None = None,
    ) -> dict[str, str]:
        """The environment of a command: the allow-list, the protocol's ``env``, and the contract's variables."""
        site = self._site
        base = base_environment(
            os.environ,
            interpreter_bin=site.interpreter_bin,
            top=site.top,
            network=site.protocol.network if network is None else network,
        )
        ceilings = (site.top.parent, self.workspace.root.parent)
        contract = contract_environment(tag=site.tag, number=number, budget=budget, seed=seed, ceilings=ceilings)
        own = thread_counts(len(site.cores), base)
        environment = {**base, **own, **site.protocol.env, **contract}
        if self._sandbox.level != "bwrap" and self._imported:
            imported = [str(self.workspace.root / path) for path in self._imported]
            environment["PYTHONPATH"] = os.pathsep.join([*imported, *filter(None, [environment.get("PYTHONPATH")])])
        return environment

    def run(
        self,
        words: str | tuple[str, ...],
        environment: Mapping[str, str],
        *,
        timeout: float,
        tick: Tick,
        stdin: bytes = b"",
        merge_output: bool = True,
        network: bool | None = None,
        lease: Lease | None = None,
        home: Mapping[str, bytes] | None = None,
        by_agent: bool = False,
        granted: frozenset[str] | None = None,
        hosts: Sequence[str] | None = None,
        observe: Callable[[bytes], None] | None = None,
    ) -> Outcome:
        """Run a program, or a text as ``bash -c``, in the protocol's directory until nothing of it is left.

        ``granted``: an extract command's, see :mod:`pytest_autoresearch.lab.extracting`. ``by_agent``: it may write
        everywhere in the workspace; what it must not change is refused by the diff, so that the record says
        `out-of-scope` instead of whatever the program makes of an error. It gets no caches: runs would read what it put
        there. ``hosts``: it reaches these and nothing else of the network, which takes a level with namespaces.
        """
        network = self._site.protocol.network if network is None else network
        if granted is not None and MODULES not in granted:
            environment = {**environment, "PYTHONSAFEPATH": "1"}
        command, named = self._command(words, environment, timeout)
        command = replace(command, stdin=stdin, merge_output=merge_output)
        view = self._view(named, by_agent=by_agent, granted=granted, lease=lease or NO_LEASE)
        view = replace(view, network=network and hosts is None, home=home or {})
        passage = Passage()
        try:
            with ExitStack() as stack:
                command = stack.enter_context(self._watched(command))
                if by_agent:
                    stack.enter_context(self._without_caches())
                if hosts is not None:
                    command, passage = stack.enter_context(only_to(hosts, command))
                outcome = self._executed(command, view, tick, observe)
        except OSError as error:
            raise LabError(f"a command can not be started at level {self._sandbox.level}: {error}") from error
        return replace(outcome, refused=passage.refused)

    def _executed(self, command: Command, view: View, tick: Tick, observe: Callable[[bytes], None] | None) -> Outcome:
        """Run what is ready to be confined; what was known of the workspace is known no more."""
        self.workspace.disturb()
        outcome = None
        if (ahead := self._ahead) is not None:
            self._ahead = None
            with closing(ahead):
                outcome = ahead.go(command, view, tick, observe)
            self._missed = self._missed + 1 if outcome is None else 0
        if outcome is None:
            with self._sandbox.wrap(command, view) as confined:
                outcome = execute(confined, tick=tick, observe=observe)
        self.workspace.disturb(for_good=outcome.is_left)
        return outcome

    def start_ahead(self, words: str) -> None:
        """Start the next run of a marked test, where one can wait that has loaded nothing of its candidate."""
        if self._ahead is not None or self._missed >= MOST_MISSED or self._sight is not Sight.RUN:
            return
        if not self._state or any(map(leads_in, self._state)):
            return
        with suppress(OSError, LabError):  # it is not missed
            command, named = self._command(words, self.environment(), FIRST_BUILD)
            view = replace(self._view(named), network=self._site.protocol.network)
            if can_wait(command, view):
                self.workspace.fill(self._state)  # an interpreter loads by itself what the last run may have left
                self.workspace.disturb()
                self._ahead = HeadStart.of(self._sandbox, command, view)

    def end_ahead(self) -> None:
        """End what was started ahead and is not wanted any more."""
        ahead, self._ahead = self._ahead, None
        if ahead is not None:
            ahead.close()

    def close(self) -> None:
        """Remove the workspace."""
        self.end_ahead()
        self.workspace.close()

    def _command(
        self, words: str | tuple[str, ...], environment: Mapping[str, str], timeout: float
    ) -> tuple[Command, tuple[Path, ...]]:
        """What is run in the protocol's directory, and the paths that it names itself."""
        argv, named = self._program(words, environment["PATH"])
        where = self._site.top / self._site.protocol.directory
        return Command(argv, where, environment, timeout, memory=self._memory), named

    def _without_caches(self) -> AbstractContextManager[None]:
        """The workspace while an agent is there."""
        return set_aside(self.workspace.root, map(PurePosixPath, self._layout.kept), self._site.scratch)

    def _view(
        self,
        named: Sequence[Path],
        *,
        by_agent: bool = False,
        granted: frozenset[str] | None = None,
        lease: Lease = NO_LEASE,
    ) -> View:
        """What a command sees of the machine; ``named`` are the paths that it names itself."""
        top = self._site.top
        return View(
            workspace=self.workspace.root,
            shown_at=top,
            scratch=self._site.scratch,
            readonly=() if by_agent else self._readonly(),
            data=(*self._data, *named, *self._layout.shown(self._sight, self._state, top)),
            caches=() if by_agent or (granted is not None and CACHES not in granted) else self._layout.caches,
            frozen=granted is not None and WRITE not in granted,
            hidden=self._layout.hidden(self._sight),
            devices=lease.devices,
            described=lease.described,
            pinned=bool(self._site.cores),
        )

    def _program(self, words: str | tuple[str, ...], search: str) -> tuple[tuple[str, ...], tuple[Path, ...]]:
        """What is started, and the paths outside of the repository that it names and nothing else shows."""
        top = self._site.top
        if isinstance(words, str):
            named = named_in(words, search=search, top=top)
            is_mounted = self._sandbox.level == "bwrap"
            argv: tuple[str, ...] = ("bash", "-c", words if is_mounted else moved(words, top, self.workspace.root))
        else:
            named, argv = needed_by(words[0], search=search, top=top), words
        declared = (*self._data, *self._layout.caches)
        return argv, tuple(path for path in named if not any(path.is_relative_to(place) for place in declared))

    def _watched(self, command: Command) -> AbstractContextManager[Command]:
        return nullcontext(command) if self.lookout is None else self.lookout.around(command)

    def _readonly(self) -> tuple[Path, ...]:
        """Read-only files to mount so; where there are very many, checking them afterwards has to do."""
        present = [self.workspace.root / path for path in self._site.readonly if path in self._state]
        return tuple(present) if len(present) <= MOST_PARTS else ()
