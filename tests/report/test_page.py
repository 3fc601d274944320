"""The page and its pictures as text: everything is there, and a foreign word is text and nothing else."""

from __future__ import annotations

import base64
import gzip
import json
import random
import re
from dataclasses import replace
from datetime import timedelta
from itertools import pairwise
from typing import Any
from xml.etree import ElementTree

import pytest

from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.protocol.experiment import Measurement, Place, Reason, Role, Status
from pytest_autoresearch.report import packing
from pytest_autoresearch.report.changes import Seen, read, regions
from pytest_autoresearch.report.chart import MANY, narrow, staircase
from pytest_autoresearch.report.html import page
from pytest_autoresearch.report.markdown.body import pull_request
from pytest_autoresearch.report.markdown.parts import Links
from pytest_autoresearch.report.observing import _document
from pytest_autoresearch.report.story import Story, story
from pytest_autoresearch.report.svg import Scale, tick_text
from pytest_autoresearch.report.terminal import Ending, summary_lines
from tests.github import histories

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&lt; {{ 7 * 7 }}"
PATCH = """\
diff --git a/train.py b/train.py
index 111..222 100644
--- a/train.py
+++ b/train.py
@@ -1,3 +1,3 @@ def train(rate):
     kept
-    RATE = 8 </script>
+    RATE = 4
--- a line that was taken out and begins with two hyphens
"""


def told(history: History) -> Story:
    found = story(history)
    assert found is not None
    return found


def changed(history: History, patch: str) -> Seen:
    return Seen({experiment.commit: read(patch) for experiment in history.experiments[1:]})


def packed(html: str) -> dict[int, dict[str, str]]:
    found = re.search(r'id="packed">([^<]*)<', html)
    assert found is not None
    return dict(json.loads(line) for line in gzip.decompress(base64.b64decode(found[1])).splitlines())


def test_every_experiment_has_a_row_and_what_it_changed_is_packed() -> None:
    whole = histories.history(5, verified=True)
    html = page(told(whole), changed(whole, PATCH))
    assert all(f'id="n{n}"' in html for n in range(6))
    assert packed(html)[4]["patch"] == PATCH
    assert "confirmed" in html
    assert html.count('<article class="kept">') == 1


def test_the_page_reaches_for_nothing_outside() -> None:
    html = page(told(histories.history(3)))
    assert "default-src 'none'" in html
    assert not re.search(r"""(?:src|href|url\(|@import)\s*=?\s*["']?(?:https?:)?//""", html)


@pytest.mark.parametrize("field", ["description", "hypothesis", "detail", "agent"])
def test_hostile_words_are_text(field: str) -> None:
    whole = histories.history(3)
    hostile: dict[str, Any] = {field: HOSTILE}
    said = tuple(replace(each, **hostile) for each in whole.experiments)
    html = page(told(replace(whole, experiments=said)), changed(whole, PATCH + HOSTILE))
    plain = page(told(whole))
    for mark in ("<script", "<img", "onerror=alert(2)>"):
        assert html.count(mark) == plain.count(mark), mark
    assert " 49" not in html


def test_a_picture_is_well_formed_and_has_a_mark_for_every_experiment() -> None:
    whole = histories.history(9)
    crashed = replace(histories.experiment(10, reason=Reason.TIMEOUT, description=HOSTILE))
    root = ElementTree.fromstring(staircase(told(replace(whole, experiments=(*whole.experiments, crashed))), "dark"))
    marks = [each for each in root.iter() if each.get("data-n") is not None]
    assert sorted(int(each.get("data-n", "")) for each in marks) == list(range(11))
    assert {each.get("class") for each in marks} == {"keep", "discard", "crash"}
    assert "var(--" not in ElementTree.tostring(root, "unicode")


def ranging(factor: float) -> Story:
    whole = histories.history(9)
    fallen = tuple(replace(e, value=None if e.value is None else factor**-e.number) for e in whole.experiments)
    return told(replace(whole, experiments=fallen))


def test_a_metric_that_falls_tenfold_is_drawn_on_a_log_scale_and_others_are_not() -> None:
    steep, flat = staircase(ranging(10.0), "light"), staircase(ranging(1.1), "light")
    assert "log scale" in steep and "log scale" not in flat
    assert all(f">{tick}<" in steep for tick in ("1e-09", "1e-05", "0.1"))
    keeps = [each for each in ElementTree.fromstring(steep).iter() if each.get("class") == "keep"]
    heights = [float(each.get("cy", "")) for each in keeps]
    steps = [b - a for a, b in pairwise(heights)]
    assert len(steps) == 3 and max(steps) - min(steps) < 0.5, "every thousandth is one step"


