"""``--autoresearch-check``: ordinary runs of marked tests, compared with what a session has certified.

Runs no loop, writes nothing. A test without a ledger in this repository passes as it would without the check.
"""

from __future__ import annotations

import math
import os
from collections.abc import Collection, Generator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import pytest

from pytest_autoresearch.errors import AutoresearchError
from pytest_autoresearch.judge import JudgeState
from pytest_autoresearch.judge.statistics import t_quantile
from pytest_autoresearch.lab.gpus import visible_devices
from pytest_autoresearch.lab.machine import machine_fingerprint
from pytest_autoresearch.marked import is_aggregated, is_marked, node_id, source_of
from pytest_autoresearch.measuring import geometric_mean, recorded_by
from pytest_autoresearch.notebook.chain import read_history, sessions
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.protocol.experiment import Role
from pytest_autoresearch.protocol.marker import INSTRUCTIONS
from pytest_autoresearch.protocol.model import Direction, Metric
from pytest_autoresearch.protocol.serialise import from_json

CONFIDENCE = 0.99  # of a single run that is as good as the certified level, a share of this is let pass

_Collected: TypeAlias = "pytest.Item | pytest.Collector | list[pytest.Item | pytest.Collector] | None"


@dataclass(frozen=True, slots=True)
class Certified:
    """The level a session has reached, and the worst value that a single run of it may show.

    ``devices`` are the UUIDs of what it was measured on beside the processor.
    """

    label: str
    level: float
    interval: tuple[float, float] | None
    allowed: float
    noisy: bool
    machine: str
    devices: tuple[str, ...] = ()

    def words(self) -> str:
        low, high = self.interval or (self.level, self.level)
        around = "" if low == high else f" (95 % interval {low:.7g} to {high:.7g})"
        return f"the certified {self.level:.7g}{around} of {self.label}"


def certified(history: History, direction: Direction) -> Certified | None:
    """What the newest keep certifies, else the baseline. A single run is allowed its own noise on top."""
    incumbent = history.certified
    if incumbent is None or incumbent.value is None:
        return None
    noise = JudgeState.from_json(history.judge).standing
    mine = Role.CANDIDATE if incumbent.number else Role.INCUMBENT
    runs = sum(1 for m in incumbent.measurements if m.role is mine and m.value is not None)
    slack = 0.0
    if noise.noisy and noise.spread.freedom:
        deviation = noise.spread.deviation(incumbent.value)
        slack = t_quantile(CONFIDENCE, noise.spread.freedom) * deviation * math.sqrt(1 + 1 / max(runs, 1))
    worst = slack if direction is Direction.LOWER else -slack
    return Certified(
        label=f"experiment {incumbent.number:04d} on autoresearch/{history.session.tag}",
        level=incumbent.value,
        interval=incumbent.interval,
        allowed=incumbent.value + worst,
        noisy=noise.noisy,
        machine=incumbent.machine,
        devices=incumbent.place.devices if incumbent.place is not None else (),
    )


def aggregated(values: Sequence[float | None]) -> float | None:
    """The metric of one test from that of each of its parameter sets, None where one of them has none."""
    known = [value for value in values if value is not None]
    return geometric_mean(known) if known and len(known) == len(values) else None


def compared(
    value: float | None, metric: Metric, level: Certified, *, machine: str, devices: Collection[str] = ()
) -> tuple[bool, str]:
    """Whether the value is a regression, and one line that says what was compared.

    ``devices`` are the UUIDs of all that the run could compute on.
    """
    if value is None and metric.name == INSTRUCTIONS:
        return False, "not compared: an ordinary run counts no instructions"
    if value is None:
        return True, f"no `{metric.name}` was recorded to compare with {level.words()}"
    if level.noisy and level.machine != machine:
        return False, f"{metric.name} {value:.7g}: not compared, {level.words()} is of another machine"
    if level.noisy and level.devices and set(level.devices) != set(devices):
        meant = ",".join(level.devices)
        return False, f"{metric.name} {value:.7g}: not compared, {level.words()} is of CUDA_VISIBLE_DEVICES={meant}"
    if metric.direction.better(level.allowed, value):
        limit = f"; one run may be as bad as {level.allowed:.7g}" if level.noisy else ""
        return True, f"{metric.name} {value:.7g} is worse than {level.words()}{limit}"
    return False, f"{metric.name} {value:.7g} holds {level.words()}"


class Checking:
    """Registered under ``--autoresearch-check``."""

    def __init__(self, config: pytest.Config) -> None:
        self._tag: str | None = config.getoption("autoresearch_tag")
        self._lines: list[str] = []
        self._compared = False
        self._sets: dict[str, set[str]] = {}  # the parameter sets, selected or not, of each aggregated test
        self._measured: dict[str, dict[str, Mapping[str, float]]] = {}  # what each set of a test has recorded

    @pytest.hookimpl(wrapper=True)
    def pytest_pycollect_makeitem(self) -> Generator[None, _Collected, _Collected]:
        """Know all the parameter sets that make one metric, whichever of them are selected later."""
        collected = yield
        for item in collected if isinstance(collected, list) else ():
            if isinstance(item, pytest.Item) and is_aggregated(item):
                self._sets.setdefault(node_id(item), set()).add(item.nodeid)
        return collected

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when == "call" and report.passed and is_marked(item):
            test = node_id(item)
            measured = self._measured.setdefault(test, {})
            measured[item.nodeid] = recorded_by(item, call)
            if measured.keys() >= self._sets.get(test, set()):  # the last set answers for all
                is_regression, line = self._check(item, list(measured.values()))
                self._lines.append(f"{test}: {line}")
                self._compared |= not line.startswith("not compared") and ": not compared" not in line
                if is_regression:
                    report.outcome = "failed"
                    report.longrepr = line
        return report

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say of each marked test what it was compared with."""
        for test, sets in self._sets.items():
            measured = self._measured.get(test, {})
            if measured and len(measured) < len(sets):
                self._lines.append(f"{test}: not compared, only {len(measured)} of {len(sets)} parameter sets passed")
        terminalreporter.section("autoresearch check")
        for line in self._lines:
            terminalreporter.write_line(line)
        if not self._compared:
            why = "see above" if self._lines else "no marked test has passed"
            terminalreporter.write_line(f"nothing was compared: {why}", yellow=True)

    def _check(self, item: pytest.Item, measured: Sequence[Mapping[str, float]]) -> tuple[bool, str]:
        """Whether what the test, or each of its parameter sets, has recorded is a regression, and a line about it."""
        try:
            with Git.discover(item.path.parent) as git:
                source = source_of(item, git.top)
                tags = [s.tag for s in sessions(git) if s.source == source and self._tag in (None, s.tag)]
                if not tags:
                    return False, "not compared: no session of it is in this repository"
                history = read_history(git, tags[-1])
        except AutoresearchError as error:
            return False, f"not compared: {error}"
        metric = from_json(history.session.protocol).metric
        level = certified(history, metric.direction)
        if level is None:
            return False, "not compared: its session has no baseline yet"
        value = aggregated([numbers.get(metric.name) for numbers in measured])
        devices = visible_devices(os.environ) if level.devices else ()
        is_regression, line = compared(value, metric, level, machine=machine_fingerprint(), devices=devices)
        several = f"geometric mean of {len(measured)} parameter sets: " if is_aggregated(item) else ""
        return is_regression, several + line
