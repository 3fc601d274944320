"""Lends GPUs to sessions: one at a time on each, whoever on this machine asks. Knows NVML, no metric, no sandbox.

Everything goes by UUID: indices change with the environment. Nothing here ever resets a device.
"""

from __future__ import annotations

import fcntl
import os
import signal
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.lab.tree import MARK

Tick = Callable[[float], None]

LOCKS = Path("/tmp/pytest-autoresearch-gpus")  # the same for all users of the machine, or a lease would mean nothing
PATIENCE = 600.0  # s that a leased GPU may stay busy with somebody else's work
_POLL = 0.2
_SETTLED = 16 * 1024 * 1024  # bytes; less than this between two looks is no memory being given back

# nvmlClocksEventReasons of nvml.h: those that make a measurement slower than the device could be.
_THROTTLES = {0x04: "power-cap", 0x08: "slowdown", 0x20: "thermal", 0x40: "hw-thermal", 0x80: "power-brake"}


@dataclass(frozen=True, slots=True)
class Gpu:
    """One device. ``minor`` is the number of its device node, ``pci`` its address as sysfs writes it.

    ``handle`` is NVML's.
    """

    uuid: str
    name: str
    minor: int
    handle: Any = field(repr=False, compare=False, default=None)
    pci: str = ""


@dataclass(slots=True)
class Lease:
    """What one run may use. ``environment``, ``devices`` (nodes) and ``described`` (directories of sysfs) are for it.

    ``throttles`` fill as it lasts.
    """

    gpus: tuple[Gpu, ...] = ()
    environment: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[Path, ...] = ()
    described: tuple[Path, ...] = ()
    throttles: set[str] = field(default_factory=set)


class Gpus:
    """The devices that a session may get, which takes ``wanted`` of them for its life."""

    def __init__(
        self,
        nvml: Any,
        gpus: Sequence[Gpu],
        *,
        wanted: int = 1,
        locks: Path = LOCKS,
        dev: Path = Path("/dev"),
        sysfs: Path = Path("/sys"),
    ) -> None:
        self._nvml, self.all, self._wanted, self._locks = nvml, tuple(gpus), wanted, locks
        self._dev, self._sysfs = dev, sysfs

    @property
    def device(self) -> str:
        """What a session will be measured on, as far as that can be told before it holds something."""
        return named(self.all[: self._wanted])

    @property
    def sets(self) -> int:
        """How many sessions or slots can have what they want at once."""
        return len(self.all) // self._wanted

    @contextmanager
    def lease(self, gpus: Sequence[Gpu], tick: Tick) -> Iterator[Lease]:
        """For one run: ``gpus``, which are held, once nothing computes on them; what a run left there is killed.

        Raises LabError if one stays busy with work that is not ours.
        """
        for gpu in gpus:
            self._wait_until_free(gpu, tick)
        try:
            yield Lease(
                tuple(gpus),
                {"CUDA_VISIBLE_DEVICES": ",".join(gpu.uuid for gpu in gpus), "CUDA_DEVICE_ORDER": "PCI_BUS_ID"},
                self._nodes(gpus),
                self._described(gpus),
            )
        finally:
            self._kill_leftovers(gpus)

    def observe(self, lease: Lease) -> None:
        """Note why the devices are slower than they could be, if they are."""
        for gpu in lease.gpus:
            with suppress(self._nvml.NVMLError):
                reasons = self._nvml.nvmlDeviceGetCurrentClocksThrottleReasons(gpu.handle)
                lease.throttles.update(name for bit, name in _THROTTLES.items() if reasons & bit)

    @contextmanager
    def hold(self, tick: Tick, *, preferred: Sequence[str] = ()) -> Iterator[tuple[Gpu, ...]]:
        """As many devices as are wanted, for a session, by flock; none is held while waiting for another.

        ``preferred`` are UUIDs to be taken first where they are free.
        """
        began = time.monotonic()
        ordered = sorted(self.all, key=lambda gpu: gpu.uuid not in preferred)
        while True:
            with ExitStack() as stack:
                held: list[Gpu] = []
                for gpu in ordered:
                    if len(held) < self._wanted and (lock := _try_lock(self._locks, gpu.uuid)) is not None:
                        stack.callback(os.close, lock)
                        held.append(gpu)
                if len(held) == self._wanted:
                    yield tuple(held)
                    return
            time.sleep(_POLL)
            tick(time.monotonic() - began)

    def _wait_until_free(self, gpu: Gpu, tick: Tick) -> None:
        """Until no process computes on it and the driver gives no more memory back."""
        began = time.monotonic()
        free = self._free(gpu)
        while True:
            busy = self._processes(gpu)
            before, free = free, self._free(gpu)
            if not busy and free - before < _SETTLED:
                return
            elapsed = time.monotonic() - began
            if elapsed > PATIENCE:
                pids = ", ".join(str(pid) for pid in busy) or "a process that has ended"
                raise LabError(
                    f"{gpu.name} ({gpu.uuid}) has been busy for {elapsed:.0f} s with process {pids}\n"
                    "  end it, or choose other devices with CUDA_VISIBLE_DEVICES"
                )
            time.sleep(_POLL)
            tick(elapsed)

    def _free(self, gpu: Gpu) -> int:
        return int(self._nvml.nvmlDeviceGetMemoryInfo(gpu.handle).free)

    def _processes(self, gpu: Gpu) -> list[int]:
        try:
            return [int(process.pid) for process in self._nvml.nvmlDeviceGetComputeRunningProcesses(gpu.handle)]
        except self._nvml.NVMLError:  # not told in some containers; the memory has to do
            return []

    def _kill_leftovers(self, gpus: Sequence[Gpu]) -> None:
        """Only what carries a run's mark: others' work on the device is not ours to end."""
        for gpu in gpus:
            for pid in self._processes(gpu):
                with suppress(OSError):
                    if f"{MARK}=".encode() in Path(f"/proc/{pid}/environ").read_bytes():
                        os.kill(pid, signal.SIGKILL)

    def _nodes(self, gpus: Sequence[Gpu]) -> tuple[Path, ...]:
        """The device nodes that NVIDIA's container toolkit lists for CUDA, and WSL's."""
        shared = ("nvidiactl", "nvidia-uvm", "nvidia-uvm-tools", "nvidia-modeset", "dxg")
        names = [*(f"nvidia{gpu.minor}" for gpu in gpus), *shared]
        return tuple(self._dev / name for name in names if (self._dev / name).exists())

    def _described(self, gpus: Sequence[Gpu]) -> tuple[Path, ...]:
        """What sysfs says of each: the toolkit lists nothing of /sys, but frameworks read a device's NUMA node here."""
        places = (self._sysfs / "bus/pci/devices" / gpu.pci for gpu in gpus if gpu.pci)
        return tuple(place for place in places if place.exists())


