"""Which paths a protocol declares for its runs: data, caches, hidden files, the log."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import Enum
from fnmatch import fnmatchcase
from glob import glob
from pathlib import Path

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.lab.job import Site
from pytest_autoresearch.protocol.experiment import FileEntry

MOST_PARTS = 256
"""More untracked parts of a data directory, or read-only files, than this are not mounted one by one."""


class Sight(Enum):
    """How much of a holdout a command sees: nothing, its inputs, or everything."""

    RUN = "run"
    HOLDOUT = "holdout"
    SCORE = "score"


@dataclass(frozen=True, slots=True)
class Layout:
    """``data``, ``caches`` and the holdout's ``files`` and ``inputs`` are absolute paths of the machine.

    ``kept`` are caches inside the workspace.

    ``log`` is the run's log, ``kept`` and it are relative to the top.
    """

    data: tuple[Path, ...]
    caches: tuple[Path, ...]
    files: tuple[Path, ...]
    inputs: tuple[Path, ...]
    kept: tuple[str, ...]
    log: str

    @classmethod
    def of(cls, site: Site) -> Layout:
        """Raises LabError for a data path that does not exist."""
        protocol, here = site.protocol, site.top / site.protocol.directory
        data = tuple(_absolute(text, here) for text in protocol.data)
        for text, path in zip(protocol.data, data, strict=True):
            if not path.exists():
                raise LabError(f"{protocol.source}: data: {text}: there is no {path}")
        caches = [_absolute(text, here) for text in protocol.caches]
        outside = tuple(path for path in caches if not path.is_relative_to(site.top))
        for path in outside:
            _refuse_programs(path, protocol.source)
            try:
                path.mkdir(parents=True, exist_ok=True)
            except OSError as error:
                raise LabError(f"{protocol.source}: caches: {path}: {error.strerror}") from None
        holdout = protocol.holdout
        files, inputs = (holdout.files, holdout.inputs) if holdout is not None else ((), ())
        return cls(
            data=data,
            caches=outside,
            files=tuple(path for text in files for path in _matches(_absolute(text, here))),
            inputs=tuple(path for text in inputs for path in _matches(_absolute(text, here))),
            kept=tuple(str(path.relative_to(site.top)) for path in caches if path.is_relative_to(site.top)),
            log=str((site.protocol.directory / "run.log").as_posix()),
        )

    def hidden(self, sight: Sight) -> tuple[Path, ...]:
        """What is kept from who has this sight."""
        return {Sight.RUN: (*self.files, *self.inputs), Sight.HOLDOUT: self.files, Sight.SCORE: ()}[sight]

    def shown(self, sight: Sight, state: Mapping[str, FileEntry], top: Path) -> tuple[Path, ...]:
        """What of the holdout's is shown beside the state: paths that git does not track."""
        paths = {Sight.RUN: (), Sight.HOLDOUT: self.inputs, Sight.SCORE: (*self.files, *self.inputs)}[sight]
        held = {top / part for path in state for part in (path, *_parents(path))} if paths else set()
        return tuple(path for path in paths if path not in held and path.exists())

    def visible(self, state: Mapping[str, FileEntry], top: Path, sight: Sight) -> Mapping[str, FileEntry]:
        """The state without what is hidden; patterns and directories hide what they cover."""
        hidden = self.hidden(sight)
        if not hidden:
            return state
        patterns = [str(path.relative_to(top)) for path in hidden if path.is_relative_to(top)]

        def is_hidden(path: str) -> bool:
            return any(path == p or path.startswith(f"{p}/") or fnmatchcase(path, p) for p in patterns)

        return {path: entry for path, entry in state.items() if not is_hidden(path)}

    def data_beside(self, state: Mapping[str, FileEntry], top: Path) -> tuple[Path, ...]:
        """The data that the state does not hold itself: a tracked file comes from the start commit, like any other."""
        tracked = {parent for path in state for parent in _parents(path)} if self.data else set()
        return tuple(part for path in self.data for part in _untracked_parts(path, top, state, tracked))


def moved(command: str, top: Path, workspace: Path) -> str:
    """The command with the repository's path replaced by the workspace's, for levels that can not mount one there."""
    return re.sub(re.escape(str(top)) + r"(?![\w.-])", lambda _: str(workspace), command)


def _refuse_programs(cache: Path, source: str) -> None:
    """A cache is written by runs: programs that people start, or the supervisor does, must not lie in it."""
    for entry in os.environ.get("PATH", os.defpath).split(os.pathsep):
        if os.path.isabs(entry) and Path(os.path.realpath(entry)).is_relative_to(os.path.realpath(cache)):
            raise LabError(
                f"{source}: caches: {cache}: {entry} on your PATH lies in it, so runs could put programs there\n"
                "  declare only the directories below it that hold data"
            )


def _absolute(text: str, here: Path) -> Path:
    return Path(os.path.normpath(here / Path(text).expanduser()))


def _matches(pattern: Path) -> Iterator[Path]:
    """The pattern itself, which tracked files are compared with, and the paths of the machine that it matches."""
    yield pattern
    yield from (Path(path) for path in glob(str(pattern), recursive=True) if path != str(pattern))


def _untracked_parts(path: Path, top: Path, state: Mapping[str, FileEntry], tracked: set[str]) -> Iterator[Path]:
    relative = str(path.relative_to(top)) if path.is_relative_to(top) else None
    if relative in state:
        return
    if relative is None or relative not in tracked:
        yield path
        return
    parts = [part for child in sorted(path.iterdir()) for part in _untracked_parts(child, top, state, tracked)]
    yield from parts if len(parts) <= MOST_PARTS else [path]


def _parents(path: str) -> Iterator[str]:
    while path := path.rpartition("/")[0]:
        yield path
