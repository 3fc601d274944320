"""What a history teaches beyond its rows: runs in numbers, hypotheses and their fate, what noise hides, other sessions.

Pure. Whatever a run or an agent said is quoted as data; hidden measurements are never
looked at.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pytest_autoresearch.agents.digest import Digest, detail, number_text
from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Reason, Role
from pytest_autoresearch.protocol.model import Direction, Limit, Protocol
from pytest_autoresearch.text import clean, fenced, one_line

MOST_SECONDARY = 10
MOST_HYPOTHESES = 200  # the newest; in their room fit far fewer
NOISE_FROM = 60  # experiments whose repeated runs say what the noise is now
SEEN = 1.96 + 0.84
"""Standard errors of a difference that is told from none at 5 % in four cases of five."""
QUOTED = 20_000  # characters of a log that are looked at

_BY_NUMBER = frozenset({Reason.IMPROVED, Reason.SIMPLER, Reason.WORSE, Reason.NOISE, Reason.EQUAL, Reason.UNPROVEN})


@dataclass(frozen=True, slots=True)
class Besides:
    """What is known beside this session's history, each a line or a paragraph that is quoted as data.

    ``under_way``: proposals that are being measured now; ``earlier``: one paragraph for each earlier session of the
    protocol; ``again``: discards whose reason is gone, with why.
    """

    under_way: Sequence[str] = ()
    earlier: Sequence[str] = ()
    again: Sequence[tuple[Experiment, str]] = ()


NOTHING = Besides()


# ── runs ──────────────────────────────────────────────────────────────────────────────────────────────────────────────


def told_runs(protocol: Protocol, history: Sequence[Experiment], digest: Digest, room: int) -> Iterator[str]:
    """The incumbent's, the best and the last run in numbers, with the end of what they printed; ``room`` bytes each."""
    for label, experiment in _speaking(history, digest):
        runs = own_runs(experiment)
        facts = [_spent(runs, protocol)]
        facts += _limits(protocol.limits, runs, own_runs(history[0]))
        limited = {limit.name for limit in protocol.limits}
        names = sorted({name for run in runs for name in run.secondary} - limited)
        others = [f"`{one_line(name, 60)}` {number_text(_level(runs, name) or 0.0)}" for name in names[:MOST_SECONDARY]]
        facts += [f"- also reported: {', '.join(others)}"] if others else []
        facts += _course(runs)
        head = f"{label}, experiment {experiment.number:04d}: {_value(experiment)}\n" + "\n".join(facts)
        said = next((run.log_tail for run in reversed(runs) if run.log_tail), "")
        left = room - len(head.encode()) - 60
        if said and left > 100:
            shown = clean(said[-QUOTED:]).encode()[-left:].decode("utf-8", "ignore")
            head += f"\n- the end of its output:\n{fenced(shown, 'text')}"
        yield head


def own_runs(experiment: Experiment) -> list[Measurement]:
    """The runs of an experiment's own state, without hidden ones."""
    mine = Role.INCUMBENT if experiment.number == 0 else Role.CANDIDATE
    return [run for run in experiment.measurements if run.role is mine]


def _speaking(history: Sequence[Experiment], digest: Digest) -> list[tuple[str, Experiment]]:
    """The incumbent, the kept state with the best number, and the newest that was run: each once."""
    kept = [e for e in digest.kept if e.value is not None]
    chosen: list[tuple[str, Experiment]] = []
    if kept:
        best = max(kept, key=lambda e: digest.direction.gain(0.0, e.value or 0.0))
        chosen += [("The best state (in your files)" if best is kept[-1] else "The state in your files", kept[-1])]
        chosen += [("The best number", best)] if best is not kept[-1] else []
    last = next((e for e in reversed(history) if own_runs(e)), None)
    if last is not None and all(last.number != e.number for _, e in chosen):
        chosen.append(("The last one that was run", last))
    return [(label, e) for label, e in chosen if own_runs(e)]


def _spent(runs: Sequence[Measurement], protocol: Protocol) -> str:
    took = statistics.median(run.duration for run in runs)
    of = f" of {protocol.budget:g} s" if protocol.budget is not None else ""
    memory = [run.peak_memory for run in runs if run.peak_memory is not None]
    peak = f"; peak memory {max(memory) / 1024**2:.4g} MiB" if memory else ""
    cpu = [run.cpu_time for run in runs if run.cpu_time is not None]
    busy = f" ({statistics.median(cpu):.3g} s of CPU)" if cpu else ""
    return f"- time {took:.3g} s{of}{busy}{peak}; {len(runs)} run{'' if len(runs) == 1 else 's'}"


