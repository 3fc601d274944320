"""What a session has really gained: the start against the head, interleaved, on fresh runs that selected nothing."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from typing import TYPE_CHECKING

from pytest_autoresearch.judge.statistics import t_quantile
from pytest_autoresearch.notebook.record import Verification
from pytest_autoresearch.protocol.experiment import FileEntry, Measurement, Role
from pytest_autoresearch.protocol.model import Direction

if TYPE_CHECKING:
    from pytest_autoresearch.research.loop import Research

VERIFY_SEEDS = 1_000_000  # where the seeds of these runs begin, far from those of the experiments
PAIRS = 5  # of runs on a noisy metric; with the session's pooled variance more narrow the interval little
ROUNDING = 1e-12  # relative; a recorded level is a mean


def is_verified(research: Research) -> bool:
    """Whether the newest verification gave a gain, and of the head as it is; or there is nothing to verify."""
    newest = research.notebook.history.verifications[-1:]
    found = any(v.head == research.incumbent.commit and v.gain is not None for v in newest)
    return found or not research.notebook.history.keeps


def verify(research: Research, pairs: int | None = None) -> Verification:
    """Measure start and head ``pairs`` times each in turn (ABBA), from their commits, and record what came out.

    Unless told otherwise, one pair is enough where it repeats what the session has recorded; what does not is noise,
    whatever the judge took it for. A run that fails is the last one, and makes the gain None.
    """
    noise = research.judge.state()
    number = research.next_number  # a state that does well under the number it was kept with, and no other, is seen
    states = {"start": research.drafts.start, "head": research.drafts.incumbent}
    runs: dict[str, list[Measurement]] = {"start": [], "head": []}
    for index in range(2 * (pairs or PAIRS)):
        if pairs is None and index == 2 and not noise.noisy and _repeats(research, runs):
            break
        name = ("start", "head", "head", "start")[index % 4]
        research.watch.phase(number, f"verify, {name}", budget=research.budget)
        runs[name].append(_fresh_run(research, states[name], number, index))
        if runs[name][-1].value is None:
            break
    start, head = ([measured.value for measured in runs[name]] for name in states)
    gain, interval = compared(research.protocol.metric.direction, start, head, (noise.squares, noise.freedom))
    verification = Verification(
        start=research.parts.session.start,
        head=research.incumbent.commit,
        start_runs=tuple(runs["start"]),
        head_runs=tuple(runs["head"]),
        gain=gain,
        interval=interval,
        when=datetime.now(timezone.utc),
        isolation=research.lab.isolation,
    )
    research.notebook.verification(verification)
    return verification


def compared(
    direction: Direction,
    start: Sequence[float | None],
    head: Sequence[float | None],
    pooled: tuple[float, int] = (0.0, 0),
    tail: float = 0.025,
) -> tuple[float | None, tuple[float, float] | None]:
    """The gain of the means in metric units, positive is better, and its interval (None on one pair of runs).

    The two-sample t interval with the variance pooled over these runs and the session's (``pooled``: sum of squared
    residuals, degrees of freedom). It leaves out ``tail`` on either side.
    """
    before = [value for value in start if value is not None]
    after = [value for value in head if value is not None]
    if len(before) < len(start) or len(after) < len(head):
        return None, None
    gain = direction.gain(statistics.fmean(before), statistics.fmean(after))
    freedom = pooled[1] + len(before) + len(after) - 2
    squares = pooled[0] + sum(_squares(values) for values in (before, after))
    if freedom < 1 or len(before) < 2:
        return gain, None
    half = t_quantile(1 - tail, freedom) * math.sqrt(squares / freedom * (1 / len(before) + 1 / len(after)))
    return gain, (gain - half, gain + half)


def _repeats(research: Research, runs: Mapping[str, Sequence[Measurement]]) -> bool:
    """Whether the first run of start and head gave the numbers that the session has recorded for them."""
    recorded = {"start": research.history[0].value, "head": research.incumbent.value}
    pairs = [(runs[name][0].value, recorded[name]) for name in recorded]
    return all(a is not None and b is not None and math.isclose(a, b, rel_tol=ROUNDING) for a, b in pairs)


def _fresh_run(research: Research, state: Mapping[str, FileEntry], number: int, index: int) -> Measurement:
    return research.measure(state, Role.INCUMBENT, number, VERIFY_SEEDS + index)


def _squares(values: Sequence[float]) -> float:
    mean = statistics.fmean(values)
    return sum((value - mean) ** 2 for value in values)
