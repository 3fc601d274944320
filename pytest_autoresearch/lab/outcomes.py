"""What a command that is over means: why a run gave nothing to read, and the number that an extract command printed."""

from __future__ import annotations

import signal
from collections.abc import Sequence
from dataclasses import replace

from pytest_autoresearch.lab.command import Ending, Outcome
from pytest_autoresearch.lab.job import Finished
from pytest_autoresearch.lab.metrics import Reading, read_extract, read_secondary
from pytest_autoresearch.lab.telling import telling_line
from pytest_autoresearch.protocol.experiment import Reason
from pytest_autoresearch.protocol.model import Metric, Protocol
from pytest_autoresearch.text import one_line


def reading_of(printed: Outcome, metric: Metric) -> Reading:
    """The number from an extract command that is over."""
    if printed.ending is Ending.TIMEOUT:
        words = f"the extract command did not end in {printed.duration:.4g} s"
        return Reading(failure=Reason.NO_METRIC, detail=words)
    if printed.ending is not Ending.EXITED:
        return Reading(failure=Reason.NO_METRIC, detail=f"the extract command: {one_line(printed.detail)}")
    reading = read_extract(printed.stdout, metric)
    if reading.failure is Reason.NO_METRIC and printed.stderr.strip():
        reading = replace(reading, detail=f"{reading.detail}: {telling_line(printed.stderr)}")
    return reading


def failure_of(outcome: Outcome, log: bytes, tops: Sequence[str] = ()) -> tuple[Reason, str] | None:
    """Why a command gave nothing to read, None if it ended well. Its own words count less than how it ended.

    ``tops``: where the repository's files lie for the command.
    """
    if outcome.ending is Ending.TIMEOUT:
        return Reason.TIMEOUT, f"killed after {outcome.duration:.4g} s"
    if outcome.ending is Ending.MEMORY:
        return Reason.MEMORY, one_line(outcome.detail)
    if outcome.ending is Ending.NOT_STARTED:
        return Reason.ERROR, one_line(outcome.detail)
    if outcome.exit_code == 0:
        return None
    return Reason.ERROR, _exit_words(outcome, telling_line(log, tops))


def _exit_words(outcome: Outcome, line: str) -> str:
    number = outcome.signal or ((outcome.exit_code or 0) - 128)
    try:
        how = f"killed by {signal.Signals(number).name}"
    except ValueError:
        how = f"exit status {outcome.exit_code}"
    return f"{line} ({how})" if line else how


def secondary_of(log: bytes, outcome: Outcome, protocol: Protocol) -> dict[str, float]:
    """The other numbers of a run: what its log reports, and what the harness has measured in place of its word."""
    found = read_secondary(log, [limit.name for limit in protocol.limits], metric=protocol.metric.name)
    measured = {
        "peak_mb": None if outcome.peak_memory is None else round(outcome.peak_memory / 1024**2, 3),
        **({} if "::" in protocol.source else {"duration": outcome.duration, "cpu_time": outcome.cpu_time}),
    }
    for name, value in measured.items():  # ours, whatever the log says
        asked = name == "peak_mb" or name in found or any(limit.name == name for limit in protocol.limits)
        found.pop(name, None)
        if asked and value is not None:
            found[name] = value
    found = {name: not_less_than_seen(name, value, outcome, protocol) for name, value in found.items()}
    own = {limit.name for limit in protocol.limits if limit.extract is not None}
    return {name: value for name, value in found.items() if name not in own}


def not_less_than_seen(name: str, value: float, outcome: Outcome, protocol: Protocol) -> float:
    """What a marked test's pytest measured of itself and its children.

    It is not told of those that nobody waits for: then what the supervisor has seen counts.
    """
    is_told = name == "peak_memory" and "::" in protocol.source
    return max(value, float(outcome.largest)) if is_told else value


def finished(outcome: Outcome) -> Finished:
    """How a command ended that is no measurement."""
    if outcome.ending is Ending.NOT_STARTED:
        return Finished(127, outcome.stdout, outcome.detail.encode(), timed_out=False, duration=outcome.duration)
    return Finished(
        outcome.exit_code,
        outcome.stdout,
        outcome.stderr,
        timed_out=outcome.ending is Ending.TIMEOUT,
        duration=outcome.duration,
        refused=outcome.refused,
    )
