"""How many runs a machine takes at once: measured alone and side by side in turn, and kept for sessions that ask.

Runs that share memory, caches and a power limit slow each other, and may measure something else. What is worth having
is runs an hour over their variance: twice the runs of twice the variance tell no more.
"""

from __future__ import annotations

import hashlib
import json
import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_autoresearch.errors import ConfigError, LabError
from pytest_autoresearch.judge.comparing import compared
from pytest_autoresearch.lab.job import Job
from pytest_autoresearch.lab.machine import machine_fingerprint
from pytest_autoresearch.protocol.experiment import Measurement
from pytest_autoresearch.protocol.model import Metric, Protocol
from pytest_autoresearch.research.work import Run, one

if TYPE_CHECKING:
    from pytest_autoresearch.research.slots import Slots

WORTH = 1.2  # times as much told in an hour, for which side by side is worth its trouble
FEWEST = 3  # rounds

FOUND = "slots.json"
"""Beside the sessions' states: by protocol and machine, the number of slots that was found to be best."""


@dataclass(frozen=True)
class Contention:
    """What runs were alone and ``slots`` at a time: level and spread in metric units, median seconds.

    ``shift`` is of the level side by side, positive is better, with its 95 % ``interval``; ``apart`` how far the levels
    of slots lie from each other, in standard deviations of such a mean. ``faster`` counts runs an hour against one at a
    time, ``worth`` what they tell.
    """

    slots: int
    rounds: int
    level: float
    spread: float
    seconds: float
    level_together: float
    spread_together: float
    seconds_together: float
    shift: float
    interval: tuple[float, float] | None
    apart: float
    faster: float
    worth: float

    @property
    def best(self) -> int:
        """How many slots are to be recommended."""
        return self.slots if self.worth >= WORTH else 1


def contention(
    slots: Slots, jobs: Iterator[Job], metric: Metric, rounds: int, begun: Callable[[int], None]
) -> Contention:
    """Runs of the same state alone and on every slot at once, in turn. LabError where too few gave a metric."""
    alone: list[Measurement] = []
    together: list[list[Measurement]] = []
    for number in range(rounds):
        begun(number)
        single = slots.run(one(Run(next(jobs))))
        group = slots.run(*[one(Run(next(jobs))) for _ in range(slots.size)])
        alone += [run for run in single if run.value is not None]
        together.append([run for run in group if run.value is not None])
    return compared_at_once([(run.value or 0.0, run.duration) for run in alone], _by_slot(together), metric, rounds)


def compared_at_once(
    alone: Sequence[tuple[float, float]], by_slot: Sequence[Sequence[tuple[float, float]]], metric: Metric, rounds: int
) -> Contention:
    """What values with their seconds say, those alone and those of each slot. LabError where there are too few."""
    pooled = [each for slot in by_slot for each in slot]
    if len(alone) < 2 or min(map(len, by_slot), default=0) < 2:
        raise LabError("too few of the runs gave a metric to compare them\n  run the command by hand first")
    before, after = [value for value, _ in alone], [value for value, _ in pooled]
    found = compared(metric.direction, before, after)
    spread, spread_together = statistics.stdev(before), statistics.stdev(after)
    seconds, seconds_together = (statistics.median(lasted for _, lasted in runs) for runs in (alone, pooled))
    means = [statistics.fmean(value for value, _ in slot) for slot in by_slot]
    error = spread_together / math.sqrt(min(map(len, by_slot)))
    faster = len(by_slot) * seconds / seconds_together if seconds_together else float(len(by_slot))
    scatter = (spread / spread_together) ** 2 if spread_together and spread else 1.0
    return Contention(
        slots=len(by_slot),
        rounds=rounds,
        level=statistics.fmean(before),
        spread=spread,
        seconds=seconds,
        level_together=statistics.fmean(after),
        spread_together=spread_together,
        seconds_together=seconds_together,
        shift=found.gain,
        interval=found.interval,
        apart=(max(means) - min(means)) / error if error else 0.0,
        faster=faster,
        worth=faster * min(1.0, scatter),
    )


def _by_slot(together: Sequence[Sequence[Measurement]]) -> list[list[tuple[float, float]]]:
    found: dict[int, list[tuple[float, float]]] = {}
    for group in together:
        for run in group:
            slot = 0 if run.place is None else run.place.slot
            found.setdefault(slot, []).append((run.value or 0.0, run.duration))
    return [found[slot] for slot in sorted(found)]


def keep_found(state: Path, protocol: Protocol, slots: int) -> None:
    """Leave what ``aa --workers`` has found, for sessions whose workers are ``auto``."""
    known = _known(state)
    known[_key(protocol)] = slots
    state.mkdir(parents=True, exist_ok=True)
    (state / FOUND).write_text(json.dumps(known))


def found_by_aa(state: Path, protocol: Protocol) -> int:
    """The number of slots that was found to be best here. ConfigError where nobody has looked."""
    known = _known(state).get(_key(protocol))
    if known is None:
        raise ConfigError(
            "workers: auto, and nobody has measured yet how many runs this machine takes at once",
            file=protocol.source,
            remedy="run `pytest-autoresearch aa --workers N` first, or give a number",
        )
    return known


def _known(state: Path) -> dict[str, int]:
    try:
        found = json.loads((state / FOUND).read_text())
    except (OSError, ValueError):
        return {}
    return {str(key): int(slots) for key, slots in found.items()} if isinstance(found, dict) else {}


def _key(protocol: Protocol) -> str:
    text = json.dumps([protocol.source, protocol.run, machine_fingerprint()])
    return hashlib.sha256(text.encode()).hexdigest()[:16]
