"""How a session stands: the same for the comment and a job's page, bounded, and nothing foreign is alive in it."""

from __future__ import annotations

import re
import time
from dataclasses import replace
from datetime import timedelta

from markdown_it import MarkdownIt

from pytest_autoresearch.github.progress import MOST_KEEPS, Progress, ended
from pytest_autoresearch.github.pull_request import Links
from pytest_autoresearch.notebook.record import History, Note
from pytest_autoresearch.report.story import NEWEST
from tests.github.histories import NOW, history, session

LINKS = Links("https://github.com/o/r", "https://github.com/o/r/actions/runs/1")


def test_it_says_start_best_counts_cost_and_the_newest_experiments() -> None:
    text = Progress().text(history(9), LINKS)
    assert "loss: start 1 → best 0.9991, 0.09 % better" in text and "it runs, [workflow run](" in text
    assert "9 experiments: 3 keep, 6 discard, 0 crash" in text and "cost 0.09 USD" in text
    assert "[a000000](https://github.com/o/r/commit/a0000000" in text
    assert text.index("| 0009 | `") < text.index("| 0008 | `") < text.index("| 0001 | `")


def test_told_one_by_one_or_at_once_it_says_the_same() -> None:
    found, progress = history(30), Progress()
    for count in range(1, 31):
        text = progress.text(replace(found, experiments=found.experiments[: count + 1]), LINKS)
    assert text == Progress().text(found, LINKS)


def test_a_long_night_makes_it_neither_longer_nor_slower() -> None:
    found, progress = history(3000, description="é<*@" * 50), Progress()
    progress.text(found, LINKS)
    began = time.process_time()
    for _ in range(20):
        text = progress.text(found, LINKS)
    assert time.process_time() - began < 1 and len(text.encode()) < 65_536
    rows = re.findall(r"^\| \d{4} \|", text, re.MULTILINE)
    assert len(rows) == MOST_KEEPS + NEWEST


def test_the_end_says_why_and_what_was_verified() -> None:
    found = replace(history(9, verified=True), notes=(Note("stop", "10 experiments, as <asked>", NOW),))
    text = ended(found, LINKS)
    assert "it has ended: 10 experiments, as &lt;asked&gt;" in text and "verified gain 0.0009" in text
    killed = replace(found, notes=(Note("stop", "before", NOW - timedelta(hours=1)),))
    assert "it was killed, or runs elsewhere" in ended(killed, LINKS)
    assert "killed" in ended(replace(found, notes=()), LINKS)


def test_before_the_baseline_there_is_little_to_say() -> None:
    nothing = History(session())
    assert Progress().text(nothing, LINKS) == ended(nothing, LINKS) == "the baseline has not been measured yet\n"


def test_what_agents_say_is_neither_html_nor_a_mention() -> None:
    text = Progress().text(history(6, description="<b>@everyone</b> fixes #1 --> | ::error::x"), LINKS)
    assert "@everyone" not in text and "<b>" not in text and "-->" not in text and not re.search(r"#1\b", text)
    assert "<b>" not in MarkdownIt("gfm-like", {"linkify": False}).render(text)
