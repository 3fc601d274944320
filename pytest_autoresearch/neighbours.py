"""What the user's other plugins are told: their configuration is about whole test runs, the loop and a run are neither.

Knows them by the options they define; imports none of them.
"""

from __future__ import annotations

import os
import re

import pytest

_TYPED = re.compile(r"-n.*|--numprocesses.*|--tx.*|--dist.*|-d")


def prepare_for_loop(config: pytest.Config) -> None:
    """No workers because ``addopts`` has ``-n`` (typed, it is an error), and no coverage of a loop."""
    if not any(_TYPED.fullmatch(word) for word in config.invocation_params.args):
        _without_workers(config)
    if config.pluginmanager.hasplugin("_cov"):
        config.pluginmanager.unregister(name="_cov")


def prepare_for_one_run(config: pytest.Config) -> None:
    """One process, benchmarks on, and the harness's seed instead of one drawn by pytest-randomly."""
    _without_workers(config)
    if hasattr(config.option, "randomly_seed"):
        config.option.randomly_seed = int(os.environ.get("AUTORESEARCH_SEED", "0"))
    if hasattr(config.option, "benchmark_enable"):
        config.option.benchmark_enable = True


def _without_workers(config: pytest.Config) -> None:
    if hasattr(config.option, "numprocesses"):
        config.option.numprocesses, config.option.dist, config.option.tx = None, "no", []
