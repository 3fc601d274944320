"""What a search would turn in scripts of other people, and what it leaves alone.

    python -m benchmarks.knobs PATH…                        every open literal in its order, with its line
    python -m benchmarks.knobs PATH… --wanted wanted.txt    how many of the knobs in a list are open, and how early
    python -m benchmarks.knobs --cost                       processor time of large files, made here, at three sizes

The list has a line for each script, ``end/of/path.py: name name …``; write it down before this has seen the script. A
name is the last one of a label, upper or lower case, ``-`` or ``_``, or stands in the line of the literal. Scripts are
read, never run.
"""

from __future__ import annotations

import argparse
import re
import time
from collections.abc import Callable, Mapping
from pathlib import Path

from pytest_autoresearch.agents.search.finders import find_knobs
from pytest_autoresearch.agents.search.finders.choosing import choose
from pytest_autoresearch.agents.search.finders.survey import Seen, survey
from pytest_autoresearch.agents.search.ranges import tail_of
from pytest_autoresearch.protocol.model import Direction, Metric, PathRule, Protocol

EARLY = 20


def knobs_of(path: Path, metric: str) -> tuple[tuple[Seen, ...], str]:
    """The literals of a script, those that are turned first, and why there are none."""
    protocol = Protocol("", Metric(metric, Direction.LOWER), (PathRule(path.name),), "true")
    found = survey(protocol, {path.name: path.read_bytes()})
    return found.knobs, found.unread.get(path.name, "")


def tell(knobs: tuple[Seen, ...], lines: list[str], *, closed: bool) -> None:
    """A line for each literal that is turned, and on request for the others with the reason."""
    for knob in knobs:
        if not knob.closed or closed:
            why = f"  [closed: {knob.closed}]" if knob.closed else ""
            print(f"  {knob.line:5} {knob.label} = {knob.shown}{why}    {lines[knob.line - 1].strip()[:90]}")


def compare(knobs: tuple[Seen, ...], wanted: list[str], lines: list[str]) -> tuple[int, int]:
    """How many of the wanted names are open, and how many of these among the first."""
    opened = [knob for knob in knobs if not knob.closed]
    missing = [name for name in wanted if not any(_is(name, knob, lines) for knob in opened)]
    print(f"  wanted {len(wanted)}, open {len(wanted) - len(missing)}", *(["closed:", *missing] if missing else []))
    early = sum(any(_is(name, knob, lines) for knob in opened[:EARLY]) for name in wanted)
    return len(wanted) - len(missing), early


def _is(name: str, knob: Seen, lines: list[str]) -> bool:
    return tail_of(name) == tail_of(knob.label) or bool(
        re.search(rf"(?<!\w)(?<!\w-){re.escape(name)}\b", lines[knob.line - 1].partition("#")[0])
    )


def code(share: float) -> bytes:
    """5,000 lines in which 8,334 literals are open, or a share of them."""
    lines = "def f{0}(rate=0.5, depth={0}):\n    value{0} = model(rate * 2, width=64) + {0}\n    return value{0}\n"
    return "".join(lines.format(at) for at in range(2, 2 + int(5000 / 3 * share))).encode()


def table(share: float) -> bytes:
    """Just under 1 MB, what is read at most, of Python that is a list of numbers, or a share of it."""
    return ("LR = 0.5\nTABLE = [" + "0.25, " * int(9.9e5 / 6 * share) + "]\n").encode()


def rows(share: float) -> bytes:
    """Just under 1 MB of JSON that is a list of rows, or a share of it."""
    return ('{"lr": 0.5, "rows": [' + '{"x": 0.25, "y": 3}, ' * int(9.9e5 / 21 * share) + "{}]}").encode()


LARGE: Mapping[str, Callable[[float], bytes]] = {"code.py": code, "table.py": table, "rows.json": rows}


def tell_cost() -> None:
    """Least processor time of three for each file at a quarter, a half and the whole of its size."""
    for file, make in LARGE.items():
        for share in (0.25, 0.5, 1.0):
            data, seconds = make(share), []
            for _ in range(3):
                began = time.process_time()
                found = choose(find_knobs(file, data, "loss"))
                seconds.append(time.process_time() - began)
            lines = data.count(b"\n") + 1
            print(f"{file}: {len(data) / 1e6:.2f} MB, {lines} lines, {len(found)} open: {min(seconds):.3f} s")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("paths", nargs="*", type=Path)
    parser.add_argument("--cost", action="store_true", help="how long it takes to read large files")
    parser.add_argument("--metric", default="loss", help="the name that the metric is printed under")
    parser.add_argument("--wanted", type=Path)
    parser.add_argument("--closed", action="store_true", help="the closed literals as well, each with its reason")
    options = parser.parse_args()
    if options.cost:
        tell_cost()
    lists = {}
    if options.wanted:
        for line in options.wanted.read_text(encoding="utf-8").splitlines():
            name, _, names = line.partition(":")
            lists[name.strip()] = names.split()
    asked = found = early = 0
    for path in options.paths:
        knobs, unread = knobs_of(path, options.metric)
        print(f"{path}: {unread or f'{sum(not knob.closed for knob in knobs)} open of {len(knobs)} literals'}")
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        tell(knobs, lines, closed=options.closed)
        for end, wanted in lists.items():
            if path.as_posix().endswith(end):
                opened, first = compare(knobs, wanted, lines)
                asked, found, early = asked + len(wanted), found + opened, early + first
    if asked:
        print(f"{found} of {asked} wanted knobs are open ({found / asked:.0%}), {early} among the first {EARLY}")


if __name__ == "__main__":
    main()
