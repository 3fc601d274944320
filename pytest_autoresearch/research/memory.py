"""What a session knows beside its own history: other sessions of its protocol, and reasons that are gone.

Reads the ledgers and states of other tags, and writes nothing.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path

from pytest_autoresearch.agents.lessons import Besides, own_runs, remembered
from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.lab.limits import TIME_LIMIT, broken_limit
from pytest_autoresearch.notebook import steering
from pytest_autoresearch.notebook.chain import read_history, sessions
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import Session
from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Reason
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.text import one_line

SAME = ("metric", "direction", "run", "extract", "targets")
"""What two sessions have in common that search for the same thing."""
_MAY_GO = frozenset({Reason.STALE, Reason.GUARD, Reason.LIMIT, Reason.HOLDOUT})
MOST_SESSIONS = 4  # the newest; each ledger is read once


class Memory:
    """Of one session. Other ledgers are read when they are first asked for, and once."""

    def __init__(self, git: Git, session: Session) -> None:
        self._git, self._session = git, session
        self._earlier: Sequence[str] | None = None

    def besides(self, protocol: Protocol, history: Sequence[Experiment], number: int) -> Besides:
        """What a briefing of experiment ``number`` tells beside the history."""
        if self._earlier is None:
            self._earlier = self._read(protocol)
        return Besides(self._under_way(number), self._earlier, reasons_gone(protocol, history))

    def _relatives(self) -> list[Session]:
        """The repository's other sessions of the same protocol, in the order they began."""
        mine = self._session.digests
        return [
            other
            for other in sessions(self._git)
            if other.tag != self._session.tag
            and other.source == self._session.source
            and all(other.digests.get(name) == mine.get(name) for name in SAME)
        ]

    def _read(self, protocol: Protocol) -> Sequence[str]:
        told = []
        for session in self._relatives()[-MOST_SESSIONS:]:
            try:
                history = read_history(self._git, session.tag)
            except NotebookError:
                continue  # of a newer version: its own session says so
            other = [name for name in ("budget", "data", "env") if self._differs(session, name)]
            note = f" (with another {', '.join(other)})" if other else ""
            told.append(remembered(session.tag, history.experiments, protocol.metric.direction, note))
        return [text for text in told if text]

    def _differs(self, session: Session, name: str) -> bool:
        return session.digests.get(name) != self._session.digests.get(name)

    def _under_way(self, number: int) -> Sequence[str]:
        """What other slots, and other sessions of the protocol that run now, are measuring."""
        states = self._git.common_dir / "autoresearch"
        beside = [words for n, words in _proposals(states / self._session.tag) if n != number]
        live = [lock.parent for lock in sorted(states.glob("*/lock")) if lock.parent.name != self._session.tag]
        live = [state for state in live if steering.running(state)]
        if not live:
            return beside
        kin = {session.tag for session in self._relatives()}
        theirs = [(state.name, words) for state in live if state.name in kin for _, words in _proposals(state)]
        return [*beside, *(f"{tag}: {words}" for tag, words in theirs)]


def reasons_gone(protocol: Protocol, history: Sequence[Experiment]) -> list[tuple[Experiment, str]]:
    """Discards whose limit, guard or conflict is no more, each with why; oldest first.

    One that was tried again has its verdict. On another state the same idea is another edit, so it is known by its
    description, or by the knobs it turns, as well.
    """
    if not any(experiment.reason in _MAY_GO for experiment in history):
        return []
    start, kept = own_runs(history[0]), {experiment.number for experiment in history if experiment.kept}
    gone: dict[int, tuple[Experiment, str]] = {}
    known: dict[object, int] = {}
    for experiment in history[1:]:
        why = _gone(experiment, protocol, start, kept) if experiment.reason in _MAY_GO else ""
        if why:
            first = next((known[name] for name in _names(experiment) if name in known), experiment.number)
            gone.setdefault(first, (experiment, why))
            known |= dict.fromkeys(_names(experiment), first)
        elif known and experiment.measurements:
            for name in _names(experiment):
                gone.pop(known.pop(name, -1), None)
    return list(gone.values())


def _names(experiment: Experiment) -> list[object]:
    """What an idea is known by, on whatever state it is tried."""
    words = experiment.description.casefold().strip()
    return [experiment.fingerprint, *([words] if words else []), *([experiment.moves] if experiment.moves else [])]


def _gone(experiment: Experiment, protocol: Protocol, start: Sequence[Measurement], kept: Collection[int]) -> str:
    if experiment.reason is Reason.STALE:
        number = experiment.detail.partition(" ")[0]
        if number.isdecimal() and int(number) not in kept:
            return f"{number}, which it conflicted with, was taken back"
        return "it was made on a state that was left behind: make it on the present one"
    if experiment.reason is Reason.GUARD:
        named = any(experiment.detail.startswith(one_line(guard)) for guard in protocol.guard)
        return "" if named else "that guard is not in the protocol any more"
    if experiment.reason is Reason.LIMIT and experiment.detail.endswith(TIME_LIMIT):
        return "run time is no limit any more" if protocol.budget_soft else ""
    if experiment.reason is Reason.LIMIT:
        broken = broken_limit(protocol.limits, own_runs(experiment), start)
        return "" if broken else "the limits of the protocol allow it now"
    if experiment.reason is Reason.HOLDOUT and protocol.holdout is None:
        return "the hidden measurement is not in the protocol any more"
    return ""


def _proposals(state: Path) -> Sequence[tuple[int | None, str]]:
    """The numbers and descriptions of what is being measured, from the state that a session keeps of it."""
    found = []
    for file in sorted([*state.glob("running.json"), *state.glob("pending/*.json")]):
        try:
            pending = json.loads(file.read_bytes())
        except (OSError, ValueError):
            continue
        if isinstance(pending, Mapping) and isinstance(words := pending.get("description"), str):
            number = pending.get("number")
            found.append((number if isinstance(number, int) else None, one_line(words, 160)))
    return found
