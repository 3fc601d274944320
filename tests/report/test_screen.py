"""On a narrow terminal what the session says breaks at words, and what is for copying stays whole."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pytest_autoresearch.report.screen import Screen
from pytest_autoresearch.report.words import WAITS


class Reporter:
    """As much of pytest's terminal reporter as lines need."""

    def __init__(self, isatty: bool) -> None:
        self.isatty, self.lines, self.showfspath = isatty, [], True  # type: bool, list[str], bool
        self.living = ""

    def write_line(self, line: str, **markup: bool) -> None:
        self.lines.append(line)

    def ensure_newline(self) -> None:
        """Nothing was written before."""

    def rewrite(self, line: str, erase: bool = False) -> None:
        self.living = line

    def write(self, text: str) -> None:
        """What ends it."""


def screen(reporter: Reporter) -> Screen:
    plugins = {"terminalreporter": reporter}
    config: Any = SimpleNamespace(
        pluginmanager=SimpleNamespace(getplugin=plugins.get), get_verbosity=lambda: 0, getoption=lambda _: None
    )
    return Screen(config)


SAID = "  metric: self-reported (https://example.invalid/security.md#self-reported), as the run prints it"
REMARK = "group of 2 (0003 to 0020), measured on 2 fresh pairs, gain 0.263: certified\n  and a line below"
RESUME = "resume  pytest --autoresearch autoresearch.config.md --autoresearch-tag night --autoresearch-experiments 20"


def test_words_stay_whole_on_a_terminal_and_lines_in_a_pipe(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    narrow, pipe = Reporter(isatty=True), Reporter(isatty=False)
    for reporter in (narrow, pipe):
        shown = screen(reporter)
        shown.lines([SAID])
        shown.remark(REMARK)
        shown.summary([(RESUME, {})])
    assert pipe.lines == [SAID, *f"note: {REMARK}".split("\n"), RESUME]
    assert narrow.lines[-1] == RESUME and max(map(len, narrow.lines[:-1])) <= 60
    words = " ".join(narrow.lines).split()
    assert words == " ".join(pipe.lines).split()


def test_how_many_wait_for_a_slot_is_counted_when_the_line_is_drawn() -> None:
    """What each experiment was told to do last stays true of it alone; how many wait changes with every one."""
    reporter = Reporter(isatty=True)
    shown = screen(reporter)
    shown.phase(1, "slot 0, candidate run")
    for number in (2, 3):
        shown.phase(number, "agent proposes")
        shown.phase(number, WAITS)
    shown.tick(4.0)
    assert ", 2 queued: 4 s" in reporter.living
    shown.phase(2, "slot 1, candidate run")
    assert reporter.living.startswith("0002 +1") and "slot 1, candidate run, 1 queued" in reporter.living
    shown.phase(3, "slot 0, candidate run")
    assert "queued" not in reporter.living
