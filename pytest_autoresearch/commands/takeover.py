"""``pytest-autoresearch init --from``: another tool's set-up becomes a config that our own parser reads.

What is guessed is asked; without a person it is accepted in so many words, or the command ends with 1. A metric or a
direction that may be wrong is never written with exit status 0.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

from pytest_autoresearch.commands.questions import answer, command, direction, listed, optional, paths, some_paths
from pytest_autoresearch.commands.writing import prove_config, write
from pytest_autoresearch.errors import AutoresearchError, ConfigError
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.discover import CONFIG
from pytest_autoresearch.protocol.durations import parse_duration
from pytest_autoresearch.protocol.importing import PLACEHOLDER, Imported, import_session
from pytest_autoresearch.protocol.importing.draft import Guess
from pytest_autoresearch.protocol.markdown import parse
from pytest_autoresearch.protocol.metric import checked_name
from pytest_autoresearch.protocol.model import PathRule, Protocol
from pytest_autoresearch.protocol.render import render
from pytest_autoresearch.protocol.tags import parse_tag

_READERS: dict[str, Callable[[str], Any]] = {
    "goal": str,
    "metric": checked_name,
    "direction": direction,
    "run": command,
    "extract": optional(command),
    "target": some_paths,
    "readonly": paths,
    "budget": optional(parse_duration),
    "tag": optional(parse_tag),
}


_MISSING = {"metric": "metric", "target": "target files", "run": "run command"}


def take_over(args: argparse.Namespace, config: Path) -> int:
    """Write what another tool's session says, and prove it. 1: something is missing, guessed, or does not run."""
    imported = import_session(args.source)
    protocol, open_guesses = _completed(imported, args)
    text = render(protocol)
    write(config, text)
    print(f"{config} is written from {imported.source}.")
    for line in imported.unmapped:
        print(f"  not mapped: {line}")
    for guess in open_guesses:
        print(f"  guessed: {guess.field} is `{guess.value}`: {guess.why}")
    if (missing := _missing(protocol)) or _is_refused(text, config):
        if missing:
            print(f"Fill in the {' and the '.join(missing)} in {config} first: not found.")
        return 1
    if open_guesses:
        flags = " ".join(f"--{guess.field} …" for guess in open_guesses)
        print(f"Look at what is guessed in {config} first; or remove it and give {flags}, or --accept-guesses.")
        return 1
    return _prove(protocol, args.path, config)


def _completed(imported: Imported, args: argparse.Namespace) -> tuple[Protocol, list[Guess]]:
    """The protocol with what the flags and the person say, and the guesses that nobody has confirmed."""
    given = {
        "goal": args.goal,
        "metric": args.metric,
        "direction": args.direction,
        "run": args.command_to_run,
        "extract": args.extract,
        "target": listed(args.target),
        "readonly": listed(args.readonly),
        "budget": args.budget,
        "tag": args.tag,
    }
    protocol = imported.protocol
    for flag, text in given.items():
        if text is not None:
            protocol = _with(protocol, flag, answer(flag, text, None, _READERS[flag], asks=False))
    asks = not args.yes and sys.stdin.isatty()
    still = []
    for guess in imported.guesses:
        if given.get(guess.field) is not None or args.accept_guesses:
            continue
        if asks:
            print(f"  {guess.field}: a guess: {guess.why}")
            protocol = _with(protocol, guess.field, answer(guess.field, None, guess.value, _READERS[guess.field], asks))
        else:
            still.append(guess)
    for flag, words in _MISSING.items():
        if asks and words in _missing(protocol):
            protocol = _with(protocol, flag, answer(flag, None, None, _READERS[flag], asks))
    return protocol, still


def _with(protocol: Protocol, flag: str, value: Any) -> Protocol:
    if flag == "metric":
        return replace(protocol, metric=replace(protocol.metric, name=value))
    if flag in ("direction", "extract"):
        return replace(protocol, metric=replace(protocol.metric, **{flag: value}))
    if flag == "target":
        return replace(protocol, targets=tuple(PathRule(path) for path in value))
    if flag == "readonly":
        return replace(protocol, readonly=tuple(PathRule(path) for path in value))
    changed: dict[str, Any] = {flag: value}
    return replace(protocol, **changed)


def _missing(protocol: Protocol) -> list[str]:
    there = (protocol.metric.name != PLACEHOLDER, bool(protocol.targets), bool(protocol.run))
    return [words for words, is_there in zip(_MISSING.values(), there, strict=True) if not is_there]


def _is_refused(text: str, config: Path) -> bool:
    """Whether our own parser makes no protocol of the config; says why."""
    try:
        parse(text, file=str(config))
    except ConfigError as error:
        print(f"It can not be used yet:\n  {error}")
        return True
    return False


def _prove(protocol: Protocol, directory: Path, config: Path) -> int:
    """One run of the baseline, where the config lies in a repository with a commit."""
    try:
        with Git.discover(directory.absolute()) as git:
            source = PurePosixPath(directory.resolve().relative_to(git.top.resolve()).as_posix()) / CONFIG
            return prove_config(replace(protocol, source=str(source), directory=source.parent), git, config)
    except AutoresearchError as error:
        print(f"It is not proved by a run yet: {error}")
        print(f"Next: mend that, commit what the config names, then run\n    pytest --autoresearch {config}")
        return 1
