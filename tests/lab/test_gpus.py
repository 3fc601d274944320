"""GPUs are lent by UUID, one run at a time, clean. NVML is played: there is no device here."""

from __future__ import annotations

import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.lab import gpus as module
from pytest_autoresearch.lab.gpus import Gpu, Gpus, Lease, Tick, find_gpus, named, visible_gpus
from pytest_autoresearch.lab.tree import MARK


class NVMLError(Exception):
    pass


@dataclass
class Nvml:
    """As much of pynvml as is used. ``processes`` and ``free`` are per device index, one answer per question."""

    count: int = 2
    processes: dict[int, list[list[int]]] = field(default_factory=dict)
    free: dict[int, list[int]] = field(default_factory=dict)
    reasons: int = 0
    broken: bool = False
    NVMLError: type[Exception] = NVMLError

    def nvmlInit(self) -> None:
        if self.broken:
            raise NVMLError("driver not loaded")

    def nvmlDeviceGetCount(self) -> int:
        return self.count

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:
        return index

    def nvmlDeviceGetUUID(self, handle: int) -> str | bytes:
        return f"GPU-{handle}{handle}-x" if handle else b"GPU-00-x"

    def nvmlDeviceGetName(self, handle: int) -> str:
        return "NVIDIA Test"

    def nvmlDeviceGetPciInfo(self, handle: int) -> Any:
        return SimpleNamespace(busId=f"00000000:{handle + 10:X}B:00.0")

    def nvmlDeviceGetMinorNumber(self, handle: int) -> int:
        return handle

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> Any:
        return SimpleNamespace(free=next_of(self.free.get(handle), 80_000_000_000))

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[Any]:
        return [SimpleNamespace(pid=pid) for pid in next_of(self.processes.get(handle), [])]

    def nvmlDeviceGetCurrentClocksThrottleReasons(self, handle: int) -> int:
        return self.reasons


def next_of(answers: list[Any] | None, default: Any) -> Any:
    if not answers:
        return default
    return answers.pop(0) if len(answers) > 1 else answers[0]


def quiet(elapsed: float) -> None:
    """A tick that nobody listens to."""


