"""A session as a screenful: what goes on, what it has come to, its newest experiments, the newest log. Pure."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator, Mapping, Sequence

from pytest_autoresearch.report.figures import cut
from pytest_autoresearch.report.lanes import Lane
from pytest_autoresearch.report.story import Story
from pytest_autoresearch.report.terminal import MARKUP, experiment_line, live_line
from pytest_autoresearch.report.words import counted, headline, pace, state, verdict
from pytest_autoresearch.text import shown

MOST_LANES = 16
LOG_LINES = 8
FEWEST_ROWS = 3
FEWEST_SAID = 2  # lines of each run under way; of more runs than have room the newest ones say nothing

Line = tuple[str, Mapping[str, bool]]
"""A line of text without an end, and its markup as pytest's terminal writer takes it."""


def status_lines(
    story: Story, lanes: Sequence[Lane], *, now: float, paused: bool, width: int, height: int
) -> list[Line]:
    """At most ``height`` lines of ``width`` columns; ``now`` in seconds since 1970. A height of 0 has no end.

    What it has come to is cut where the height has an end, and else goes on below.
    """
    head = [
        (part, markup)
        for line, markup in _head(story, paused)
        for part in ([cut(shown(line), width)] if height else _wrapped(shown(line), width))
    ]
    if height:
        head = head[: max(2, height - FEWEST_ROWS - 1 - len(lanes[:MOST_LANES]))]
    going: list[Line] = [(_lane(lane, now, width), {}) for lane in lanes[:MOST_LANES]]
    log: list[Line] = [(cut(line, width), {}) for line in _said(lanes) or _log(story)]
    room = len(story.newest) if not height else height - len(head) - len(going) - 1
    if height and room - len(log) < FEWEST_ROWS:
        log = []
    rows = max(FEWEST_ROWS, room - len(log)) if height else room
    table: list[Line] = [(shown(experiment_line(each, width)), MARKUP[each.status]) for each in story.newest[-rows:]]
    lines: list[Line] = [*head, *going, ("", {}), *table, *log]
    return lines[:height] if height else lines


def _wrapped(line: str, width: int) -> list[str]:
    return textwrap.wrap(line, width, subsequent_indent="    ", break_on_hyphens=False) or [line]


def _head(story: Story, paused: bool) -> Iterator[Line]:
    """What matters most first: a low terminal has no room for all of it."""
    going = "it waits: pytest-autoresearch pause --off" if paused else state(story)
    yield f"autoresearch/{story.tag}: {going}", {"bold": True}
    yield headline(story), {"green": story.gain > 0}
    yield "; ".join(filter(None, (counted(story), pace(story)))), {}
    yield verdict(story).words, {}
    for mark in story.marks:
        yield mark, {"yellow": True}
    if story.cost is not None:
        yield f"cost {story.cost:.2f} USD", {}


def _log(story: Story) -> list[str]:
    """The end of the newest experiment's log, where its record has one: that of a failed run."""
    newest = story.newest[-1]
    tail = next((run.log_tail for run in reversed(newest.measurements) if run.log_tail), "") or newest.agent_log
    lines = _last(tail, LOG_LINES)
    return ["", f"the log of {newest.number:04d} ends:", *lines] if lines else []


def _said(lanes: Sequence[Lane]) -> list[str]:
    """The ends of what goes on right now, the oldest first; nothing where no run has lasted long enough to be heard."""
    heard = [lane for lane in lanes if lane.said][: LOG_LINES // FEWEST_SAID]
    lines: list[str] = []
    for lane in heard:
        if last := _last(lane.said, LOG_LINES // len(heard)):
            lines += ["", f"{_name(lane)} says:", *last]
    return lines


def _last(text: str, most: int) -> list[str]:
    """The last lines of an output, as a terminal would have left them: what a carriage return went over is gone."""
    lines = [line.rstrip("\r").rpartition("\r")[2] for line in text.strip("\r\n").split("\n")[-most:]]
    return [f"  {shown(line)}" for line in lines] if text.strip() else []


def _lane(lane: Lane, now: float, width: int) -> str:
    return live_line(_name(lane), shown(lane.text), max(0.0, now - lane.began), lane.budget, width)


def _name(lane: Lane) -> str:
    return "baseline" if lane.number == 0 else f"{lane.number:04d}"
