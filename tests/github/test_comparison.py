"""What came out of a pull request's benchmarks is said in numbers; nothing in the file of a foreign job is obeyed."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from pytest_autoresearch.errors import PublishError
from pytest_autoresearch.github.comparison import verdict
from pytest_autoresearch.github.verdict import Conclusion
from pytest_autoresearch.judge.pairs import Compared, Outcome
from pytest_autoresearch.report.markdown.benchmarks import Benchmark, Comparison, headline, markdown, read, to_json

WORSE = Compared(Outcome.WORSE, 24, 1.0, 1.05, 0.05, (0.02, 0.08), 0.04)
SAME = Compared(Outcome.SAME, 6, 1.0, 1.001, 0.001, (-0.03, 0.03), 0.04)
BROKEN = Compared(Outcome.FAILED, 0, why="a run of head failed: NameError")


def of(*results: Compared) -> Comparison:
    benchmarks = (Benchmark(f"test_a.py::test_{i}", "seconds", "lower", result) for i, result in enumerate(results))
    return Comparison("b" * 40, "a" * 40, 0.006, 300.0, "bwrap", tuple(benchmarks))


@pytest.mark.parametrize(
    ("results", "conclusion", "said"),
    [
        ((SAME, WORSE), Conclusion.FAILURE, "1 worse, 1 no difference"),
        ((SAME, BROKEN), Conclusion.FAILURE, "1 failed, 1 no difference"),
        ((SAME, replace(WORSE, outcome=Outcome.BETTER)), Conclusion.SUCCESS, "1 better, 1 no difference"),
        ((SAME,), Conclusion.SUCCESS, "1 no difference"),
        ((Compared(Outcome.SKIPPED, 0, why="changed"),), Conclusion.NEUTRAL, "1 not compared"),
        ((), Conclusion.NEUTRAL, "no benchmark was touched"),
    ],
)
def test_the_check_says_what_the_worst_is(results: tuple[Compared, ...], conclusion: Conclusion, said: str) -> None:
    found = verdict(of(*results))
    assert (found.conclusion, found.title, found.check) == (conclusion, said, "autoresearch benchmarks")


def test_the_comment_has_interval_alpha_and_what_would_have_been_found() -> None:
    text = markdown(of(SAME, WORSE))
    rows = [line for line in text.splitlines() if line.startswith(("| 🔴", "| ⚪"))]
    assert rows[0].startswith("| 🔴 worse ") and "| +5.00 % | +2.00 % to +8.00 % | 4 % | 24 |" in rows[0]
    assert "any verdict in 0.6 % of cases at most" in text and "in 80 % of cases" in text
    assert MarkdownIt("gfm-like", {"linkify": False}).render(text).count("<tr>") == 3


def test_a_file_reads_back() -> None:
    comparison = of(SAME, WORSE, BROKEN)
    assert read(to_json(comparison)) == comparison


def test_names_of_a_foreign_job_are_words() -> None:
    evil = "<img src=x> @team fixes #1 | [a](javascript:1)"
    told = of(WORSE)
    told = replace(told, isolation=evil, benchmarks=(replace(told.benchmarks[0], name=evil, metric=evil),))
    text = markdown(read(to_json(told)))
    shown = MarkdownIt("gfm-like", {"linkify": False, "html": True}).render(text)
    assert "@team" not in text and "<img" not in shown and "<a " not in shown


@pytest.mark.parametrize(
    "change", [{"alpha": float("nan")}, {"benchmarks": [{}]}, {"benchmarks": 3}, {"duration": "x"}]
)
def test_a_file_that_is_none_is_refused(change: dict[str, object]) -> None:
    with pytest.raises(PublishError, match="no comparison of benchmarks"):
        read(json.dumps({**json.loads(to_json(of(SAME))), **change}))


NESTED = st.recursive(st.none() | st.text(), lambda each: st.lists(each) | st.dictionaries(st.text(), each))


@given(st.text() | NESTED.map(json.dumps))
def test_whatever_the_file_says_it_is_read_or_refused(text: str) -> None:
    with contextlib.suppress(PublishError):
        assert headline(read(text))