def test_of_experiments_side_by_side_the_first_to_end_stands_first_in_pictures_and_the_table_is_by_number() -> None:
    whole = histories.history(9)
    order = (0, 2, 1, 3, 6, 5, 4, 9, 7, 8)
    found = told(replace(whole, experiments=tuple(whole.experiments[number] for number in order)))
    for picture in (staircase(found, "light"), narrow(found)):
        (line,) = (each for each in ElementTree.fromstring(picture).iter() if each.get("class") == "level")
        places = [float(x) for x in re.findall(r"[MH]([\d.]+)", line.get("d", ""))]
        assert len(places) > 3 and places == sorted(places)
    rows = re.findall(r'<tr class="\w+" id="n(\d+)">', page(found))
    assert rows == [str(number) for number in range(10)]
    for end in range(1, 11):  # a record is told when those of lower numbers are still under way
        part = told(replace(whole, experiments=found.experiments[:end]))
        assert _document(part.experiments[-1], part, "")["best"] == part.points[-1].level


def test_labels_at_the_right_edge_do_not_lie_over_each_other() -> None:
    whole = histories.history(10)
    keeps = tuple(
        replace(e, status=Status.KEEP, reason=Reason.IMPROVED, description="LEARNING_RATE 0.005 -> 0.00125")
        for e in whole.experiments
    )
    root = ElementTree.fromstring(staircase(told(replace(whole, experiments=keeps)), "light"))
    boxes = []
    for label in (each for each in root.iter() if each.get("class") == "label"):
        x, y = float(label.get("x", "")), float(label.get("y", ""))
        boxes.append((x - 170 if label.get("text-anchor") == "end" else x, y))
    assert len(boxes) > 3
    assert all(abs(a - c) > 170 or abs(b - d) > 12 for n, (a, b) in enumerate(boxes) for c, d in boxes[:n])


def test_dots_of_a_large_session_have_no_names_of_their_own() -> None:
    whole = histories.history(MANY + 1)
    assert page(told(whole)).count("<title>") < 200  # the keeps have them
    assert staircase(told(whole), "light").count("<title>") > MANY


def test_what_limits_bound_is_drawn_with_the_bound() -> None:
    whole = histories.history(4)
    runs = tuple(Measurement(Role.CANDIDATE, 1.0, secondary={"peak_mb": 300.0 + n}) for n in range(5))
    limited = tuple(replace(e, measurements=(run,)) for e, run in zip(whole.experiments, runs, strict=True))
    html = page(told(replace(whole, experiments=limited)))
    assert "peak_mb of 5 experiments, the last 304. The line is the bound of 512." in html


def test_utilisation_stands_by_slot_where_there_are_several() -> None:
    whole = histories.history(4)

    def placed(slots: int) -> str:
        later = histories.NOW + timedelta(seconds=10)
        there = (replace(e, place=Place("m1", e.number % slots), ended=later) for e in whole.experiments)
        return page(told(replace(whole, experiments=tuple(there))))

    assert "<h2>Slots</h2>" not in placed(1)
    html = placed(2)
    assert "slot 0 on m1</th>" in html and "4.5 s, 45 %" in html and "slot 1 on m1</th>" in html and "3 s, 30 %" in html


def test_what_does_not_fit_on_the_page_is_the_oldest_that_was_not_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(packing, "LARGEST", 2000)
    noise = random.Random(1)
    whole = histories.history(200)
    patches = {
        e.commit: read(PATCH + "".join(f"+{noise.random()}\n" for _ in range(200))) for e in whole.experiments[1:]
    }
    found = set(packed(page(told(whole), Seen(patches))))
    assert {e.number for e in whole.keeps[-3:]} <= found and 1 not in found


def test_the_page_and_the_terminal_tell_the_same_pace() -> None:
    whole = histories.history(4)
    resumed = timedelta(hours=9)  # between two invocations
    began = [histories.NOW + timedelta(seconds=10 * n) + resumed * (n > 2) for n in range(5)]
    timed = tuple(
        replace(e, started=at, ended=at + timedelta(seconds=10)) for e, at in zip(whole.experiments, began, strict=True)
    )
    found = told(replace(whole, experiments=timed))
    said = "288 an hour, 85 % of the time outside runs"
    assert said in page(found)
    assert said in "\n".join(line for line, _ in summary_lines(found, Ending("asked", "", "", "", "")))


