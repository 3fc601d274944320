"""What a history says, in a few lines: keeps, near misses, failures by cause, and a table that fits its room.

Pure. A history is taken in experiment by experiment, so that a turn costs what is new in it and what it shows.
Numbers of hidden measurements are never looked at.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import replace
from operator import itemgetter

from pytest_autoresearch.protocol.experiment import Experiment, Reason, Role
from pytest_autoresearch.protocol.model import Direction
from pytest_autoresearch.text import one_line

STUCK = 5  # experiments without a keep after which more of the same is not asked for
VERY_STUCK = 15
MOST_ROWS = 1_000  # that are known by heart; a briefing has room for some three hundred
RECENT = 40  # the newest rows come before older ones when room is short

_MEASURED = frozenset(
    {
        *(Reason.WORSE, Reason.NOISE, Reason.EQUAL, Reason.LIMIT, Reason.GUARD, Reason.HOLDOUT),
        Reason.SUSPICIOUS,
    }
)
_UNREMARKABLE = frozenset({Reason.IMPROVED, Reason.SIMPLER, Reason.WORSE, Reason.NOISE, Reason.EQUAL, Reason.PROBE})


class Digest:
    """A history as a briefing needs it: take in what it has become with :meth:`read` before anything is asked.

    ``kept`` are all keeps and the baseline, ``keeps`` those that an agent proposed; ``lost`` are refuted and ``told``
    all experiments with a hypothesis, ``proven`` the keeps among them; ``hidden`` were discarded for noise. ``close``
    are the three measured discards that came closest to the incumbent of their time, the best first; ``barren`` counts
    the experiments after the last keep (or the baseline), but for probes, which could not be kept.
    """

    def __init__(self, direction: Direction) -> None:
        self.direction = direction
        self._seen: tuple[Experiment, ...] = ()
        self._forget()

    def _forget(self) -> None:
        self.kept: list[Experiment] = []
        self.keeps: list[Experiment] = []
        self.tried: list[Experiment] = []
        self.proven: list[Experiment] = []
        self.lost: list[Experiment] = []
        self.told: list[Experiment] = []
        self.hidden: list[Experiment] = []
        self.barren = 0
        self.causes: dict[Reason, list[Experiment]] = defaultdict(list)
        self.counts: Counter[Reason] = Counter()
        self._closest: list[tuple[float, int, Experiment]] = []
        self._places: dict[int, int] = {}
        self._rows: dict[tuple[int, int], tuple[str, int]] = {}

    @property
    def close(self) -> list[Experiment]:
        """The near misses."""
        return [e for _, _, e in reversed(self._closest)]

    def read(self, history: Sequence[Experiment]) -> Digest:
        """Itself, with all of ``history`` and nothing else: what was rewritten is forgotten."""
        now, known = tuple(history), self._seen
        if known and not _goes_on(now, known):
            self._forget()
            known = ()
        for experiment in now[len(known) :]:
            self._take(_slim(experiment))
        self._seen = now
        return self

    def _take(self, e: Experiment) -> None:
        if e.kept:
            self.kept.append(e)
            self.barren = 0
        else:
            self.barren += e.reason is not Reason.PROBE
        if e.number > 0:
            self._places[e.number] = len(self.tried)
            self.tried.append(e)
            self.counts[e.reason] += 1
            self.keeps += [e] if e.kept else []
            if e.hypothesis and not e.hypothesis.isspace():
                self.told.append(e)
                self.proven += [e] if e.kept else []
                self.lost += [e] if e.reason in (Reason.WORSE, Reason.EQUAL) else []
        if e.reason in (Reason.NOISE, Reason.UNPROVEN):
            self.hidden.append(e)
        if e.reason not in _UNREMARKABLE:
            self.causes[e.reason].append(e)
        if e.value is not None and e.against is not None and e.reason in _MEASURED:
            gain = self.direction.gain(0.0, 1.0) * (e.value - e.against)
            # Of equals the first: the same ones turn after turn, whose diffs are known.
            self._closest = sorted([*self._closest, (gain, -e.number, e)], key=itemgetter(0, 1))[-3:]

    def row(self, experiment: Experiment, words: int) -> tuple[str, int]:
        """A row of the table and its bytes: the same ones are told turn after turn."""
        key = experiment.number, words
        if key not in self._rows:
            if len(self._rows) > MOST_ROWS:
                self._rows.clear()
            text = _row(experiment, self.direction, words)
            self._rows[key] = text, len(text.encode())
        return self._rows[key]

    def by_importance(self) -> Iterator[tuple[Experiment, int]]:
        """Each once with the characters its words may take: the newest, keeps and near misses, the others."""
        older = max(0, len(self.tried) - RECENT)
        marked = {place for e in (*self.keeps, *self.close) if (place := self._places.get(e.number, older)) < older}
        yield from ((e, 90) for e in reversed(self.tried[older:]))
        yield from ((self.tried[place], 90) for place in sorted(marked, reverse=True))
        yield from ((self.tried[place], 50) for place in reversed(range(older)) if place not in marked)


def _goes_on(now: tuple[Experiment, ...], known: tuple[Experiment, ...]) -> bool:
    """Whether a history begins with another, whose last experiment may have had the judge's state: now a later has."""
    last = len(known) - 1
    return len(now) > last and now[:last] == known[:last] and _slim(now[last]) == _slim(known[last])


