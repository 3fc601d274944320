"""``pytest-autoresearch init``: asks for a protocol, writes it, and proves it with one run of the baseline."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TypeVar

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.discover import CONFIG
from pytest_autoresearch.protocol.durations import parse_duration
from pytest_autoresearch.protocol.experiment import Reason
from pytest_autoresearch.protocol.markdown import parse
from pytest_autoresearch.protocol.metric import checked_name
from pytest_autoresearch.protocol.model import Direction, Metric, PathRule, Protocol
from pytest_autoresearch.protocol.render import render
from pytest_autoresearch.protocol.settings import resolve
from pytest_autoresearch.protocol.shell import not_a_command
from pytest_autoresearch.protocol.suggest import direction_of, suggest
from pytest_autoresearch.protocol.tags import parse_tag
from pytest_autoresearch.protocol.template import template
from pytest_autoresearch.protocol.text import escape_start, one_line, quoted
from pytest_autoresearch.protocol.vocabulary import read_direction
from pytest_autoresearch.research.proving import Proof, prove

LARGEST_FILE = 200_000
MOST_FILES = 2_000
T = TypeVar("T")

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
    parser.add_argument("--yes", action="store_true", help="take every suggestion, ask nothing")
    parser.add_argument(
        "--github",
        nargs="?",
        const="one-job",
        choices=["one-job", "two-jobs"],
        help="write the workflows for the config that is there; two-jobs: the runner gets no token that can write",
    )


def run(args: argparse.Namespace) -> int:
    """Write the config, then prove it. 1: it is written, but the metric was not found."""
    config: Path = args.path / CONFIG
    if args.github is not None:
        return _write_workflows(config, two_jobs=args.github == "two-jobs")
    if config.exists() or config.is_symlink():
        raise ConfigError("there is a config already", file=config, remedy="edit it, or remove it first")
    if not args.path.is_dir():
        raise ConfigError("there is no such directory", file=args.path, remedy="create it first")
    if args.source is not None:
        return _take_over(args.source, config)
    if not args.yes and not sys.stdin.isatty():
        raise ConfigError("there is no terminal to ask on", remedy="give --yes to take every suggestion")
    with Git.discover(args.path.absolute()) as git:
        directory = PurePosixPath(args.path.resolve().relative_to(git.top.resolve()).as_posix())
        files = tracked_texts(git, directory)
        protocol = _ask(args, files, source=str(directory / CONFIG))
        text = template(protocol)
        protocol = parse(text, file=protocol.source)  # with line numbers for what may be wrong with its paths
        _write(config, text)
        print(f"{config} is written. Proving it with one run of the commit that is checked out …", flush=True)
        proof = _proof(protocol, git)
        if proof.measured.offered is not None:
            protocol = _with_extract(protocol, proof.measured.offered, config)
            proof = _proof(protocol, git)
        return _report(proof, protocol, config)


def _take_over(source: Path, config: Path) -> int:
    """Write what another tool's session says, and what is left for a person to do. 1: that is needed first."""
    from pytest_autoresearch.protocol.imports import PLACEHOLDER, import_session

    imported = import_session(source)
    _write(config, render(imported.protocol))
    print(f"{config} is written from {imported.source}.")
    for line in imported.unmapped:
        print(f"  not mapped: {line}")
    protocol = imported.protocol
    found = {
        "metric": protocol.metric.name != PLACEHOLDER,
        "target files": protocol.targets,
        "run command": protocol.run,
    }
    if missing := [name for name, value in found.items() if not value]:
        print(f"Fill in the {' and the '.join(missing)} in {config} first: not found.")
        return 1
    print(f"Next: read it through, commit what it names, then run\n    pytest --autoresearch {config}")
    return 0


def _proof(protocol: Protocol, git: Git) -> Proof:
    with _ticking() as tick:
        return prove(protocol, git, resolve({}, os.environ, protocol.options, {}), tick=tick)


def _with_extract(protocol: Protocol, extract: str, config: Path) -> Protocol:
    """Write the config anew with a command that reads what the run printed."""
    print(f"The log is read with an extract command: {extract}")
    text = template(replace(protocol, metric=replace(protocol.metric, extract=extract)))
    config.write_text(text, encoding="utf-8")
    return parse(text, file=protocol.source)


def _write_workflows(config: Path, *, two_jobs: bool) -> int:
    """Write what GitHub needs to run sessions of this config."""
    from pytest_autoresearch.github.setup import write_workflows

    if not config.is_file():
        raise ConfigError("there is no config yet", file=config, remedy="write one first: pytest-autoresearch init")
    with Git.discover(config.parent.absolute()) as git:
        source = config.resolve().relative_to(git.top.resolve()).as_posix()
        for path in write_workflows(git.top, source, two_jobs=two_jobs):
            print(f"{path} is written.")
    print("Next: commit and push them, then Actions, autoresearch, Run workflow. The runner's set-up:")
    print("    https://github.com/pytest-autoresearch/pytest-autoresearch/blob/main/docs/ci.md")
    return 0


