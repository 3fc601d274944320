"""A real cluster of two nodes on this machine: nodes, workers and drivers die, and the ledger stays exact."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from pytest_autoresearch.notebook.chain import read_history
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.protocol.experiment import Reason
from tests.conftest import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
pytest.importorskip("ray", reason="Ray is not installed: pip install 'pytest-autoresearch[ray]'")

CONFIG = """\
---
executor: ray
ray: {cpus: 1}
---
## Goal
Be small.
## Metric
- Name: loss
- Direction: lower
## Target Files
- train.py
## Run Command
    python train.py
## Time Budget
2s
## Branch
autoresearch/demo
"""

TRAIN = """\
N = 0
import subprocess, time
if N == 13:
    subprocess.Popen(["setsid", "sleep", "600"])
    time.sleep(600)
time.sleep(0.5)
print("loss:", 1 + N)
"""

AGENT = """\
from pytest_autoresearch.agents.base import Proposal

class Counting:
    name, concurrent = "counting", True

    def propose(self, briefing, desk):
        lines = desk.read("train.py").decode().splitlines(keepends=True)
        desk.write("train.py", "".join([f"N = {briefing.number}\\n", *lines[1:]]).encode())
        return Proposal(f"number {briefing.number}")

def pytest_autoresearch_agent(settings):
    return Counting() if settings.name == "counting" else None
"""


class TwoNodes:
    """The head and another node, two CPUs each, in a HOME of their own; whatever they start has it too."""

    def __init__(self, room: Path) -> None:
        from ray.cluster_utils import Cluster

        self.home = room / "home"
        self.home.mkdir()
        self._cluster: Any = Cluster()
        self.nodes = [self.add() for _ in range(2)]

    def add(self) -> Any:
        """Another node. A busy machine starts one too slowly for Ray now and then."""
        for attempt in range(3):
            try:
                return self._cluster.add_node(num_cpus=2, object_store_memory=80 * 2**20, include_dashboard=False)
            except Exception:
                if attempt == 2:
                    raise
        raise AssertionError

    def remove(self, node: Any) -> None:
        """As a machine that loses its power."""
        self._cluster.remove_node(node, allow_graceful=False)

    @property
    def address(self) -> str:
        return str(self._cluster.address)

    def workers(self, name: str) -> list[psutil.Process]:
        """The workers that run something of this name."""
        return [each for each in psutil.Process().children(recursive=True) if _words(each).startswith(f"ray::{name}")]

    def foreign(self) -> list[str]:
        """What runs with this HOME, or one below it, and is no process of Ray's."""
        own = {each.pid for each in psutil.Process().children(recursive=True) if not _is_ours(each)}
        return [
            _words(each)
            for each in psutil.process_iter()
            if each.pid not in own and each.pid != os.getpid() and _home(each).startswith(str(self.home))
        ]

    def close(self) -> None:
        self._cluster.shutdown()


def _is_ours(process: psutil.Process) -> bool:
    return "pytest" in _words(process) and "ray::" not in _words(process)


def _words(process: psutil.Process) -> str:
    try:
        return " ".join(process.cmdline())
    except psutil.Error:
        return ""


def _home(process: psutil.Process) -> str:
    try:
        return str(process.environ().get("HOME", ""))
    except (psutil.Error, OSError):
        return ""


@pytest.fixture(scope="module")
def cluster() -> Iterator[TwoNodes]:
    room = Path(tempfile.mkdtemp(prefix="ar-", dir="/tmp"))  # Ray's sockets have no room for a longer path
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("HOME", str(room / "home"))
        patch.setenv("RAY_TMPDIR", str(room))
        patch.setenv("RAY_worker_niceness", "0")
        patch.setenv("RAY_agent_register_timeout_ms", "200000")
        nodes = TwoNodes(room)
        try:
            yield nodes
        finally:
            nodes.close()
            shutil.rmtree(room)


