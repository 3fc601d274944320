"""How fast the calendar is. An ordinary test to pytest; with --autoresearch, the measurement that the loop repeats."""

import random
import time

import pytest
from intervals import busiest, free


@pytest.mark.timeout(20)
@pytest.mark.autoresearch(metric="seconds", direction="lower", targets=["intervals.py"], guard=["test_intervals.py"])
def test_seconds_for_a_busy_week(experiment, record_metric):
    calendars = [calendar(90, experiment.seed + index) for index in range(5)]
    seconds = min(map(seconds_for, calendars))  # the quickest: whatever else the machine does only adds time

    record_metric("seconds", seconds)
    assert seconds < experiment.best


def seconds_for(lines):
    began = time.process_time()
    busiest(lines)
    free(lines)
    return time.process_time() - began


def calendar(count, seed):
    choose = random.Random(seed)
    lines = []
    for index in range(count):
        day, hour, minute = choose.randrange(2, 7), choose.randrange(8, 17), choose.choice((0, 15, 30, 45))
        until = min(hour * 60 + minute + choose.choice((15, 30, 60, 90, 120)), 23 * 60 + 59)
        lines.append(f"2026-03-{day:02} {hour:02}:{minute:02}-{until // 60:02}:{until % 60:02} appointment {index}")
    return lines
