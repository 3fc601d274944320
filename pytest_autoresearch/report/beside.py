"""Sessions beside each other: what each gained over runs, hours and dollars, and what it found alone. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate

from pytest_autoresearch.protocol.experiment import Experiment
from pytest_autoresearch.report.changes import Seen, gain_of
from pytest_autoresearch.report.figures import percent
from pytest_autoresearch.report.story import Story
from pytest_autoresearch.report.times import Times

MOST_ALONE = 8


@dataclass(frozen=True, slots=True)
class Beside:
    """One session among others. Gains in percent of its start, positive is better; hours; US dollars.

    ``runs``, ``hours`` and ``dollars`` are the sums after each experiment, ``gains`` the best kept state's then.
    ``alone`` are the keeps that changed what no keep of the others did, the largest gain first.
    """

    story: Story
    runs: tuple[float, ...]
    hours: tuple[float, ...]
    dollars: tuple[float, ...]
    gains: tuple[float, ...]
    alone: tuple[Experiment, ...]


def beside(sessions: Sequence[tuple[Story, Seen]]) -> list[Beside]:
    """Each of these sessions beside the others."""
    keys = [[_key(keep, seen) for keep in story.keeps] for story, seen in sessions]
    known = Counter(key for each in keys for key in set(each))
    return [
        Beside(
            story,
            tuple(accumulate(float(len(each.measurements)) for each in story.experiments)),
            tuple(_hours(story)),
            tuple(accumulate(point.cost or 0.0 for point in story.points)),
            tuple(_gains(story)),
            _largest(story, [keep for keep, key in zip(story.keeps, mine, strict=True) if known[key] == 1]),
        )
        for (story, _), mine in zip(sessions, keys, strict=True)
    ]


def over(
    sessions: Sequence[Beside], axis: Callable[[Beside], Sequence[float]]
) -> list[tuple[str, list[tuple[float, float]]]]:
    """Lines of gain over ``axis``, by tag; none where no session has anything on it."""
    lines = [(each.story.tag, list(zip(axis(each), each.gains, strict=True))) for each in sessions]
    return lines if any(x > 0 for _, line in lines for x, _ in line) else []


def _key(keep: Experiment, seen: Seen) -> tuple[str, ...]:
    """What a keep changed: its knobs, else its functions, else its files, else what it says."""
    change = seen.of(keep.commit)
    knobs = tuple(sorted(move.name for move in keep.moves or ()))
    return knobs or tuple(sorted(change.functions)) or tuple(sorted(change.paths)) or (keep.description,)


def _largest(story: Story, keeps: Sequence[Experiment]) -> tuple[Experiment, ...]:
    return tuple(sorted(keeps, key=lambda keep: (-gain_of(keep, story), keep.number))[:MOST_ALONE])


def _gains(story: Story) -> list[float]:
    """The best kept state's gain after each experiment, in percent of the start; in metric units where that is zero."""
    start = story.start.value
    gains, best = [], 0.0
    for point in story.points:
        if point.level is not None and start is not None:
            gain = story.direction.gain(start, point.level)
            best = gain if (share := percent(gain, start)) is None else share
        gains.append(best)
    return gains


def _hours(story: Story) -> list[float]:
    """Hours at work up to each experiment's end, without pauses."""
    times, hours = Times(), []
    for when in story.stops:
        times.stopped(when)
    for point in story.points:
        if point.began is not None and point.ended is not None:
            times.add(point.began, point.ended)
        hours.append(times.total / 3600)
    return hours
