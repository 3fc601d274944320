"""Where in a config a section stands: errors name its line, and edits are made there."""

from __future__ import annotations

from pytest_autoresearch.protocol.blocks import read_document


def test_a_section_that_markdown_takes_for_the_rest_of_an_item_begins_at_its_own_line() -> None:
    text = "**Target Files**:\n\n- `a.py`,\n  the loop\n**Run Command**: python a.py\n  --fast\n\n## Notes\nlate\n"
    _, targets, run, notes = read_document(text, file="f").parts
    assert [(part.name, part.line, part.end) for part in (targets, run)] == [("targets", 1, 5), ("run", 5, 8)]
    assert [(block.text, block.line, block.end) for block in targets.blocks] == [("`a.py`,\nthe loop", 3, 5)]
    assert [(block.line, block.end) for block in run.blocks] == [(5, 7)]
    assert (notes.name, notes.line) == ("notes", 8)
