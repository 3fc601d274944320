"""The file that a metric is read from, watched over one run: only what that run wrote counts. Follows no links."""

from __future__ import annotations

import os
import posixpath
import stat
from pathlib import Path

from pytest_autoresearch.lab.documents import LARGEST, read_file
from pytest_autoresearch.lab.metrics import Reading
from pytest_autoresearch.lab.workspace import Workspace
from pytest_autoresearch.protocol.experiment import Reason
from pytest_autoresearch.protocol.globs import is_glob, matches
from pytest_autoresearch.protocol.model import Metric, MetricFile, Protocol

MOST_FILES = 100_000  # that a pattern is compared with

_Stamp = tuple[int, int]


class Written:
    """Made before the run; :meth:`read` after it, when nothing of it is left."""

    def __init__(self, workspace: Workspace, protocol: Protocol, file: MetricFile) -> None:
        self._workspace, self._file, self._metric = workspace, file, protocol.metric
        self._pattern = posixpath.normpath(posixpath.join(str(protocol.directory), file.path))
        self._before = self._stamps()

    def read(self) -> Reading:
        """The metric, from the one file that matches and was written since."""
        found = self._stamps()
        new = [path for path, stamp in found.items() if self._before.get(path) != stamp]
        if not new:
            what = "was not written by this run" if found else "is not there after the run"
            return _none(self._metric, f"{self._file.path} {what}")
        if len(new) > 1:
            return _none(self._metric, f"{self._file.path} matches {len(new)} files: {', '.join(sorted(new)[:4])}")
        data = self._workspace.read(new[0], at_most=LARGEST + 1)
        if data is None:
            return _none(self._metric, f"{self._file.path} can not be read")
        return read_file(data, self._file, self._metric)

    def _stamps(self) -> dict[str, _Stamp]:
        """The regular files that the path or pattern means, and what tells whether they were written since."""
        root = self._workspace.root
        paths = _matching(root, self._pattern) if is_glob(self._pattern) else [self._pattern]
        found = {}
        for path in paths:
            try:
                entry = os.stat(root / path, follow_symlinks=False)
            except OSError:
                continue
            if stat.S_ISREG(entry.st_mode):
                found[path] = (entry.st_ino, entry.st_ctime_ns)
        return found


def _matching(root: Path, pattern: str) -> list[str]:
    fixed = posixpath.dirname(pattern[: min(pattern.find(sign) % (len(pattern) + 1) for sign in "*?[")])
    found: list[str] = []
    seen = 0
    for directory, _, names in os.walk(root / fixed):
        seen += len(names)
        if seen > MOST_FILES:
            break
        place = Path(directory).relative_to(root).as_posix()
        paths = (posixpath.normpath(posixpath.join(place, name)) for name in names)
        found += [path for path in paths if matches(pattern, path)]
    return found


def _none(metric: Metric, words: str) -> Reading:
    return Reading(failure=Reason.NO_METRIC, detail=f"{metric.name}: {words}")
