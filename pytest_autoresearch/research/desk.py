"""Where agents work: the supervisor's side of :class:`pytest_autoresearch.agents.base.Desk`, and turns taken there."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, replace
from functools import partial
from pathlib import PurePosixPath

from pytest_autoresearch.agents.base import Proposal, Turn
from pytest_autoresearch.errors import AutoresearchError
from pytest_autoresearch.lab.job import Tick
from pytest_autoresearch.lab.station import Station
from pytest_autoresearch.protocol.experiment import Change, FileEntry, Usage
from pytest_autoresearch.research.trying import Guard, Trying, watched
from pytest_autoresearch.research.work import Think

Tried = Callable[[Mapping[str, FileEntry], Mapping[str, str]], bool]
"""Whether a state with these blobs instead is one that was already proposed."""


@dataclass(frozen=True, slots=True)
class Taken:
    """What came out of one turn. Seconds for ``duration``; ``plan`` is what people should know of the agent."""

    proposal: Proposal
    changes: Sequence[Change]
    duration: float
    plan: str = ""


class Desks:
    """The desks of a session: a turn is taken at one of them, each in a workspace of its own."""

    def __init__(
        self,
        make: Callable[[int], Station],
        *,
        targets: Sequence[str],
        blob_id: Callable[[bytes], str],
        tried: Tried,
        deadline: float,
        guard: Guard,
    ) -> None:
        self._make, self._targets, self._blob_id = make, targets, blob_id
        self._tried, self._deadline, self._guard = tried, deadline, guard
        self._stations: dict[int, Station] = {}

    def take_turn(self, place: int, think: Think, tick: Tick) -> Taken:
        """One turn at the desk with this number, which is this thread's alone."""
        if place not in self._stations:
            self._stations[place] = self._make(place)
        station = self._stations[place]
        station.fill(think.state)
        trying = None
        if think.grant is not None and think.edited is not None:
            trying = Trying(think.grant, self._guard, station.changes, think.edited)
        desk = WorkspaceDesk(
            station,
            directory=think.briefing.protocol.directory,
            targets=[path for path in self._targets if path in think.state],
            blob_id=self._blob_id,
            was_tried=partial(self._tried, think.state),
            deadline=self._deadline,
            tick=tick,
            trying=trying,
        )
        began, plan = time.monotonic(), ""
        try:
            if think.introduces and (says := getattr(think.agent, "plan", None)) is not None:
                plan = says(think.briefing, desk)
            proposal = think.agent.propose(think.briefing, desk)
        except AutoresearchError as error:
            proposal = Proposal("", failure=str(error))
        if trying is not None and trying.count:
            usage = replace(proposal.usage or Usage(), tries=trying.count, try_seconds=trying.seconds)
            proposal = replace(proposal, usage=usage)
        return Taken(proposal, station.changes(), time.monotonic() - began, plan)

    def close(self) -> None:
        """Remove the workspaces."""
        for station in self._stations.values():
            station.close()


class WorkspaceDesk:
    """One agent's turn at one station. ``tried`` asks the notebook's fingerprints, so no agent needs git."""

    def __init__(
        self,
        station: Station,
        *,
        directory: PurePosixPath,
        targets: Sequence[str],
        blob_id: Callable[[bytes], str],
        was_tried: Callable[[Mapping[str, str]], bool],
        deadline: float,
        tick: Tick,
        trying: Trying | None = None,
    ) -> None:
        self._station, self._tick, self._deadline = station, tick, deadline
        self._base, self._blob_id, self._was_tried = directory, blob_id, was_tried
        self._trying = trying
        self.directory = station.root / directory
        self.targets: Sequence[str] = tuple(_relative(path, directory) for path in targets)

    def read(self, target: str) -> bytes:
        return (self.directory / target).read_bytes()

    def write(self, target: str, data: bytes) -> None:
        (self.directory / target).write_bytes(data)

    def tried(self, edits: Mapping[str, bytes]) -> bool:
        return self._was_tried({_absolute(target, self._base): self._blob_id(data) for target, data in edits.items()})

    def run(
        self,
        command: str | Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        pass_env: Sequence[str] = (),
        network: bool = False,
        hosts: Sequence[str] | None = None,
        timeout: float | None = None,
        home: Mapping[str, bytes] | None = None,
    ) -> Turn:
        timeout = self._deadline if timeout is None else min(timeout, self._deadline)
        with ExitStack() as stack:
            tick = self._tick
            if self._trying is not None and isinstance(command, str):
                command = stack.enter_context(self._trying.offered()) + command
                tick = watched(self._trying, tick)
                timeout += self._trying.grant.seconds
            done = self._station.run(
                command,
                stdin=stdin,
                env=env or {},
                pass_env=pass_env,
                network=network,
                hosts=hosts,
                timeout=timeout,
                home=home or {},
                tick=tick,
            )
        return Turn(done.exit_code, done.stdout, done.stderr, done.timed_out, done.duration, done.refused)


def _relative(path: str, directory: PurePosixPath) -> str:
    """A top-relative path as seen from the protocol's directory (which a target may lie outside of)."""
    base = directory.parts
    parts = PurePosixPath(path).parts
    common = 0
    while common < min(len(base), len(parts) - 1) and base[common] == parts[common]:
        common += 1
    return "/".join([".."] * (len(base) - common) + list(parts[common:]))


def _absolute(target: str, directory: PurePosixPath) -> str:
    """The top-relative path of a target as seen from the protocol's directory."""
    parts: list[str] = []
    for part in (directory / target).parts:
        if part == "..":
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)