@pytest.fixture(autouse=True)
def brisk(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_POLL", 0.01)


@pytest.fixture
def dev(tmp_path: Path) -> Path:
    dev = tmp_path / "dev"
    dev.mkdir()
    for name in ("nvidia0", "nvidia1", "nvidiactl", "nvidia-uvm", "null"):
        (dev / name).touch()
    return dev


def pool(nvml: Nvml, tmp_path: Path, *, wanted: int = 1) -> Gpus:
    found = visible_gpus(nvml, {}, {})
    assert found is not None
    return Gpus(nvml, found.all, wanted=wanted, locks=tmp_path / "locks", dev=tmp_path / "dev")


@contextmanager
def leased(gpus: Gpus, tick: Tick = quiet) -> Iterator[Lease]:
    """One run of a session that holds what it may."""
    with gpus.hold(tick) as held, gpus.lease(held, tick) as lease:
        yield lease


def test_a_lease_names_one_device_by_uuid_and_only_its_nodes(tmp_path: Path, dev: Path) -> None:
    with leased(pool(Nvml(), tmp_path), quiet) as lease:
        assert lease.environment == {"CUDA_VISIBLE_DEVICES": "GPU-00-x", "CUDA_DEVICE_ORDER": "PCI_BUS_ID"}
        assert lease.devices == (dev / "nvidia0", dev / "nvidiactl", dev / "nvidia-uvm")


def test_two_runs_get_different_devices_and_a_third_waits(tmp_path: Path) -> None:
    first, second, third = (pool(Nvml(), tmp_path) for _ in range(3))
    got: list[str] = []
    waited = threading.Event()

    def ask() -> None:
        with leased(third, lambda _: waited.set()) as lease:
            got.extend(gpu.uuid for gpu in lease.gpus)

    with leased(first, quiet) as one:
        with leased(second, quiet) as two:
            assert [gpu.uuid for gpu in (*one.gpus, *two.gpus)] == ["GPU-00-x", "GPU-11-x"]
            thread = threading.Thread(target=ask)
            thread.start()
            assert waited.wait(10)
            assert got == []
        thread.join(10)
        assert got == ["GPU-11-x"]


def test_a_lease_of_several_holds_none_while_it_waits(tmp_path: Path) -> None:
    single, both = pool(Nvml(), tmp_path), pool(Nvml(), tmp_path, wanted=2)

    class Stop(Exception):
        pass

    def stop(elapsed: float) -> None:
        with leased(single, quiet) as lease:
            assert lease.gpus[0].uuid == "GPU-11-x"
        raise Stop

    with leased(single, quiet), pytest.raises(Stop), leased(both, stop):
        pass
    with leased(both, quiet) as lease:
        assert len(lease.gpus) == 2


def test_a_lease_ends_with_the_process_that_held_it(tmp_path: Path) -> None:
    locks = tmp_path / "locks"
    code = (
        "import os; from pathlib import Path; from pytest_autoresearch.lab.gpus import _try_lock;"
        f"os._exit(0 if _try_lock(Path({str(locks)!r}), 'GPU-00-x') else 1)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
    with leased(pool(Nvml(), tmp_path), quiet) as lease:
        assert lease.gpus[0].uuid == "GPU-00-x"


def test_a_run_waits_until_processes_are_gone_and_memory_is_given_back(tmp_path: Path) -> None:
    gigabyte = 1_000_000_000
    nvml = Nvml(
        count=1, processes={0: [[7], [7], []]}, free={0: [1 * gigabyte, 2 * gigabyte, 40 * gigabyte, 80 * gigabyte]}
    )
    ticks: list[float] = []
    with leased(pool(nvml, tmp_path), ticks.append):
        assert nvml.free[0] == [80 * gigabyte]
        assert len(ticks) >= 3


def test_a_device_that_stays_busy_is_named_with_the_process(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE", 0.05)
    with (
        pytest.raises(LabError, match=r"NVIDIA Test \(GPU-00-x\) has been busy for 0 s with process 4242\n  end it"),
        leased(pool(Nvml(count=1, processes={0: [[4242]]}), tmp_path), quiet),
    ):
        pass


def test_only_marked_leftovers_are_killed_before_a_device_is_given_back(tmp_path: Path) -> None:
    sleep = [sys.executable, "-c", "import time; print(flush=True); time.sleep(300)"]
    with (
        subprocess.Popen(sleep, env={MARK: "x"}, stdout=subprocess.PIPE) as ours,
        subprocess.Popen(sleep, env={}, stdout=subprocess.PIPE) as theirs,
    ):
        try:
            for process in (ours, theirs):
                assert process.stdout is not None
                process.stdout.readline()
            nvml = Nvml(count=1, processes={0: [[], [ours.pid, theirs.pid, 2**22 + 1]]})
            with leased(pool(nvml, tmp_path), quiet):
                pass
            assert ours.wait(10) == -9
            assert theirs.poll() is None
        finally:
            ours.kill()
            theirs.kill()


def test_throttling_is_noted(tmp_path: Path) -> None:
    nvml = Nvml(reasons=0x40 | 0x4 | 0x1)
    gpus = pool(nvml, tmp_path)
    with leased(gpus, quiet) as lease:
        gpus.observe(lease)
        assert lease.throttles == {"power-cap", "hw-thermal"}


@pytest.mark.parametrize(
    ("visible", "uuids"),
    [
        (None, ["GPU-00-x", "GPU-11-x"]),
        ("1", ["GPU-11-x"]),
        ("1,0", ["GPU-11-x", "GPU-00-x"]),
        ("GPU-11", ["GPU-11-x"]),
        ("", []),
        ("-1", []),
        ("7", []),
    ],
)
def test_the_environment_narrows_what_may_be_lent(visible: str | None, uuids: list[str]) -> None:
    environment = {} if visible is None else {"CUDA_VISIBLE_DEVICES": visible}
    found = visible_gpus(Nvml(), environment, {})
    assert ([] if found is None else [gpu.uuid for gpu in found.all]) == uuids
    found = visible_gpus(Nvml(), {"CUDA_VISIBLE_DEVICES": "0"}, environment)
    assert ([] if found is None else [gpu.uuid for gpu in found.all]) == (["GPU-00-x"] if visible is None else uuids)


def test_a_protocol_that_names_several_devices_gets_them_all(tmp_path: Path) -> None:
    found = visible_gpus(Nvml(), {}, {"CUDA_VISIBLE_DEVICES": "0,1"})
    assert found is not None
    assert found.device == "2 x NVIDIA Test"


def test_without_driver_or_devices_there_are_no_gpus() -> None:
    assert visible_gpus(Nvml(broken=True), {}, {}) is None
    assert visible_gpus(Nvml(count=0), {}, {}) is None


def test_without_the_library_there_are_no_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pynvml", None)
    assert find_gpus({}, {}) is None


def test_the_device_is_named_for_the_record() -> None:
    gpus = [Gpu("GPU-1", "NVIDIA A", 0), Gpu("GPU-2", "NVIDIA A", 1)]
    assert Gpus(Nvml(), gpus).device == "NVIDIA A"
    assert Gpus(Nvml(), gpus, wanted=2).device == named(gpus) == "2 x NVIDIA A"


def test_a_session_that_goes_on_gets_the_devices_it_had_if_they_are_free(tmp_path: Path) -> None:
    gpus, other = pool(Nvml(), tmp_path), pool(Nvml(), tmp_path)
    with gpus.hold(quiet, preferred=["GPU-11-x"]) as held:
        assert [gpu.uuid for gpu in held] == ["GPU-11-x"]
        with other.hold(quiet, preferred=["GPU-11-x"]) as rest:
            assert [gpu.uuid for gpu in rest] == ["GPU-00-x"]


def test_a_device_is_held_between_runs(tmp_path: Path) -> None:
    """Else a comparison would go to whichever card is free, once this and once that."""
    gpus, other = pool(Nvml(), tmp_path), pool(Nvml(), tmp_path)
    with gpus.hold(quiet) as held:
        with gpus.lease(held, quiet) as first:
            assert first.gpus == held
        with other.hold(quiet) as elsewhere:
            assert elsewhere != held
            with gpus.lease(held, quiet) as second:
                assert second.gpus == held


def test_sysfs_shows_the_lent_device_and_no_other(tmp_path: Path) -> None:
    sysfs = tmp_path / "sys"
    for name in ("0000:ab:00.0", "0000:bb:00.0"):
        (sysfs / "devices/pci0000:00" / name).mkdir(parents=True)
        (sysfs / "bus/pci/devices").mkdir(parents=True, exist_ok=True)
        (sysfs / "bus/pci/devices" / name).symlink_to(f"../../../devices/pci0000:00/{name}")
    found = visible_gpus(Nvml(), {}, {})
    assert found is not None and [gpu.pci for gpu in found.all] == ["0000:ab:00.0", "0000:bb:00.0"]
    gpus = Gpus(Nvml(), found.all, locks=tmp_path / "locks", dev=tmp_path, sysfs=sysfs)
    with leased(gpus) as lease:
        assert lease.described == (sysfs / "bus/pci/devices/0000:ab:00.0",)
