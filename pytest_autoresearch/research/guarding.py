"""Guards that are added while a session is under way: tried on its head, before a candidate is blamed for them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from pytest_autoresearch.errors import AutoresearchError
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.research.session import Research

GUARDS = "guards"
"""The kind of the note that says, as a JSON list, with which guards a session goes on from there."""


class HeadIsRed(AutoresearchError):
    """A guard that was added fails on the head of the session; nothing was recorded."""

    exit_code = 1


def try_new_guards(research: Research) -> None:
    """Run the guards that the head was never tried with, and record that they are green. Raises HeadIsRed."""
    before, now = _guards_of(research.notebook.history), research.protocol.guard
    if set(before) == set(now):
        return
    new = [guard for guard in now if guard not in before]
    number, incumbent = research.next_number, research.incumbent
    red = research.referee.head_fails(
        new,
        research.drafts.head(number, research.parts.git.tree(incumbent.commit)),
        f"the head of the session, {incumbent.number:04d} {incumbent.commit[:7]}",
        research.runs.deadline,
        research.diagnosis().of,
        research.slots.perform,
    )
    if red is not None:
        raise HeadIsRed(red)
    research.notebook.note(GUARDS, json.dumps(list(now), ensure_ascii=False))


def _guards_of(history: History) -> Sequence[str]:
    """The guards that a session went on with last, else those it began with."""
    note = next((note for note in reversed(history.notes) if note.kind == GUARDS), None)
    guards: Sequence[str] = history.session.protocol.get("guard", ()) if note is None else json.loads(note.text)
    return guards
