"""Sessions beside each other: over runs, hours and dollars, and what each found alone."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pytest_autoresearch.cli import main
from pytest_autoresearch.commands.report import matching
from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.protocol.experiment import Move
from pytest_autoresearch.report.beside import Beside, beside, over
from pytest_autoresearch.report.changes import Seen, read
from pytest_autoresearch.report.html import beside_page
from pytest_autoresearch.report.story import Story, story
from tests.github import histories
from tests.notebook.diary import Diary, new_repository


def session(tag: str, count: int = 6, knobs: str = "", *, seconds: float = 60.0) -> Story:
    """``knobs`` are the names that each keep in turn has moved."""
    whole = histories.history(count)
    moves = {keep.number: (Move(knob, "1", "2"),) for keep, knob in zip(whole.keeps, knobs, strict=False)}
    began = [histories.NOW + timedelta(seconds=n * seconds) for n in range(count + 1)]
    experiments = tuple(
        replace(e, moves=moves.get(e.number), started=at, ended=at + timedelta(seconds=seconds))
        for e, at in zip(whole.experiments, began, strict=True)
    )
    found = story(replace(whole, session=histories.session(tag), experiments=experiments))
    assert found is not None
    return found


def told(*stories: Story) -> list[Beside]:
    return beside([(each, Seen()) for each in stories])


def test_gain_is_told_over_runs_hours_and_dollars() -> None:
    (one,) = told(session("one"))
    assert one.runs == (1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0)
    assert one.hours[-1] == pytest.approx(7 / 60) and one.dollars[-1] == pytest.approx(0.06)
    assert one.gains == pytest.approx((0, 0, 0, 0.03, 0.03, 0.03, 0.06))
    assert over([one], lambda each: each.runs)[0][1][3] == pytest.approx((4.0, 0.03))
    assert over([one], lambda each: [0.0] * 7) == [], "nothing is drawn over what nobody has spent"


def test_alone_is_what_no_other_session_has_kept() -> None:
    one, two = told(session("one", knobs="ab"), session("two", knobs="bc"))
    assert [keep.number for keep in one.alone] == [3] and [keep.number for keep in two.alone] == [6]
    same = told(session("one"), session("two"))
    assert [each.alone for each in same] == [(), ()], "without knobs and diffs the same words are the same change"
    patch = "diff --git a/m.py b/m.py\n--- a/m.py\n+++ b/m.py\n@@ -1 +1 @@ def f():\n-    1\n+    2\n"
    found = session("three")
    changed = Seen({keep.commit: read(patch) for keep in found.keeps})
    assert [len(each.alone) for each in beside([(found, changed), (session("one"), Seen())])] == [2, 2]
    assert [len(each.alone) for each in beside([(found, changed), (session("two"), changed)])] == [0, 0]


def test_the_page_has_a_row_and_a_line_each_and_says_what_does_not_compare() -> None:
    other = session("b<i>", 3)
    html = beside_page(told(session("a", knobs="ab"), replace(other, session=replace(other.session, start="1" * 40))))
    assert ">0.05<" in html, "hours are told in parts"
    assert html.count("<svg") == 3 and "Gain over dollars" in html
    assert "b&lt;i&gt;" in html and "<i>" not in html
    assert "the sessions began at different commits" in html and "not verified" in html
    assert "different metrics" not in html


def test_names_and_patterns_choose_sessions_once_and_in_their_order() -> None:
    known = ["nov1", "nov2", "compare-auto-1"]
    assert matching(known, "compare-auto-1, nov*,nov1") == ["compare-auto-1", "nov1", "nov2"]
    with pytest.raises(NotebookError, match="no session dec"):
        matching(known, "nov1,dec*")


def test_report_of_several_tags_is_one_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = new_repository(tmp_path / "repository")
    for tag in ("one", "two"):
        with Diary(root, tag) as diary:
            diary.reach(5)
    monkeypatch.chdir(root)
    assert main(["report", "--tags", "o*,two"]) == 0
    html = (root / "report.html").read_text("utf-8")
    assert "2 sessions side by side" in html and ">one</th>" in html and ">two</th>" in html
    assert main(["report", "--tags", "one", "--format", "csv"]) == 4
