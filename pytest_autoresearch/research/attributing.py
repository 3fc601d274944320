"""What each keep is worth by itself: heads that have half of the keeps, in a design that tells all of them apart."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timezone

from pytest_autoresearch.errors import AutoresearchError, LabError, NotebookError
from pytest_autoresearch.judge.attribution import MOST_KEEPS, ORDER, design, effects
from pytest_autoresearch.notebook.drop import composed
from pytest_autoresearch.notebook.record import Attribution, Share
from pytest_autoresearch.protocol.experiment import Experiment, FileEntry, Measurement, Role
from pytest_autoresearch.protocol.model import Direction
from pytest_autoresearch.research.session import Research

SHARE = 0.1  # of the time of a session's runs, that its end may spend on telling its keeps apart
ATTRIBUTE_SEEDS = 4_000_000  # where the seeds of these runs begin, far from those of all others


@dataclass(frozen=True)
class _Factor:
    """Keeps that are in or out together, by number; ``needed`` ones are never out."""

    keeps: tuple[int, ...]
    needed: bool = False


def is_worth_it(research: Research) -> bool:
    """Whether the protocol asks for it, there are keeps to tell apart that were not yet, and it costs little."""
    history = research.notebook.history
    if not research.protocol.attribute or len(history.keeps) < 2 or not research.judge.standing.noisy:
        return False
    if any(each.head == research.incumbent.commit for each in history.attributions):
        return False
    lasted = [m.duration for e in history.experiments for m in e.measurements]
    return ORDER * statistics.median(lasted) <= SHARE * sum(lasted)


def attribute_at_the_end(research: Research) -> None:
    """What ``attribute: auto`` asks for; where it fails that is said, and the session has ended well all the same."""
    if is_worth_it(research):
        try:
            attribute(research)
        except AutoresearchError as error:
            research.watch.remark(f"the keeps could not be told apart: {error}")


def attribute(research: Research, *, fold_over: bool = False) -> Attribution:
    """Measure each keep's own effect by 32 runs (64 with ``fold_over``) of the head, and record it. Moves nothing.

    Keeps that do not come apart count as one, and so do the oldest where there are more than the design can tell apart.
    One without which the run fails is ``needed``. NotebookError where there is no keep, LabError where the head fails.
    """
    keeps = research.notebook.history.keeps
    if not keeps:
        raise NotebookError(f"{research.parts.session.tag} has no keep yet, so there is nothing to attribute")
    bench = _Bench(research, keeps)
    factors = list(_apart(bench, [_Factor((keep.number,)) for keep in keeps]))
    while True:
        free = [factor for factor in factors if not factor.needed]
        rows = design(len(free), fold_over=fold_over) if free else ()
        together = bench.conflict(free, rows)
        if together is not None:
            factors = _joined(factors, together)
            continue
        runs, failed = _measured(bench, free, rows)
        if failed is None:
            break
        factors = _without_which_it_fails(bench, factors, free, rows[failed])
    attribution = Attribution(
        head=research.incumbent.commit,
        shares=_shares(research, factors, free, rows, runs),
        runs=tuple(runs),
        when=datetime.now(timezone.utc),
        isolation=research.lab.isolation,
    )
    research.notebook.attribution(attribution)
    return attribution


class _Bench:
    """Makes and runs heads in which some keeps are out."""

    def __init__(self, research: Research, keeps: Sequence[Experiment]) -> None:
        self._research, self._keeps, self._index = research, keeps, 0
        self._git = research.parts.git
        self._trees: dict[frozenset[int], str | tuple[int, int]] = {}

    def conflict(self, factors: Sequence[_Factor], rows: Sequence[Sequence[bool]]) -> tuple[int, int] | None:
        """Two keeps of different factors that do not come apart in these rows, None where all do."""
        found = (self._tree(_out(factors, row)) for row in rows)
        return next((pair for pair in found if isinstance(pair, tuple)), None)

    def run(self, out: frozenset[int], note: str) -> Measurement:
        """One run of the head without these keeps."""
        research, number = self._research, self._research.next_number
        research.phase(number, f"attribute, {note}", budget=research.runs.budget)
        tree = self._tree(out)
        assert isinstance(tree, str)
        state: Mapping[str, FileEntry] = self._git.files(tree)
        self._index += 1
        return research.runs.measure(state, Role.INCUMBENT, number, ATTRIBUTE_SEEDS + self._index)

    def _tree(self, out: frozenset[int]) -> str | tuple[int, int]:
        if out not in self._trees:
            self._trees[out] = composed(self._git, self._keeps, [keep.number not in out for keep in self._keeps])
        return self._trees[out]


def _out(factors: Sequence[_Factor], row: Sequence[bool]) -> frozenset[int]:
    return frozenset(keep for factor, held in zip(factors, row, strict=True) if not held for keep in factor.keeps)


def _apart(bench: _Bench, factors: Sequence[_Factor]) -> Sequence[_Factor]:
    """The factors, those joined that can not be taken out alone, and the oldest where there are too many."""
    alone = [[index != out for index in range(len(factors))] for out in range(len(factors))]
    while (together := bench.conflict(factors, alone)) is not None:
        factors = _joined(factors, together)
        alone = [[index != out for index in range(len(factors))] for out in range(len(factors))]
    excess = len(factors) - MOST_KEEPS
    if excess > 0:
        oldest = tuple(keep for factor in factors[: excess + 1] for keep in factor.keeps)
        factors = [_Factor(oldest), *factors[excess + 1 :]]
    return factors


def _joined(factors: Sequence[_Factor], together: tuple[int, int]) -> list[_Factor]:
    """The factors, those of two keeps as one."""
    apart = [factor for factor in factors if not set(together) & set(factor.keeps)]
    joined = [factor for factor in factors if set(together) & set(factor.keeps)]
    one = _Factor(tuple(sorted(k for factor in joined for k in factor.keeps)), any(f.needed for f in joined))
    return sorted([*apart, one], key=lambda factor: factor.keeps)


def _measured(
    bench: _Bench, factors: Sequence[_Factor], rows: Sequence[Sequence[bool]]
) -> tuple[list[Measurement], int | None]:
    """The design's runs in order, and the index of the one that failed, at which they end."""
    runs: list[Measurement] = []
    for index, row in enumerate(rows):
        runs.append(bench.run(_out(factors, row), f"run {index + 1} of {len(rows)}"))
        if runs[-1].value is None and all(row):  # the head has run before: once may be bad luck
            runs[-1] = bench.run(_out(factors, row), f"run {index + 1} of {len(rows)}, again")
        if runs[-1].value is None:
            if all(row):
                raise LabError(f"the head itself gives no metric: {runs[-1].detail}\n  run its command by hand first")
            return runs, index
    return runs, None


