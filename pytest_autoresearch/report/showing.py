"""Whoever shows a session besides its own terminal, put together: other processes, the live page."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.ledger import state_directory
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.protocol.settings import Settings
from pytest_autoresearch.report.lanes import Lanes, kept_in

LAST_WORD = 15.0  # s for what is sent last


@dataclass(frozen=True, slots=True)
class Showing:
    """What the loop is to tell: ``lanes`` of phases, ``plugins`` of records. ``lines`` stand in the header."""

    lanes: Lanes
    plugins: tuple[object, ...]
    lines: tuple[str, ...]


class Follower(Protocol):
    """What is told of a history in a thread of its own."""

    def follow(self, history: History) -> None: ...
    def end(self) -> None: ...
    def close(self, seconds: float) -> None: ...
    def remarks(self) -> list[str]: ...


def _followers(git: Git, settings: Settings, history: History, state: Path) -> list[Follower]:
    """Those that the settings ask for; only who wants them pays for their imports."""
    found: list[Follower] = []
    if settings.observers:
        from pytest_autoresearch.report.observing import observers

        found += observers(settings.observers, git, history, state)
    if settings.notify:
        from pytest_autoresearch.report.notices import Notifier

        found.append(Notifier(settings.notify, state))
    return found


def check(settings: Settings) -> None:
    """ConfigError, before anything runs, for what can be told to nobody."""
    from pytest_autoresearch.report.notices import addressed
    from pytest_autoresearch.report.observing import check as check_observers

    check_observers(settings.observers)
    addressed(settings.notify or "")


class Beside:
    """The observers of one session as a plugin: what they have to say is said between two experiments."""

    def __init__(self, observers: Sequence[Follower], say: Callable[[str], None]) -> None:
        self._observers, self._say = observers, say

    def pytest_autoresearch_recorded(self, history: History) -> None:
        for observer in self._observers:
            observer.follow(history)
        self._tell()

    def finish(self, history: History) -> None:
        """The session has ended: all of them have LAST_WORD seconds together."""
        until = time.monotonic() + LAST_WORD
        for observer in self._observers:
            observer.follow(history)
            observer.end()
        for observer in self._observers:
            observer.close(max(0.0, until - time.monotonic()))
        self._tell()

    def _tell(self) -> None:
        for observer in self._observers:
            for remark in observer.remarks():
                self._say(remark)


@contextmanager
def shown(
    git: Git, tag: str, settings: Settings, history: Callable[[], History], say: Callable[[str], None]
) -> Iterator[Showing]:
    """Show a session from here to the end of the block, as ``settings`` ask; ``say`` tells what went wrong."""
    state = state_directory(git, tag)
    with ExitStack() as stack:
        says = [kept_in(state)]
        plugins, lines = [], []  # type: list[object], list[str]
        if settings.observers or settings.notify:
            beside = Beside(_followers(git, settings, history(), state), say)
            stack.callback(lambda: beside.finish(history()))
            plugins.append(beside)
        if settings.live is not None:
            from pytest_autoresearch.report.live import live_page

            page = stack.enter_context(live_page(settings.live, git, tag))
            page.tell(history())
            stack.callback(lambda: page.tell(history()))
            says.append(page.say)
            plugins.append(page)
            lines.append(f"  live    {page.address}")
        lanes = Lanes(says)
        stack.callback(lanes.end)
        yield Showing(lanes, (lanes, *plugins), tuple(lines))
