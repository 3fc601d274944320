"""Who is told of every record besides the ledger: a file of JSON lines, a tracker. None of them can stop the loop.

Each has a thread, and a tracker a process of its own, so that what it prints, imports, waits for or dies of is its
affair. What did not get through is sent again later: the ledger is the truth, and an observer catches up with it.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path
from typing import IO, Any

from pytest_autoresearch.errand import Errand
from pytest_autoresearch.errors import AutoresearchError, ConfigError
from pytest_autoresearch.notebook.codec import to_plain
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import History, Session
from pytest_autoresearch.protocol.experiment import Experiment
from pytest_autoresearch.report.looking import Look
from pytest_autoresearch.report.story import Story, Teller
from pytest_autoresearch.report.words import status_word

TRACKERS = ("mlflow", "trackio")
LONGEST_LOG = 20_000  # characters of a run's end that a tracker gets


class Observer(Errand):
    """Follows the history of one session: tells :meth:`record` of what it has not told yet, or not as it is now."""

    def __init__(self, name: str, git: Git, history: History, *, first_pause: float = 10.0) -> None:
        self._name, self._top = name, git.top
        self.failed = f"{name}: not told, will be tried again"
        self.late = f"{name}: not everything got through in time; the next start of the session makes up for it"
        self._history, self._teller = history, Teller()
        self._told: dict[int, str] = {}
        super().__init__(name, first_pause=first_pause)
        if history.experiments:
            self.soon()

    def follow(self, history: History) -> None:
        """The session has come to this. Costs the loop nothing: the thread does the rest."""
        self._history = history
        self.soon()

    def _act(self) -> str:
        history = self._history
        story = self._teller.tell(history)
        if story is None:
            return ""
        self.begin(history.session)
        unsaid = [each for each in history.experiments if self._told.get(each.number) != status_word(each)]
        if unsaid:
            with Git.discover(self._top) as git:
                look = Look(git)
                for experiment in unsaid:
                    document = _document(experiment, story, look.change(experiment.commit).patch)
                    self.record(document)
                    self._told[experiment.number] = status_word(experiment)
        if self.is_ending:
            self.end_session(story)
        return ""

    @abstractmethod
    def begin(self, session: Session) -> None:
        """Before the first record, and again after a failure."""

    @abstractmethod
    def record(self, document: Mapping[str, Any]) -> None:
        """Tell one experiment; what is known already is written over. Whatever it raises: it was not told."""

    def end_session(self, story: Story) -> None:
        """After the last record."""


class JsonLines(Observer):
    """Appends a line of JSON for each experiment; of two lines for one number the later holds."""

    def __init__(self, path: Path, git: Git, history: History, **more: Any) -> None:
        self._path, self._has_begun = path, False
        super().__init__(str(path), git, history, **more)

    def begin(self, session: Session) -> None:
        if self._has_begun:
            return
        try:
            with open(self._path, "a+", encoding="utf-8") as file:
                file.seek(0)
                for number, status in _said(file, session):
                    self._told[number] = status
                if self._path.stat().st_size and not _ends_whole(self._path):
                    file.write("\n")  # a kill has torn the last line
        except OSError as error:
            raise AutoresearchError(f"can not be written: {error.strerror or error}") from None
        self._has_begun = True

    def record(self, document: Mapping[str, Any]) -> None:
        try:
            with open(self._path, "a", encoding="utf-8", errors="backslashreplace") as file:
                file.write(json.dumps(document, ensure_ascii=False) + "\n")
        except OSError as error:
            raise AutoresearchError(f"can not be written: {error.strerror or error}") from None


class Tracker(Observer):
    """A tracker behind a process that speaks its library; an answer for each record says that it is there."""

    def __init__(self, name: str, git: Git, history: History, log: Path, **more: Any) -> None:
        self._log, self._process = log, None  # type: Path, subprocess.Popen[str] | None
        super().__init__(name, git, history, **more)

    def begin(self, session: Session) -> None:
        if self._process is not None:
            return
        self._told.clear()  # the tracker itself knows what it has
        with open(self._log, "wb") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "pytest_autoresearch.report.trackers", self._name],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                encoding="utf-8",
                errors="backslashreplace",
                start_new_session=True,  # Ctrl-C is the loop's
            )
        self._ask({"session": to_plain(session)})

    def record(self, document: Mapping[str, Any]) -> None:
        self._ask({"record": document})

    def end_session(self, story: Story) -> None:
        self._ask({"ended": story.why or story.state.value, "gain": story.gain})
        self._stop()

    def _ask(self, words: Mapping[str, Any]) -> None:
        process = self._process
        assert process is not None and process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(json.dumps(words) + "\n")
            process.stdin.flush()
            answer = process.stdout.readline()
        except OSError:
            answer = ""
        if answer != "told\n":
            self._stop()
            raise AutoresearchError(_last_line(self._log) or "its process has ended")

    def _abandon(self) -> None:
        self._stop()

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(OSError):
                process.kill()
            process.wait()
            for stream in (process.stdin, process.stdout):
                with suppress(OSError):
                    if stream is not None:
                        stream.close()


def observers(names: Sequence[str], git: Git, history: History, state: Path) -> list[Observer]:
    """Those that ``names`` names: trackers, or files whose name ends with ``.jsonl``; ConfigError for others."""
    check(names)
    return [
        Tracker(name, git, history, state / f"{name}.log")
        if name in TRACKERS
        else JsonLines(Path(name).absolute(), git, history)
        for name in names
    ]


def check(names: Sequence[str]) -> None:
    """ConfigError for what is no observer, or is not installed."""
    for name in names:
        if name in TRACKERS:
            if find_spec(name) is None:
                raise ConfigError(
                    f"observers: {name} is not installed", remedy=f"pip install 'pytest-autoresearch[{name}]'"
                )
        elif not name.endswith(".jsonl"):
            raise ConfigError(
                f"observers: {name} is none of {', '.join(TRACKERS)}, and no file that ends with .jsonl",
                remedy="others are plugins: see docs/seeing.md",
            )


def _document(experiment: Experiment, story: Story, patch: str) -> dict[str, Any]:
    """A record for programs: as in the ledger, with its session, the best level after it, and what it changed."""
    point = next(each for each in reversed(story.points) if each.number == experiment.number)
    tail = next((run.log_tail for run in reversed(experiment.measurements) if run.log_tail), "")
    plain = {name: value for name, value in to_plain(experiment).items() if name != "judge"}
    more = {"best": point.level, "run_seconds": point.run_seconds, "peak_memory": point.memory, "cost": point.cost}
    return {
        "tag": story.tag,
        "start": story.session.start,
        "metric": story.metric,
        **plain,
        **more,
        "status_word": status_word(experiment),
        "diff": patch,
        "log": tail[-LONGEST_LOG:],
    }


def _said(file: IO[str], session: Session) -> Iterator[tuple[int, str]]:
    """What an earlier start has written of this session."""
    for line in file:
        with suppress(ValueError, KeyError, TypeError):
            known = json.loads(line)
            if (known["tag"], known["start"]) == (session.tag, session.start):
                yield int(known["number"]), str(known["status_word"])


def _ends_whole(path: Path) -> bool:
    with open(path, "rb") as file:
        file.seek(-1, os.SEEK_END)
        return file.read(1) == b"\n"


def _last_line(log: Path) -> str:
    try:
        lines = log.read_bytes()[-4000:].decode("utf-8", "replace").strip().splitlines()
    except OSError:
        return ""
    return lines[-1][:300] if lines else ""
