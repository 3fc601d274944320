"""What the user's other plugins are told: their configuration is about whole test runs, the loop and a run are neither.

Knows them by the options they define; imports none of them.
"""

from __future__ import annotations

import os

import pytest

from pytest_autoresearch.patterns import regex

_REPORTS = (
    "xmlpath",
    "htmlpath",
    "allure_report_dir",
    "report_log",
    "json_report_file",
    "log_file",
    "benchmark_json",
    "csv_path",
)
"""Where pytest and its reporters write, by the names of their options."""

_TYPED = regex(r"-n.*|--numprocesses.*|--tx.*|--dist.*|-d")


def prepare_for_loop(config: pytest.Config) -> None:
    """No workers because ``addopts`` has ``-n`` (typed, it is an error), and no coverage of a loop."""
    if not any(_TYPED.fullmatch(word) for word in config.invocation_params.args):
        _without_workers(config)
    _without_repetition(config)
    if config.pluginmanager.hasplugin("_cov"):
        config.pluginmanager.unregister(name="_cov")


def prepare_for_one_run(config: pytest.Config) -> None:
    """One process, benchmarks on, and the harness's seed instead of one drawn by pytest-randomly."""
    _without_workers(config)
    _without_repetition(config)
    if hasattr(config.option, "randomly_seed"):
        config.option.randomly_seed = int(os.environ.get("AUTORESEARCH_SEED", "0"))
    if hasattr(config.option, "benchmark_enable"):
        config.option.benchmark_enable = True


def prepare_for_sandbox(config: pytest.Config) -> None:
    """In a run or a guard: no report outside of the repository, where nothing can be written.

    A guard, which is no experiment, calls each benchmark once, which is enough to stay green, and keeps its order.
    """
    if "AUTORESEARCH_EXPERIMENT" in os.environ:
        return
    for name, value in (("benchmark_disable", True), ("randomly_reorganize", False)):
        if hasattr(config.option, name):
            setattr(config.option, name, value)
    for name in _REPORTS:
        path = getattr(config.option, name, None)
        if isinstance(path, str) and not (config.rootpath / path).resolve().is_relative_to(config.rootpath.resolve()):
            setattr(config.option, name, None)


def _without_repetition(config: pytest.Config) -> None:
    """What runs a test several times measures it several times, and makes other node ids of it."""
    manager = config.pluginmanager
    for plugin, name, neutral in (
        ("repeat", "count", 1),
        ("flakefinder", "flake_finder_enable", False),
        ("rerunfailures", "reruns", 0),
    ):
        named = manager.hasplugin(plugin) or manager.hasplugin(f"pytest_{plugin}")  # installed, or by -p
        if named and hasattr(config.option, name):
            setattr(config.option, name, neutral)


def _without_workers(config: pytest.Config) -> None:
    if hasattr(config.option, "numprocesses"):
        config.option.numprocesses, config.option.dist, config.option.tx = None, "no", []