@pytest.fixture
def night(project: Project, cluster: TwoNodes) -> Night:
    project.write("autoresearch.config.md", CONFIG)
    project.write("train.py", TRAIN)
    project.write("conftest.py", AGENT)
    project.commit("a run that sleeps")
    return Night(project, cluster)


class Night:
    """Sessions of one project on the cluster."""

    def __init__(self, project: Project, cluster: TwoNodes) -> None:
        self.project, self.cluster = project, cluster

    def begin(self, experiments: int, *options: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                *(sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--autoresearch"),
                *("--autoresearch-agent=counting", f"--autoresearch-experiments={experiments}"),
                *(f"--autoresearch-address={self.cluster.address}", *options),
            ],
            cwd=self.project.root,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    @property
    def history(self) -> History | None:
        with Git.discover(self.project.root) as git:
            try:
                return read_history(git, "demo")
            except Exception:  # it has not begun
                return None

    def has(self, count: int) -> Callable[[], bool]:
        """Whether so many experiments have ended."""
        return lambda: (history := self.history) is not None and len(history.experiments) > count

    def has_ended(self, number: int) -> bool:
        """Whether an experiment is recorded."""
        return (history := self.history) is not None and any(each.number == number for each in history.experiments)


def wait_until(holds: Callable[[], bool], seconds: float = 180) -> None:
    until = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.1)


def test_forty_experiments_while_worker_node_and_driver_die(night: Night) -> None:
    cluster = night.cluster
    driver = night.begin(40, "--autoresearch-workers=4", "--autoresearch-isolation=none")
    try:
        wait_until(night.has(6))
        assert any("executors.remote.runner" in words for words in cluster.foreign())
        cluster.workers("Outpost")[0].kill()
        wait_until(night.has(18))
        cluster.remove(cluster.nodes.pop())
        wait_until(lambda: night.has(26)() and night.has_ended(13))  # a second death would make it a crash
    finally:
        driver.send_signal(signal.SIGKILL)
        said = driver.communicate()[0]
    assert said.count("is gone (") >= 2, said
    wait_until(lambda: not cluster.foreign(), 30)
    cluster.nodes.append(cluster.add())
    history = night.history
    assert history is not None
    done = len(history.experiments) - 1
    driver = night.begin(40 - done, "--autoresearch-workers=4", "--autoresearch-isolation=none")
    said = driver.communicate(timeout=600)[0]
    assert driver.returncode == 0, said
    history = night.history
    assert history is not None
    experiments = history.experiments
    assert sorted(each.number for each in experiments) == list(range(41))
    reasons = {each.number: each.reason for each in experiments[1:]}
    assert reasons.pop(13) is Reason.TIMEOUT
    assert set(reasons.values()) == {Reason.WORSE}, reasons
    for each in experiments:
        assert {run.place for run in each.measurements} == {each.place}
    assert cluster.foreign() == []
    assert [*(cluster.home / ".cache/pytest-autoresearch/ray").iterdir()] == []


def test_doctor_says_what_each_node_offers_and_a_session_measures_there(night: Night) -> None:
    address = night.cluster.address
    told = night.project.cli("doctor", "--executor", "ray", "--address", address, "--no-run", timeout=300).stdout
    assert "1 slot of 1 CPU" in told, told
    assert told.count("GPUs: none; isolation ") == 2
    driver = night.begin(3)
    said = driver.communicate(timeout=300)[0]
    assert driver.returncode == 0, said
    history = night.history
    assert history is not None
    assert [each.reason for each in history.experiments] == [Reason.IMPROVED, *[Reason.WORSE] * 3]
    assert len({each.place for each in history.experiments}) == 1
    assert night.cluster.foreign() == []


def test_more_slots_than_fit_are_refused_with_what_there_is(night: Night) -> None:
    driver = night.begin(1, "--autoresearch-workers=99")
    said = driver.communicate(timeout=300)[0]
    assert driver.returncode == 4
    assert "99 slots of 1 CPU are asked for, and 4 fit" in said and "CPU 2, GPU 0" in said