def _without_which_it_fails(
    bench: _Bench, factors: Sequence[_Factor], free: Sequence[_Factor], row: Sequence[bool]
) -> list[_Factor]:
    """The factors after a run without some of them failed: who fails alone is needed, else they only go together."""
    out = [factor for factor, held in zip(free, row, strict=True) if not held]
    needed = [f for f in out if bench.run(frozenset(f.keeps), "which keep is needed").value is None]
    if needed:
        return [_Factor(factor.keeps, factor.needed or factor in needed) for factor in factors]
    if len(out) == 1:  # it failed once and then did not
        return list(factors)
    joined = list(factors)
    for factor in out[1:]:
        joined = _joined(joined, (out[0].keeps[0], factor.keeps[0]))
    return joined


def _shares(
    research: Research,
    factors: Sequence[_Factor],
    free: Sequence[_Factor],
    rows: Sequence[Sequence[bool]],
    runs: Sequence[Measurement],
) -> tuple[Share, ...]:
    standing, metric = research.judge.standing, research.protocol.metric
    values = [run.value for run in runs if run.value is not None]
    found: Iterator[Share] = iter(())
    if free:
        sign = -1.0 if metric.direction is Direction.LOWER else 1.0
        level = sum(values) / len(values)
        spread = standing.spread
        told = effects(rows, [sign * value for value in values], spread.variance(level), spread.freedom)
        found = (
            Share(factor.keeps, effect.gain, effect.interval, proven=effect.is_certain)
            for factor, effect in zip(free, told, strict=True)
        )
    needed = (Share(factor.keeps, needed=True) for factor in factors if factor.needed)
    return tuple(sorted([*found, *needed], key=lambda share: share.keeps))
