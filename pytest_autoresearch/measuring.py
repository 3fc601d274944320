"""A marked test being measured: the side that runs inside the workspace, and the fixtures a body uses.

Everything here is untrusted by the supervisor, which reads the log that this side prints like any other run's.
"""

from __future__ import annotations

import math
import os
import re
import resource
import statistics
import sys
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from pytest_autoresearch.apart import run_apart, run_merged
from pytest_autoresearch.counting import instructions_of
from pytest_autoresearch.lab.metrics import read_secondary
from pytest_autoresearch.lab.numbers import parse_number
from pytest_autoresearch.protocol.marker import ASSERTED, BEST, MEASURED, NONCE, direction_of
from pytest_autoresearch.protocol.model import Direction

PLUGIN = "autoresearch-measuring"
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
        higher = marker is not None and direction_of(marker.kwargs) is Direction.HIGHER
        self.best = float(_said(BEST) or (-math.inf if higher else math.inf))
        self.number = int(_said("AUTORESEARCH_EXPERIMENT") or 0)
        self.seed = int(_said("AUTORESEARCH_SEED") or 0)
        budget = _said("AUTORESEARCH_TIME_BUDGET")
        self.budget = float(budget) if budget else None
        self._directory, self._record = item.path.parent, record
        self._start = run_apart if item.config.pluginmanager.hasplugin(PLUGIN) else run_merged

    def run(self, command: Sequence[str], *, env: Mapping[str, str] | None = None) -> Run:
        """Run a command in the test file's directory and read the ``name: number`` lines it prints."""
        began = time.monotonic()
        done = self._start(list(command), cwd=self._directory, env={**os.environ, **(env or {})})
        sys.stdout.write(done.stdout.decode("utf-8", "replace"))
        if done.returncode != 0:
            tail = done.stdout.decode("utf-8", "replace").strip().splitlines()[-1:] or [""]
            raise RunFailed(f"{command[0]} ended with exit status {done.returncode}: {tail[0]}")
        metrics = read_secondary(done.stdout, (), metric="")
        for name, value in metrics.items():
            if not MEASURED.fullmatch(name):
                self._record(name, value)
        return Run(done.stdout.decode("utf-8", "replace"), metrics, time.monotonic() - began)


class Measuring:
    """Registered in the fresh pytest of the workspace: turns what the bodies recorded into METRIC lines.

    They are signed with the harness's word, so that nobody else's line counts.
    """

    def __init__(self, metric: str) -> None:
        self._metric = metric
        self._word = os.environ.pop(NONCE, "")
        self._values: dict[str, dict[str, float]] = {}  # by node id; several are the parameter sets of one test
        self._failure = ""

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        if len(session.items) > 1:
            os.environ.pop(BEST, None)  # the best is one number for all parameter sets, and none of theirs

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when == "call":
            values = self._values[item.nodeid] = recorded_by(item, call)
            judged = self._metric in values and _said(BEST)
            if report.failed and judged and call.excinfo is not None and _is_about_best(call.excinfo):
                report.outcome = "passed"  # the supervisor decides; it is told that the assertion failed
                report.longrepr = None
                values[ASSERTED] = 0.0
        if report.failed and call.excinfo is not None:
            self._failure = _told(call.excinfo)
        return report

    @pytest.hookimpl(tryfirst=True, optionalhook=True)
    def pytest_timeout_set_timer(self, item: pytest.Item, settings: object) -> bool:
        """The supervisor has the time; a timer in here would make an error of a timeout."""
        return True

    def pytest_unconfigure(self) -> None:
        """Print every number that each body recorded; what tells most comes last."""
        sets = list(self._values.values())
        common = [name for name in sets[0] if all(name in values for values in sets)] if sets else []
        for name in common:
            value = geometric_mean([values[name] for values in sets])
            if value is not None:
                print(f"METRIC {name}={value!r} {self._word}".rstrip())
        if self._failure:
            print(self._failure)
        elif self._metric not in common:
            print(f"no `{self._metric}` was recorded; there is: {', '.join(common) or 'nothing, no test was run'}")


def geometric_mean(values: Sequence[float]) -> float | None:
    """Of one value itself, whatever its sign; None where several are not all above zero."""
    if len(values) == 1:
        return values[0]
    return statistics.geometric_mean(values) if min(values) > 0 else None


def recorded_by(item: pytest.Item, call: pytest.CallInfo[None]) -> dict[str, float]:
    """Every number there is of a body that was called: seconds, bytes, and whatever it recorded itself."""
    return {
        "duration": call.duration,
        "peak_memory": float(_peak_memory()),
        **_benchmark_numbers(item),
        **instructions_of(item),
        **item.stash.get(RECORDED, {}),
    }


def _said(name: str) -> str:
    """A variable of the harness, empty when it is not set."""
    return os.environ.get(name, "").strip()


def _told(failed: pytest.ExceptionInfo[BaseException]) -> str:
    """One line about a body that failed."""
    if isinstance(failed.value, pytest.FixtureLookupError):
        name = failed.value.argname
        return f"there is no fixture {name}" + (": pip install pytest-benchmark" if name == "benchmark" else "")
    return failed.exconly(tryshort=False).partition("\n")[0]


def _is_about_best(failed: pytest.ExceptionInfo[BaseException]) -> bool:
    """Whether it is the metric's assertion: the statement, or a call on the way to it, speaks of the best."""
    return failed.errisinstance(AssertionError) and any(
        re.search(r"\bbest\b", str(entry.statement)) for entry in failed.traceback
    )


def _peak_memory() -> int:
    """Bytes of memory that this process, or the largest of its children, has had at its fullest."""
    unit = 1 if sys.platform == "darwin" else 1024
    own = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
    with suppress(OSError, StopIteration):  # what getrusage says of itself may be its parent's, from before the exec
        lines = Path("/proc/self/status").read_text().splitlines()
        own = int(next(line for line in lines if line.startswith("VmHWM:")).split()[1]) * 1024
    return max(own, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit)


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
