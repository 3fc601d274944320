"""The records as other programs want them: JSON documents and CSV rows."""

from __future__ import annotations

import csv
import io
import json
from typing import Any

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.codec import to_plain
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.protocol.experiment import Experiment, Role
from pytest_autoresearch.text import one_line

COLUMNS = (
    *("number", "commit", "parent", "status", "reason", "value", "low", "high", "against", "runs", "run_seconds"),
    *("peak_memory", "agent", "agent_seconds", "cost", "isolation", "device", "suspicious", "started", "ended"),
    *("description", "detail"),
)

WORDS = ("agent", "isolation", "device", "description", "detail")


def as_json(history: History) -> str:
    """A session's history as one JSON document; experiments as ``record.schema.json`` describes them."""
    document = {**to_plain(history), "experiments": [to_plain(each) | {"judge": {}} for each in history.experiments]}
    return json.dumps(document, indent=1, ensure_ascii=False).encode("utf-8", "backslashreplace").decode()


def as_csv(history: History) -> str:
    """One line per experiment, drops applied; seconds, bytes and US dollars.

    Foreign words that a spreadsheet would take for a formula begin with an apostrophe.
    """
    out = io.StringIO()
    writer = csv.DictWriter(out, COLUMNS, lineterminator="\n")
    writer.writeheader()
    for row in map(flat, history.experiments):
        writer.writerow(row | {name: _inert(row[name]) for name in WORDS})
    return out.getvalue()


def find(history: History, wanted: str) -> Experiment:
    """An experiment by its number or by its commit's first digits."""
    number = int(wanted) if wanted.isdecimal() and len(wanted) < 7 else -1
    found = [each for each in history.experiments if each.number == number]
    found += [each for each in history.experiments if len(wanted) >= 4 and each.commit.startswith(wanted)]
    if not found:
        last = max(each.number for each in history.experiments)
        raise NotebookError(f"no experiment {wanted} in {history.session.tag}\n  there are 0 to {last}")
    return found[0]


def experiment_diff(git: Git, experiment: Experiment, *, context: int = 3) -> str:
    """What an experiment changed, discarded ones too."""
    if experiment.number == 0:
        return ""
    return git.diff(git.parents(experiment.commit)[0], experiment.commit, context=context)


def flat(experiment: Experiment) -> dict[str, Any]:
    """One experiment as COLUMNS name it."""
    runs = [each for each in experiment.measurements if each.role is not Role.HOLDOUT]
    plain = to_plain(experiment)
    low, high = experiment.interval or (None, None)
    peaks = [each.peak_memory for each in runs if each.peak_memory is not None]
    return {
        **{name: plain.get(name) for name in COLUMNS},
        **({} if experiment.number else {"reason": "baseline"}),
        "low": low,
        "high": high,
        "runs": len(runs),
        "run_seconds": round(sum(each.duration for each in runs), 3),
        "peak_memory": max(peaks, default=None),
        "cost": experiment.usage.cost if experiment.usage else None,
        "suspicious": experiment.suspicious,
        "agent_seconds": experiment.agent_seconds,
        **{name: one_line(str(plain.get(name) or ""), None) for name in WORDS},
    }


def _inert(text: str) -> str:
    """A cell that no spreadsheet takes for a formula."""
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
