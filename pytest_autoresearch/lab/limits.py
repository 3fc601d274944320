"""Which limits a candidate breaks: secondary metrics against fixed bounds or the baseline, run time against the budget.

Pure. Several runs are compared by their medians.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from statistics import median, stdev

from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.experiment import Measurement
from pytest_autoresearch.protocol.model import Limit

TOLERANCE = 1.02  # a run time over its allowance by less than this is the clock's noise
SHORTEST_BUDGET = 1.0  # s
SPREADS = 5.0  # standard deviations of the baseline's run times
TIME_LIMIT = " s it may take"  # how the words end where it is time that ran out
ALLOWANCE = 1.1  # of the incumbent's run time, where that is longer than the budget

_MORE_IS_BETTER = regex(
    r"acc|accuracy|throughput|score|f1|auc|auroc|recall|precision|r2|bleu|rouge|mfu|coverage|reward|speedup|qps|rps|fps"
    r"|ips|tps|ops|bandwidth|hits?|passed|per_(?:sec|second|s)"
)


def broken_limit(
    limits: Sequence[Limit], candidate: Sequence[Measurement], baseline: Sequence[Measurement]
) -> str | None:
    """The first limit that the candidate breaks, in words; None if all hold. A value not reported breaks its limit."""
    for limit in limits:
        level = _level(candidate, limit.name)
        if level is None:
            return f"{limit.name} was not reported"
        if limit.at_most is not None and level > limit.at_most:
            return f"{limit.name} {level:g} is over its limit of {limit.at_most:g}"
        if limit.at_least is not None and level < limit.at_least:
            return f"{limit.name} {level:g} is under its limit of {limit.at_least:g}"
        if limit.max_regression is not None:
            start = _level(baseline, limit.name)
            loss = 0.0 if start is None else _regression(limit, start, level)
            if loss > limit.max_regression:
                return (
                    f"{limit.name} went from {start:g} to {level:g}, which is {100 * loss:.3g}% worse; "
                    f"{100 * limit.max_regression:.3g}% is allowed"
                )
    return None


def unreported(limits: Sequence[Limit], baseline: Sequence[Measurement]) -> str | None:
    """Why a session can not begin: a limit on a number that the baseline itself does not report, with the nearest."""
    for limit in limits:
        if _level(baseline, limit.name) is not None:
            continue
        reported = sorted({name for run in baseline for name in run.secondary})
        spelt = [name for name in reported if name.casefold() == limit.name.casefold()]
        near = spelt or difflib.get_close_matches(limit.name, reported, n=1, cutoff=0.5)
        there = ", ".join(f"`{name}`" for name in reported) or "none at all"
        meant = f"; did you mean `{near[0]}`?" if near else ""
        return (
            f"the baseline does not report `{limit.name}`, which has a limit: every improvement would break it{meant}\n"
            f"  its runs report {there}; print `{limit.name}: <number>`, or change `limits`"
        )
    return None


def measured_budget(durations: Sequence[float]) -> float:
    """Seconds for a run where the protocol says none: twice the baseline's median, at least 1 s and 5 of its spreads.

    The clock's noise on a run of 50 ms is no reason to lose a candidate.
    """
    spread = stdev(durations) if len(durations) > 1 else 0.0
    return max(2 * median(durations), SHORTEST_BUDGET, median(durations) + SPREADS * spread)


def over_budget(candidate: Sequence[Measurement], incumbent: Sequence[Measurement], budget: float) -> str | None:
    """How the candidate's median run time exceeds the budget and 1.1 x the incumbent's, in words, if it does."""
    if not candidate:
        return None
    took = median(run.duration for run in candidate)
    beside = median(run.duration for run in incumbent) if incumbent else 0.0
    allowed = max(budget, ALLOWANCE * beside)
    if took <= allowed * TOLERANCE:
        return None
    what = "a run" if len(candidate) == 1 else f"the median of {len(candidate)} runs"
    return f"{what} took {took:.4g} s of the {allowed:.4g}{TIME_LIMIT}"


def _level(runs: Sequence[Measurement], name: str) -> float | None:
    values = [run.secondary[name] for run in runs if name in run.secondary]
    return median(values) if values else None


def _regression(limit: Limit, start: float, level: float) -> float:
    """How far ``level`` is on the wrong side of ``start``, as a fraction of it.

    More is worse unless ``at_least`` or the name says otherwise.
    """
    loss = start - level if _more_is_better(limit) else level - start
    if loss <= 0:
        return 0.0
    return loss / abs(start) if start else float("inf")


def _more_is_better(limit: Limit) -> bool:
    if limit.at_least is not None or limit.at_most is not None:
        return limit.at_least is not None
    return bool(re.search(rf"(?:^|[^a-z0-9])(?:{_MORE_IS_BETTER.pattern})(?:$|[^a-z0-9])", limit.name.lower()))
