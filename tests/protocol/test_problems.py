"""All that is wrong with a config is told at once, and nothing that only follows from it."""

from __future__ import annotations

from pytest_autoresearch.protocol.problems import problems

WRONG = """\
---
agnet: sweep
duration: soonish
isolation: lax
---
## Metric
- Name: loss
- Direction: sideways
- Min delta: much

## Target Files
- a.py

## Run Command
python a.py

## Time Budget
- Per experiment: a while
"""


def test_every_wrong_line_is_named_once_in_order() -> None:
    assert [error.line for error in problems(WRONG, file="c.md")] == [2, 3, 4, 8, 9, 18]


def test_what_is_really_missing_is_told_alone() -> None:
    (error,) = problems("## Metric\n- Name: loss\n- Direction: lower\n\n## Run Command\npython a.py\n", file="c.md")
    assert "there is no section Target Files" in str(error)


def test_a_right_config_has_none() -> None:
    right = "## Metric\n- Name: x\n- Direction: lower\n\n## Target Files\n- x\n\n## Run Command\nx\n"
    assert problems(right, file="c.md") == ()
    assert problems(f"---\nagent: sweep\n---\n{right}", file="c.md") == ()
