"""What an agent said becomes a clean description and hypothesis, whatever it said."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autoresearch.agents.answer import LONGEST_DESCRIPTION, Answer, parse_answer


def test_the_documented_two_lines_are_read() -> None:
    message = "I looked around.\n\nHYPOTHESIS: a smaller step overshoots less\nDESCRIPTION: halve the learning rate\n"
    assert parse_answer(message) == Answer("halve the learning rate", "a smaller step overshoots less")


@pytest.mark.parametrize(
    "message",
    [
        "**Hypothesis:** warm up first\n**Description:** add a warm-up",
        "- description: add a warm-up\n- hypothesis: warm up first\n",
        "> `DESCRIPTION:` add a warm-up\n> `HYPOTHESIS:` warm up first",
        "```\nHYPOTHESIS: warm up first\nDESCRIPTION: add a warm-up\n```\nShall I go on?",
        "\x1b[1mDescription\x1b[0m：add a warm-up\r\nHypothesis：warm up first\r\n",
        "DESCRIPTION: a first idea\nNo, better:\nHYPOTHESIS: warm up first\nDESCRIPTION: add a warm-up",
    ],
)
def test_markdown_order_and_chatter_do_not_matter(message: str) -> None:
    assert parse_answer(message) == Answer("add a warm-up", "warm up first")


def test_without_labels_the_last_line_is_the_description() -> None:
    assert parse_answer("Thinking…\nI doubled the batch size.\n```\n\n") == Answer("I doubled the batch size.")


def test_a_hypothesis_alone_serves_as_description_too() -> None:
    assert parse_answer("HYPOTHESIS: it is the cache\nDone!") == Answer("it is the cache", "it is the cache")


def test_nothing_said_is_an_empty_answer() -> None:
    assert parse_answer(" \n```\n```\n") == Answer()


@pytest.mark.parametrize(
    ("hostile", "kept"),
    [
        ("\x1b]0;owned\x07halve it", "halve it"),
        ("\x1b]52;c;cm0gLXJmIC8=\x1b\\halve it", "halve it"),
        ("halve\x1b[2J\x1b[H it\x00\x08\x7f", "halve it"),
        ("halve \u202eti\u202c it", "halve ti it"),
        ("halve\u2028it", "halve it"),
        ("\x9b31mhalve it", "halve it"),
    ],
)
def test_what_a_terminal_would_obey_is_gone(hostile: str, kept: str) -> None:
    assert parse_answer(f"DESCRIPTION: {hostile}").description == kept


@given(st.text())
def test_any_message_gives_one_bounded_printable_line(message: str) -> None:
    answer = parse_answer(message)
    assert len(answer.description) <= LONGEST_DESCRIPTION
    for said in (answer.description, answer.hypothesis):
        assert not any(unicodedata.category(c) in ("Cc", "Cf", "Zl", "Zp", "Cs") for c in said)


def test_a_huge_message_costs_no_time() -> None:
    assert parse_answer("x\n" * 5_000_000 + "DESCRIPTION: short").description == "short"


def test_nothing_to_change_is_an_answer_of_its_own() -> None:
    said = parse_answer("I looked everywhere.\n\n**NOTHING:** the loop is empty already")
    assert said.nothing == "the loop is empty already"
    assert said.description == "nothing to change: the loop is empty already"
    assert parse_answer("NOTHING: a\nDESCRIPTION: halve it").nothing == ""
    assert parse_answer("nothing to do here").nothing == ""
