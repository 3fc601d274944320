"""How a session goes on: with what its last invocation was told, and with what is left of its budget. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

from pytest_autoresearch.errors import PublishError
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.research.attending import TOLD

INPUTS: Mapping[str, str] = {
    "agent": "agent",
    "model": "model",
    "duration": "duration",
    "max_cost": "max-cost",
    "max_tokens": "max-tokens",
    "patience": "patience",
    "until": "until",
}
"""Settings that the workflow takes, and what its inputs are called."""


def inputs(history: History, experiments: int) -> dict[str, str]:
    """The workflow's inputs for ``experiments`` more. PublishError where a budget is spent."""
    note = next((note for note in reversed(history.notes) if note.kind == TOLD), None)
    told: dict[str, str] = json.loads(note.text) if note is not None else {}
    since = [e for e in history.experiments if note is None or e.ended is None or e.ended >= note.when]
    used = [e.usage for e in since if e.usage is not None and e.number > 0]
    spent = {
        "max_cost": sum(usage.cost or 0.0 for usage in used),
        "max_tokens": float(sum(usage.input_tokens + usage.output_tokens for usage in used)),
    }
    for name, amount in spent.items():
        if name in told:
            left = float(told[name]) - amount
            if left <= 0:
                raise PublishError(
                    f"its budget is spent: {amount:g} of {INPUTS[name]} {told[name]}\n"
                    f"  start the workflow by hand with the same tag and another {INPUTS[name]}"
                )
            told[name] = f"{left:.2f}" if name == "max_cost" else f"{left:.0f}"
    session = history.session
    known = {INPUTS[name]: value for name, value in told.items() if name in INPUTS}
    return {"tag": session.tag, "config": session.source, "experiments": str(experiments), **known}
