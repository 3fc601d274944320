"""One comparison, one device: what a session is measured on is taken for its life, and stands in every measurement."""

from __future__ import annotations

import fcntl
import json
import secrets
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.lab.executors import local
from pytest_autoresearch.lab.executors.local import LocalExecutor
from pytest_autoresearch.lab.gpus import LOCKS, Gpus, visible_gpus
from pytest_autoresearch.lab.job import Job, Site
from pytest_autoresearch.lab.plain import PlainSandbox
from pytest_autoresearch.lab.sandbox import Choice
from pytest_autoresearch.protocol.experiment import FileEntry, Measurement, Place, Role, blob_id
from pytest_autoresearch.protocol.model import Direction, Metric, Protocol
from pytest_autoresearch.research.referee import refuse_another_place
from tests.conftest import Project
from tests.lab.test_gpus import Nvml, quiet

TRAIN = b"import os\nprint('loss:', {'GPU-00-x': 1, 'GPU-11-x': 2}.get(os.environ.get('CUDA_VISIBLE_DEVICES'), 0))\n"

# Two cards that are told apart by what a run computes on them: one of them is much faster.
PYNVML = """
from types import SimpleNamespace
class NVMLError(Exception): pass
IDS = {ids}
def nvmlInit(): pass
def nvmlDeviceGetCount(): return 2
def nvmlDeviceGetHandleByIndex(index): return index
def nvmlDeviceGetUUID(handle): return IDS[handle]
def nvmlDeviceGetName(handle): return "NVIDIA Test"
def nvmlDeviceGetMinorNumber(handle): return handle
def nvmlDeviceGetPciInfo(handle): return SimpleNamespace(busId="")
def nvmlDeviceGetMemoryInfo(handle): return SimpleNamespace(free=1 << 30)
def nvmlDeviceGetComputeRunningProcesses(handle): return []
def nvmlDeviceGetCurrentClocksThrottleReasons(handle): return 0
"""


@pytest.fixture
def pool(tmp_path: Path) -> Callable[[], Gpus]:
    def make() -> Gpus:
        found = visible_gpus(Nvml(), {}, {})
        assert found is not None
        return Gpus(Nvml(), found.all, locks=tmp_path / "locks", dev=tmp_path)

    return make


@pytest.fixture
def lab(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pool: Callable[[], Gpus]) -> Iterator[LocalExecutor]:
    monkeypatch.setattr(local, "find_gpus", lambda inherited, declared: pool())
    for name in ("top", "scratch"):
        (tmp_path / name).mkdir()
    protocol = Protocol("", Metric("loss", Direction.LOWER), (), "python train.py")
    read = {blob_id(TRAIN): TRAIN}
    site = Site(tmp_path / "top", tmp_path / "scratch", "t", protocol, lambda ids: read, Path(sys.executable).parent)
    lab = LocalExecutor(site, Choice(PlainSandbox(), "process"))
    yield lab
    lab.close()


def measure(lab: LocalExecutor, role: Role) -> Measurement:
    state = {"train.py": FileEntry("100644", blob_id(TRAIN))}
    return lab.measure(Job(role, 1, 1, state, 20.0), quiet)


def test_candidate_and_incumbent_are_measured_on_one_device_whatever_others_do(
    lab: LocalExecutor, pool: Callable[[], Gpus]
) -> None:
    with pool().hold(quiet) as others:  # the first card; it is given back between the two runs
        candidate = measure(lab, Role.CANDIDATE)
    incumbent = measure(lab, Role.INCUMBENT)
    assert [gpu.uuid for gpu in others] == ["GPU-00-x"]
    assert (candidate.value, incumbent.value) == (2.0, 2.0)
    assert candidate.place == incumbent.place == Place(isolation="process", devices=("GPU-11-x",))


def test_a_failed_run_says_where_it_was_as_well(lab: LocalExecutor) -> None:
    state = {"train.py": FileEntry("100644", blob_id(TRAIN))}
    failed = lab.measure(Job(Role.CANDIDATE, 1, 1, state, 20.0, command="exit 3"), quiet)
    assert failed.failure is not None and failed.place == Place(isolation="process", devices=("GPU-00-x",))


def test_a_closed_lab_gives_its_device_back(lab: LocalExecutor, pool: Callable[[], Gpus]) -> None:
    lab.occupy(quiet)
    lab.close()
    with pool().hold(quiet) as held:
        assert held[0].uuid == "GPU-00-x"


@pytest.mark.parametrize("place", [None, Place("m", devices=("GPU-1",))])
def test_a_measurement_of_the_sessions_place_compares(place: Place | None) -> None:
    refuse_another_place(Measurement(Role.CANDIDATE, 1.0, place=place), Place("m", devices=("GPU-1",)))


@pytest.mark.parametrize("change", [{"devices": ("GPU-2",)}, {"slot": 1}, {"machine": "n"}, {"isolation": "process"}])
def test_an_executor_that_wanders_is_refused(change: dict[str, object]) -> None:
    here = {"machine": "m", "slot": 0, "isolation": "bwrap", "devices": ("GPU-1",)}
    there = Place(**{**here, **change})  # type: ignore[arg-type]
    with pytest.raises(LabError, match="keeps one place for a session's life"):
        refuse_another_place(Measurement(Role.CANDIDATE, 1.0, place=there), Place(**here))  # type: ignore[arg-type]


@pytest.mark.slow
def test_a_session_that_goes_on_with_another_device_measures_its_incumbent_there(project: Project) -> None:
    ids = [f"GPU-{secrets.token_hex(8)}" for _ in range(2)]
    (project.home / "pynvml.py").write_text(PYNVML.format(ids=ids))
    slow = f"import os\nSLOW = 100.0 if os.environ['CUDA_VISIBLE_DEVICES'] == {ids[1]!r} else 0.0\n"
    train = (project.root / "train.py").read_text()
    project.write("prepare.py", f"{slow}offset = 1.0 + SLOW\n")
    project.write("train.py", train)
    project.commit()
    project.env["PYTHONPATH"] = str(project.home)
    words = ("--autoresearch", "--autoresearch-experiments", "1", "--autoresearch-agent", "sweep")
    try:
        first = project.pytest(*words)
        assert f"NVIDIA Test {ids[0]}" in first.stdout, first.stdout + first.stderr
        with open(LOCKS / f"{ids[0]}.lock") as busy:
            fcntl.flock(busy, fcntl.LOCK_EX)
            second = project.pytest(*words)
        assert f"NVIDIA Test {ids[1]}" in second.stdout, second.stdout + second.stderr
        records = json.loads(project.cli("log", "--json").stdout)["experiments"]
        assert [record["place"]["devices"] for record in records] == [[ids[0]], [ids[0]], [ids[1]]]
        assert records[1]["against"] < 100 < records[2]["against"], "the level that is to be beaten was measured there"
    finally:
        for each in ids:
            (LOCKS / f"{each}.lock").unlink(missing_ok=True)
