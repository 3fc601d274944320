"""The trajectory of a session as a mermaid chart, which GitHub draws in a pull request. Pure."""

from __future__ import annotations

from decimal import Decimal

from pytest_autoresearch.report.chart import incumbent_levels
from pytest_autoresearch.report.markdown.escaping import label
from pytest_autoresearch.report.story import Story

MOST_POINTS = 80
"""More are not told apart at the width of a page."""

_COLOUR = '%%{init: {"themeVariables": {"xyChart": {"plotColorPalette": "#2da44e"}}}}%%'  # the default is too pale


def chart(told: Story) -> str:
    """The incumbent's level after each experiment as a fenced block; empty where it never changed."""
    levels = incumbent_levels(told.points)
    if len(set(levels)) < 2:
        return ""
    last = len(levels) - 1
    points = min(len(levels), MOST_POINTS)
    shown = [levels[round(i * last / (points - 1))] for i in range(points)]
    low, high = min(shown), max(shown)
    margin = 0.05 * (high - low)
    name = label(told.metric)
    return "\n".join(
        [
            "```mermaid",
            _COLOUR,
            "xychart-beta",
            f'    title "{name} of the best kept state"',
            f'    x-axis "experiment" 0 --> {last}',
            f'    y-axis "{name}" {_plain(low - margin)} --> {_plain(high + margin)}',
            f"    line [{', '.join(map(_plain, shown))}]",
            "```",
        ]
    )


def _plain(value: float) -> str:
    """Mermaid reads no exponents."""
    return format(Decimal(f"{value:.6g}"), "f")
