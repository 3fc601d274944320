"""``pytest-autoresearch aa``: a protocol's noise, its drift, and what a gain will cost, before a night is spent."""

from __future__ import annotations

import argparse
import json
import math
import os
import shutil
import statistics
from collections.abc import Iterable, Iterator
from dataclasses import asdict
from pathlib import Path

from pytest_autoresearch.commands.arguments import positive_count
from pytest_autoresearch.commands.asking import file_of, names_a_test, protocol_at
from pytest_autoresearch.commands.width import hung
from pytest_autoresearch.counting import missing_tools
from pytest_autoresearch.errors import LabError
from pytest_autoresearch.lab.machine import machine_fingerprint
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.ledger import state_directory
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.discover import find_config
from pytest_autoresearch.protocol.marker import INSTRUCTIONS
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.scope import resolve_paths
from pytest_autoresearch.protocol.serialise import digests
from pytest_autoresearch.protocol.settings import Settings, resolve
from pytest_autoresearch.report.figures import number
from pytest_autoresearch.report.screen import PlainScreen
from pytest_autoresearch.report.words import machine_line
from pytest_autoresearch.research.contention import FEWEST, Contention, contention, keep_found
from pytest_autoresearch.research.equipping import NoPlugins, equipped, equipped_slots
from pytest_autoresearch.research.estimating import Noted, note
from pytest_autoresearch.research.noise import Noise, describe, no_op_jobs, no_op_runs
from pytest_autoresearch.research.runs import BASELINE_DEADLINE

_TIME = regex(r"second|time|duration|latency|benchmark\.|per_m?s|(?:^|_)[mun]?s(?:$|_)")
"""Metrics that a count of instructions could take the place of, by their names."""
LABEL = 8  # columns of a row's label
_LABEL = regex(r"[a-z]{1,7} {1,7}")
APART = 4.0  # standard errors between the slots' levels that are worth a line


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "path", metavar="PATH", nargs="?", type=Path, default=Path(), help="config or its directory, or a marked test"
    )
    parser.add_argument("-n", type=positive_count, default=200, metavar="N", help="runs (default: 200)")
    parser.add_argument(
        "--workers", type=positive_count, metavar="N", help="measure alone and N runs at a time, in turn"
    )
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run(args: argparse.Namespace) -> int:
    """Measure, and say it; 1 where the session's policy would keep noise (more than one false keep in 20 sessions)."""
    path = args.path if names_a_test(args.path) else find_config(args.path)
    with Git.discover(file_of(path).absolute().parent) as git:
        protocol, ini = protocol_at(path, git.top)
        settings = resolve({}, os.environ, protocol.options, ini)
        if args.workers is not None:
            return _at_once(protocol, git, settings, args)
        values, seeds, failed, seconds = _measure(protocol, git, settings, args.n)
        common = git.common_dir
    if len(values) < 2:
        raise LabError(
            f"{len(values)} of {args.n} runs gave a metric, and two are needed to compare\n"
            "  run the command by hand first"
        )
    noise = describe(values, failed, protocol.metric, seeds)
    took = statistics.median(seconds)
    note(common, Noted(digests(protocol), machine_fingerprint(), noise.spread, noise.level, noise.runs, took))
    if args.json:
        print(json.dumps({**asdict(noise), "false_keeps": {p.value: n for p, n in noise.false_keeps.items()}}))
    else:
        print_rows(_lines(noise, protocol.metric.name))
    policy = next(p for p in noise.false_keeps if p.value == settings.judge)
    return 1 if noise.false_keeps[policy] > 0.05 else 0


