"""``pytest-autoresearch status``: how a session stands, from another terminal, or another machine by what it pushed."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path

from pytest_autoresearch.commands.arguments import positive_count
from pytest_autoresearch.commands.fetch import fetched
from pytest_autoresearch.commands.note import add_session_arguments
from pytest_autoresearch.errors import AutoresearchError, NotebookError
from pytest_autoresearch.notebook import steering
from pytest_autoresearch.notebook.chain import ledger_ref, read_chain
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.report import lanes
from pytest_autoresearch.report.lanes import Lane
from pytest_autoresearch.report.status import Line, status_lines
from pytest_autoresearch.report.story import State, Story, Teller

EVERY = 2  # s
FETCH_EVERY = 30.0  # s; the session pushes once a minute
NO_BASELINE = "the baseline has not been measured yet"
_COLOURS = {"bold": "1", "red": "31", "green": "32", "yellow": "33"}


def configure(parser: argparse.ArgumentParser) -> None:
    """Add the arguments."""
    add_session_arguments(parser)
    parser.add_argument("--watch", action="store_true", help="until the session ends; Ctrl-C leaves it alone")
    parser.add_argument(
        "--every", type=positive_count, default=EVERY, metavar="S", help=f"with --watch: seconds ({EVERY})"
    )
    parser.add_argument(
        "--from", dest="source", metavar="SOURCE", help="fetch what a session elsewhere has pushed to this remote first"
    )


def run(args: argparse.Namespace) -> int:
    """Show it once, or until it ends."""
    if args.source is not None and args.tag is None:
        raise AutoresearchError("--from needs --tag: which session is to be fetched\n  add --tag TAG")
    if args.source is not None:
        fetched(args.path, args.source, args.tag)
    session = steering.find(args.path, args.tag)
    with Git.discover(args.path) as git:
        window = Window(git, session.tag, session.state)
        if args.json:
            print(json.dumps(window.plain(), indent=1))
        elif args.watch:
            _watch(window, args)
        else:
            _write(window.lines(shutil.get_terminal_size((120, 24)).columns, 0))
    return 0


class Window:
    """One session, looked at as often as one likes: the ledger is read again when it has grown."""

    def __init__(self, git: Git, tag: str, state: Path) -> None:
        self._git, self._tag, self._state = git, tag, state
        self._teller, self._at = Teller(), ""
        self._story: Story | None = None
        self.is_running = True

    def look(self) -> Story | None:
        """The story up to now; None before the baseline."""
        was, self.is_running = self.is_running, steering.running(self._state)
        at = self._git.resolve(ledger_ref(self._tag)) or ""
        if at != self._at or was != self.is_running:
            chain = read_chain(self._git, ledger_ref(self._tag))
            self._story = None if chain is None else self._teller.tell(chain.history, running=self.is_running)
            self._at = at
        return self._story

    @property
    def lanes(self) -> Sequence[Lane]:
        """What goes on; nothing where the session does not run on this machine."""
        return lanes.read(self._state) if self.is_running else ()

    def lines(self, width: int, height: int) -> list[Line]:
        story = self.look()
        if story is None:
            return [(f"autoresearch/{self._tag}: {NO_BASELINE}", {}), *((lane.text, {}) for lane in self.lanes)]
        paused = self.is_running and steering.paused(self._state)
        return status_lines(story, self.lanes, now=time.time(), paused=paused, width=width, height=height)

    def plain(self) -> dict[str, object]:
        """For other programs; metric units, seconds, US dollars."""
        story = self.look()
        known: dict[str, object] = {"tag": self._tag, "state": State.RUNNING.value if self.is_running else ""}
        if story is not None:
            known |= {
                "state": story.state.value,
                "why": story.why,
                "metric": story.metric,
                "start": story.start.value,
                "best": story.best.value,
                "gain": story.gain,
                "experiments": story.tried,
                **{status.value: n for status, n in story.counts.items()},
                "pace": story.pace,
                "elapsed": story.elapsed,
                "cost": story.cost,
            }
        return known | {"lanes": [asdict(lane) for lane in self.lanes]}


def _watch(window: Window, args: argparse.Namespace) -> None:
    """Until the session ends. On a terminal in place; else what is new, below what was said before."""
    is_terminal, said, fetched_at = sys.stdout.isatty(), None, time.monotonic()
    try:
        while True:
            if args.source is not None and time.monotonic() - fetched_at > FETCH_EVERY:
                fetched_at = time.monotonic()
                _fetch_again(args)
            size = shutil.get_terminal_size((120, 24))
            story = window.look()
            lines = window.lines(size.columns - is_terminal, size.lines - 1 if is_terminal else 0)
            if is_terminal:
                sys.stdout.write("\x1b[H\x1b[2J")
            if is_terminal or story is not said:
                _write(lines)
            said = story
            if not window.is_running and (args.source is None or (story is not None and story.state is State.ENDED)):
                return
            time.sleep(args.every)
    except KeyboardInterrupt:  # the session goes on without us
        return


def _fetch_again(args: argparse.Namespace) -> None:
    """A network that is away for a while is no reason to stop looking."""
    try:
        fetched(args.path, args.source, args.tag)
    except NotebookError as error:
        print(f"not fetched: {' '.join(str(error).split())}", file=sys.stderr)


def _write(lines: Iterable[Line]) -> None:
    is_coloured = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
    for line, markup in lines:
        codes = ";".join(_COLOURS[name] for name, wanted in markup.items() if wanted)
        print(f"\x1b[{codes}m{line}\x1b[0m" if codes and is_coloured else line)
    sys.stdout.flush()
