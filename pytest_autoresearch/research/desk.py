"""Where an agent works: the supervisor's side of :class:`pytest_autoresearch.agents.base.Desk`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path, PurePosixPath

from pytest_autoresearch.agents.base import Turn
from pytest_autoresearch.lab.job import Executor, Tick


class WorkspaceDesk:
    """One agent's turn on one workspace. ``tried`` asks the notebook's fingerprints, so no agent needs git."""

    def __init__(
        self,
        executor: Executor,
        *,
        root: Path,
        directory: PurePosixPath,
        targets: Sequence[str],
        blob_id: Callable[[bytes], str],
        was_tried: Callable[[Mapping[str, str]], bool],
        deadline: float,
        tick: Tick,
    ) -> None:
        self._executor, self._tick, self._deadline = executor, tick, deadline
        self._base, self._blob_id, self._was_tried = directory, blob_id, was_tried
        self.directory = root / directory
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
        done = self._executor.agent_turn(
            command,
            stdin=stdin,
            env=env or {},
            pass_env=pass_env,
            network=network,
            hosts=hosts,
            timeout=self._deadline if timeout is None else min(timeout, self._deadline),
            home=home or {},
            tick=self._tick,
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
