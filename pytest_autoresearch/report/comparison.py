"""Agents beside each other: what each of them gained, by how many runs and at what cost. Pure; reads histories."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.protocol.model import Direction
from pytest_autoresearch.report.chart import lines

Spread = Callable[[Sequence[float]], float | None]
"""Half the width of the interval of a mean; None where there are too few values for one."""


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean over sessions and half the width of its interval; None where nothing is known."""

    mean: float | None
    half: float | None = None

    @classmethod
    def of(cls, values: Sequence[float | None], spread: Spread) -> Estimate:
        """The estimate from the sessions that have a value."""
        known = [value for value in values if value is not None]
        return cls(statistics.fmean(known), spread(known)) if known else cls(None)

    def words(self, pattern: str = "{:.2f}", unit: str = "") -> str:
        """For people: ``8.02 ±1.10 %``."""
        if self.mean is None:
            return "-"
        half = "" if self.half is None else f" ±{pattern.format(self.half)}"
        return f"{pattern.format(self.mean)}{half}{unit}"


@dataclass(frozen=True, slots=True)
class Row:
    """One agent over its sessions. Gains in percent of the start, ``at`` by numbers of runs; US dollars; hours."""

    agent: str
    sessions: int
    at: Mapping[int, Estimate]
    end: Estimate
    verified: Estimate
    runs: Estimate
    hours: Estimate
    cost: Estimate
    trajectory: Sequence[float]
    """Mean gain after 0, 1, 2 … runs."""


def row_of(agent: str, histories: Sequence[History], marks: Sequence[int], spread: Spread) -> Row:
    """What one agent's sessions of the same protocol come to. ``marks`` are numbers of runs."""
    gains = [gains_by_run(history) for history in histories]
    longest = max(map(len, gains))
    full = [each + [each[-1]] * (longest - len(each)) for each in gains]
    return Row(
        agent,
        len(histories),
        {mark: Estimate.of([each[min(mark, longest - 1)] for each in full], spread) for mark in marks},
        Estimate.of([each[-1] for each in gains], spread),
        Estimate.of([_verified(history) for history in histories], spread),
        Estimate.of([float(len(each) - 1) for each in gains], spread),
        Estimate.of([_hours(history) for history in histories], spread),
        Estimate.of([_cost(history) for history in histories], spread),
        [statistics.fmean(at) for at in zip(*full, strict=True)],
    )


def gains_by_run(history: History) -> list[float]:
    """The best kept state's gain, in percent of the start, after each run behind the baseline's; first 0.0."""
    direction = Direction(history.session.protocol["metric"]["direction"])
    start = history.experiments[0].value or 0.0
    gains, best = [0.0], 0.0
    for experiment in history.experiments[1:]:
        gains += [best] * max(len(experiment.measurements) - 1, 0)
        if experiment.kept and experiment.value is not None:
            best = 100 * direction.gain(start, experiment.value) / (abs(start) or 1.0)
        if experiment.measurements:
            gains.append(best)
    gains[-1] = best
    return gains


def _verified(history: History) -> float | None:
    """The gain of the newest verification in percent; 0 where nothing was kept."""
    newest = next(iter(history.verifications[-1:]), None)
    start = history.experiments[0].value
    if newest is None or newest.gain is None:
        return None if history.keeps else 0.0
    return 100 * newest.gain / (abs(start or 0.0) or 1.0) if newest.percent is None else newest.percent


def _hours(history: History) -> float | None:
    spent = [(e.ended - e.started).total_seconds() for e in history.experiments if e.started and e.ended]
    return sum(spent) / 3600 if spent else None


def _cost(history: History) -> float | None:
    costs = [e.usage.cost for e in history.experiments if e.usage is not None and e.usage.cost is not None]
    return sum(costs) if costs else None


def table(rows: Sequence[Row], marks: Sequence[int]) -> list[str]:
    """A Markdown table; intervals are 95 % of the mean over an agent's sessions."""
    head = ["agent", *(f"gain at {mark} runs" for mark in marks), "gain", "verified gain", "runs", "hours", "cost"]
    shown = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    for row in rows:
        cells = [
            row.agent,
            *(row.at[mark].words(unit=" %") for mark in marks),
            row.end.words(unit=" %"),
            row.verified.words(unit=" %"),
            row.runs.words("{:.0f}"),
            row.hours.words(),
            row.cost.words(unit=" USD"),
        ]
        shown.append(f"| {' | '.join(cells)} |")
    return shown


def chart(rows: Sequence[Row], metric: str) -> str:
    """Gain against runs, one line for each agent: an SVG that stands alone."""
    series = [(row.agent, [(float(at), gain) for at, gain in enumerate(row.trajectory)]) for row in rows]
    return lines(f"{metric}: agents compared", "runs", f"gain in {metric}, percent of the start", series, "light")
