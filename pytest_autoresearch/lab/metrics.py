"""Reads numbers that nobody trusts: a metric from an extract command's output, or from a run's log.

Pure. A number counts only if it can mean one thing: plain ASCII, finite, alone on its line, inside the bounds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable
from dataclasses import dataclass

from pytest_autoresearch.protocol.experiment import Reason
from pytest_autoresearch.protocol.model import Metric
from pytest_autoresearch.text import clean, one_line

MOST_SECONDARY = 32

_NUMBER = re.compile(r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d{1,4})?", re.ASCII)
_ZERO = re.compile(r"[+-]?[0.]+(?:[eE].*)?", re.ASCII)
_REPORTED = re.compile(rb"(?:METRIC[ \t]+)?([A-Za-z_][\w./@%-]{0,63})[ \t]*[:=][ \t]*(\S+)")
_LINE_END = re.compile(rb"[\r\n]+")
_EXCEPTION = re.compile(r"[A-Za-z_][\w.]*(?:Error|Exception|Exit|Interrupt|Warning|Failed)\b(?::.*)?")


@dataclass(frozen=True, slots=True)
class Reading:
    """What was read. Exactly one of ``value`` and ``failure`` is set; ``detail`` says why there is no value."""

    value: float | None = None
    failure: Reason | None = None
    detail: str = ""


def parse_number(text: str) -> float | None:
    """The finite number that ``text`` is, or None: no nan, inf, hex, underscores, foreign digits, no underflow to 0."""
    if len(text) > 400 or not _NUMBER.fullmatch(text):
        return None
    value = float(text)
    if not math.isfinite(value) or (value == 0.0 and not _ZERO.fullmatch(text)):
        return None
    return value


def read_extract(output: bytes, metric: Metric) -> Reading:
    """The metric from all that an extract command printed: ``N``, ``<name>: N`` or ``<name>=N``, nothing else."""
    text = output.strip()
    if not text:
        return Reading(failure=Reason.NO_METRIC, detail="the extract command printed nothing")
    named = re.compile(re.escape(metric.name.encode()) + rb"[ \t]*[:=][ \t]*(\S+)").fullmatch(text)
    return _judge_number(named[1] if named else text, metric)


def read_log(log: bytes, metric: Metric) -> Reading:
    """The metric from the last line of a log that reports it: ``<name>: N``, ``<name>=N`` or ``METRIC <name>=N``."""
    line = re.compile(rb"(?:METRIC[ \t]+)?" + re.escape(metric.name.encode()) + rb"[ \t]*[:=][ \t]*(\S+)")
    for text in reversed(_LINE_END.split(log)):
        found = line.fullmatch(text.strip())
        if found:
            return _judge_number(found[1], metric)
    return Reading(failure=Reason.NO_METRIC, detail=f"no line '{metric.name}: <number>' in the log")


def read_secondary(log: bytes, names: Iterable[str], *, metric: str) -> dict[str, float]:
    """Other metrics that a log reports, the last line of each: all of ``names``, and a handful of others."""
    wanted = set(names)
    found: dict[str, float] = {}
    others = 0
    for text in reversed(_LINE_END.split(log)):
        reported = _REPORTED.fullmatch(text.strip())
        if not reported:
            continue
        name = reported[1].decode("ascii", "replace")
        value = parse_number(reported[2].decode("ascii", "replace"))
        if value is None or name in found or name == metric:
            continue
        if name not in wanted:
            others += 1
            if others > MOST_SECONDARY:
                continue
        found[name] = value
    return found


def telling_line(log: bytes) -> str:
    """The line of a failed run's log that tells most: its last Python exception, else its last words."""
    lines = [line for text in _LINE_END.split(log[-65536:]) if (line := one_line(text))]
    exception = next((line for line in reversed(lines) if _EXCEPTION.fullmatch(line)), None)
    return exception or (lines[-1] if lines else "")


def tail(log: bytes, lines: int = 20) -> str:
    """The end of a log for people, without terminal sequences."""
    last = [line.expandtabs().rstrip() for line in clean(log[-16384:]).split("\n")]
    return "\n".join(line[:500] for line in [line for line in last if line][-lines:])


def _judge_number(text: bytes, metric: Metric) -> Reading:
    shown = one_line(text)
    value = parse_number(text.decode("ascii", "replace"))
    if value is None:
        what = f"{shown!r} is not one finite number"
        return Reading(failure=Reason.BAD_METRIC, detail=f"{metric.name}: {what}")
    low, high = metric.bounds
    below_zero = math.copysign(1.0, value) < 0 and low is not None and low >= 0  # "-0.0" is a rounded negative
    if below_zero or (low is not None and value < low) or (high is not None and value > high):
        bounds = f"{'' if low is None else f'{low:g}'}..{'' if high is None else f'{high:g}'}"
        return Reading(failure=Reason.BAD_METRIC, detail=f"{metric.name}: {shown} is outside the bounds {bounds}")
    return Reading(value=value + 0.0)  # -0.0 + 0.0 is 0.0
