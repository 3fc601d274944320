"""Hostile texts × surfaces: whatever a description, a reason, a diff or a log says is text and nothing else.

The texts are put into records as another machine might have written them, past the cleaning where words enter.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from xml.etree import ElementTree

import pytest
from markdown_it import MarkdownIt

from pytest_autoresearch.notebook.export import as_csv, as_json
from pytest_autoresearch.notebook.record import History, Note
from pytest_autoresearch.protocol.experiment import Measurement, Reason, Role
from pytest_autoresearch.report.beside import beside
from pytest_autoresearch.report.changes import Seen, read
from pytest_autoresearch.report.chart import staircase
from pytest_autoresearch.report.html import beside_page, page
from pytest_autoresearch.report.live import LivePage
from pytest_autoresearch.report.markdown.body import body
from pytest_autoresearch.report.markdown.parts import Links
from pytest_autoresearch.report.markdown.standing import standing
from pytest_autoresearch.report.observing import _document
from pytest_autoresearch.report.status import status_lines
from pytest_autoresearch.report.story import Story, story
from pytest_autoresearch.report.tables import Records
from pytest_autoresearch.report.terminal import Ending, experiment_line, summary_lines
from pytest_autoresearch.text import shown
from tests.github import histories

TEXTS = {
    "script": "</script><script>alert(1)</script>",
    "element": "<img src=x onerror=alert(2)> \"' onmouseover=alert(3) x=",
    "template": "{{ 7 * 7 }} {% raw %} ${7*7}",
    "entity": "&lt;b&gt; &#60;i&#62; ]]> <!-- --> <![CDATA[",
    "terminal": "\x1b[2J\x1b]0;owned\x07\x9b31m\rhidden\x08\x08",
    "hidden": "safe\u202eevil\u2066\u200b\U000e0041\ufeff\x00",
    "formula": "=HYPERLINK(1)+cmd|' /C calc'!A0",
    "markdown": "**b** [x](javascript:1) ![i](//x/y) | cell ``` </details> @team fixes #1",
    "table": "a\tb\nc | d\r\ne",
    "workflow": "::error::x %0A::set-output name=x::y",
    "long": "ü" * 3000,
    "surrogate": "\udcff\ud800",
}


def made(text: str) -> Story:
    """Keeps, a discard and a crash that all say ``text`` wherever words stand."""
    whole = histories.history(6, verified=True)
    log = (Measurement(Role.CANDIDATE, None, failure=Reason.ERROR, detail=text, log_tail=text),)
    experiments = tuple(
        replace(e, description=text, hypothesis=text, detail=text, agent=text, device=text, agent_log=text)
        for e in whole.experiments
    )
    crash = replace(experiments[5], status=Reason.ERROR.status, reason=Reason.ERROR, value=None, measurements=log)
    found = story(
        replace(
            whole, experiments=(*experiments[:5], crash, experiments[6]), notes=(Note("stop", text, histories.NOW),)
        )
    )
    assert found is not None
    return found


def seen(found: Story, text: str) -> Seen:
    patch = f"diff --git a/m.py b/m.py\n--- a/m.py\n+++ b/m.py\n@@ -1 +1 @@ def {text}\n+{text}\n"
    return Seen({each.commit: read(patch) for each in found.experiments[1:]}, {"m.py": ("f", "g")})


def is_html(markup: str, plain: str) -> None:
    """No element, and no attribute that acts, that is not on the same page without the text."""
    for mark in ("<script", "<img", "<b>", "<i>", "<!--", "<![CDATA", "<a "):
        assert markup.count(mark) == plain.count(mark), mark
    bare = re.sub(r"<script.*?</script>|<style.*?</style>", "", markup, flags=re.DOTALL)
    assert not re.search(r"<[^>]*\son\w+\s*=", bare) and not re.search(
        r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e]", bare
    )
    assert " 49" not in bare


def is_terminal(text: str, plain: str) -> None:
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u200b\u202a-\u202e\u2066]", text)


def is_markdown(text: str, plain: str) -> None:
    rendered = MarkdownIt("gfm-like", {"linkify": False}).render(text)
    for mark in ("<script", "<img", "<b>", 'href="javascript:', "@team", "fixes #1"):
        assert rendered.count(mark) == MarkdownIt("gfm-like", {"linkify": False}).render(plain).count(mark), mark
    assert text.count("<details>") == text.count("</details>")
    assert not re.search(r"^::", text, re.MULTILINE)


def is_svg(text: str, plain: str) -> None:
    shapes = [each.tag for each in ElementTree.fromstring(text).iter()]
    assert set(shapes) == {each.tag for each in ElementTree.fromstring(plain).iter()}


def is_csv(text: str, plain: str) -> None:
    rows = list(csv.reader(io.StringIO(text)))
    assert len(rows) == 8 and len({len(row) for row in rows}) == 1
    words = [row[rows[0].index(name)] for row in rows[1:] for name in ("description", "detail", "agent", "device")]
    assert not any(cell.startswith(("=", "+", "-", "@")) for cell in words)


def is_json(text: str, plain: str) -> None:
    text.encode("utf-8")
    for line in text.splitlines() if "\n{" in text and not text.startswith("{\n") else [text]:
        json.loads(line)


def terminal(text: str) -> str:
    told = made(text)
    ending = [line for line, _ in summary_lines(told, Ending(text, "t", "b", "c", "d"))]
    return "\n".join(map(shown, [*(experiment_line(each, 120) for each in told.experiments), *ending]))


def status(text: str) -> str:
    return "\n".join(line for line, _ in status_lines(made(text), (), now=0.0, paused=False, width=100, height=0))


def history(text: str) -> History:
    return History(made(text).session, made(text).experiments)


def live(text: str) -> str:
    served = LivePage(0, Path("remembered"), lambda told: seen(told, text))
    try:
        served.tell(history(text))
        return served.html()
    finally:
        served.close()


def side_by_side(text: str) -> str:
    return beside_page(beside([(made(text), seen(made(text), text)), (made("x"), Seen())]))


SURFACES: dict[str, tuple[Callable[[str], str], Callable[[str, str], None]]] = {
    "terminal": (terminal, is_terminal),
    "status": (status, is_terminal),
    "html": (lambda text: page(made(text), seen(made(text), text)), is_html),
    "live": (live, is_html),
    "side by side": (side_by_side, is_html),
    "notebook": (lambda text: Records([history(text).session, *history(text).experiments])._repr_html_(), is_html),
    "md": (lambda text: body(made(text), Links("https://github.com/o/r")), is_markdown),
    "comment": (lambda text: standing(made(text), Links("https://github.com/o/r")), is_markdown),
    "svg": (lambda text: staircase(made(text), "light"), is_svg),
    "csv": (lambda text: as_csv(history(text)), is_csv),
    "json": (lambda text: as_json(history(text)), is_json),
    "observers": (lambda text: json.dumps(_document(made(text).experiments[5], made(text), text)), is_json),
}


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("surface", SURFACES)
def test_hostile_texts_are_texts(surface: str, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)  # where the live page remembers its port
    make, holds = SURFACES[surface]
    holds(make(TEXTS[name]), make("words"))
