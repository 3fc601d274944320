"""What a history says, in a few lines: keeps, near misses, failures by cause, and a table that fits its room.

Pure, and linear in the history. Numbers of hidden measurements are never looked at.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from functools import lru_cache
from operator import itemgetter

from pytest_autoresearch.protocol.experiment import Experiment, Reason, Role
from pytest_autoresearch.protocol.model import Direction
from pytest_autoresearch.text import one_line

STUCK = 5  # experiments without a keep after which more of the same is not asked for
VERY_STUCK = 15
RECENT = 40  # the newest rows come before older ones when room is short

_MEASURED = frozenset(
    {
        *(Reason.WORSE, Reason.NOISE, Reason.EQUAL, Reason.LIMIT, Reason.GUARD, Reason.HOLDOUT),
        Reason.SUSPICIOUS,
    }
)
_UNREMARKABLE = frozenset({Reason.IMPROVED, Reason.SIMPLER, Reason.WORSE, Reason.NOISE, Reason.EQUAL, Reason.PROBE})


def since_keep(history: Sequence[Experiment]) -> int:
    """Experiments after the last keep (or after the baseline), but for probes, which could not be kept."""
    barren = 0
    for experiment in reversed(history):
        if experiment.kept:
            break
        barren += experiment.reason is not Reason.PROBE
    return barren


def best_and_latest_keeps(history: Sequence[Experiment], direction: Direction) -> list[Experiment]:
    """The two latest keeps and the one that gained most, newest first, at most three."""
    keeps = [e for e in history if e.kept and e.number > 0]
    chosen = {e.number: e for e in keeps[-2:]}
    if keeps:
        best = max(keeps, key=lambda e: _change(e, direction) or 0.0)
        chosen[best.number] = best
    return [chosen[number] for number in sorted(chosen, reverse=True)]


def near_misses(history: Sequence[Experiment], direction: Direction) -> list[Experiment]:
    """The three measured discards that came closest to the incumbent of their time, the best first."""
    sign, best = direction.gain(0.0, 1.0), list[tuple[float, int, Experiment]]()
    for e in history:
        if e.value is None or e.against is None:
            continue
        gain = sign * (e.value - e.against)
        if (len(best) < 3 or (gain, e.number) > best[0][:2]) and e.reason in _MEASURED:
            best = sorted([*best, (gain, e.number, e)], key=itemgetter(0, 1))[-3:]
    return [e for _, _, e in reversed(best)]


def failures_by_cause(history: Sequence[Experiment]) -> list[str]:
    """One line per reason that is more than a number: how often, and the newest two in words."""
    causes: dict[Reason, list[Experiment]] = defaultdict(list)
    for experiment in reversed(history):
        if experiment.reason not in _UNREMARKABLE:
            causes[experiment.reason].append(experiment)
    lines = []
    for reason, experiments in sorted(causes.items(), key=lambda item: (-len(item[1]), item[0].value)):
        words = list(dict.fromkeys(w for e in experiments[:20] if (w := detail(e, 110))))[:2]
        lines.append(f"- {reason.value} × {len(experiments)}" + (f": {'; '.join(words)}" if words else ""))
    return lines


def last_failed_run(history: Sequence[Experiment]) -> tuple[Experiment, str] | None:
    """The newest of the last ten experiments whose run left the end of a log, and that end."""
    for experiment in reversed(history[-10:]):
        for measurement in experiment.measurements:
            if measurement.failure is not None and measurement.log_tail and measurement.role is Role.CANDIDATE:
                return experiment, measurement.log_tail
    return None


def explain(experiment: Experiment, direction: Direction) -> str:
    """One experiment in one line, with what was said of it."""
    told = detail(experiment, 200)
    return _row(experiment, direction, 160) + (f" [{told}]" if told else "")


def detail(experiment: Experiment, limit: int) -> str:
    """What was said of a verdict; of a hidden measurement only that it decided."""
    if experiment.reason is Reason.HOLDOUT:
        return "a check that you can not see did not confirm it"
    return one_line(experiment.detail, limit)


def table(history: Sequence[Experiment], direction: Direction, room: int, close: Sequence[Experiment]) -> str:
    """Everything tried in at most ``room`` bytes, newest first; ``close`` are the :func:`near_misses`.

    When room is short the newest, the keeps and the near misses keep their rows, then as many others as fit, in fewer
    words; the rest is counted by reason.
    """
    tried = [e for e in history if e.number > 0]
    room -= 200  # for the line that counts what is left out
    shown: dict[int, str] = {}
    for experiment, words in _by_importance(tried, close):
        row = _row(experiment, direction, words)
        room -= len(row.encode()) + 1
        if room < 0:
            break
        shown[experiment.number] = row
    lines = [shown[number] for number in sorted(shown, reverse=True)]
    counts = Counter(e.reason for e in tried if e.number not in shown)
    if counts:
        left_out = sorted(counts.items(), key=lambda item: (-item[1], item[0].value))[:8]
        told = ", ".join(f"{count} {reason.value}" for reason, count in left_out)
        lines.append(f"(and {sum(counts.values())} older ones without a row: {told})")
    return "\n".join(lines)


def number_text(value: float) -> str:
    """A metric as people write it: six significant digits."""
    return f"{value:.6g}"


def _by_importance(tried: Sequence[Experiment], close: Sequence[Experiment]) -> Iterator[tuple[Experiment, int]]:
    """Each experiment once with the characters its words may take: the newest, keeps and near misses, the others."""
    newest, older = tried[-RECENT:], tried[:-RECENT]
    marked = {e.number for e in older if e.kept} | {e.number for e in close}
    yield from ((e, 90) for e in reversed(newest))
    yield from ((e, 90) for e in reversed(older) if e.number in marked)
    yield from ((e, 50) for e in reversed(older) if e.number not in marked)


def _row(experiment: Experiment, direction: Direction, limit: int) -> str:
    verdict = "KEEP" if experiment.kept else experiment.reason.value
    change = _change(experiment, direction)
    return _told(experiment.number, verdict, experiment.value, change, experiment.description, limit)


@lru_cache(maxsize=4096)
def _told(number: int, verdict: str, value: float | None, change: float | None, description: str, limit: int) -> str:
    """A row of the table. The same ones are told turn after turn."""
    cells = [f"{number:04d}", verdict]
    if value is not None:
        cells.append(number_text(value))
        if change is not None:
            cells.append(f"({abs(change):.3g} {'better' if change > 0 else 'worse'})" if change else "(equal)")
    cells.append(one_line(description, limit) or "(no description)")
    return "  ".join(cells)


def _change(experiment: Experiment, direction: Direction) -> float | None:
    """Gain over the incumbent it was judged against, in metric units; positive is better."""
    if experiment.value is None or experiment.against is None:
        return None
    return direction.gain(experiment.against, experiment.value)
