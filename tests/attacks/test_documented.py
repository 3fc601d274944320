"""The page about security says what its programs show, and each cell leads to a test that there is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.attacks.documented import PAGE, TESTS, check, table, ways


def test_the_documentation_shows_exactly_this_table() -> None:
    check("ways", table())


@pytest.mark.parametrize("reference", TESTS)
def test_every_cell_leads_to_a_test(reference: str) -> None:
    file, test = TESTS[reference]
    text = (Path(__file__).parent / file).read_text()
    assert re.search(rf"^def {test}", text, re.MULTILINE), f"{file} has no {test}"


def test_every_reference_is_used_and_every_way_has_one_row() -> None:
    rows = list(ways())
    assert {way.test for way in rows} == TESTS.keys()
    assert len({(way.kind, way.name) for way in rows}) == len(rows)


def test_links_within_the_page_lead_somewhere() -> None:
    text = PAGE.read_text()
    titles = re.findall(r"^#+ (.*)", text, re.MULTILINE)
    headings = {re.sub(r"[^\w -]", "", title).lower().replace(" ", "-") for title in titles}
    assert set(re.findall(r"\]\(#([\w-]+)\)", text)) <= headings
