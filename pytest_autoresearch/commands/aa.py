"""``pytest-autoresearch aa``: a protocol's noise, its drift, and what a gain will cost, before a night is spent."""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from pytest_autoresearch.commands.asking import file_of, names_a_test, protocol_at
from pytest_autoresearch.errors import LabError
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.discover import find_config
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.scope import resolve_paths
from pytest_autoresearch.protocol.settings import Settings, resolve
from pytest_autoresearch.protocol.values import parse_positive_count
from pytest_autoresearch.report.screen import PlainScreen
from pytest_autoresearch.report.terminal import number
from pytest_autoresearch.research.loop import BASELINE_DEADLINE
from pytest_autoresearch.research.noise import Noise, describe, no_op_runs
from pytest_autoresearch.research.opening import NoPlugins, equipped


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "path", metavar="PATH", nargs="?", type=Path, default=Path(), help="config or its directory, or a marked test"
    )
    parser.add_argument("-n", type=parse_positive_count, default=200, metavar="N", help="runs (default: 200)")
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")


def run(args: argparse.Namespace) -> int:
    """Measure, and say it; 1 where the session's policy would keep noise (more than one false keep in 20 sessions)."""
    path = args.path if names_a_test(args.path) else find_config(args.path)
    with Git.discover(file_of(path).absolute().parent) as git:
        protocol, ini = protocol_at(path, git.top)
        settings = resolve({}, os.environ, protocol.options, ini)
        values, seeds, failed = _measure(protocol, git, settings, args.n)
    if len(values) < 2:
        raise LabError(
            f"{len(values)} of {args.n} runs gave a metric, and two are needed to compare\n"
            "  run the command by hand first"
        )
    noise = describe(values, failed, protocol.metric, seeds)
    if args.json:
        print(json.dumps({**asdict(noise), "false_keeps": {p.value: n for p, n in noise.false_keeps.items()}}))
    else:
        print("\n".join(_lines(noise, protocol.metric.name)))
    policy = next(p for p in noise.false_keeps if p.value == settings.judge)
    return 1 if noise.false_keeps[policy] > 0.05 else 0


def _measure(protocol: Protocol, git: Git, settings: Settings, count: int) -> tuple[list[float], list[int | None], int]:
    """The values as they came, their seeds, and how many runs failed; Ctrl-C ends it with what it has."""
    start = git.files(git.head())
    scope = resolve_paths(protocol, start.keys())
    screen = PlainScreen()
    values: list[float] = []
    seeds: list[int | None] = []
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
    except KeyboardInterrupt:
        if len(values) < 2:
            raise
        screen.remark(f"interrupted after {len(values) + failed} of {count} runs")
    screen.clear()
    return values, seeds, failed


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
    yield from _remedies(noise)
    for policy, keeps in noise.false_keeps.items():
        yield f"false keeps in {noise.runs} experiments, {policy.value:<9} {keeps:.2f}"
    if noise.gain_kept is not None:
        kept = f"kept in {100 * noise.gain_kept:.0f} % of cases"
        yield f"a true gain of 1 %: {kept}, after {noise.gain_runs:.1f} runs each"


def _remedies(noise: Noise) -> Iterator[str]:
    """What the machine does, and what would help against the noise, as measured."""
    found = noise.remedies
    if found.machine:
        moves = "drifts" if found.machine == "drift" else "takes steps"
        yield f"machine it {moves} ({found.machine}): only what is run close together compares, and a night finds less"
    if found.seed is not None and not noise.exact:
        share = f"{100 * found.seed:.0f} % of the variance"
        helps = "fix the seed in the run, or average over several" if found.seed > 0.5 else "fixing it helps little"
        yield f"seed    {share} is the seed's: {helps}"
    if found.repeats:
        told = ", ".join(f"{name} {value:.2f}" for name, value in sorted(found.repeats.items(), key=lambda p: p[1]))
        yield f"repeats 5 in one run and their {told} of this noise, measured on neighbouring runs"
