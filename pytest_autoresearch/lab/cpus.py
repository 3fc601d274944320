"""What a slot has of a machine for its life: whole cores, and a share of its memory. Sets affinity, and reads the rest.

Two runs that share a core slow each other, and another number of threads changes the last digits of a "deterministic"
metric; so a slot gets cores of its own, with all their hardware threads, and the libraries are told how many.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path

THREADS = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMEXPR_NUM_THREADS")
"""What tells numerical libraries how many threads to start; torch reads the first."""

_SYSFS = Path("/sys/devices/system/cpu")


def cores(allowed: Sequence[int] | None = None, sysfs: Path = _SYSFS) -> list[tuple[int, ...]]:
    """The hardware threads of each physical core that this process may use, neighbours beside each other."""
    if allowed is None:
        allowed = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else range(os.cpu_count() or 1)
    found: dict[tuple[int, int, int], list[int]] = {}
    for cpu in allowed:
        package, core = (
            _number(sysfs / f"cpu{cpu}" / "topology" / name) for name in ("physical_package_id", "core_id")
        )
        known = package is not None and core is not None
        found.setdefault((package or 0, core or 0, 0) if known else (0, 0, cpu + 1), []).append(cpu)
    return [tuple(found[key]) for key in sorted(found)]


def shared_out(slots: int, machine: Sequence[tuple[int, ...]]) -> list[tuple[tuple[int, ...], ...]]:
    """The cores of each slot, as many for one as for another; none at all where there are more slots than cores."""
    each = len(machine) // slots
    if slots < 2 or not each:
        return [()] * slots
    return [tuple(machine[slot * each : (slot + 1) * each]) for slot in range(slots)]


def share_of_memory(slots: int) -> int | None:
    """Bytes of memory for each slot; None where the system does not say how many there are."""
    try:
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // slots
    except (AttributeError, OSError, ValueError):
        return None


def keep_to(own: Sequence[tuple[int, ...]]) -> None:
    """Keep the thread that calls this, and whatever is started from it, to these cores."""
    if own and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, [cpu for core in own for cpu in core])


def thread_counts(count: int, said: Mapping[str, str]) -> dict[str, str]:
    """The variables that hold libraries to this many threads, but for those that a person has said; 0: nothing."""
    return {name: str(count) for name in THREADS if name not in said} if count else {}


def _number(path: Path) -> int | None:
    try:
        return int(path.read_text())
    except (OSError, ValueError):
        return None