def _slim(experiment: Experiment) -> Experiment:
    """Without the judge's state, which no briefing tells: a night's worth of them is megabytes."""
    return replace(experiment, judge={}) if experiment.judge else experiment


def best_and_latest_keeps(digest: Digest) -> list[Experiment]:
    """The two latest keeps and the one that gained most, newest first, at most three."""
    chosen = {e.number: e for e in digest.keeps[-2:]}
    if digest.keeps:
        best = max(digest.keeps, key=lambda e: _change(e, digest.direction) or 0.0)
        chosen[best.number] = best
    return [chosen[number] for number in sorted(chosen, reverse=True)]


def failures_by_cause(digest: Digest) -> list[str]:
    """One line per reason that is more than a number: how often, and the newest two in words."""
    lines = []
    for reason, experiments in sorted(digest.causes.items(), key=lambda item: (-len(item[1]), item[0].value)):
        newest = reversed(experiments[-20:])
        words = list(dict.fromkeys(w for e in newest if (w := detail(e, 110))))[:2]
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


def table(digest: Digest, room: int) -> str:
    """Everything tried in at most ``room`` bytes, newest first.

    When room is short the newest, the keeps and the near misses keep their rows, then as many others as fit, in fewer
    words; the rest is counted by reason.
    """
    room -= 200  # for the line that counts what is left out
    shown: dict[int, str] = {}
    counts = Counter(digest.counts)
    for experiment, words in digest.by_importance():
        row, size = digest.row(experiment, words)
        room -= size + 1
        if room < 0:
            break
        shown[experiment.number] = row
        counts[experiment.reason] -= 1
    lines = [shown[number] for number in sorted(shown, reverse=True)]
    if counts := +counts:
        left_out = sorted(counts.items(), key=lambda item: (-item[1], item[0].value))[:8]
        told = ", ".join(f"{count} {reason.value}" for reason, count in left_out)
        lines.append(f"(and {counts.total()} older ones without a row: {told})")
    return "\n".join(lines)


def number_text(value: float) -> str:
    """A metric as people write it: six significant digits."""
    return f"{value:.6g}"


def _row(experiment: Experiment, direction: Direction, limit: int) -> str:
    cells = [f"{experiment.number:04d}", "KEEP" if experiment.kept else experiment.reason.value]
    if experiment.value is not None:
        cells.append(number_text(experiment.value))
        if (change := _change(experiment, direction)) is not None:
            cells.append(f"({abs(change):.3g} {'better' if change > 0 else 'worse'})" if change else "(equal)")
    cells.append(one_line(experiment.description, limit) or "(no description)")
    return "  ".join(cells)


def _change(experiment: Experiment, direction: Direction) -> float | None:
    """Gain over the incumbent it was judged against, in metric units; positive is better."""
    if experiment.value is None or experiment.against is None:
        return None
    return direction.gain(experiment.against, experiment.value)
