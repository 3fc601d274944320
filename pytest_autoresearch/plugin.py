"""The door: options, markers, and the switch. Thin on purpose: a plain ``pytest`` run pays for this file alone.

PYTEST_DONT_REWRITE
"""

from __future__ import annotations

import argparse
import gc
import os
import sys
from importlib.machinery import PathFinder
from typing import TYPE_CHECKING

import pytest

from pytest_autoresearch.protocol.options import OPTIONS

if TYPE_CHECKING:
    from collections.abc import Callable, Generator, Sequence
    from importlib.machinery import ModuleSpec
    from pathlib import Path

    from pytest_autoresearch.measuring import ExperimentFixture


class _AsTheyAre:
    """Finds our modules as Python does, before pytest does.

    It reads and compiles every module of a plugin for its assertions, at each start where bytecode is not written.
    """

    @staticmethod
    def find_spec(name: str, path: Sequence[str] | None = None, target: object = None) -> ModuleSpec | None:
        return PathFinder.find_spec(name, path) if name.startswith("pytest_autoresearch.") else None


MARKER = (
    "autoresearch(metric, direction, targets, readonly=[], guard=[], ...): "
    "a benchmark that --autoresearch repeats, one item per experiment; an ordinary test otherwise"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("autoresearch", "autoresearch: propose, measure, judge, record")
    group.addoption("--autoresearch", action="store_true", help="run the research loop instead of the tests")
    group.addoption(
        "--autoresearch-check",
        action="store_true",
        help="run marked tests as ordinary tests, and fail those that are worse than their session has certified",
    )
    group.addoption("--autoresearch-measure", metavar="METRIC", default=None, help=argparse.SUPPRESS)
    for option in OPTIONS:
        alone: dict[str, str] = {"nargs": "?", "const": "yes"} if option.kind == "port" else {}
        group.addoption(option.flag, dest=option.dest, metavar=option.metavar, default=None, help=option.help, **alone)
        parser.addini(option.ini, help=option.help, default=None)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    from pytest_autoresearch import hookspecs

    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    config.addinivalue_line("markers", MARKER)
    metric = config.getoption("--autoresearch-measure")
    if metric is not None:
        from pytest_autoresearch.measuring import PLUGIN, Measuring

        config.pluginmanager.register(Measuring(metric), PLUGIN)
        if metric == "instructions":
            from pytest_autoresearch.counting import Counting

            config.pluginmanager.register(Counting(), "autoresearch-counting")
    if config.getoption("--autoresearch-check"):
        if config.getoption("--autoresearch"):
            raise pytest.UsageError("--autoresearch-check is for ordinary runs; --autoresearch runs the loop")
        from pytest_autoresearch.checking import Checking

        config.pluginmanager.register(Checking(config), "autoresearch-checking")
    if not config.getoption("--autoresearch") or hasattr(config, "workerinput"):
        return
    from pytest_autoresearch.errors import AutoresearchError, refuse_native_windows

    try:
        refuse_native_windows()
    except AutoresearchError as error:
        raise pytest.UsageError(str(error)) from None
    if config.getoption("numprocesses", None) or config.getoption("tx", None):
        raise pytest.UsageError(
            "--autoresearch can not be used with -n: experiments run one at a time (see --autoresearch-workers)"
        )
    if not config.pluginmanager.hasplugin("timeout"):
        config.addinivalue_line("markers", "timeout(seconds): when one run is killed")
    from pytest_autoresearch.running import LoopPlugin

    config.pluginmanager.register(LoopPlugin(config), "autoresearch-loop")


def _collect_no_garbage(config: pytest.Config) -> None:
    """Until the loop begins: what is loaded and read until then stays, and would be looked through again and again.

    The loop freezes it, till pytest has collected for the last time. Python's own end looks at it again, and writes out
    what a conftest has left open.
    """
    config.add_cleanup(gc.unfreeze)
    if gc.isenabled():
        gc.disable()
        config.add_cleanup(gc.enable)


@pytest.hookimpl(wrapper=True)
def pytest_load_initial_conftests(early_config: pytest.Config, args: list[str]) -> Generator[None]:
    if (gate := sys.modules.get("pytest_autoresearch.gate")) is not None:
        gate.wait()
    if any(argument.startswith("--autoresearch") for argument in args):  # a plain run loads next to nothing of ours
        if _AsTheyAre not in sys.meta_path:
            sys.meta_path.insert(0, _AsTheyAre)
        _refuse_misspelt(args)
    if early_config.known_args_namespace.autoresearch_measure is not None:
        early_config.known_args_namespace.no_cov = True  # pytest-cov starts in this hook, and slows what is measured
    return (yield)


def _refuse_misspelt(args: list[str]) -> None:
    """An option of ours that there is not, with the nearest: pytest's own error names none."""
    flags = [flag for argument in args if (flag := argument.partition("=")[0]).startswith("--auto")]
    if not flags:
        return
    import difflib

    prefix = "--autoresearch-"
    known = {option.flag.removeprefix(prefix) for option in OPTIONS} | {"check", "measure"}
    ours = ["--autoresearch", *(prefix + name for name in sorted(known))]
    for flag in flags:
        near: list[str] = []
        if flag.startswith(prefix) and flag.removeprefix(prefix) not in known:
            near = difflib.get_close_matches(flag.removeprefix(prefix), sorted(known), n=1, cutoff=0.6)
            near = [prefix + name for name in near]
        elif flag in ours or not (near := difflib.get_close_matches(flag, ours, n=1, cutoff=0.85)):
            continue  # ours, or another plugin's
        raise pytest.UsageError(f"there is no option {flag}" + (f"; did you mean {near[0]}?" if near else ""))


@pytest.hookimpl(tryfirst=True)
def pytest_cmdline_main(config: pytest.Config) -> None:
    if config.getoption("--autoresearch-measure") is not None:
        from pytest_autoresearch.neighbours import prepare_for_one_run

        prepare_for_one_run(config)
    if "AUTORESEARCH_TAG" in os.environ:
        from pytest_autoresearch.neighbours import prepare_for_sandbox

        prepare_for_sandbox(config)
    if not config.getoption("--autoresearch"):
        return
    _collect_no_garbage(config)
    from pytest_autoresearch.items import choose_arguments
    from pytest_autoresearch.neighbours import prepare_for_loop

    prepare_for_loop(config)
    choose_arguments(config)


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    if not parent.config.getoption("--autoresearch") or file_path.name != "autoresearch.config.md":
        return None
    from pytest_autoresearch.items import ConfigFile

    collector: pytest.Collector = ConfigFile.from_parent(parent, path=file_path)
    return collector


@pytest.fixture
def record_metric(request: pytest.FixtureRequest) -> Callable[[str, float], None]:
    """``record_metric(name, value)``: report a number of this test; one of them is the metric."""
    from pytest_autoresearch.measuring import record

    return lambda name, value: record(request.node, name, value)


@pytest.fixture
def experiment(request: pytest.FixtureRequest, record_metric: Callable[[str, float], None]) -> ExperimentFixture:
    """The experiment this body measures: ``run(command)``, ``best``, ``number``, ``seed`` and ``budget``."""
    from pytest_autoresearch.measuring import ExperimentFixture

    return ExperimentFixture(request.node, record_metric)
