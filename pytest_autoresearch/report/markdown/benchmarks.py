"""A pull request's benchmarks, base against head: as a file, and as a comment. Pure.

The file comes from a job that ran the pull request's code: nothing in it is believed but numbers and names.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from typing import Any

from pytest_autoresearch.errors import PublishError
from pytest_autoresearch.judge.pairs import Compared, Outcome
from pytest_autoresearch.report.figures import count, number, seconds
from pytest_autoresearch.report.markdown.escaping import words

MOST_ROWS = 200
_SYMBOLS = {Outcome.BETTER: "🟢", Outcome.WORSE: "🔴", Outcome.SAME: "⚪", Outcome.FAILED: "❌", Outcome.SKIPPED: "▫️"}


@dataclass(frozen=True, slots=True)
class Benchmark:
    """One marked test: its name, its metric, and what came out."""

    name: str
    metric: str
    direction: str
    result: Compared


@dataclass(frozen=True, slots=True)
class Comparison:
    """All benchmarks of a pull request. ``alpha`` holds for all of them together; seconds for ``duration``."""

    base: str
    head: str
    alpha: float
    duration: float
    isolation: str
    benchmarks: tuple[Benchmark, ...]


def to_json(comparison: Comparison) -> str:
    """As a file that :func:`read` understands."""
    return json.dumps(asdict(comparison), indent=1)


def read(text: str) -> Comparison:
    """What such a file says; PublishError for one that is none."""
    try:
        told = json.loads(text)
        base, head, isolation = (str(told[name])[:64] for name in ("base", "head", "isolation"))
        found = tuple(_benchmark(each) for each in told["benchmarks"][:MOST_ROWS])
        return Comparison(base, head, _finite(told["alpha"]), _finite(told["duration"]), isolation, found)
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise PublishError(f"no comparison of benchmarks: {type(error).__name__}\n  write it with --output") from None


def headline(comparison: Comparison) -> str:
    """How many of each, the worst first."""
    order = (Outcome.FAILED, Outcome.WORSE, Outcome.BETTER, Outcome.SAME, Outcome.SKIPPED)
    outcomes = [each.result.outcome for each in comparison.benchmarks]
    said = [f"{outcomes.count(outcome)} {outcome.value}" for outcome in order if outcome in outcomes]
    return ", ".join(said) or "no benchmark was touched"


def markdown(comparison: Comparison) -> str:
    """The comment."""
    return "\n".join(_lines(comparison)) + "\n"


def _lines(comparison: Comparison) -> Iterator[str]:
    yield f"**Benchmarks: {words(headline(comparison))}**"
    yield ""
    if comparison.benchmarks:
        yield "| | benchmark | base | head | change | interval | would have been found | pairs |"
        yield "|---|---|--:|--:|--:|---|--:|--:|"
        order = list(_SYMBOLS)
        order.sort(key=lambda outcome: outcome not in (Outcome.WORSE, Outcome.FAILED))
        rows = sorted(comparison.benchmarks, key=lambda each: order.index(each.result.outcome))
        yield from map(_row, rows)
        yield ""
    told = f"Base `{comparison.base[:12]}` and head `{comparison.head[:12]}` were run in turn on one machine"
    yield (
        f"{told} ({words(comparison.isolation)}) for {seconds(comparison.duration)}. The intervals hold together: "
        f"a pull request that changes nothing gets any verdict in {100 * comparison.alpha:g} % of cases at most. "
        "*Would have been found*: a change of that size gets a verdict in 80 % of cases."
    )


def _row(each: Benchmark) -> str:
    result = each.result
    shown = f"{_SYMBOLS[result.outcome]} {result.outcome.value}"
    metric = f"{words(each.name, 120)} ({words(each.metric, 40)}, {words(each.direction, 10)} is better)"
    if result.change is None:
        cells = (shown, metric, words(number(result.base)), words(number(result.head)), "", words(result.why), "", "")
        return f"| {' | '.join(cells)} |"
    ends = "" if result.interval is None else f"{_percent(result.interval[0])} to {_percent(result.interval[1])}"
    least = "" if result.detectable is None else f"{100 * result.detectable:.2g} %"
    cells = (
        *(shown, metric, words(number(result.base)), words(number(result.head))),
        *(words(_percent(result.change)), words(ends), words(least), str(result.pairs)),
    )
    return f"| {' | '.join(cells)} |"


def _percent(share: float) -> str:
    return f"{100 * share:+.2f} %"


def _benchmark(told: Any) -> Benchmark:
    result = told["result"]
    numbers = {name: _optional(result.get(name)) for name in ("base", "head", "change", "detectable")}
    interval = result.get("interval")
    name, metric, direction = (str(told[key])[:200] for key in ("name", "metric", "direction"))
    return Benchmark(
        *(name, metric, direction),
        result=Compared(
            Outcome(result["outcome"]),
            int(result["pairs"]),
            interval=None if interval is None else (_finite(interval[0]), _finite(interval[1])),
            why=str(result.get("why", ""))[:200],
            **numbers,
        ),
    )


def _optional(value: Any) -> float | None:
    return None if value is None else _finite(value)


def _finite(value: Any) -> float:
    found = float(value)
    if not math.isfinite(found):
        raise ValueError("no number")
    return found


def summary_line(comparison: Comparison) -> str:
    """For a terminal."""
    return f"{count(len(comparison.benchmarks), 'benchmark')}: {headline(comparison)}"
