"""The config that `init` writes: a rendered protocol with remarks for the person who edits it. Pure."""

from __future__ import annotations

from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.render import render

GOAL = "Describe in a sentence or two what should get better, and why it matters."
"""What stands under Goal until a person has written one; no agent is told it."""

FRONT_MATTER = """\
---
# How the loop is driven; every line is optional. There are more:
# https://github.com/pytest-autoresearch/pytest-autoresearch/blob/main/docs/configuration.md
# agent: claude            # who proposes; the built-in `auto` needs no model
# duration: 8h             # stop after this time, or: experiments: 100
# guard: [tests/]          # must pass before a change is kept
# limits: peak_mb <= 512   # other numbers of the log that must not get worse
# data: [data/]            # files that git does not track; read-only for every run
---
"""

_REMARKS = {
    "Goal": "What is optimised, and why. The agent reads this first.",
    "Metric": (
        "One number decides. Optional: `Extract command` (prints the number; without it the last line\n"
        "     `name: number` of the log counts), `Target`, `Min delta` and `Bounds` (values outside are refused)."
    ),
    "Target Files": "What the agent may change. Paths are relative to this file; globs and directories count.",
    "Read-Only Files": "What it must never change: data, scoring. Everything that is no target is safe as well.",
    "Run Command": "One experiment. It starts in this directory, without network unless `network: yes` says so.",
    "Time Budget": "The same for every experiment. Without one: twice what the baseline takes.",
    "Constraints": "Hard rules for the agent, one per line.",
}


def template(protocol: Protocol) -> str:
    """The text of a new config. It reads back as ``protocol``."""
    lines: list[str] = []
    for line in render(protocol).split("\n"):
        lines.append(line)
        remark = _REMARKS.get(line.removeprefix("## ")) if line.startswith("## ") else None
        if remark is not None:
            lines += ["", f"<!-- {remark} -->"]
    text = "\n".join(lines)
    return text if text.startswith("---\n") else f"{FRONT_MATTER}\n{text}"