def _write(config: Path, text: str) -> None:
    try:
        with config.open("x", encoding="utf-8") as stream:
            stream.write(text)
    except OSError as error:
        raise ConfigError(f"it can not be written: {error.strerror}", file=config) from None


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
    name = _answer("metric", args.metric, guess.metric, checked_name, asks)
    if name != guess.metric:
        guess = suggest(files, metric=name)
    suggested = direction_of(name) or guess.direction
    direction = _answer("direction", args.direction, suggested.value if suggested else None, _direction, asks)
    command = _answer("run", args.command_to_run, guess.run, _command, asks)
    targets = _answer("target", _listed(args.target), ", ".join(guess.targets) or None, _some_paths, asks)
    unsaid = tuple(path for path in guess.readonly if path not in targets)
    readonly = _answer("readonly", _listed(args.readonly), ", ".join(unsaid) or "none", _paths, asks)
    extract = _answer("extract", args.extract, "none", _optional(_command), asks)
    budget = _answer("budget", args.budget, "none", _optional(parse_duration), asks)
    tag = _answer("tag", args.tag, "none", _optional(parse_tag), asks)
    return Protocol(
        goal=escape_start(one_line(args.goal or "")) or GOAL,
        metric=Metric(name, direction, extract=extract),
        targets=tuple(PathRule(path) for path in targets),
        readonly=tuple(PathRule(path) for path in readonly),
        run=command,
        budget=budget,
        tag=tag,
        source=source,
        directory=PurePosixPath(source).parent,
    )


QUESTIONS = {
    "metric": "The number that decides, as the run prints it (`name: number`)",
    "direction": "Which way it improves, lower or higher",
    "run": "The command of one experiment",
    "target": "Files that the agent may change (with commas)",
    "readonly": "Files that it must not change (with commas)",
    "extract": "A command that prints the number (none: the log is read)",
    "budget": "Time of one run (none: twice the baseline's)",
    "tag": "Name of the session (none: its date)",
}


def _answer(flag: str, given: str | None, suggestion: str | None, read: Callable[[str], T], asks: bool) -> T:
    """One value: given by its flag, or asked for until it can be read, or as suggested."""
    if given is None and not asks:
        if suggestion is None:
            raise ConfigError(f"the repository does not tell the {flag}", remedy=f"give --{flag}")
        given = suggestion
    if given is not None:
        try:
            return read(given)
        except ValueError as error:
            raise ConfigError(f"--{flag}: {error}") from None
    while True:
        try:
            typed = input(f"{QUESTIONS[flag]}{f' [{suggestion}]' if suggestion else ''}: ").strip()
            return read(typed or suggestion or "")
        except ValueError as error:
            print(f"  {error}")
        except EOFError:
            raise KeyboardInterrupt from None


def _direction(text: str) -> Direction:
    direction = read_direction(text)
    if direction is None:
        raise ValueError(f"{quoted(text)} is neither lower nor higher")
    return direction


def _command(text: str) -> str:
    complaint = not_a_command(text) if text.strip() else "is empty"
    if complaint:
        raise ValueError(f"{quoted(text)} {complaint}")
    return text.strip()


def _paths(text: str) -> tuple[str, ...]:
    paths = [path.strip() for path in text.split(",")]
    return tuple(path.removeprefix("./") for path in paths if path and path != "none")


def _some_paths(text: str) -> tuple[str, ...]:
    if not (paths := _paths(text)):
        raise ValueError("no path is named")
    return paths


def _optional(read: Callable[[str], T]) -> Callable[[str], T | None]:
    return lambda text: None if text.strip() in ("", "none") else read(text)


def _listed(values: Sequence[str] | None) -> str | None:
    return None if values is None else ",".join(values)


# Proving


@contextmanager
def _ticking() -> Iterator[Callable[[float], None]]:
    """Shows the seconds of the run while it lasts, on a terminal only."""
    is_shown = sys.stderr.isatty()

    def tick(seconds: float) -> None:
        if is_shown:
            print(f"\r  running, {seconds:.0f} s ", end="", file=sys.stderr, flush=True)

    yield tick
    if is_shown:
        print("\r\x1b[K", end="", file=sys.stderr, flush=True)


def _report(proof: Proof, protocol: Protocol, config: Path) -> int:
    name, measured = protocol.metric.name, proof.measured
    if measured.value is not None:
        file = protocol.metric.file
        place = "the extract command" if protocol.metric.extract is not None else file.words() if file else "the log"
        print(f"It works: {name} = {measured.value:.6g} after {measured.duration:.1f} s, read from {place}.")
        print(f"Next: describe the goal in {config}, then run\n    pytest --autoresearch {config}")
        return 0
    failure = measured.failure or Reason.ERROR
    print(f"The run does not give {name} yet: {failure.value}: {measured.detail}")
    if measured.hint:
        print(f"  {measured.hint}")
    if measured.log_tail:
        print("The end of its log:\n" + "\n".join(f"    {line}" for line in measured.log_tail.split("\n")))
    for remedy in proof.remedies:
        print(f"To mend it: {remedy.line}")
    print(f"Change {config} or the code (and commit it); `pytest-autoresearch doctor` tries again.")
    return 1
