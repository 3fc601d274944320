"""Comments on a pull request: what a reviewer is answered, and that two sessions of a tag went apart. Pure."""

from __future__ import annotations

import re

from pytest_autoresearch.notebook.orders import Answer, Order, Outcome
from pytest_autoresearch.report.figures import count
from pytest_autoresearch.report.markdown.escaping import words
from pytest_autoresearch.report.markdown.parts import Links

LONGEST = 1500
_SYMBOLS = {Outcome.DONE: "✅", Outcome.ACCEPTED: "⏳", Outcome.REFUSED: "❌", Outcome.FAILED: "❌"}


def answered(order: Order, answer: Answer, links: Links) -> str:
    """The comment: what was asked by whom, and what became of it."""
    by = f"{words(order.by, 60)}: " if order.by else ""
    lines = [line.strip() for line in answer.text.splitlines() if line.strip()]
    said = "<br>".join(_linked(line, links) for line in lines)
    became = f"{_SYMBOLS[answer.outcome]} **{answer.outcome.value}**: {said}{_run(links)}"
    return f"> {by}`/autoresearch {order.text}`\n\n{became}"


def _linked(line: str, links: Links) -> str:
    """A line in which addresses of this repository's runs, and no others, are links."""
    if not links.repository:
        return words(line, LONGEST)
    parts = re.split(f"({re.escape(links.repository)}/actions/runs/[0-9]+)", line)
    shown = [f"[workflow run]({part})" if index % 2 else words(part, LONGEST) for index, part in enumerate(parts)]
    spaced = [" " if part[:1].isspace() else "" for part in parts]
    ends = [" " if part[-1:].isspace() else "" for part in parts]
    return "".join(f"{before}{part}{after}" for before, part, after in zip(spaced, shown, ends, strict=True)).strip()


def parted(tag: str, branch: str, keeps: int, links: Links) -> str:
    """That another session of a tag went its own way, to ``branch``."""
    where = f"[{branch}]({links.repository}/tree/{branch})" if links.repository else f"`{branch}`"
    said = f"⚠️ Two sessions went on with {words(tag)} at the same time. This one pushed first and goes on; "
    return f"{said}the other has ended, and its {count(keeps, 'keep')} are kept in {where}{_run(links)}."


def _run(links: Links) -> str:
    return f" ([workflow run]({links.run}))" if links.run else ""
