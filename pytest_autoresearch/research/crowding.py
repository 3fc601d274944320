"""What the runs of a session say of its slots: whether they slow each other, move the metric, or measure unlike things.

Looks at the incumbent's runs alone, which are of one state: those of the baseline had the machine to themselves, later
ones ran beside others. Pure but for what it remembers.
"""

from __future__ import annotations

import math
import statistics
from collections import defaultdict
from collections.abc import Iterator, Sequence

from pytest_autoresearch.judge.comparing import compared
from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Role
from pytest_autoresearch.protocol.model import Metric

FEWEST = 8  # runs beside others, before anything is said of them
DOUBT = 5e-4  # of either side; it is looked at with every experiment
APART = 6.0  # standard errors between a slot's level and that of the others
FEWEST_OF_SLOT = 4
SURE = 3.3  # standard errors of the logarithm of a ratio of variances


class Crowding:
    """Of one session. Each thing is said once."""

    def __init__(self, metric: Metric, history: Sequence[Experiment]) -> None:
        self._metric = metric
        self._alone: list[Measurement] = []
        self._beside: list[Measurement] = []
        self._by_slot: dict[int, list[float]] = defaultdict(list)
        self._start = self._state = ""
        self._said: set[str] = set()
        for experiment in history:
            self._take(experiment)

    def heard(self, experiment: Experiment, slots: int) -> Iterator[str]:
        """What people should know since this experiment has ended."""
        self._take(experiment)
        if slots > 1:
            told = {"slower": self._slower(slots), "shifted": self._shifted(), "apart": self._apart()}
            for kind, words in told.items():
                if words and kind not in self._said:
                    self._said.add(kind)
                    yield words

    def _take(self, experiment: Experiment) -> None:
        runs = [run for run in experiment.measurements if run.role is Role.INCUMBENT and run.value is not None]
        if experiment.number == 0:
            self._alone, self._start = runs, experiment.commit
            return
        if experiment.parent == self._start:
            self._beside += runs
        if experiment.parent != self._state:
            self._state = experiment.parent
            self._by_slot.clear()
        for run in runs:
            if run.place is not None and run.value is not None:
                self._by_slot[run.place.slot].append(run.value)

    def _slower(self, slots: int) -> str:
        """Where so many at a time tell no more in an hour than one; runs an hour over their variance is what counts."""
        if len(self._beside) < FEWEST or len(self._alone) < 2:
            return ""
        alone, beside = (statistics.median(run.duration for run in runs) for runs in (self._alone, self._beside))
        before, after = (statistics.variance(_values(runs)) for runs in (self._alone, self._beside))
        longer = beside / alone if alone else 1.0
        error = math.sqrt(2 / (len(self._alone) - 1) + 2 / (len(self._beside) - 1))
        wider = after / before if before and after > before * math.exp(SURE * error) else 1.0
        if longer * wider < slots:
            return ""
        scatter = f" and scatter {math.sqrt(wider):.1f} times as much" if wider > 1 else ""
        return (
            f"runs on {slots} slots take {longer:.1f} times as long as alone{scatter}, so they tell no more in an "
            f"hour than one at a time; `pytest-autoresearch aa --workers {slots}` measures how many pay"
        )

    def _shifted(self) -> str:
        if len(self._beside) < FEWEST or len(self._alone) < 2:
            return ""
        found = compared(self._metric.direction, _values(self._alone), _values(self._beside), tail=DOUBT)
        if found.interval is None or found.interval[1] >= 0:
            return ""
        percent = "" if found.percent is None else f" by {-found.percent:.3g} %"
        return (
            f"{self._metric.name} is worse{percent} where runs share the machine; keeps are compared on one slot, so "
            "they hold, and what you use alone will measure otherwise"
        )

    def _apart(self) -> str:
        known = {slot: values for slot, values in self._by_slot.items() if len(values) >= FEWEST_OF_SLOT}
        if len(known) < 2:
            return ""
        freedom = sum(len(values) - 1 for values in known.values())
        within = sum(statistics.variance(values) * (len(values) - 1) for values in known.values()) / freedom
        distances = []
        for slot, values in known.items():
            others = [value for each, found in known.items() if each != slot for value in found]
            error = math.sqrt(within * (1 / len(values) + 1 / len(others)))
            mine, theirs = statistics.fmean(values), statistics.fmean(others)
            distances.append((abs(mine - theirs) / error if error else 0.0, slot, mine, theirs))
        distance, slot, mine, theirs = max(distances)
        if distance < APART:
            return ""
        return (
            f"slot {slot} measures {mine:.6g} where the others measure {theirs:.6g}; no comparison is made across slots"
        )


def _values(runs: Sequence[Measurement]) -> list[float]:
    return [run.value for run in runs if run.value is not None]
