"""A marked test as a session: the supervisor's side. The body is measured by a fresh pytest in the workspace."""

from __future__ import annotations

import shlex
from pathlib import Path, PurePosixPath

import pytest

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol.marker import from_marker
from pytest_autoresearch.protocol.model import Protocol


def protocol_of_marked(item: pytest.Item, top: Path) -> Protocol:
    """The protocol of a marked test; ConfigError for a marker that makes no sense. Paths are the test file's."""
    marker = item.get_closest_marker("autoresearch")
    assert marker is not None
    timeout = item.get_closest_marker("timeout")
    path = item.path.resolve()
    if not path.is_relative_to(top):
        raise ConfigError(
            f"the test lies outside the repository {top}", file=path, remedy="run it from its own checkout"
        )
    file = path.relative_to(top).as_posix()
    return from_marker(
        marker.kwargs,
        positional=marker.args,
        test_id=f"{file}::{item.nodeid.partition('::')[2]}",
        test_file=file,
        run=_measuring_command(item, marker.kwargs.get("metric"), PurePosixPath(file).parent, top),
        line=(item.location[1] or 0) + 1,
        timeout=_seconds(timeout),
    )


def _seconds(timeout: pytest.Mark | None) -> float | None:
    if timeout is None:
        return None
    value = timeout.args[0] if timeout.args else timeout.kwargs.get("timeout")
    return None if value is None else float(value)


def _measuring_command(item: pytest.Item, metric: object, directory: PurePosixPath, top: Path) -> str:
    """Measure one body: pytest on this test alone, started where the user's configuration and paths hold."""
    root = item.config.rootpath.resolve()
    root = root if root.is_relative_to(top) else top
    up = "/".join([".."] * len(directory.parts)) or "."
    down = root.relative_to(top).as_posix()
    where = PurePosixPath(up, down).as_posix()
    node = f"{item.path.resolve().relative_to(root).as_posix()}::{item.nodeid.partition('::')[2]}"
    command = (
        f"python -m pytest -q -p no:cacheprovider --autoresearch-measure {shlex.quote(str(metric))} {shlex.quote(node)}"
    )
    return command if where == "." else f"cd {shlex.quote(where)} && {command}"
