"""Why a start commit can not be measured: the failed command is run again under watch, and the symptoms are read."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_autoresearch.lab.job import Executor
from pytest_autoresearch.lab.reach import home
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.building import Read, suggested
from pytest_autoresearch.protocol.experiment import FileEntry
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.research.submodules import GITLINK

if TYPE_CHECKING:
    from pytest_autoresearch.lab.lookups import Lookup
    from pytest_autoresearch.lab.missing import Checkout
    from pytest_autoresearch.lab.remedies import Remedy

LONGEST_AGAIN = 120.0
"""Seconds: what took longer to fail is not run again to see what it misses."""

LARGEST_SOURCE = 200_000  # bytes of a file that is read for how it is built


def reader(git: Git, state: Mapping[str, FileEntry]) -> Read:
    """Gives the text of a small file of a state by its path."""

    def read(path: str) -> str | None:
        entry = state.get(path)
        if entry is None or not entry.mode.startswith("100"):
            return None
        data = git.read([entry.blob])[entry.blob]
        return None if len(data) > LARGEST_SOURCE else data.decode("utf-8", "replace")

    return read


@dataclass(frozen=True)
class Diagnosis:
    """Knows the checkout beside a session. ``state`` is the one that failed."""

    protocol: Protocol
    git: Git
    lab: Executor
    state: Mapping[str, FileEntry]

    def of(self, log: str, duration: float, again: Callable[[], object]) -> tuple[Remedy, ...]:
        """The remedies for a command that ended after ``duration`` seconds with ``log``; ``again`` runs it again."""
        return self.read(log, self.watched(again) if duration <= LONGEST_AGAIN else ())

    def watched(self, again: Callable[[], object]) -> tuple[Lookup, ...]:
        """What a run was seen to miss; nothing where the executor can not watch."""
        watching: Any = getattr(self.lab, "watching", None)
        if watching is None:
            return ()
        with watching() as lookout:
            again()
        lookups: tuple[Lookup, ...] = lookout.lookups
        return lookups

    def read(self, log: str, lookups: tuple[Lookup, ...]) -> tuple[Remedy, ...]:
        """The remedies for what is known already."""
        from pytest_autoresearch.lab.remedies import Symptoms, remedies

        read = reader(self.git, self.state)
        build = suggested(read, self.state, next((rule.pattern for rule in self.protocol.targets), ""))
        return remedies(Symptoms(log, self._checkout(), lookups, build))

    def _checkout(self) -> Checkout:
        from pytest_autoresearch.lab.missing import Checkout

        changed = self.git.changed()
        return Checkout(
            protocol=self.protocol,
            top=self.git.top,
            home=home(),
            ignored=self.git.ignored(),
            untracked=[*self.git.untracked(), *(path for path in changed if path not in self.state)],
            changed=frozenset(path for path in changed if path in self.state),
            tracked=frozenset(self.state),
            submodules=frozenset(path for path, entry in self.state.items() if entry.mode == GITLINK),
            search=os.environ.get("PATH", os.defpath),
        )
