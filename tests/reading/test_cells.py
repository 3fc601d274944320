"""Whatever a tool makes of a notebook, a candidate changes its code cells and not another byte."""

from __future__ import annotations

import difflib
import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_autoresearch.reading.cells import with_code_of

Cell = dict[str, Any]


def code(*lines: str, **more: Any) -> Cell:
    return {"cell_type": "code", "execution_count": None, "metadata": {}, "outputs": [], "source": list(lines), **more}


def prose(text: str) -> Cell:
    return {"cell_type": "markdown", "metadata": {}, "source": [text]}


def written(cells: list[Cell], *, indent: int | None = 1, **metadata: Any) -> bytes:
    document = {
        "cells": cells,
        "metadata": {"kernelspec": {"name": "python3"}, **metadata},
        "nbformat": 4,
        "nbformat_minor": 5,
    }
    return (json.dumps(document, indent=indent, ensure_ascii=False) + "\n").encode()


OUTPUT = [{"output_type": "stream", "name": "stdout", "text": ["source: [1]\n"]}]
CELLS = [
    prose("# Ein Modell — größer\n"),
    code("LR = 0.1\n", "x = LR\n", outputs=OUTPUT),
    code("print(x)", execution_count=7),
]


def sources(data: bytes) -> list[tuple[str, str]]:
    return [(cell["cell_type"], "".join(cell["source"])) for cell in json.loads(data)["cells"]]


@pytest.mark.parametrize("indent", [None, 1, 2, 4])
def test_a_changed_line_is_all_that_changes(indent: int | None) -> None:
    original = written(CELLS, indent=indent)
    theirs = [prose("# Rewritten"), code("LR = 0.2\n", "x = LR\n", id="a1"), code("print(x)", outputs=OUTPUT, id="b2")]
    spliced = with_code_of(written(theirs, indent=3, extra={"random": 1}), original)
    assert spliced == original.replace(b"LR = 0.1", b"LR = 0.2")


def test_what_a_run_leaves_in_a_notebook_is_no_change() -> None:
    original = written(CELLS)
    ran = [{**cell, "outputs": OUTPUT, "execution_count": 3} if cell["cell_type"] == "code" else cell for cell in CELLS]
    assert with_code_of(written(ran, indent=2), original) == original


def test_more_lines_are_written_as_the_others_are() -> None:
    original = written(CELLS)
    spliced = with_code_of(written([CELLS[0], code("LR = 0.1\n", "LR *= 2\n", "x = LR\n"), CELLS[2]]), original)
    assert spliced is not None and spliced == original.replace(b'    "x = LR', b'    "LR *= 2\\n",\n    "x = LR')
    as_text = written([code(source="a = 1\n")])
    assert with_code_of(written([code("a = 2\n")]), as_text) == as_text.replace(b"a = 1", b"a = 2")


def test_cells_are_added_and_removed_and_prose_stays() -> None:
    original = written(CELLS)
    added = with_code_of(written([*CELLS, code("y = 1")]), original)
    assert added is not None and sources(added) == [*sources(original), ("code", "y = 1")]
    assert [line[:1] for line in difflib.ndiff(original.decode().splitlines(), added.decode().splitlines())].count(
        "-"
    ) <= 1
    removed = with_code_of(written([CELLS[1]]), original)
    assert removed is not None and sources(removed) == sources(original)[:2]


@pytest.mark.parametrize("edited", [b"", b"{", b"[]", b'{"cells": 3}', b'{"worksheets": []}', b"\xff"])
def test_what_is_no_notebook_is_left_to_who_judges_it(edited: bytes) -> None:
    assert with_code_of(edited, written(CELLS)) is None
    assert with_code_of(written(CELLS), edited) is None


texts = st.text(st.characters(codec="utf-8"), max_size=30)


@given(st.lists(texts, min_size=1, max_size=4), st.lists(texts, max_size=4), st.sampled_from([None, 1, 2]))
def test_the_code_is_theirs_and_the_rest_is_ours(ours: list[str], theirs: list[str], indent: int | None) -> None:
    original = written([prose("p"), *(code(text) for text in ours)], indent=indent)
    spliced = with_code_of(written([prose("q"), *(code(text) for text in theirs)], indent=4), original)
    assert spliced is not None
    assert sources(spliced) == [("markdown", "p"), *(("code", text) for text in theirs)]
    assert spliced.endswith(original[original.rindex(b'"metadata": {') :])
