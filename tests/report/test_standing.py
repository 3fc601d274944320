"""How a session stands: the same for the comment and a job's page, bounded, and nothing foreign is alive in it."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import timedelta

from markdown_it import MarkdownIt

from pytest_autoresearch.notebook.record import History, Note
from pytest_autoresearch.report.markdown.parts import Links
from pytest_autoresearch.report.markdown.standing import MOST_KEEPS, standing, troubled
from pytest_autoresearch.report.story import NEWEST, Teller, story
from tests.cost import seconds
from tests.github.histories import NOW, history, session

LINKS = Links("https://github.com/o/r", "https://github.com/o/r/actions/runs/1")


def running(teller: Teller, found: History) -> str:
    return standing(teller.tell(found, running=True), LINKS)


def ended(found: History) -> str:
    return standing(story(found), LINKS)


def test_it_says_start_best_counts_cost_and_the_newest_experiments() -> None:
    text = running(Teller(), history(9))
    assert "loss: start 1 → best 0.9991, 0.09 % better" in text and "it runs, [workflow run](" in text
    assert "9 experiments: 3 keep, 6 discard, 0 crash" in text and "cost 0.09 USD" in text
    assert "[a000000](https://github.com/o/r/commit/a0000000" in text
    assert text.index("| 0009 | `") < text.index("| 0008 | `") < text.index("| 0001 | `")


def test_told_one_by_one_or_at_once_it_says_the_same() -> None:
    found, teller = history(30), Teller()
    for count in range(1, 31):
        text = running(teller, replace(found, experiments=found.experiments[: count + 1]))
    assert text == running(Teller(), found)


def test_a_long_night_makes_it_neither_longer_nor_slower() -> None:
    found, teller = history(3000, description="é<*@" * 50), Teller()
    text = running(teller, found)
    assert seconds(lambda: running(teller, found)) < 0.05 and len(text.encode()) < 65_536
    rows = re.findall(r"^\| \d{4} \|", text, re.MULTILINE)
    assert len(rows) == MOST_KEEPS + NEWEST


def test_the_end_says_why_and_what_was_verified() -> None:
    found = replace(history(9, verified=True), notes=(Note("stop", "10 experiments, as <asked>", NOW),))
    text = ended(found)
    assert "it has ended: 10 experiments, as &lt;asked&gt;" in text and "verified gain 0.0009" in text
    killed = replace(found, notes=(Note("stop", "before", NOW - timedelta(hours=1)),))
    assert "it was killed, or runs elsewhere" in ended(killed)
    assert "killed" in ended(replace(found, notes=()))


def test_what_stands_in_the_way_of_pushing_is_the_first_line() -> None:
    assert troubled("text", "") == "text"
    told = troubled("text", "not pushed: git said @you\n  the token has ended: publish with a new one")
    assert (
        told == "> [!WARNING]\n> not pushed: git said @\u200byou; the token has ended: publish with a new one\n\ntext"
    )


def test_before_the_baseline_there_is_little_to_say() -> None:
    nothing = History(session())
    assert running(Teller(), nothing) == ended(nothing) == "the baseline has not been measured yet\n"


def test_what_agents_say_is_neither_html_nor_a_mention() -> None:
    text = running(Teller(), history(6, description="<b>@everyone</b> fixes #1 --> | ::error::x"))
    assert "@everyone" not in text and "<b>" not in text and "-->" not in text and not re.search(r"#1\b", text)
    assert "<b>" not in MarkdownIt("gfm-like", {"linkify": False}).render(text)
