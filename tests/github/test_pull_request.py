"""The pull request says what matters, fits, and carries nothing an agent could speak to GitHub with."""

from __future__ import annotations

import re
import time
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pytest_autoresearch.github.chart import incumbent_levels
from pytest_autoresearch.github.escaping import command_data, command_property, words
from pytest_autoresearch.github.pull_request import BODY_LIMIT, Links, length, pull_request
from tests.github.histories import experiment, history, session

LINKS = Links("https://github.com/o/r", "https://github.com/o/r/actions/runs/1")
NASTY = st.text(st.sampled_from("@ab#1<>&`*_[](){}|!\\:/.-~$\n\r\t\x1b\x00\u202e\U0001f600'\"%"), max_size=60)


def test_it_says_start_best_verified_gain_what_the_best_single_run_promised_and_what_it_cost() -> None:
    found = pull_request(history(9, verified=True), LINKS)
    assert "loss: start 1 → best 0.9991" in found.title and "verified 0.09 %" in found.title
    assert "(3 keeps of 9 experiments)" in found.title
    text = MarkdownIt("gfm-like", {"linkify": False}).render(found.body)
    for said in (
        "verified gain",
        "best single run promised",
        "0.09 USD",
        "peak_mb at most 512",
        "tests/",
        "bwrap",
        "claude",
    ):
        assert said in text, said
    assert "holdout" in text and "/autoresearch drop 9" in text and "pytest-autoresearch verify --tag demo" in text


def test_every_keep_is_a_linked_row_with_before_and_after() -> None:
    found = history(9)
    body = pull_request(found, LINKS).body
    for keep in found.keeps:
        assert f"[{keep.commit[:7]}](https://github.com/o/r/commit/{keep.commit})" in body
    assert "0.9997 → 0.9994 (95 %" in body


def test_all_experiments_are_there_folded() -> None:
    body = pull_request(history(40), LINKS).body
    folded = body.partition("<details>")[2]
    assert [n for n in range(41) if f"| {n:04d} |" not in folded] == []
    assert "do not fit" not in body


def test_three_thousand_experiments_fit_and_the_rest_is_pointed_to() -> None:
    began = time.process_time()
    found = pull_request(history(3000, description="x" * 190), LINKS)
    assert time.process_time() - began < 5
    assert BODY_LIMIT * 0.9 < length(found.body) <= BODY_LIMIT
    assert "do not fit here; the whole table: the artifact of the [workflow run]" in found.body
    assert "| 3000 |" in found.body and "| 0000 |" in found.body


@settings(max_examples=60, deadline=None)
@given(NASTY, st.integers(0, 30), st.integers(1500, 6000))
@example("\U0001f600" * 200, 30, 1500)
def test_it_never_exceeds_the_limit_whatever_agents_say(text: str, count: int, limit: int) -> None:
    assert length(pull_request(history(count, description=text), LINKS, limit=limit).body) <= limit


@settings(max_examples=300, deadline=None)
@given(NASTY)
@example("<img src=x onerror=1> @team fixes #1 owner/repo#2 https://x.example www.x.example GH-12 ``` $x$ | a")
@example("[click](javascript:1) ![i](https://x/y.png) <!-- hidden -->")
@example("::set-env name=x::y")
@example("1. list")
@example("&lt;script&gt; &#64;team")
def test_foreign_words_render_as_plain_text_and_reach_nobody(text: str) -> None:
    escaped = words(text)
    assert "\n" not in escaped
    row = MarkdownIt("gfm-like", {"linkify": False}).render(f"| a | b |\n|---|---|\n| {escaped} | end |")
    cells = re.findall(r"<td>(.*?)</td>", row, re.DOTALL)
    assert len(cells) == 2 and cells[1] == "end"
    assert "<" not in cells[0], "no element comes out of it"
    shown = cells[0].replace("&quot;", '"').replace("&lt;", "<").replace("&gt;", ">").replace("&amp;", "&")
    assert not re.search(r"@[\w/]|#\d|GH-\d|://|www\.", shown, re.IGNORECASE)


def test_nothing_that_is_not_ours_is_html_or_a_mention_in_the_body() -> None:
    evil = "<b>@everyone</b> fixes #1 ``` </details> | ::error::x"
    found = history(6, description=evil)
    found = replace(
        found, experiments=tuple(replace(e, agent=evil, detail=evil, isolation=evil) for e in found.experiments)
    )
    body = pull_request(found, LINKS).body
    assert "@everyone" not in body and "<b>" not in body and body.count("</details>") == 1
    assert not re.search(r"#1\b", body)


@given(NASTY)
def test_a_notice_is_one_line_and_its_title_ends_where_it_should(text: str) -> None:
    line = f"::notice title={command_property(text)}::{command_data(text)}"
    assert "\n" not in line and "\r" not in line
    assert line.split("::", 2)[1].count(",") == 0


def test_the_chart_has_the_level_after_each_experiment_in_numbers_mermaid_reads() -> None:
    found = history(9)
    assert incumbent_levels(found.experiments)[:5] == [1.0, 1.0, 1.0, 0.9997, 0.9997]
    tiny = replace(found, experiments=tuple(replace(e, value=(e.value or 0) * 1e-9) for e in found.experiments))
    block = re.search(r"```mermaid\n(.*?)```", pull_request(tiny, LINKS).body, re.DOTALL)
    assert block is not None and not re.search(r"\de-?\d", block[1])
    assert "xychart-beta" in block[1]


def test_without_a_keep_there_is_no_chart_and_the_title_says_so() -> None:
    found = pull_request(history(2), LINKS)
    assert found.title == "autoresearch demo: no keep in 2 experiments"
    assert "mermaid" not in found.body and "Nothing yet." in found.body


def test_before_the_baseline_there_is_little_to_say() -> None:
    from pytest_autoresearch.notebook.record import History

    found = pull_request(History(session()), LINKS)
    assert "no baseline" in found.title and found.body


def test_a_suspicious_keep_is_shown_at_the_top() -> None:
    found = history(3)
    found = replace(found, experiments=(*found.experiments[:3], replace(experiment(3), suspicious=True)))
    assert "look twice** at 0003" in pull_request(found, LINKS).body.partition("## Kept")[0]


@pytest.mark.parametrize("remark", ["the remote branch was moved by somebody else"])
def test_a_remark_stands_first(remark: str) -> None:
    body = pull_request(history(3), replace(LINKS, remarks=(remark,))).body
    assert body.startswith("> [!WARNING]\n> the remote branch was moved")
