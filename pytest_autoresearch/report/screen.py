"""Writes the live table through pytest's terminal reporter, past its capturing. Everything it says is terminal.py's.

Words may come from a ledger that another machine has written: nothing in them steers the terminal.
"""

from __future__ import annotations

import shutil
import sys
import textwrap
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from pytest_autoresearch.protocol.experiment import Experiment
from pytest_autoresearch.report.terminal import MARKUP, experiment_line, further_line, live_line
from pytest_autoresearch.report.words import WAITS
from pytest_autoresearch.text import clean, shown

COMMANDS = ("table", "branch", "diff", "resume", "publish")
"""What the lines of the summary begin with that are for copying."""


class _Living:
    """What was told last, how many others are under way beside it, and how many wait for a slot."""

    def __init__(self) -> None:
        self._number, self._text, self._budget = 0, "", None  # type: int, str, float | None
        self._under_way: set[int] = set()
        self._queued: set[int] = set()

    def phase(self, number: int, text: str, budget: float | None) -> None:
        self.ended(number)
        if text == WAITS:
            self._queued.add(number)
            return
        self._under_way.add(number)
        self._number, self._text, self._budget = number, text, budget

    def ended(self, number: int) -> None:
        self._under_way.discard(number)
        self._queued.discard(number)

    def line(self, elapsed: float, width: int) -> str:
        others = len(self._under_way - {self._number})
        name = "baseline" if self._number == 0 else f"{self._number:04d}" + (f" +{others}" if others else "")
        queued = f", {len(self._queued)} queued" if self._queued else ""
        return live_line(name, f"{self._text}{queued}", elapsed, self._budget, width)


class Screen:
    """One row per experiment at normal verbosity, and on a terminal a line that lives while something runs."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config
        self._living = _Living()

    @property
    def _reporter(self) -> Any:
        return self._config.pluginmanager.getplugin("terminalreporter")

    @property
    def draws_rows(self) -> bool:
        """Whether rows are ours: with -v they come below pytest's own lines, with -qq there are none."""
        return self._reporter is not None and self._config.get_verbosity() in (-1, 0)

    def lines(self, lines: Iterable[str]) -> None:
        """Write the header of a session."""
        if self._reporter is None or self._config.get_verbosity() < -1:
            return
        if self.draws_rows:
            self._reporter.showfspath = False  # or the file's name would stand before every row
        self._reporter.ensure_newline()
        for line in lines:
            self._write(line)

    def summary(self, lines: Iterable[tuple[str, Mapping[str, bool]]]) -> None:
        """Write the end of a session."""
        for line, markup in lines:
            self._write(line, **markup)

    def remark(self, text: str) -> None:
        """Write a line between the rows."""
        if self._reporter is not None:
            with self._uncaptured():
                self.clear()
                for line in f"note: {clean(text)}".split("\n"):
                    self._write(line, yellow=True)

    def row(self, experiment: Experiment) -> None:
        """Write the row of a finished experiment over the live line; with -q those of keeps only."""
        self._living.ended(experiment.number)
        line = shown(experiment_line(experiment, self._width))
        self.clear()
        if self._config.get_verbosity() < 0 and not experiment.kept:
            return
        self._reporter.write_line(line, **MARKUP[experiment.status])

    def further(self, experiment: Experiment) -> None:
        """With -v, below pytest's own line: the row, and what it has no room for."""
        self._living.ended(experiment.number)
        if self._reporter is not None and self._config.get_verbosity() > 0:
            self._reporter.ensure_newline()
            self._reporter.write_line(shown(experiment_line(experiment, self._width)), **MARKUP[experiment.status])
            self._reporter.write_line(shown(further_line(experiment)))

    def phase(self, number: int, text: str, *, budget: float | None = None) -> None:
        self._living.phase(number, text, budget)
        self.tick(0.0)

    def tick(self, elapsed: float) -> None:
        if self._lives and self.draws_rows:
            with self._uncaptured():
                line = shown(self._living.line(elapsed, self._width - 1))
                self._reporter.rewrite(line, erase=True)

    def forget(self, category: str) -> None:
        """Let go of reports that have been shown; a night has thousands. The terminal only counts them from here."""
        if self._reporter is None or self._config.getoption("durations") is not None:
            return
        self._reporter.stats.pop("", None)
        reports = self._reporter.stats.get(category)
        if reports:
            reports[-1] = reports[0]

    def expect(self, categories: Iterable[str]) -> None:
        """Name categories that experiments may count in; of one that comes at the end pytest would know nothing."""
        for category in categories if self._reporter is not None else ():
            self._reporter.stats.setdefault(category, [])

    def recount(self, category: str, now: str) -> None:
        """Let one experiment that was shown in a category count in another at the end."""
        stats = {} if self._reporter is None else self._reporter.stats
        if reports := stats.get(category):
            stats[now].append(reports.pop())

    def clear(self) -> None:
        """Take the living line away before something else is written."""
        if self._lives and self.draws_rows:
            self._reporter.rewrite("", erase=True)
            self._reporter.write("\r")

    def _write(self, said: str, **markup: bool) -> None:
        """Write a line; on a terminal a long one breaks at words, but for those that are commands."""
        line = shown(said)
        width = self._width if self._lives and not line.startswith(COMMANDS) else len(line) + 1
        parts = textwrap.wrap(line, width, subsequent_indent="    ", break_long_words=False, break_on_hyphens=False)
        for part in parts or [line]:
            self._reporter.write_line(part, **markup)

    @property
    def _lives(self) -> bool:
        return self._reporter is not None and bool(self._reporter.isatty)

    @property
    def _width(self) -> int:
        return shutil.get_terminal_size((120, 24)).columns if self._lives else 160

    @contextmanager
    def _uncaptured(self) -> Iterator[None]:
        capture = self._config.pluginmanager.getplugin("capturemanager")
        if capture is None:
            yield
        else:
            with capture.global_and_fixture_disabled():
                yield


class PlainScreen:
    """The same for a command without pytest: a living line on standard error, if that is a terminal."""

    def __init__(self) -> None:
        self._lives = sys.stderr.isatty()
        self._living = _Living()

    def phase(self, number: int, text: str, *, budget: float | None = None) -> None:
        self._living.phase(number, text, budget)
        self.tick(0.0)

    def tick(self, elapsed: float) -> None:
        if self._lives:
            width = shutil.get_terminal_size((120, 24)).columns - 1
            line = self._living.line(elapsed, width)
            sys.stderr.write(f"\r{line:<{width}}")
            sys.stderr.flush()

    def remark(self, text: str) -> None:
        self.clear()
        sys.stderr.write(f"note: {text}\n")

    def clear(self) -> None:
        """Take the living line away before something else is written."""
        if self._lives:
            sys.stderr.write("\r" + " " * (shutil.get_terminal_size((120, 24)).columns - 1) + "\r")
