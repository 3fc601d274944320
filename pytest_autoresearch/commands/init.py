"""``pytest-autoresearch init``: asks for a protocol, writes it, and proves it with one run of the baseline."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath

from pytest_autoresearch.commands import init_github
from pytest_autoresearch.commands.kept import Answers
from pytest_autoresearch.commands.questions import answer, command, listed, optional, paths, some_paths
from pytest_autoresearch.commands.questions import direction as read_way
from pytest_autoresearch.commands.takeover import take_over
from pytest_autoresearch.commands.writing import prove_config, set_aside, write
from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.discover import CONFIG
from pytest_autoresearch.protocol.durations import format_duration, parse_duration
from pytest_autoresearch.protocol.markdown import load, parse
from pytest_autoresearch.protocol.metric import checked_name
from pytest_autoresearch.protocol.model import Direction, Metric, PathRule, Protocol
from pytest_autoresearch.protocol.suggest import Suggestion, direction_of, suggest
from pytest_autoresearch.protocol.tags import parse_tag
from pytest_autoresearch.protocol.template import template
from pytest_autoresearch.protocol.text import escape_start, one_line

LARGEST_FILE = 200_000
MOST_GUARDS = 10
_TEST = regex(r"(?:[^/]+/)*(?:test_[^/]*|[^/]*_test)\.py")
MOST_FILES = 2_000


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
    is_there = config.exists() or config.is_symlink()
    if is_there and args.source is not None:
        raise ConfigError("there is a config already", file=config, remedy="edit it, or remove it first")
    if not args.path.is_dir():
        raise ConfigError("there is no such directory", file=args.path, remedy="create it first")
    if args.source is not None:
        return take_over(args, config)
    if not args.yes and not sys.stdin.isatty():
        raise ConfigError("there is no terminal to ask on", remedy="give --yes to take every suggestion")
    with Git.discover(args.path.absolute()) as git:
        directory = PurePosixPath(args.path.resolve().relative_to(git.top.resolve()).as_posix())
        earlier = load(config, top=git.top) if is_there else None
        answers = Answers(git, str(directory))
        protocol = _ask(args, git, earlier, answers, source=str(directory / CONFIG))
        if earlier is not None and protocol == earlier:
            return prove_config(earlier, git, config, words="says so already")
        text = template(protocol)
        protocol = parse(text, file=protocol.source)  # with line numbers for what may be wrong with its paths
        if is_there:
            print(f"The config that was there is kept as {set_aside(config)}.")
        write(config, text)
        answers.forget()
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


def tests_among(files: Iterable[str], targets: Sequence[str], run_command: str) -> tuple[str, ...]:
    """The tests that can guard a session: a directory of them, else those beside the config; never what is measured."""
    tests = [path for path in files if _TEST.fullmatch(path) and path not in targets and path not in run_command]
    for place in ("tests/", "test/"):
        if any(path.startswith(place) for path in tests):
            return (place,)
    return tuple(sorted(path for path in tests if "/" not in path))[:MOST_GUARDS]


def _refuse_untold(
    args: argparse.Namespace, known: Mapping[str, str], guess: Suggestion, files: Mapping[str, str]
) -> None:
    """ConfigError for all that neither flags nor an earlier config nor the repository say, at once."""
    name = args.metric or known.get("metric") or guess.metric
    if name is not None:
        answer("metric", name, None, checked_name, asks=False)
    if name is None and not known and (test := benchmark_among(files)):
        raise ConfigError(
            "no file prints a metric by name, but there are benchmarks for pytest",
            file=test,
            remedy=f"they need no config: {_without_config(test)}",
        )
    told = {
        "metric": name,
        "direction": args.direction or known.get("direction") or guess.direction or (name and direction_of(name)),
        "run": args.command_to_run or known.get("run") or guess.run,
        "target": args.target or known.get("target") or guess.targets,
    }
    untold = [flag for flag, value in told.items() if not value]
    if untold:
        listed = " and the ".join(filter(None, [", the ".join(untold[:-1]), untold[-1]]))
        raise ConfigError(
            f"the repository does not tell the {listed}", remedy="give " + " ".join(f"--{flag} …" for flag in untold)
        )


def _point_at_benchmarks(
    args: argparse.Namespace, known: Mapping[str, str], guess: Suggestion, files: Mapping[str, str]
) -> None:
    """Before a person is asked for what only a program would print."""
    if not (args.metric or known or guess.metric) and (test := benchmark_among(files)):
        print(f"There are benchmarks for pytest, which need no config:\n    {_without_config(test)}")
        print("For a number that a program prints, go on; Ctrl-C ends this.")


def _without_config(test: str) -> str:
    return f"pytest --autoresearch {test} --autoresearch-targets FILES"


def benchmark_among(files: Mapping[str, str]) -> str | None:
    """A test that pytest-benchmark measures, of those that there are."""
    tests = (path for path in sorted(files) if re.search(r"(?:^|/)(?:test|bench)\w*\.py$", path))
    return next(
        (path for path in tests if re.search(r"def test_\w{1,80}\([^)]{0,200}\bbenchmark\b", files[path])), None
    )


# Asking


def _ask(args: argparse.Namespace, git: Git, earlier: Protocol | None, answers: Answers, *, source: str) -> Protocol:
    """Every answer from the flags, else from the person, else from an earlier config, else from the repository's looks.

    A person is asked at most five questions: goal, metric, direction, run and targets. The rest has its flags. What was
    answered to an `init` that did not come to its end is suggested again.
    """
    asks = not args.yes
    directory = PurePosixPath(source).parent
    known = _known(earlier) | (answers.said if asks else {})
    files = tracked_texts(git, directory)
    guess = suggest(files, metric=args.metric or known.get("metric"), ignored=ignored_here(git, directory))
    (_refuse_untold if args.yes else _point_at_benchmarks)(args, known, guess, files)
    goal = args.goal
    if goal is None and asks and not (earlier and earlier.goal):
        goal = answer("goal", None, known.get("goal", "none"), optional(str), asks, answers.keep)
    name = answer("metric", args.metric, known.get("metric") or guess.metric, checked_name, asks, answers.keep)
    if name != guess.metric:
        guess = suggest(files, metric=name, ignored=ignored_here(git, directory))
    direction = answer("direction", args.direction, _way(name, known, guess), read_way, asks, answers.keep)
    run_command = answer("run", args.command_to_run, known.get("run") or guess.run, command, asks, answers.keep)
    suggested = known.get("target") or ", ".join(guess.targets) or None
    targets = answer("target", listed(args.target), suggested, some_paths, asks, answers.keep)
    unsaid = ", ".join(path for path in guess.readonly if path not in targets)
    readonly = answer(
        "readonly",
        listed(args.readonly),
        known.get("readonly", unsaid if earlier is None else "") or "none",
        paths,
        asks=False,
    )
    extract = answer("extract", args.extract, known.get("extract", "none"), optional(command), asks=False)
    budget = answer("budget", args.budget, known.get("budget", "none"), optional(parse_duration), asks=False)
    tag = answer("tag", args.tag, known.get("tag", "none"), optional(parse_tag), asks=False)
    base = earlier or Protocol(goal="", metric=Metric(name, direction), targets=(), run=run_command)
    return replace(
        base,
        goal=escape_start(one_line(goal or "")) or base.goal or _goal_of(name, direction, run_command),
        metric=replace(base.metric, name=name, direction=direction, extract=extract),
        targets=_rules(targets, base.targets),
        readonly=_rules(readonly, base.readonly),
        run=run_command,
        budget=budget,
        tag=tag,
        build=guess.build if earlier is None and run_command == guess.run else base.build,
        data=guess.data if earlier is None else base.data,
        guard=tests_among(files, targets, run_command) if earlier is None else base.guard,
        source=source,
        directory=directory,
    )


def _way(name: str, known: Mapping[str, str], guess: Suggestion) -> str | None:
    """The direction to suggest for a metric of this name."""
    if name == known.get("metric"):
        return known.get("direction")
    told = direction_of(name) or guess.direction
    return told.value if told else None


def _known(earlier: Protocol | None) -> dict[str, str]:
    """The answers that a config gives, as they would be typed."""
    if earlier is None:
        return {}
    metric = earlier.metric
    said = {
        "goal": earlier.goal,
        "metric": metric.name,
        "direction": metric.direction.value,
        "run": earlier.run,
        "extract": metric.extract,
        "target": ", ".join(rule.pattern for rule in earlier.targets),
        "readonly": ", ".join(rule.pattern for rule in earlier.readonly),
        "budget": None if earlier.budget is None else format_duration(earlier.budget),
        "tag": earlier.tag,
    }
    return {flag: text for flag, text in said.items() if text}


def _rules(patterns: tuple[str, ...], earlier: tuple[PathRule, ...]) -> tuple[PathRule, ...]:
    """Paths as rules, with the remarks that they had."""
    notes = {rule.pattern: rule.note for rule in earlier}
    return tuple(PathRule(pattern, notes.get(pattern, "")) for pattern in patterns)


def _goal_of(name: str, direction: Direction, run_command: str) -> str:
    """A goal for who gives none: what the numbers say."""
    verb = "Lower" if direction is Direction.LOWER else "Raise"
    return f"{verb} `{name}`, as `{one_line(run_command.partition(chr(10))[0])}` prints it."


def ignored_here(git: Git, directory: PurePosixPath) -> list[str]:
    """What git ignores below a directory, relative to it, as it is written in `data`."""
    prefix = "" if str(directory) == "." else f"{directory}/"
    return [path[len(prefix) :] for path in git.ignored() if path.startswith(prefix)]
