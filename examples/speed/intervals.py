"""How long intervals overlap: the busiest moment of a calendar, and free time in it.

Written as one would at first. This is the file to improve; `test_intervals.py` says what it has to do.
"""

import re
from datetime import datetime, timedelta

SHORTEST_GAP = 15  # minutes; a shorter pause is no free time


def parse(line: str) -> tuple[datetime, datetime]:
    """Reads `2026-03-02 09:00-10:30 stand-up`."""
    match = re.match(r"(\d{4}-\d\d-\d\d) +(\d\d:\d\d)-(\d\d:\d\d)", line)
    if match is None:
        raise ValueError(f"no appointment: {line}")
    begin = datetime.strptime(f"{match[1]} {match[2]}", "%Y-%m-%d %H:%M")
    end = datetime.strptime(f"{match[1]} {match[3]}", "%Y-%m-%d %H:%M")
    if end <= begin:
        raise ValueError(f"an appointment that ends before it begins: {line}")
    return begin, end


def busiest(lines: list[str]) -> tuple[datetime, int]:
    """The first moment at which most appointments overlap, and how many do."""
    best, count = None, 0
    for line in lines:
        moment = parse(line)[0]
        overlapping = 0
        for other in lines:
            begin, end = parse(other)
            if begin <= moment < end:
                overlapping += 1
        if overlapping > count or (overlapping == count and best is not None and moment < best):
            best, count = moment, overlapping
    if best is None:
        raise ValueError("the calendar is empty")
    return best, count


def free(lines: list[str]) -> list[tuple[datetime, datetime]]:
    """The gaps of at least SHORTEST_GAP minutes between appointments of one day, in order."""
    gaps = []
    days = sorted({parse(line)[0].date() for line in lines})
    for day in days:
        today = sorted(parse(line) for line in lines if parse(line)[0].date() == day)
        end = today[0][1]
        for begin, until in today:
            if begin - end >= timedelta(minutes=SHORTEST_GAP):
                gaps.append((end, begin))
            end = max(end, until)
    return gaps
