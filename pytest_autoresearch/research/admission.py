"""What a session is let in with: which files its candidates may change, and what it may not leave before them."""

from __future__ import annotations

import os
from pathlib import Path

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.lab.cpus import cores
from pytest_autoresearch.lab.gpus import find_gpus
from pytest_autoresearch.lab.importing import names_elsewhere
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import Session
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.scope import Scope, resolve_paths
from pytest_autoresearch.protocol.settings import Settings
from pytest_autoresearch.protocol.shadowing import python_paths
from pytest_autoresearch.protocol.trust import VISIBLE
from pytest_autoresearch.research.beginning import refuse_changes
from pytest_autoresearch.research.contention import found_by_aa
from pytest_autoresearch.research.fitting import (
    refuse_misfit,
    refuse_missing_programs,
    refuse_unseen_scripts,
    surveyed,
    unread_code,
)
from pytest_autoresearch.research.guards import INI_FILES
from pytest_autoresearch.research.watch import Watch


def admitted(
    protocol: Protocol, git: Git, settings: Settings, session: Session, workers: int, watch: Watch, *, is_new: bool
) -> Scope:
    """What candidates of a session may change. AutoresearchError for what a person has to mend before it goes on."""
    refuse_other_spending(session, settings, workers)
    refuse_changes(session, protocol)
    refuse_visible_holdout(protocol, settings)
    scope = scope_of(protocol, git, session.start)
    if is_new:  # what has begun has shown that it works
        refuse_misfit(protocol, git, session.start, scope.targets)
    looked_at = surveyed(protocol, git, session.start, scope.targets) if is_new or protocol.knobs else None
    for file, why in unread_code(looked_at) if looked_at is not None else ():
        watch.remark(f"{file} is not read, neither for seeds nor for knobs: {why}")
    refuse_unseen_scripts(settings.agents, protocol, git.top, git.files(session.start).keys())
    refuse_missing_programs(settings.agents, protocol, git.top)
    if workers > (there := len(cores())):
        watch.remark(f"{workers} slots share {there} cores, so runs slow each other and their numbers scatter more")
    return scope


def scope_of(protocol: Protocol, git: Git, start: str) -> Scope:
    """The protocol's scope in a session's start commit, knowing what the machine's interpreters import."""
    files = git.files(start)
    scope = resolve_paths(protocol, files.keys())
    if scope.shadowing is None:
        return scope
    inis = [entry.blob for path, entry in files.items() if path.rpartition("/")[2] in INI_FILES]
    texts = (data.decode("utf-8", "replace") for data in git.read(inis).values())
    commands = [command for command in (protocol.metric.extract, *protocol.guard) if command]
    return resolve_paths(
        protocol,
        files.keys(),
        installed=names_elsewhere(commands, top=git.top),
        roots=[place for text in texts for place in python_paths(text)],
    )


def refuse_visible_holdout(protocol: Protocol, settings: Settings) -> None:
    """What decides must not lie before the candidate where nothing weaker than the strictest is wanted."""
    if settings.isolation == "strict" and protocol.holdout is not None and protocol.holdout.is_visible:
        raise ConfigError(
            f"holdout: {VISIBLE}, as its `run` sees the hidden files; isolation is strict",
            file=protocol.source,
            line=protocol.origins.get("holdout"),
            remedy="let `run` write predictions from `inputs`, and a command `score` compare them with the `files`",
        )


def slot_count(asked: int | str, protocol: Protocol, state: Path) -> int:
    """How many slots a session has. ConfigError for more than there are devices, or devices where there are none.

    ``state`` is where ``aa --workers`` leaves what it has found, which is what ``auto`` means where there is no GPU.
    """
    gpus = find_gpus(os.environ, protocol.env)
    most = None if gpus is None else gpus.sets
    if asked == "gpus" and most is None:
        raise ConfigError(
            "workers: gpus, and no GPU is visible", remedy="give a number, or see `pytest-autoresearch doctor`"
        )
    if isinstance(asked, int):
        if most is not None and asked > most:
            raise ConfigError(
                f"workers: {asked} experiments need as many GPUs, and {most} can be had",
                remedy="write `gpus`, or hide the GPUs from it: CUDA_VISIBLE_DEVICES=",
            )
        return asked
    return most if most is not None else found_by_aa(state, protocol)


def refuse_other_spending(session: Session, settings: Settings, workers: int) -> None:
    """One error budget is spent by one rule: ``certified`` has another for candidates that are judged side by side."""
    if settings.judge == "certified" and session.workers == 1 < workers:
        raise ConfigError(
            f"workers: {session.tag} began with one slot, and `certified` spends a session's error by another rule for "
            "candidates that are judged side by side; what this one has spent would not count",
            remedy="leave it at 1, judge as `grouped`, or begin another session: --autoresearch-tag NAME",
        )
