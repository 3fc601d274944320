"""Who is heard while a session runs: people, by hints and edits of the config; and who hears: plugins that look on."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.notebook import steering
from pytest_autoresearch.notebook.ledger import Notebook
from pytest_autoresearch.protocol.experiment import Experiment
from pytest_autoresearch.protocol.markdown import load
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.research.watch import Watch


class Listening:
    """What people say while a session runs: hints, and edits of what the config tells the agents."""

    def __init__(self, protocol: Protocol, top: Path, state: Path, watch: Watch) -> None:
        self._protocol, self._top, self._state, self._watch = protocol, top, state, watch
        self._seen = self._stamp()

    def told(self) -> tuple[Protocol, Sequence[str]]:
        """The protocol with the goal, constraints, notes and further sections as they stand now, and the hints."""
        stamp = self._stamp()
        if stamp != self._seen:
            self._seen = stamp
            try:
                now = load(self._top / self._protocol.source, top=self._top)
            except ConfigError as error:
                self._watch.remark(f"the edited config can not be read, what it said before holds: {error}")
            else:
                self._protocol = replace(
                    self._protocol,
                    goal=now.goal,
                    constraints=now.constraints,
                    notes=now.notes,
                    extra_sections=now.extra_sections,
                )
        return self._protocol, [hint.text for hint in steering.hints(self._state)]

    def _stamp(self) -> tuple[int, int] | None:
        try:
            found = (self._top / self._protocol.source).stat()
        except OSError:  # a marked test's source is no path
            return None
        return found.st_mtime_ns, found.st_size


def observers(hook: Any, notebook: Notebook, watch: Watch) -> Callable[[Experiment], None]:
    """Tells the plugins that look on of a recorded experiment."""

    def told(experiment: Experiment) -> None:
        try:
            hook.pytest_autoresearch_recorded(experiment=experiment, history=notebook.history)
        except Exception as error:  # an observer is a guest; the loop does not end for it
            watch.remark(f"a plugin's pytest_autoresearch_recorded failed: {type(error).__name__}: {error}")

    return told