def _limits(limits: Sequence[Limit], runs: Sequence[Measurement], start: Sequence[Measurement]) -> list[str]:
    lines = []
    for limit in limits[:MOST_SECONDARY]:
        value, before = _level(runs, limit.name), _level(start, limit.name)
        if value is None:
            continue
        margins = []
        if limit.at_most is not None:
            margins.append(f"limit {number_text(limit.at_most)} at most, {number_text(limit.at_most - value)} left")
        if limit.at_least is not None:
            margins.append(f"limit {number_text(limit.at_least)} at least, {number_text(value - limit.at_least)} left")
        if limit.max_regression is not None and before is not None:
            allowed = f"{100 * limit.max_regression:g} % worse than {number_text(before)} is allowed"
            margins.append(f"{allowed}, {number_text(abs(before) * limit.max_regression)}")
        lines.append(f"- `{one_line(limit.name, 60)}` {number_text(value)} ({'; '.join(margins)})")
    return lines


def _course(runs: Sequence[Measurement]) -> list[str]:
    run = next((run for run in reversed(runs) if run.curve), None)
    if run is None:
        return []
    points = " ".join(f"{value:.4g}" for value in run.curve)
    return [f"- `{one_line(run.curve_name, 60)}` while it ran, first to last: {points}"]


def _level(runs: Sequence[Measurement], name: str) -> float | None:
    values = [run.secondary[name] for run in runs if name in run.secondary]
    return statistics.median(values) if values else None


def _value(experiment: Experiment) -> str:
    return "no number" if experiment.value is None else number_text(experiment.value)


# ── hypotheses ────────────────────────────────────────────────────────────────────────────────────────────────────────


def fate(experiment: Experiment, direction: Direction) -> str:
    """What became of a hypothesis: confirmed, refuted or not decided, with the gain and its 95 % interval."""
    numbers = _gain(experiment, direction)
    bounds = gain_interval(experiment, direction)
    if experiment.kept:
        return f"{'not decided yet, kept for now' if experiment.provisional else 'confirmed'}{numbers}"
    if experiment.reason is Reason.WORSE and (bounds is None or bounds[1] <= 0):
        return f"refuted{numbers}"
    if experiment.reason is Reason.EQUAL:
        return "refuted: it changes nothing"
    if experiment.reason in _BY_NUMBER:
        return f"not decided{numbers}"
    return f"not decided: {experiment.reason.value}{numbers}"


def hypotheses(digest: Digest, room: int) -> list[str]:
    """A line for each hypothesis in at most ``room`` bytes, the newest first; two thirds are for decided ones.

    Each is the words of an earlier turn.
    """
    shown: dict[int, str] = {}
    left = 0
    for which, experiments in (("confirmed", digest.proven), ("refuted", digest.lost), ("", digest.told)):
        left += room // 3
        for experiment in reversed(experiments[-MOST_HYPOTHESES:]):
            became = fate(experiment, digest.direction)
            if experiment.number in shown or not became.startswith(which):
                continue
            line = f"- {experiment.number:04d} {became}: {one_line(experiment.hypothesis, 160)}"
            left -= len(line.encode()) + 1
            if left < 0:
                left += len(line.encode()) + 1
                break
            shown[experiment.number] = line
    return [shown[number] for number in sorted(shown, reverse=True)]


def gain_interval(experiment: Experiment, direction: Direction) -> tuple[float, float] | None:
    """The 95 % interval of the gain over what it was judged against, in metric units; None where one run decides."""
    if experiment.interval is None or experiment.against is None or experiment.interval[0] == experiment.interval[1]:
        return None
    ends = sorted(direction.gain(experiment.against, end) for end in experiment.interval)
    return ends[0], ends[1]


def _gain(experiment: Experiment, direction: Direction) -> str:
    if experiment.value is None or experiment.against is None:
        return ""
    gain = direction.gain(experiment.against, experiment.value)
    bounds = gain_interval(experiment, direction)
    around = "" if bounds is None else f", 95 %: {bounds[0]:+.3g} to {bounds[1]:+.3g}"
    return f" (gain {gain:+.3g}{around})"


# ── noise ─────────────────────────────────────────────────────────────────────────────────────────────────────────────


