"""Words and numbers as commits and tables carry them."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autoresearch.notebook.text import clean, escape, number, percent, powerless, subject, unescape


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
    assert all(unicodedata.category(c) not in ("Cc", "Cs", "Zl", "Zp") for c in field)
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
    assert subject("使用 GeLU 激活函数 👩‍🔬") == "使用 GeLU 激活函数 👩‍🔬"
    assert len(subject("word " * 100)) <= 200


@given(st.text(), st.booleans())
def test_clean_text_can_not_steer_a_terminal(text: str, lines: bool) -> None:
    kept = clean(text, lines=lines)
    assert "\x1b" not in kept
    assert ("\n" in kept) <= lines
    kept.encode()


@pytest.mark.parametrize(
    ("said", "written"),
    [
        ("halve the rate [skip ci]", "halve the rate (skip ci)"),
        ("[CI Skip] x [no ci]", "(CI Skip) x (no ci)"),
        ("Fixes #12 and closes: o/r#3", "Fixes no. 12 and closes: o/r no. 3"),
        ("resolves GH-7", "resolves GH 7"),
        ("fixes https://github.com/o/r/issues/1", "fixes at https://github.com/o/r/issues/1"),
        ("use @torch.compile, # of heads 4 -> 8 [x]", "use @torch.compile, # of heads 4 -> 8 [x]"),
    ],
)
def test_a_commit_message_gives_a_code_host_no_orders(said: str, written: str) -> None:
    assert powerless(said) == written
