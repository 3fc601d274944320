"""Reads numbers that nobody trusts: a metric from an extract command's output, or from a run's log.

Pure. A number counts only if it can mean one thing: plain ASCII, finite, inside the bounds. How lines are read is in
`lines`, what a number looks like in `numbers`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_autoresearch.lab.lines import find_report, lines_of
from pytest_autoresearch.lab.numbers import parse_number, unwrapped
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.experiment import Reason
from pytest_autoresearch.protocol.model import Metric
from pytest_autoresearch.text import clean, one_line, without_sequences

MOST_SECONDARY = 32

_REPORTED = regex(r"(?:METRIC[ \t]+)?([A-Za-z_][\w./@%-]{0,63})[ \t]*[:=][ \t]*(\S+)", re.ASCII)
_LINE_END = regex(rb"[\r\n]+")
_SENTENCE_END = regex(r"(?<=[0-9\])])[,;]$|(?<=\.[0-9])\.$|(?<=\.[0-9][0-9])\.$|(?<=[0-9]{3})\.$")


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read. Exactly one of ``value`` and ``failure`` is set; ``detail`` says why there is no value."""

    value: float | None = None
    failure: Reason | None = None
    detail: str = ""


def read_extract(output: bytes, metric: Metric) -> Reading:
    """The metric from all that an extract command printed: ``N``, ``<name>: N`` or ``<name>=N``, nothing else."""
    text = without_sequences(output.decode("utf-8", "replace")).strip().lstrip("\ufeff")
    if not text:
        return Reading(failure=Reason.NO_METRIC, detail="the extract command printed nothing")
    named = re.compile(re.escape(metric.name) + r"[ \t]*[:=][ \t]*(\S+)").fullmatch(text)
    return _judge_number(named[1] if named else text, metric)


def read_log(log: bytes, metric: Metric) -> Reading:
    """The metric from the last line of a log that reports it: ``<name>: N``, ``<name>=N`` or ``METRIC <name>=N`` alone.

    Where no line does, the last one that reports it among other things, in a form that can mean one thing only.
    """
    lines = lines_of(log)
    if (alone := _alone(lines, metric.name)) is not None:
        return _judge_number(alone, metric)
    report = find_report(lines, metric.name)
    if report is None:
        return Reading(failure=Reason.NO_METRIC, detail=f"no line '{metric.name}: <number>' in the log")
    if report.value is None:
        why = report.why or "is not one finite number"
        return Reading(failure=Reason.BAD_METRIC, detail=f"{metric.name}: {one_line(report.line)!r}: {why}")
    return within(report.value, one_line(repr(report.value)), metric)


def _alone(lines: Sequence[str], name: str) -> str | None:
    """What stands behind the name in the last line that holds nothing else."""
    line = re.compile(rf"(?:METRIC[ \t]+)?{re.escape(name)}[ \t]*[:=][ \t]*(\S+)")
    found = (line.fullmatch(text.strip()) for text in reversed(lines) if name in text)
    value = next((match[1] for match in found if match), None)
    return None if value is None else _SENTENCE_END.sub("", value)


def read_secondary(log: bytes, names: Iterable[str], *, metric: str) -> dict[str, float]:
    """Other metrics that a log reports, the last line of each: all of ``names``, and a handful of others."""
    lines = lines_of(log)
    found: dict[str, float] = {}
    for name in names:
        reading = read_log_lines(lines, name)
        if reading is not None and name != metric:
            found[name] = reading
    seen = {*names, metric}
    others = 0
    for text in reversed(lines):
        reported = _REPORTED.fullmatch(text.strip())
        if not reported or reported[1] in seen:
            continue
        value = parse_number(unwrapped(reported[2]))
        if value is not None:
            seen.add(reported[1])
            others += 1
            if others <= MOST_SECONDARY:
                found[reported[1]] = value
    return found


def read_log_lines(lines: Sequence[str], name: str) -> float | None:
    """The number that the last line about ``name`` reports; None where there is none that can mean one thing."""
    alone = _alone(lines, name)
    if alone is not None:
        return parse_number(unwrapped(alone))
    report = find_report(lines, name)
    return None if report is None else report.value


def signed(log: bytes, word: str) -> bytes:
    """The lines of a log that end with a word that only their author knew, without it."""
    mark = b" " + word.encode()
    lines = (line.rstrip() for line in _LINE_END.split(log))
    return b"\n".join(line.removesuffix(mark) for line in lines if line.endswith(mark))


def tail(log: bytes, lines: int = 20) -> str:
    """The end of a log for people, without terminal sequences."""
    last = [line.expandtabs().rstrip() for line in clean(log[-16384:]).split("\n")]
    return "\n".join(line[:500] for line in [line for line in last if line][-lines:])


def _judge_number(text: str, metric: Metric) -> Reading:
    shown = one_line(text)
    value = parse_number(unwrapped(text))
    if value is None:
        what = f"{shown!r} is not one finite number"
        return Reading(failure=Reason.BAD_METRIC, detail=f"{metric.name}: {what}")
    return within(value, shown, metric)


def within(value: float, shown: str, metric: Metric) -> Reading:
    """A number as the metric's value, if it lies inside the bounds; ``shown`` is how it was written."""
    low, high = metric.bounds
    below_zero = math.copysign(1.0, value) < 0 and low is not None and low >= 0  # "-0.0" is a rounded negative
    if below_zero or (low is not None and value < low) or (high is not None and value > high):
        bounds = f"{'' if low is None else f'{low:g}'}..{'' if high is None else f'{high:g}'}"
        return Reading(failure=Reason.BAD_METRIC, detail=f"{metric.name}: {shown} is outside the bounds {bounds}")
    return Reading(value=value + 0.0)  # -0.0 + 0.0 is 0.0
