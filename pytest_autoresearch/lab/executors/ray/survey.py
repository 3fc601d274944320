"""What a node offers, as seen by a task of Ray there: told to people before the night, and what tells nodes apart."""

from __future__ import annotations

import os
import platform
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from pytest_autoresearch.executables import workspaces
from pytest_autoresearch.lab.cpus import cores
from pytest_autoresearch.lab.gpus import find_gpus
from pytest_autoresearch.lab.machine import machine_fingerprint, system_name
from pytest_autoresearch.lab.sandbox import choose


@dataclass(frozen=True)
class Report:
    """``memory`` and ``free`` (disk space for workspaces) in bytes; ``gpus`` are names.

    ``refused`` says why the isolation has no better level, ``niceness`` is what Ray gives its
    workers, ``machine`` tells one machine from another.
    """

    machine: str
    system: str
    package: str
    python: str
    processor: str
    cores: int
    threads: int
    memory: int
    free: int
    gpus: tuple[str, ...]
    isolation: str
    refused: tuple[str, ...]
    niceness: int

    @property
    def kind(self) -> tuple[object, ...]:
        """What two nodes have to share for their numbers to be those of one session."""
        gigabytes = round(self.memory / 2**30)
        hardware = (self.processor, platform.machine(), self.cores, self.threads, gigabytes, self.gpus)
        return (*hardware, self.isolation, self.niceness, self.package, self.python)


def report(isolation: str) -> Report:
    """Of the machine that this runs on; ``isolation`` is what will be asked for."""
    with tempfile.TemporaryDirectory(prefix="autoresearch-survey-") as scratch:
        choice = choose("auto" if isolation == "strict" else isolation, scratch=Path(scratch))
    gpus = find_gpus({}, {})
    place = workspaces().parent
    here = next(path for path in (place, *place.parents) if path.exists())
    return Report(
        machine=machine_fingerprint(),
        system=system_name(),
        package=version("pytest-autoresearch"),
        python=platform.python_version(),
        processor=_processor(),
        cores=len(cores()),
        threads=os.cpu_count() or 1,
        memory=os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        free=shutil.disk_usage(here).free,
        gpus=() if gpus is None else tuple(gpu.name for gpu in gpus.all),
        isolation=choice.level,
        refused=choice.refused,
        niceness=os.getpriority(os.PRIO_PROCESS, 0),
    )


def _processor() -> str:
    with suppress(OSError):
        for line in Path("/proc/cpuinfo").read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.machine()
