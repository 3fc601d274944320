"""``pytest-autoresearch compare``: agents beside each other, on one protocol, from one start, with one budget each."""

from __future__ import annotations

import argparse
import json
import math
import re
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from pytest_autoresearch.commands.arguments import positive_count
from pytest_autoresearch.commands.asking import file_of, names_a_test
from pytest_autoresearch.commands.report import page_beside, write
from pytest_autoresearch.errors import AutoresearchError, ConfigError
from pytest_autoresearch.judge.statistics import t_quantile
from pytest_autoresearch.notebook.chain import metric_name, read_history, sessions
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.protocol.discover import find_config
from pytest_autoresearch.protocol.values import parse_agents
from pytest_autoresearch.report.comparison import chart, row_of, table

AGENTS = "grid,random,bayes,auto"
MARKS = (10, 25, 50)  # numbers of runs at which gains are told
PAGE = Path("compare.html")
LAST_WORDS = 15  # lines of a session that failed


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "path", metavar="PATH", nargs="?", type=Path, default=Path(), help="config or its directory, or a marked test"
    )
    parser.add_argument("--agents", default=AGENTS, metavar="NAMES", help=f"with commas (default: {AGENTS})")
    parser.add_argument("--experiments", type=positive_count, default=50, metavar="N", help="each (default: 50)")
    parser.add_argument("--repeats", type=positive_count, default=5, metavar="K", help="sessions (default: 5)")
    parser.add_argument("--prefix", default="compare", metavar="TAG", help="how the tags begin (default: compare)")
    parser.add_argument("--chart", type=Path, metavar="FILE", help="write gain against runs as an SVG")
    parser.add_argument("--json", action="store_true", help="print JSON instead of a table")


def run(args: argparse.Namespace) -> int:
    """Run what is missing of the sessions, repeat by repeat, and print the table. The sessions stay, by their tags."""
    path = args.path if names_a_test(args.path) else find_config(args.path)
    agents = _agents(args.agents)
    with Git.discover(file_of(path).absolute().parent) as git:
        start = git.head()
        for repeat in range(1, args.repeats + 1):
            for agent in agents:
                _play(git, path, agent, _tag(args.prefix, agent, repeat), repeat, args.experiments, start)
        found = {
            agent: [read_history(git, _tag(args.prefix, agent, n)) for n in range(1, args.repeats + 1)]
            for agent in agents
        }
        write(PAGE, page_beside(git, [history.session.tag for each in found.values() for history in each]))
        print(f"{PAGE}: all sessions side by side", file=sys.stderr)
    marks = [mark for mark in MARKS if mark <= args.experiments]
    rows = [row_of(agent, histories, marks, _half_width) for agent, histories in found.items()]
    name = metric_name(found[agents[0]][0])
    if args.chart is not None:
        args.chart.write_text(chart(rows, name), encoding="utf-8")
    if args.json:
        print(json.dumps([asdict(row) for row in rows], indent=1))
    else:
        print("\n".join(_heading(path, name, args) + table(rows, marks)))
    return 0


def _agents(text: str) -> tuple[str, ...]:
    try:
        agents = parse_agents(text)
    except ValueError as error:
        raise ConfigError(f"--agents: {error}", remedy=f"write for example --agents {AGENTS}") from None
    if len(set(agents)) < len(agents):
        raise ConfigError("--agents: an agent is named twice", remedy="name each once")
    return agents


def _tag(prefix: str, agent: str, repeat: int) -> str:
    """The tag of one session: letters of the agent's name, and the repeat."""
    return f"{prefix}-{re.sub(r'[^A-Za-z0-9]+', '-', agent)[:30].strip('-')}-{repeat}"


def _play(git: Git, path: Path, agent: str, tag: str, seed: int, experiments: int, start: str) -> None:
    """One session, or what is missing of it. Each has a pytest of its own: nothing of one reaches another."""
    known = next((session for session in sessions(git) if session.tag == tag), None)
    if known is not None and known.start != start:
        raise AutoresearchError(
            f"the session {tag} began at {known.start[:12]}, HEAD is {start[:12]}: they do not compare\n"
            f"  check out {known.start[:12]}, or begin anew with --prefix"
        )
    missing = experiments - (_experiments(read_history(git, tag)) if known is not None else 0)
    if missing <= 0:
        return
    print(f"{tag}: {missing} experiments by {agent}", file=sys.stderr, flush=True)
    options = {"tag": tag, "agent": agent, "experiments": missing, "seed": seed, "publish": "no"}
    command = [sys.executable, "-m", "pytest", "--autoresearch", str(path), "-q", "--color=no"]
    command += [f"--autoresearch-{name}={value}" for name, value in options.items()]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace")
    if done.returncode == 2:
        raise KeyboardInterrupt
    if done.returncode:
        said = "\n".join(f"  {line}" for line in done.stdout.strip().splitlines()[-LAST_WORDS:])
        raise AutoresearchError(f"the session {tag} ended with exit code {done.returncode}\n{said}")


def _experiments(history: History) -> int:
    return max(len(history.experiments) - 1, 0)


def _half_width(values: Sequence[float]) -> float | None:
    """Of the 95 % t interval of the mean."""
    if len(values) < 2:
        return None
    return t_quantile(0.975, len(values) - 1) * statistics.stdev(values) / math.sqrt(len(values))


def _heading(path: Path, metric: str, args: argparse.Namespace) -> list[str]:
    sessions_each = f"{args.repeats} session{'s' * (args.repeats > 1)}"
    return [f"{metric} of {path}: {sessions_each} of {args.experiments} experiments each, mean ± 95 %", ""]
