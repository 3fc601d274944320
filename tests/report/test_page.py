"""The page and its pictures as text: everything is there, and a foreign word is text and nothing else."""

from __future__ import annotations

import base64
import gzip
import json
import re
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

import pytest

from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.protocol.experiment import Reason
from pytest_autoresearch.report.changes import read
from pytest_autoresearch.report.chart import staircase
from pytest_autoresearch.report.html import page
from pytest_autoresearch.report.story import Story, story
from pytest_autoresearch.report.svg import Scale, tick_text
from tests.github import histories

HOSTILE = "</script><script>alert(1)</script><img src=x onerror=alert(2)>\"'&lt; {{ 7 * 7 }}"
PATCH = """\
diff --git a/train.py b/train.py
index 111..222 100644
--- a/train.py
+++ b/train.py
@@ -1,3 +1,3 @@ def train(rate):
 kept
-RATE = 8 </script>
+RATE = 4
--- a line that was taken out and begins with two hyphens
"""


def told(history: History) -> Story:
    found = story(history)
    assert found is not None
    return found


def packed(html: str) -> dict[str, Any]:
    found = re.search(r'id="packed">([^<]*)<', html)
    assert found is not None
    return dict(json.loads(gzip.decompress(base64.b64decode(found[1]))))


def test_every_experiment_has_a_row_and_what_it_changed_is_packed() -> None:
    whole = histories.history(5, verified=True)
    html = page(told(whole), {experiment.commit: PATCH for experiment in whole.experiments[1:]})
    assert all(f'id="n{n}"' in html for n in range(6))
    assert packed(html)["4"]["patch"] == PATCH
    assert "confirmed" in html
    assert html.count('<article class="kept">') == 1


def test_the_page_reaches_for_nothing_outside() -> None:
    html = page(told(histories.history(3)), {})
    assert "default-src 'none'" in html
    assert not re.search(r"""(?:src|href|url\(|@import)\s*=?\s*["']?(?:https?:)?//""", html)


@pytest.mark.parametrize("field", ["description", "hypothesis", "detail", "agent"])
def test_hostile_words_are_text(field: str) -> None:
    whole = histories.history(3)
    hostile: dict[str, Any] = {field: HOSTILE}
    said = tuple(replace(each, **hostile) for each in whole.experiments)
    html = page(told(replace(whole, experiments=said)), {each.commit: PATCH + HOSTILE for each in said})
    plain = page(told(whole), {})
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


def test_a_session_of_one_baseline_has_a_page() -> None:
    html = page(told(histories.history(0)), {})
    assert "nothing kept" in html and 'id="n0"' in html


def test_a_diff_is_read_by_files_functions_and_lines() -> None:
    change = read(PATCH)
    assert (change.paths, change.functions) == (("train.py",), ("train",))
    assert (change.added, change.removed) == (1, 2)


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
