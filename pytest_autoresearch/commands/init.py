"""``pytest-autoresearch init``: asks for a protocol, writes it, and proves it with one run of the baseline."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path, PurePosixPath

from pytest_autoresearch.commands import init_github
from pytest_autoresearch.commands.questions import answer, command, listed, optional, paths, some_paths
from pytest_autoresearch.commands.questions import direction as read_way
from pytest_autoresearch.commands.takeover import take_over
from pytest_autoresearch.commands.writing import prove_config, write
from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.discover import CONFIG
from pytest_autoresearch.protocol.durations import parse_duration
from pytest_autoresearch.protocol.markdown import parse
from pytest_autoresearch.protocol.metric import checked_name
from pytest_autoresearch.protocol.model import Direction, Metric, PathRule, Protocol
from pytest_autoresearch.protocol.suggest import direction_of, suggest
from pytest_autoresearch.protocol.tags import parse_tag
from pytest_autoresearch.protocol.template import template
from pytest_autoresearch.protocol.text import escape_start, one_line

LARGEST_FILE = 200_000
MOST_FILES = 2_000
GOAL = "Describe in a sentence or two what should get better, and why it matters."


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    parser.add_argument(
        "path", metavar="PATH", nargs="?", type=Path, default=Path(), help="directory of the config (default: here)"
    )
    parser.add_argument("--goal", metavar="TEXT", help="what should get better, and why")
    parser.add_argument("--metric", metavar="NAME", help="the number that decides, as the run prints it")
    parser.add_argument("--direction", choices=[d.value for d in Direction], help="which way it improves")
    parser.add_argument("--run", metavar="COMMAND", dest="command_to_run", help="one experiment")
    parser.add_argument("--extract", metavar="COMMAND", help="prints the metric (default: the log is read)")
    parser.add_argument("--target", metavar="PATH", action="append", help="what the agent may change; repeatable")
    parser.add_argument("--readonly", metavar="PATH", action="append", help="what it must not change; repeatable")
    parser.add_argument("--budget", metavar="TIME", help="time of one run (default: twice the baseline's)")
    parser.add_argument("--tag", metavar="NAME", help="name of the session (default: its date)")
    parser.add_argument("--from", metavar="PATH", dest="source", type=Path, help="take over another tool's session")
    parser.add_argument(
        "--accept-guesses", action="store_true", help="with --from: take what was guessed, as if it had been asked"
    )
    parser.add_argument("--yes", action="store_true", help="take every suggestion, ask nothing")
    init_github.configure(parser)


def run(args: argparse.Namespace) -> int:
    """Write the config, then prove it. 1: it is written, but the metric was not found."""
    config: Path = args.path / CONFIG
    if args.github is not None:
        return init_github.run(args, config)
    if config.exists() or config.is_symlink():
        raise ConfigError("there is a config already", file=config, remedy="edit it, or remove it first")
    if not args.path.is_dir():
        raise ConfigError("there is no such directory", file=args.path, remedy="create it first")
    if args.source is not None:
        return take_over(args, config)
    if not args.yes and not sys.stdin.isatty():
        raise ConfigError("there is no terminal to ask on", remedy="give --yes to take every suggestion")
    with Git.discover(args.path.absolute()) as git:
        directory = PurePosixPath(args.path.resolve().relative_to(git.top.resolve()).as_posix())
        files = tracked_texts(git, directory)
        protocol = _ask(args, files, source=str(directory / CONFIG))
        text = template(protocol)
        protocol = parse(text, file=protocol.source)  # with line numbers for what may be wrong with its paths
        write(config, text)
        return prove_config(protocol, git, config)


def tracked_texts(git: Git, directory: PurePosixPath) -> dict[str, str]:
    """The text files below a directory that are tracked, by path relative to it."""
    prefix = "" if str(directory) == "." else f"{directory}/"
    wanted = {
        path[len(prefix) :]: entry.blob
        for path, entry in git.files("HEAD").items()
        if path.startswith(prefix) and entry.mode.startswith("100")
    }
    chosen = sorted(wanted, key=lambda path: (path.count("/"), path))[:MOST_FILES]
    contents = git.read([wanted[path] for path in chosen])
    return {
        path: contents[wanted[path]].decode("utf-8", "replace")
        for path in chosen
        if len(contents[wanted[path]]) <= LARGEST_FILE and b"\0" not in contents[wanted[path]][:4096]
    }


# Asking


def _ask(args: argparse.Namespace, files: dict[str, str], *, source: str) -> Protocol:
    """Every answer from the flags, else from the person, else from what the repository looks like."""
    asks = not args.yes
    guess = suggest(files, metric=args.metric)
    name = answer("metric", args.metric, guess.metric, checked_name, asks)
    if name != guess.metric:
        guess = suggest(files, metric=name)
    suggested = direction_of(name) or guess.direction
    direction = answer("direction", args.direction, suggested.value if suggested else None, read_way, asks)
    run_command = answer("run", args.command_to_run, guess.run, command, asks)
    targets = answer("target", listed(args.target), ", ".join(guess.targets) or None, some_paths, asks)
    unsaid = tuple(path for path in guess.readonly if path not in targets)
    readonly = answer("readonly", listed(args.readonly), ", ".join(unsaid) or "none", paths, asks)
    extract = answer("extract", args.extract, "none", optional(command), asks)
    budget = answer("budget", args.budget, "none", optional(parse_duration), asks)
    tag = answer("tag", args.tag, "none", optional(parse_tag), asks)
    return Protocol(
        goal=escape_start(one_line(args.goal or "")) or GOAL,
        metric=Metric(name, direction, extract=extract),
        targets=tuple(PathRule(path) for path in targets),
        readonly=tuple(PathRule(path) for path in readonly),
        run=run_command,
        budget=budget,
        tag=tag,
        source=source,
        directory=PurePosixPath(source).parent,
    )
