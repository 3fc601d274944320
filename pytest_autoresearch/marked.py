"""A marked test as a session: the supervisor's side. The body is measured by a fresh pytest in the workspace."""

from __future__ import annotations

import hashlib
import inspect
import re
import shlex
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from pytest_autoresearch.counting import UNDER_CALLGRIND, missing_tools
from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.forwarding import forwarded
from pytest_autoresearch.protocol.marker import INSTRUCTIONS, PYTEST, from_marker
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.research.guards import PRIVATE_CACHE

UNMARKED: Mapping[str, Any] = {"metric": "benchmark.median"}
"""What an unmarked pytest-benchmark test is measured by."""

UNMARKED_WHOLE: Mapping[str, Any] = {"metric": "duration"}
"""The same for a test that is a benchmark as a whole."""

LONGEST_LABEL = 24  # characters of a parameter set's id in its tag


def is_benchmark(item: pytest.Item) -> bool:
    """Whether a test uses pytest-benchmark's fixture, or says that it is a benchmark as a whole (pytest-codspeed)."""
    return _has_fixture(item) or any(map(item.get_closest_marker, ("benchmark", "codspeed_benchmark")))


def _has_fixture(item: pytest.Item) -> bool:
    return not {"benchmark", "codspeed_benchmark"}.isdisjoint(getattr(item, "fixturenames", ()))


def is_marked(item: pytest.Item) -> bool:
    return item.get_closest_marker("autoresearch") is not None


def leads(items: Sequence[pytest.Item]) -> list[pytest.Item]:
    """One item for each session: parameter sets that make one metric are led by the first of them."""
    led: dict[str, pytest.Item] = {}
    for item in items:
        led.setdefault(node_id(item) if is_aggregated(item) else item.nodeid, item)
    return list(led.values())


def is_aggregated(item: pytest.Item) -> bool:
    """Whether the item is one of several parameter sets that make one metric."""
    marker = item.get_closest_marker("autoresearch")
    return marker is not None and bool(marker.kwargs.get("aggregate")) and bool(_parameters(item))


def node_id(item: pytest.Item) -> str:
    """The node id that is measured: of all parameter sets where they are aggregated."""
    return item.nodeid.removesuffix(f"[{_parameters(item)}]") if is_aggregated(item) else item.nodeid


def source_of(item: pytest.Item, top: Path) -> str:
    """The node id relative to the repository's top, which names the session's source."""
    path = item.path.resolve()
    if not path.is_relative_to(top):
        raise ConfigError(
            f"the test lies outside the repository {top}", file=path, remedy="run it from its own checkout"
        )
    return f"{path.relative_to(top).as_posix()}::{node_id(item).partition('::')[2]}"


def protocol_of_marked(item: pytest.Item, top: Path, targets: Sequence[str] = ()) -> Protocol:
    """The protocol of a marked test; ConfigError for a marker that makes no sense. Paths are the test file's.

    ``targets`` are what the command line names instead of the marker's: an unmarked benchmark has none but these.
    """
    marker = item.get_closest_marker("autoresearch")
    unmarked = UNMARKED if _has_fixture(item) else UNMARKED_WHOLE
    arguments: Mapping[str, Any] = unmarked if marker is None else marker.kwargs
    source = source_of(item, top)
    file = source.partition("::")[0]
    line = (item.location[1] or 0) + 1
    if arguments.get("metric") == INSTRUCTIONS and (missing := missing_tools()):
        raise ConfigError(
            "instructions can not be counted", file=file, line=line, remedy="install " + " and ".join(missing)
        )
    return from_marker(
        {**_with_own_tag(item, arguments), **({"targets": list(targets)} if targets else {})},
        positional=() if marker is None else marker.args,
        test_id=source,
        test_file=file,
        run=_measuring_command(item, _recorded(arguments.get("metric")), PurePosixPath(file).parent, top),
        line=line,
        timeout=_seconds(item.get_closest_marker("timeout")),
    )