def named(gpus: Sequence[Gpu]) -> str:
    """For people: the model, and how many of it."""
    names = ", ".join(dict.fromkeys(gpu.name for gpu in gpus))
    return f"{len(gpus)} x {names}" if len(gpus) > 1 else names


def find_gpus(inherited: Mapping[str, str], declared: Mapping[str, str]) -> Gpus | None:
    """The devices that CUDA_VISIBLE_DEVICES of the supervisor's and the protocol's environment leaves visible.

    None without nvidia-ml-py, driver or devices. A run gets one of them, or all that the protocol names.
    """
    try:
        import pynvml
    except ImportError:
        return None
    return visible_gpus(pynvml, inherited, declared)


def visible_devices(environ: Mapping[str, str]) -> tuple[str, ...]:
    """The UUIDs of what a program with this environment may compute on."""
    gpus = find_gpus(environ, {})
    return () if gpus is None else tuple(gpu.uuid for gpu in gpus.all)


def visible_gpus(nvml: Any, inherited: Mapping[str, str], declared: Mapping[str, str]) -> Gpus | None:
    """See :func:`find_gpus`; ``nvml`` is the module."""
    try:
        nvml.nvmlInit()
        gpus = [_describe(nvml, index) for index in range(nvml.nvmlDeviceGetCount())]
    except nvml.NVMLError:
        return None
    own = declared.get("CUDA_VISIBLE_DEVICES")
    named = inherited.get("CUDA_VISIBLE_DEVICES") if own is None else own
    if named is not None:
        gpus = [gpu for word in named.split(",") for gpu in gpus if _is_named(gpu, gpus.index(gpu), word.strip())]
    return Gpus(nvml, gpus, wanted=1 if own is None else len(gpus)) if gpus else None


def _describe(nvml: Any, index: int) -> Gpu:
    handle = nvml.nvmlDeviceGetHandleByIndex(index)
    uuid, name = nvml.nvmlDeviceGetUUID(handle), nvml.nvmlDeviceGetName(handle)
    pci = ""
    with suppress(nvml.NVMLError):
        pci = _in_sysfs(_text(nvml.nvmlDeviceGetPciInfo(handle).busId))
    return Gpu(_text(uuid), _text(name), int(nvml.nvmlDeviceGetMinorNumber(handle)), handle, pci)


def _in_sysfs(address: str) -> str:
    """NVML writes a PCI domain with eight digits and in capitals (``00000000:3B:00.0``), sysfs with four and small."""
    domain, _, rest = address.strip("\0").lower().partition(":")
    return f"{domain[-4:]}:{rest}" if rest else ""


def _text(value: str | bytes) -> str:
    return value.decode() if isinstance(value, bytes) else value


def _is_named(gpu: Gpu, index: int, word: str) -> bool:
    return word == str(index) or (word.startswith("GPU-") and gpu.uuid.startswith(word))


def _try_lock(directory: Path, uuid: str) -> int | None:
    """A descriptor that holds the device's lock, None if somebody else does."""
    with suppress(FileExistsError):
        directory.mkdir()
        directory.chmod(0o1777)
    path = directory / f"{uuid}.lock"
    flags = os.O_RDWR | os.O_NOFOLLOW | os.O_CLOEXEC
    try:
        # Without O_CREAT first: in a sticky directory Linux refuses that for another user's file.
        lock = os.open(path, flags)
    except FileNotFoundError:
        lock = os.open(path, flags | os.O_CREAT, 0o666)
        os.fchmod(lock, 0o666)
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(lock)
        return None
    return lock