def spread_of_runs(history: Sequence[Experiment]) -> tuple[float, int]:
    """The standard deviation of one run, pooled over states with several, and its degrees of freedom."""
    squares, freedom = 0.0, 0
    for experiment in (*history[:1], *history[1:][-NOISE_FROM:]):
        values = [run.value for run in own_runs(experiment) if run.value is not None]
        if len(values) > 1:
            mean = sum(values) / len(values)  # the library's variance is exact, and a hundred times as slow
            squares += sum((value - mean) * (value - mean) for value in values)
            freedom += len(values) - 1
    return (math.sqrt(squares / freedom), freedom) if freedom else (0.0, 0)


def smallest_seen(spread: float, candidate: int, incumbent: int) -> float:
    """The gain that so many runs of both states tell from none at 5 % in four cases of five (normal approximation)."""
    return SEEN * spread * math.sqrt(1 / max(1, candidate) + 1 / max(1, incumbent))


def in_noise(history: Sequence[Experiment], digest: Digest) -> list[str]:
    """What was discarded as noise, how small a gain its runs could have shown, and what came close."""
    direction, hidden = digest.direction, digest.hidden
    spread, freedom = spread_of_runs(history)
    lines = []
    if spread and freedom:
        beside = len(own_runs(history[0]))
        one, ten = (smallest_seen(spread, runs, beside) for runs in (1, 10))
        lines.append(
            f"- One run tells a gain of about {one:.3g} from noise in four cases of five, ten runs one of {ten:.3g}:"
            " what you expect to gain less by is better combined with something else."
        )
    for experiment in reversed(hidden[-8:]):
        runs = len(own_runs(experiment))
        seen = f"; about {smallest_seen(spread, runs, len(own_runs(history[0]))):.3g} could have been seen"
        words = one_line(experiment.description, 70)
        lines.append(
            f"- {experiment.number:04d} {experiment.reason.value}{_gain(experiment, direction)},"
            f" {runs} run{'' if runs == 1 else 's'}{seen if spread and runs else ''}: {words}"
        )
    if len(hidden) > 8:
        lines.append(f"- and {len(hidden) - 8} more were lost in noise")
    close = ", ".join(f"{e.number:04d}{_gain(e, direction)}" for e in digest.close)
    return [*lines, f"- Near misses: {close}"] if close else lines


# ── other sessions ────────────────────────────────────────────────────────────────────────────────────────────────────


def remembered(tag: str, history: Sequence[Experiment], direction: Direction, note: str = "") -> str:
    """One paragraph on another session of the protocol: how far it came, its keeps, dead ends and lessons."""
    if not history or history[0].value is None:
        return ""
    keeps = [e for e in history if e.kept and e.number > 0]
    best = keeps[-1] if keeps else history[0]
    head = f"`{one_line(tag, 60)}`{note}: {len(history) - 1} experiments from {_value(history[0])} to {_value(best)}"
    largest = sorted(keeps, key=lambda e: -_size(e, direction))[:4]
    parts = ["; ".join(f"{one_line(e.description, 80)}{_gain(e, direction)}" for e in largest)]
    parts[0] = f"kept {len(keeps)}: {parts[0]}" if keeps else "kept nothing"
    lost = [e for e in history if not e.kept and e.reason is Reason.WORSE and e.value is not None]
    worst = sorted(lost, key=lambda e: _size(e, direction))[:4]
    if worst:
        parts.append("dead ends: " + "; ".join(one_line(e.description, 80) for e in worst))
    learned = [e for e in history if e.hypothesis and fate(e, direction).startswith(("confirmed", "refuted"))][-3:]
    if learned:
        told = (f"{one_line(e.hypothesis, 110)} ({fate(e, direction).split(' ')[0].rstrip(':')})" for e in learned)
        parts.append("lessons: " + "; ".join(told))
    return f"{head}; {'. '.join(parts)}."


def _size(experiment: Experiment, direction: Direction) -> float:
    if experiment.value is None or experiment.against is None:
        return 0.0
    return direction.gain(experiment.against, experiment.value)


def offered_again(again: Sequence[tuple[Experiment, str]]) -> list[str]:
    """Discards whose reason is gone, the newest first."""
    return [
        f"- {e.number:04d} {one_line(e.description, 120)} [{e.reason.value}: {detail(e, 100)}; {one_line(why, 120)}]"
        for e, why in reversed(again[-6:])
    ]
