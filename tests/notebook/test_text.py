"""Words and numbers as commits and tables carry them."""

from __future__ import annotations

import re
import subprocess
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autoresearch.notebook.text import (
    candidate_message,
    escape,
    number,
    percent,
    powerless,
    subject,
    trailers,
    unescape,
)
from pytest_autoresearch.protocol.experiment import Experiment, Reason

EXPERIMENT = Experiment(7, Reason.IMPROVED.status, Reason.IMPROVED, "", "", "", "", "", value=0.5, against=1.0)
TRAILERS = [f"Autoresearch-{name}" for name in ("Metric", "Baseline", "Experiment", "Samples", "Isolation")]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (None, "0.000000"),
        (0.0, "0.000000"),
        (-0.0, "0.000000"),
        (0.9979, "0.997900"),
        (1.005, "1.005000"),
        (3.0, "3.000000"),
        (0.12345678, "0.12345678"),
        (1e-7, "0.0000001"),
        (-2.5, "-2.500000"),
        (1234567.5, "1234567.500000"),
    ],
)
def test_a_metric_has_six_decimals_or_as_many_as_it_needs(value: float | None, text: str) -> None:
    assert number(value) == text


@given(st.floats(allow_nan=False, allow_infinity=False))
def test_a_metric_reads_back_exactly(value: float) -> None:
    text = number(value)
    assert float(text) == value
    assert "." in text or "e" in text
    assert len(text) <= 40


def test_a_change_has_its_sign() -> None:
    assert percent(2.0, 1.0) == "-50.00 %"
    assert percent(-2.0, -1.0) == "+50.00 %"
    assert percent(0.0, 1.0) == "from 0"


@given(st.text())
def test_an_escaped_description_is_one_printable_field(text: str) -> None:
    field = escape(text)
    assert len(field) <= 200
    assert not set(field) & set("\t\n\r")
    assert not field.startswith('"')
    assert field.isprintable()
    field.encode()


@given(st.text(max_size=40))
def test_an_escaped_description_reads_back_unless_it_was_cut(text: str) -> None:
    text = text.strip()
    if "…" not in escape(text):
        assert unescape(escape(text)) == text


def test_escapes_are_those_of_the_contract() -> None:
    assert escape('"quoted"') == '\\"quoted"'
    assert escape("a\tb\\c\nd\x07e\x85f") == "a\\tb\\\\c\\nd\\x07e\\x85f"
    assert escape("x" * 300) == "x" * 199 + "…"
    assert escape("y" * 198 + "\tz") == "y" * 198 + "…"


def test_a_subject_is_one_clean_line_that_is_no_option() -> None:
    assert subject("--force the \x1b[31mlearning\x1b[0m rate\n\nup\x00") == "force the learning rate up"
    assert subject("\n\t") == "no description"
    assert subject("safe \u202etxt.exe") == "safe txt.exe"
    assert subject("使用 GeLU 激活函数 👩‍🔬") == "使用 GeLU 激活函数 👩🔬"
    assert len(subject("word " * 100)) <= 200


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("halve the rate [skip ci]", "halve the rate (skip ci)"),
        ("[CI Skip] x [no ci]", "(CI Skip) x (no ci)"),
        ("Fixes #12 and closes: o/r#3", "Fixes no. 12 and closes: o/r no. 3"),
        ("resolves GH-7", "resolves GH 7"),
        ("fixes https://github.com/o/r/issues/1", "fixes at https://github.com/o/r/issues/1"),
        ("Autoresearch-Experiment: 7", "Autoresearch Experiment: 7"),
        ("so:\n  Co-authored-by : A <a@b>\nSigned-off-by:c", "so:\n  Co authored by : A <a@b>\nSigned off by:c"),
        ("why\n---\ndiff --git a b\nFrom ab Mon 0:00", "why\n> ---\n> diff --git a b\n> From ab Mon 0:00"),
        ("From 4 to 8 heads, pre-norm: none", "From 4 to 8 heads, pre-norm: none"),
        (
            "use # of heads 4 -> 8 [x] with an a@b, no skip [skip]",
            "use # of heads 4 -> 8 [x] with an a@b, no skip [skip]",
        ),
        (
            "[skip  ci] [ci\tskip] [no_ci] [Skip-AZP] [skip netlify]",
            "(skip  ci) (ci\tskip) (no_ci) (Skip-AZP) (skip netlify)",
        ),
        ("[CF-Pages-Skip] [ skip ci ] ***NO_CI***", "(CF-Pages-Skip) ( skip ci ) ** NO_CI***"),
        ("ask @octo/team, use @torch.compile", "ask @ octo/team, use @ torch.compile"),
        ("so:\n/tag v9\n @robot merge", "so:\n> /tag v9\n @ robot merge"),
    ],
)
def test_a_commit_message_gives_a_code_host_no_orders(said: str, written: str) -> None:
    assert powerless(said) == written


def test_trailers_are_the_last_paragraph_and_no_other() -> None:
    assert trailers("a subject\n\nA-b: 1\n\nA-b: 2\nC-d: e: f\n") == [("A-b", "2"), ("C-d", "e: f")]
    assert trailers("a subject") == []


@given(st.text(), st.text())
def test_git_reads_our_trailers_and_no_others_whatever_was_said(description: str, hypothesis: str) -> None:
    experiment = replace(EXPERIMENT, description=description, hypothesis=hypothesis, detail=hypothesis)
    message = candidate_message(experiment, "loss", 1.0)
    assert [key for key, _ in trailers(message)] == TRAILERS
    words = message.rpartition("\n\n")[0]
    assert not re.search(r"^\s*Autoresearch-\w+\s*:", words, re.IGNORECASE | re.MULTILINE)


def test_git_itself_reads_our_trailers_and_no_others() -> None:
    hostile = "why\n\nAutoresearch-Experiment: 9\nSigned-off-by: A <a@b>\n---\nAutoresearch-Metric: loss=0\n"
    experiment = replace(EXPERIMENT, description="Autoresearch-Metric: loss=0", hypothesis=hostile)
    message = candidate_message(experiment, "loss", 1.0)
    read = subprocess.run(
        ["git", "interpret-trailers", "--parse"], input=message.encode(), capture_output=True, check=True
    )
    assert [line.split(":")[0] for line in read.stdout.decode().splitlines()] == TRAILERS
