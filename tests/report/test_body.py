"""The pull request says what matters, fits, and carries nothing an agent could speak to GitHub with."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pytest_autoresearch.github.escaping import command_data, command_property
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Role
from pytest_autoresearch.report.chart import incumbent_levels
from pytest_autoresearch.report.markdown.body import BODY_LIMIT, PullRequest, length, pull_request
from pytest_autoresearch.report.markdown.escaping import words
from pytest_autoresearch.report.markdown.parts import Earlier, Links
from pytest_autoresearch.report.story import story
from tests.cost import seconds
from tests.github.histories import experiment, history, session

LINKS = Links("https://github.com/o/r", "https://github.com/o/r/actions/runs/1")
NASTY = st.text(st.sampled_from("@ab#1<>&`*_[](){}|!\\:/.-~$\n\r\t\x1b\x00\u202e\U0001f600'\"%"), max_size=60)


def written(found: History, links: Links, *, limit: int = BODY_LIMIT) -> PullRequest:
    return pull_request(story(found), found.session.tag, links, limit=limit)


def test_it_says_start_best_verified_gain_what_the_best_single_run_promised_and_what_it_cost() -> None:
    found = written(history(9, verified=True), LINKS)
    assert "loss: start 1 → best 0.9991, 0.09 % better, verified (" in found.title
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
    body = written(found, LINKS).body
    for keep in found.keeps:
        assert f"[{keep.commit[:7]}](https://github.com/o/r/commit/{keep.commit})" in body
        assert f"https://github.com/o/r/compare/{keep.parent}...{keep.commit})" in body
    assert "0.9997 → 0.9994 (95 %" in body.replace("\u00a0", " ")
    sized = written(found, replace(LINKS, sizes={found.keeps[0].commit: (3, 1)})).body
    assert f"[+3\u00a0−1](https://github.com/o/r/compare/{found.keeps[0].parent}...{found.keeps[0].commit})" in sized


VERDICTS = [
    (history(9, verified=True), "> [!TIP]\n> **Confirmed**: verified gain 0.0009"),
    (history(9), "> [!NOTE]\n> **Not verified**: Start and head were not measured against each other"),
    (history(2), "> [!NOTE]\n> **Nothing kept**"),
    (
        replace(
            history(9, verified=True),
            verifications=(replace(history(9, verified=True).verifications[0], interval=(-0.1, 0.1)),),
        ),
        "> [!CAUTION]\n> **Not confirmed**: verified gain 0.0009 (95 %: \\-0.1 to 0.1), 0.09 %, on",
    ),
    (
        replace(
            history(3, verified=True),
            experiments=(*history(3).experiments[:3], replace(experiment(3), suspicious=True)),
        ),
        "> [!WARNING]\n> **Suspicious**: verified gain 0.0003",
    ),
]


@pytest.mark.parametrize(("found", "verdict"), VERDICTS, ids=[text[5:20] for _, text in VERDICTS])
def test_the_verdict_is_the_first_word(found: History, verdict: str) -> None:
    assert written(found, LINKS).body.startswith(verdict)


def test_a_hypothesis_is_folded_below_its_keep_and_harmless() -> None:
    found = history(3)
    why = "a smaller step </details> @team fixes #1"
    found = replace(found, experiments=(*found.experiments[:3], replace(experiment(3), hypothesis=why)))
    row = next(line for line in written(found, LINKS).body.splitlines() if line.startswith("| 0003 "))
    assert "<details><summary>set RATE to 3</summary>a smaller step" in row and row.count("</details>") == 1
    assert "@team" not in row


def test_other_metrics_stand_with_their_limits_and_how_much_of_them_is_used() -> None:
    found = history(3)
    runs = {
        0: {"peak_mb": 400.0, "seconds": 2.0, "autoresearch_assertion": 1.0},
        3: {"peak_mb": 480.0, "seconds": 1.0},
    }
    experiments = tuple(
        replace(e, measurements=tuple(replace(m, secondary=runs.get(e.number, {})) for m in e.measurements))
        for e in found.experiments
    )
    body = written(replace(found, experiments=experiments), LINKS).body
    assert "| peak\\_mb | 400 | 480 | +20.00 % | ≤ 512 | 94 % |" in body
    assert "| seconds | 2 | 1 | \\-50.00 % |  |  |" in body and "assertion" not in body


def test_circumstances_that_weaken_the_numbers_are_said() -> None:
    found = history(6)

    def changed(e: Experiment) -> Experiment:
        runs = (*e.measurements, Measurement(Role.HOLDOUT, 1.0)) if e.kept else e.measurements
        runs = tuple(replace(m, self_reported=True) for m in runs)
        return replace(e, measurements=runs, machine=f"m{e.number % 2}", isolation="process")

    body = written(replace(found, experiments=tuple(map(changed, found.experiments))), LINKS).body
    for said in ("2 machines", "isolation was not the strictest", "self\\-reported"):
        assert said in body.partition("## Kept")[0], said


def test_the_four_commands_are_folded_with_what_they_do() -> None:
    body = written(history(9), LINKS).body
    folded = body.partition("<summary>Commands for people who may write here</summary>")[2].partition("</details>")[0]
    for command in ("drop 9", "verify", "continue 50", "stop"):
        assert f"| `/autoresearch {command}` |" in folded


def test_the_picture_is_linked_by_its_commit_and_mermaid_stands_in_where_there_is_none() -> None:
    body = written(history(9), replace(LINKS, pictures="c" * 40)).body
    base = f"https://github.com/o/r/blob/{'c' * 40}/autoresearch/demo/progress"
    assert f'srcset="{base}-dark.svg?raw=true"' in body and f'src="{base}-light.svg?raw=true"' in body
    assert "mermaid" not in body and "mermaid" in written(history(9), LINKS).body


def test_what_was_merged_before_is_a_small_table() -> None:
    title = "autoresearch mar4: loss: start 2 → best 1, 50.00 % better, verified 49.00 % (3 keeps of 90 experiments)"
    before = (Earlier(title, "https://github.com/o/r/pull/4", "2026-02-03"),)
    body = written(history(9), replace(LINKS, earlier=before)).body
    assert "| [autoresearch mar4](https://github.com/o/r/pull/4) | 2026" in body and "50.00 % better" in body


def test_a_verified_headline_has_one_best_value_and_not_two() -> None:
    (line,) = [
        each for each in written(history(6, verified=True), LINKS).body.splitlines() if each.startswith("**loss")
    ]
    assert line.endswith("better**")
    (line,) = [each for each in written(history(6), LINKS).body.splitlines() if each.startswith("**loss")]
    assert "better**: 0.9994 " in line


def test_all_experiments_are_there_folded() -> None:
    body = written(history(40), LINKS).body
    folded = body.partition("Every experiment: 41 rows")[2]
    assert [n for n in range(41) if f"| {n:04d} |" not in folded] == []
    assert "do not fit" not in body


def test_three_thousand_experiments_fit_and_the_rest_is_pointed_to() -> None:
    long = history(3000, description="x" * 190)
    found = written(long, LINKS)
    assert seconds(lambda: written(long, LINKS), tries=1) < 5
    assert BODY_LIMIT * 0.9 < length(found.body) <= BODY_LIMIT
    assert "do not fit here; the whole table: the artifact of the [workflow run]" in found.body
    assert "| 3000 |" in found.body and "| 0000 |" in found.body


@settings(max_examples=60, deadline=None)
@given(NASTY, st.integers(0, 30), st.integers(1500, 6000))
@example("\U0001f600" * 200, 30, 1500)
def test_it_never_exceeds_the_limit_whatever_agents_say(text: str, count: int, limit: int) -> None:
    assert length(written(history(count, description=text), LINKS, limit=limit).body) <= limit


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
    body = written(found, LINKS).body
    assert "@everyone" not in body and "<b>" not in body and body.count("</details>") == body.count("<details>")
    assert not re.search(r"#1\b", body)


@given(NASTY)
def test_a_notice_is_one_line_and_its_title_ends_where_it_should(text: str) -> None:
    line = f"::notice title={command_property(text)}::{command_data(text)}"
    assert "\n" not in line and "\r" not in line
    assert line.split("::", 2)[1].count(",") == 0


def test_the_chart_has_the_level_after_each_experiment_in_numbers_mermaid_reads() -> None:
    found = history(9)
    told = story(found)
    assert told is not None and incumbent_levels(told.points)[:5] == [1.0, 1.0, 1.0, 0.9997, 0.9997]
    tiny = replace(found, experiments=tuple(replace(e, value=(e.value or 0) * 1e-9) for e in found.experiments))
    block = re.search(r"```mermaid\n(.*?)```", written(tiny, LINKS).body, re.DOTALL)
    assert block is not None and not re.search(r"\de-?\d", block[1])
    assert "xychart-beta" in block[1]


def test_without_a_keep_there_is_no_chart_and_the_title_says_so() -> None:
    found = written(history(2), LINKS)
    assert found.title == "autoresearch demo: no keep in 2 experiments"
    assert "mermaid" not in found.body and "Nothing yet." in found.body


def test_before_the_baseline_there_is_little_to_say() -> None:
    found = written(History(session()), LINKS)
    assert "no baseline" in found.title and found.body


def test_a_suspicious_keep_is_shown_at_the_top() -> None:
    found = history(3)
    found = replace(found, experiments=(*found.experiments[:3], replace(experiment(3), suspicious=True)))
    body = written(found, LINKS).body
    assert "look twice at 0003" in body.partition("## Kept")[0] and "**suspicious**" in body


@pytest.mark.parametrize("remark", ["the remote branch was moved by somebody else"])
def test_a_remark_stands_right_below_the_verdict(remark: str) -> None:
    body = written(history(3), replace(LINKS, remarks=(remark,))).body
    assert "> [!WARNING]\n> * the remote branch was moved" in body.partition("## Kept")[0]