def options_of_runs(config: pytest.Config) -> list[str]:
    """What the user typed that every run gets too: a session goes on with the same options only."""
    positionals = config.args if config.args_source is config.ArgsSource.ARGS else ()
    return forwarded(config.invocation_params.args, positionals, own_options(config))


def own_options(config: pytest.Config) -> frozenset[str]:
    """The names of the options that the repository's own files define: conftest.py, and plugins that lie in it."""
    noted = _Noting()
    for plugin in config.pluginmanager.get_plugins():
        file, add = getattr(plugin, "__file__", None), getattr(plugin, "pytest_addoption", None)
        if file is None or add is None or not Path(file).resolve().is_relative_to(config.rootpath.resolve()):
            continue
        if "site-packages" not in Path(file).parts and not getattr(plugin, "__name__", "").startswith(
            "pytest_autoresearch"
        ):
            given = {"parser": noted, "pluginmanager": config.pluginmanager}
            with suppress(Exception):  # it has answered pytest already; here only its names are asked for
                add(**{name: given[name] for name in inspect.signature(add).parameters})
    return frozenset(noted.names)


class _Noting:
    """Stands in for pytest's parser, and for its groups."""

    def __init__(self) -> None:
        self.names: set[str] = set()

    def addoption(self, *names: str, **_: Any) -> None:
        self.names.update(names)

    def getgroup(self, *_: Any, **__: Any) -> _Noting:
        return self

    def addini(self, *_: Any, **__: Any) -> None:
        """No option."""


def _parameters(item: pytest.Item) -> str:
    """The id of an item's parameter set, empty for a test without parameters."""
    return getattr(getattr(item, "callspec", None), "id", "")


def _with_own_tag(item: pytest.Item, arguments: Mapping[str, Any]) -> Mapping[str, Any]:
    """The arguments, with a tag that tells one parameter set from another where they share a marker's."""
    tag, parameters = arguments.get("tag"), _parameters(item)
    if not isinstance(tag, str) or not parameters or is_aggregated(item):
        return arguments
    label = re.sub(r"[^A-Za-z0-9]+", "-", parameters).strip("-")[:LONGEST_LABEL].strip("-")
    if label != parameters:  # others may look the same
        label = f"{label}-{hashlib.sha256(parameters.encode()).hexdigest()[:6]}".strip("-")
    return {**arguments, "tag": f"{tag}-{label}"}


def _recorded(metric: object) -> object:
    """What the measuring pytest has to have of a test; of a metric that stands in a file just that it ran."""
    return "duration" if isinstance(metric, Mapping) else metric


def _seconds(timeout: pytest.Mark | None) -> float | None:
    if timeout is None:
        return None
    value = timeout.args[0] if timeout.args else timeout.kwargs.get("timeout")
    return None if value is None else float(value)


def _measuring_command(item: pytest.Item, metric: object, directory: PurePosixPath, top: Path) -> str:
    """Measure one body: pytest on this test alone, started where the user's configuration and paths hold."""
    config = item.config
    root = config.rootpath.resolve()
    root = root if root.is_relative_to(top) else top
    words = ["-q", "--color=no", "--autoresearch-measure", str(metric)]
    if config.inipath is not None and config.inipath.resolve().is_relative_to(root):
        words += ["-c", config.inipath.resolve().relative_to(root).as_posix()]
    # What stands in addopts goes through the same list: a report there would be written from inside the sandbox.
    words += ["-o", "addopts=", *forwarded(config.getini("addopts"), (), own_options(config)), *options_of_runs(config)]
    words.append(f"{item.path.resolve().relative_to(root).as_posix()}::{node_id(item).partition('::')[2]}")
    command = f"{shlex.join(words)} {PRIVATE_CACHE}"
    # exec: a shell that waits would hold the output open, and the word that signs it in its environment.
    command = f"{UNDER_CALLGRIND} python -m pytest {command}" if metric == INSTRUCTIONS else f"{PYTEST}{command}"
    up = "/".join([".."] * len(directory.parts)) or "."
    where = PurePosixPath(up, root.relative_to(top).as_posix()).as_posix()
    return command if where == "." else f"cd {shlex.quote(where)} && {command}"
