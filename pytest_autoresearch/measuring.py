"""A marked test being measured: the side that runs inside the workspace, and the fixtures a body uses.

Everything here is untrusted by the supervisor, which reads the log that this side prints like any other run's.
"""

from __future__ import annotations

import math
import os
import subprocess
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pytest

from pytest_autoresearch.lab.metrics import parse_number, read_secondary

ASSERTED = "autoresearch_assertion"
"""Reported as 0 when the metric assertion failed on a candidate that was measured all the same."""

BEST = "AUTORESEARCH_BEST"
RECORDED = pytest.StashKey[dict[str, float]]()


class RunFailed(Exception):
    """The command of ``experiment.run`` ended with an exit status other than 0."""


@dataclass(frozen=True, slots=True)
class Run:
    """A command that was run: its merged output, its numbers by name (the last line of each), and seconds it took."""

    output: str
    metrics: Mapping[str, float]
    duration: float


class ExperimentFixture:
    """What a body sees of its experiment. ``best`` is the incumbent's level, +-inf at the baseline and in a plain run.

    ``number`` 0 is the baseline; ``seed`` is the harness's; ``budget`` in seconds, None in a plain run.
    """

    def __init__(self, item: pytest.Item, record: Callable[[str, float], None]) -> None:
        marker = item.get_closest_marker("autoresearch")
        higher = marker is not None and marker.kwargs.get("direction", "lower") == "higher"
        self.best = float(os.environ.get(BEST) or (-math.inf if higher else math.inf))
        self.number = int(os.environ.get("AUTORESEARCH_EXPERIMENT", "0"))
        self.seed = int(os.environ.get("AUTORESEARCH_SEED", "0"))
        budget = os.environ.get("AUTORESEARCH_TIME_BUDGET")
        self.budget = float(budget) if budget else None
        self._directory, self._record = item.path.parent, record

    def run(self, command: Sequence[str], *, env: Mapping[str, str] | None = None) -> Run:
        """Run a command in the test file's directory and read the ``name: number`` lines it prints."""
        began = time.monotonic()
        done = subprocess.run(
            list(command),
            cwd=self._directory,
            env={**os.environ, **(env or {})},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        )
        sys.stdout.write(done.stdout.decode("utf-8", "replace"))
        if done.returncode != 0:
            tail = done.stdout.decode("utf-8", "replace").strip().splitlines()[-1:] or [""]
            raise RunFailed(f"{command[0]} ended with exit status {done.returncode}: {tail[0]}")
        metrics = read_secondary(done.stdout, (), metric="")
        for name, value in metrics.items():
            self._record(name, value)
        return Run(done.stdout.decode("utf-8", "replace"), metrics, time.monotonic() - began)


class Measuring:
    """Registered in the fresh pytest of the workspace: turns what the body recorded into METRIC lines."""

    def __init__(self, metric: str) -> None:
        self._metric = metric
        self._values: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when == "call":
            recorded: dict[str, float] | None = item.stash.get(RECORDED, None)
            if recorded is not None:
                self._values.update(recorded)
            self._values.update(_benchmark_numbers(item))
            self._values.setdefault("duration", call.duration)
            judged = self._metric in self._values and BEST in os.environ
            if report.failed and judged and call.excinfo is not None and call.excinfo.errisinstance(AssertionError):
                report.outcome = "passed"  # the supervisor decides; it is told that the assertion failed
                report.longrepr = None
                self._values[ASSERTED] = 0.0
        return report

    def pytest_unconfigure(self) -> None:
        for name, value in self._values.items():
            print(f"METRIC {name}={value!r}")


def _benchmark_numbers(item: pytest.Item) -> dict[str, float]:
    """pytest-benchmark's statistics, seconds, as ``benchmark.median`` and so on."""
    fixture = getattr(item, "funcargs", {}).get("benchmark")
    stats: Any = getattr(getattr(fixture, "stats", None), "stats", None)
    if stats is None:
        return {}
    names = ("min", "max", "mean", "median", "stddev", "iqr", "ops", "rounds")
    return {f"benchmark.{name}": float(getattr(stats, name)) for name in names}


def record(item: pytest.Item, name: str, value: float) -> None:
    """Remember a number of this test; refuses what is no finite number."""
    number = parse_number(repr(float(value)))
    if number is None:
        raise ValueError(f"record_metric({name!r}, {value!r}): a metric is one finite number")
    item.stash.setdefault(RECORDED, {})[name] = number