def _at_once(protocol: Protocol, git: Git, settings: Settings, args: argparse.Namespace) -> int:
    """Measure alone and side by side, say it, and keep what is best; 1 where side by side is not worth it."""
    if args.workers < 2:
        raise LabError("aa --workers N measures N runs at a time, so N is 2 or more")
    start = git.files(git.head())
    scope = resolve_paths(protocol, start.keys())
    screen = PlainScreen()
    rounds = max(FEWEST, args.n // (args.workers + 1))
    jobs = no_op_jobs(
        git,
        start,
        scope.targets[0],
        count=rounds * (args.workers + 1),
        deadline=protocol.deadline or BASELINE_DEADLINE,
    )
    tag = f".aa-{os.getpid()}"
    with equipped_slots(
        protocol, git, settings, args.workers, tag=tag, scope=scope, hook=NoPlugins(), watch=screen
    ) as slots:
        found = contention(
            slots, jobs, protocol.metric, rounds, lambda n: screen.phase(n, f"round {n + 1} of {rounds}")
        )
    screen.clear()
    keep_found(state_directory(git, tag).parent, protocol, found.best)
    if args.json:
        print(json.dumps({**asdict(found), "best": found.best}))
    else:
        print_rows(_shared(found, protocol.metric.name))
    return 0 if found.best > 1 else 1


def print_rows(lines: Iterable[str]) -> None:
    """Rows with their label in front, wrapped on a terminal; a pipe keeps a line a row."""
    width = shutil.get_terminal_size((0, 0)).columns
    for line in lines:
        head = line[:LABEL] if _LABEL.fullmatch(line[:LABEL]) else ""
        print("\n".join(hung(head, line[len(head) :], width)))


def _shared(found: Contention, metric: str) -> Iterator[str]:
    many = f"{found.slots} at a time"
    yield f"{metric}: {found.rounds} rounds of one run alone and {many}, in turn"
    yield f"alone   {number(found.level)}, spread {number(found.spread)}, {found.seconds:.3g} s a run"
    together = f"{number(found.level_together)}, spread {number(found.spread_together)}"
    yield f"{many:<12} {together}, {found.seconds_together:.3g} s a run"
    low, high = found.interval or (found.shift, found.shift)
    certain = "certain" if low > 0 or high < 0 else "not told from noise"
    yield f"shift   {number(found.shift)} side by side, positive is better; {certain}"
    if found.apart > APART:
        yield f"slots   their levels lie {found.apart:.1f} standard errors apart: they are not alike"
    yield f"{found.faster:.2f} times the runs an hour, which tell {found.worth:.2f} times as much"
    if found.best > 1:
        yield f"so {many}; a session with `--autoresearch-workers auto` does that here"
    else:
        yield f"so one at a time: {many} make the metric worse than they save"


def _measure(
    protocol: Protocol, git: Git, settings: Settings, count: int
) -> tuple[list[float], list[int | None], int, list[float]]:
    """The values as they came, their seeds, how many runs failed, and the seconds of the others; Ctrl-C ends it."""
    start = git.files(git.head())
    scope = resolve_paths(protocol, start.keys())
    screen = PlainScreen()
    values: list[float] = []
    seeds: list[int | None] = []
    seconds: list[float] = []
    failed = 0
    try:
        with equipped(protocol, git, settings, tag=f".aa-{os.getpid()}", scope=scope, hook=NoPlugins()) as lab:
            for measured in no_op_runs(
                lab,
                git,
                start,
                scope.targets[0],
                count=count,
                deadline=protocol.deadline or BASELINE_DEADLINE,
                tick=screen.tick,
                begun=lambda n: screen.phase(n, f"run {n} of {count}", budget=protocol.budget),
            ):
                if measured.value is None:
                    failed += 1
                    screen.remark(f"a run failed: {measured.detail}")
                else:
                    values.append(measured.value)
                    seeds.append(measured.seed)
                    seconds.append(measured.duration)
    except KeyboardInterrupt:
        if len(values) < 2:
            raise
        screen.remark(f"interrupted after {len(values) + failed} of {count} runs")
    screen.clear()
    return values, seeds, failed, seconds


def _lines(noise: Noise, metric: str) -> Iterator[str]:
    share = f" ({100 * noise.spread / abs(noise.level):.2g} % of the metric)" if noise.level else ""
    failed = f", {noise.failed} more failed" if noise.failed else ""
    yield f"{metric}: {number(noise.level)} on {noise.runs} runs of the same state{failed}"
    if noise.exact:
        yield "noise   none: every run gave the same number, so one run decides"
    else:
        yield f"noise   {number(noise.spread)} is the standard deviation of one run{share}"
    certain = "certain" if noise.drift_certain else "not told from noise"
    yield f"drift   {number(noise.drift)} from the first run to the last, {certain}"
    yield from _remedies(noise, metric)
    for policy, keeps in noise.false_keeps.items():
        yield f"false keeps in {noise.runs} experiments, {policy.value:<9} {keeps:.2f}"
    if noise.gain_kept is not None:
        kept = f"kept in {100 * noise.gain_kept:.0f} % of cases"
        yield f"a true gain of 1 %: {kept}, after {noise.gain_runs:.1f} runs each"


def _remedies(noise: Noise, metric: str) -> Iterator[str]:
    """What the machine does, and what would help against the noise, as measured."""
    found = noise.remedies
    if found.machine:
        yield machine_line(found.machine)
    if found.seed is not None and not noise.exact:
        share = f"{100 * found.seed:.0f} % of the variance"
        helps = "`seeds: paired` compares runs of one seed" if found.seed > 0.3 else "pairing runs by it helps little"
        left = math.sqrt(max(0.0, 1 - found.seed))
        yield f"seed    {share} is the seed's: beside a run of the same seed {left:.2f} of the noise is left; {helps}"
    if found.repeats:
        told = ", ".join(f"{name} {value:.2f}" for name, value in sorted(found.repeats.items(), key=lambda p: p[1]))
        yield f"repeats 5 in one run and their {told} of this noise, measured on neighbouring runs"
        yield f"size    an evaluation five times as large leaves about {found.repeats['mean']:.2f} of it"
    if not noise.exact and _TIME.search(metric):
        yield f"metric  {_instructions()}"


def _instructions() -> str:
    """Whether instructions can be counted here in the place of seconds."""
    lacking = missing_tools()
    if not lacking:
        return f"a test of pure computing can have `{INSTRUCTIONS}` for its metric: no machine's moods are in it"
    needed = " and ".join(lacking)
    return f"`{INSTRUCTIONS}`, which no machine's moods are in, can not be counted here: it needs {needed}"