def test_a_session_of_one_baseline_has_a_page() -> None:
    html = page(told(histories.history(0)))
    assert "nothing kept" in html and 'id="n0"' in html


def test_a_diff_is_read_by_files_functions_and_lines() -> None:
    change = read(PATCH)
    assert (change.paths, change.functions) == (("train.py",), ("train.py:train",))
    assert (change.added, change.removed) == (1, 2)


def test_a_change_belongs_to_the_function_around_it_and_not_to_the_one_before() -> None:
    patch = "\n".join(
        [
            *("diff --git a/m.py b/m.py", "--- a/m.py", "+++ b/m.py", "@@ -1,9 +1,9 @@ def first():", "     pass", ""),
            *(" def second():", "+    return 1", "-    return 2", " ", "+LIMIT = 3", "@@ -50,3 +50,3 @@", "+OTHER = 1"),
        ]
    )
    assert read(patch).functions == ("m.py:second",)


def test_targets_and_functions_that_nobody_has_changed_are_named() -> None:
    whole = histories.history(3)
    seen = replace(changed(whole, PATCH), regions={"train.py": ("train", "load"), "other.py": ("save",)})
    assert "never changed: train.py:load</li>" in page(told(whole), seen)
    assert "never changed: train.py</li>" in page(told(whole))


def test_functions_are_found_in_several_languages() -> None:
    source = "def a():\n    async def b(): ...\nfn c() {\npub fn d()\nexport function e()\nx = 'def f'\nclass G:\n"
    assert regions(source) == ("a", "b", "c", "d", "e")


@pytest.mark.parametrize(
    ("low", "high", "ticks"),
    [
        (0.0, 10.0, ["0", "2", "4", "6", "8", "10"]),
        (0.91, 1.05, ["0.95", "1.00", "1.05"]),
        (1e-6, 5e-6, ["1e-06", "2e-06", "3e-06", "4e-06", "5e-06"]),
        (3.0, 3.0, ["3"]),
    ],
)
def test_ticks_are_round_and_told_apart(low: float, high: float, ticks: list[str]) -> None:
    found = Scale(low, high, 0, 100).ticks(5)
    assert [tick_text(value, found) for value in found] == ticks


def test_an_end_without_a_comparison_says_that_nothing_is_verified() -> None:
    found = told(histories.history(9))
    assert found.keeps and found.verified is None
    interrupted = Ending("interrupted", "", "", "", "")
    assert "not verified: " in "\n".join(line for line, _ in summary_lines(found, interrupted))
    nothing = told(histories.history(1))
    said = "\n".join(line for line, _ in summary_lines(nothing, interrupted))
    assert ("not verified: " in said) is bool(nothing.keeps)


def test_a_keep_that_is_not_proven_has_its_dot_and_is_no_gain_anywhere() -> None:
    whole = histories.history(6)
    waiting = tuple(replace(e, provisional=e.number > 0 and e.kept) for e in whole.experiments)
    waiting = (replace(waiting[0], commit=whole.session.start), *waiting[1:])
    found = told(replace(whole, experiments=waiting))
    assert not found.keeps and len(found.provisional) == 2
    picture = staircase(found, "light")
    assert sorted(map(int, re.findall(r'data-n="(\d+)"', picture))) == list(range(7))
    assert picture.count('class="keep provisional"') == 2 and "0003 keep? 0.9997 " in picture
    assert [(share.keeps, share.gain) for share in found.shares if share.agent] == [(0, 0.0)]
    html, text = page(found, changed(whole, PATCH)), pull_request(found, "demo", Links()).body
    assert "6, 0 keeps, 2 not proven yet" in html and "Keeps that are not proven yet count here too" in html
    assert "| keep?: improved |" in text and "| keep: improved |" not in text
    assert "git diff" not in html and "git diff" not in text  # start and best are one commit


def test_a_word_without_end_is_broken_wherever_it_stands() -> None:
    style = page(told(histories.history(3))).partition("<style>")[2].partition("</style>")[0]
    everywhere = style.partition("@media (max-width")[0]
    assert "h1,h3,p,li{overflow-wrap:anywhere}" in everywhere
