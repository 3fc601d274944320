"""No expression takes longer than its text is long: a file, a log or an answer can not hang a session."""

from __future__ import annotations

import re

import pytest

from pytest_autoresearch.protocol.globs import matches
from tests.expressions import Expression, expressions, steep

pytestmark = pytest.mark.slow

BOUNDED = {
    "agents.search.finders.declared._BETWEEN": "300 characters of a remark",
    "agents.search.finders.settings._PAIR": "lines of 500 characters",
    "lab.programs._PROGRAM": "5,000 characters of a command",
    "protocol.bounds._REGRESSION": "300 characters of a limit in words",
    "agents.search.trials._TURN": "2,000 characters of a description",
}
UNMADE = {
    "patterns": "those of the modules, which are found there",
    "agents.lost": "two words of an adapter, from its own command line",
    "protocol.globs": "made from a pattern: tested below",
    "report.markdown.answers": "the address of a repository, escaped",
    "notebook.orders": "the short shape of an order's argument",
    "lab.remedies": "the name of a file, escaped",
    "lab.offers": "made from a name and a line of a log: 2,000 characters, once at a baseline without a metric",
}

FOUND, NOT_MADE = expressions()


@pytest.mark.parametrize(
    "expression", [each for each in FOUND if each.name not in BOUNDED], ids=lambda expression: expression.place
)
def test_no_expression_is_slower_than_its_text_is_long(expression: Expression) -> None:
    assert steep(expression) == ""


def test_every_expression_is_looked_at() -> None:
    assert len(FOUND) > 150
    assert {each.name for each in FOUND} >= set(BOUNDED)
    assert {place.partition(":")[0] for place in NOT_MADE} == set(UNMADE)


@pytest.mark.parametrize("bad", [r"\s*x", r"<!--.*?-->"])
def test_a_slow_expression_is_found_out(bad: str) -> None:
    assert steep(Expression("here", re.compile(bad, re.DOTALL), {"search"}))


def test_a_name_of_many_stars_is_compared_with_a_long_path_at_once() -> None:
    assert not matches("*a" * 20 + "b", "a" * 255)
    assert not matches("**/a/" * 20 + "b", "/".join("a" * 2000))
    assert matches("**/a*b/" * 3 + "*.py", "x/aab/ab/y/a.b/c.py")
