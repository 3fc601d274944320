"""Which session it is: the one asked for, the newest of a config, or a new one; and that it still is the same."""

from __future__ import annotations

import json
import platform
from collections.abc import Sequence
from datetime import datetime, timezone
from importlib.metadata import version

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.lab.machine import machine_fingerprint, system_name
from pytest_autoresearch.notebook.branch import folded
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import Session
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.serialise import digests, fixed, from_json, to_json
from pytest_autoresearch.protocol.settings import Settings

LONGEST_SHOWN = 300  # characters of a setting that has changed
MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")


def tag_of(protocol: Protocol, settings: Settings, known: Sequence[Session]) -> str:
    """The tag asked for, else the newest of this config, else the date the session begins."""
    asked = settings.tag or protocol.tag
    if asked is not None:
        return asked
    mine = [session for session in known if session.source == protocol.source]
    if mine:
        return max(mine, key=lambda session: session.started).tag
    today = datetime.now()
    date = f"{MONTHS[today.month - 1]}{today.day:02d}"
    taken = {folded(session.tag) for session in known}
    return next(tag for tag in (date, *(f"{date}-{n}" for n in range(2, len(taken) + 3))) if folded(tag) not in taken)


def new_session(git: Git, protocol: Protocol, settings: Settings, tag: str, workers: int) -> Session:
    return Session(
        tag=tag,
        source=protocol.source,
        start=git.head(),
        protocol=to_json(protocol),
        digests=digests(protocol),
        machine=machine_fingerprint(),
        versions={
            "pytest-autoresearch": version("pytest-autoresearch"),
            "pytest": version("pytest"),
            "python": platform.python_version(),
            "system": system_name(),
        },
        started=datetime.now(timezone.utc),
        seed=settings.seed,
        workers=workers,
    )


def refuse_changes(session: Session, protocol: Protocol) -> None:
    """ConfigError where ``protocol`` is another than the session's: numbers compare while what they measure stays."""
    now = digests(protocol)
    began = {**now, "seeds": None, **session.digests}  # what an older version did not know is as it was
    changed = [name for name in began if now.get(name) != began[name]]
    if changed:
        was, became = (_shown(fixed(each).get(changed[0], "own")) for each in (from_json(session.protocol), protocol))
        raise ConfigError(
            f"{', '.join(changed)} changed since the session {session.tag} began, so its numbers do not compare\n"
            f"    {changed[0]} was:    {was}\n"
            f"    {changed[0]} is now: {became}",
            file=protocol.source,
            line=protocol.origins.get(changed[0]),
            remedy="undo the change, or begin another session: --autoresearch-tag NAME",
        )


def _shown(value: object) -> str:
    """A setting in one line."""
    text = " ".join(value.split()) if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text if len(text) <= LONGEST_SHOWN else text[: LONGEST_SHOWN - 1] + "…"
