"""The records as other programs want them: JSON documents, CSV rows, typed rows and iterators."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.chain import ledger_ref, read_history, read_records
from pytest_autoresearch.notebook.codec import to_plain
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import History, Record
from pytest_autoresearch.notebook.results import Row, parse, row
from pytest_autoresearch.notebook.tags import locate
from pytest_autoresearch.protocol.experiment import Experiment, Role
from pytest_autoresearch.text import one_line

COLUMNS = (
    *("number", "commit", "parent", "status", "reason", "value", "low", "high", "against", "runs", "run_seconds"),
    *("peak_memory", "agent", "agent_seconds", "cost", "isolation", "device", "suspicious", "started", "ended"),
    *("description", "detail"),
)


def load_results(source: Path | str, tag: str | None = None) -> list[Row]:
    """The rows of a results.tsv, or of a repository's session (the newest unless ``tag`` says which).

    NotebookError for a file that is no such table, or a directory without a session.
    """
    path = Path(source)
    if path.is_file():
        return parse(path.read_text("utf-8", "replace"), str(path))
    located = locate(path, tag)
    with located.git:
        history = read_history(located.git, located.tag)
    return parse("commit\tmetric\tstatus\tdescription\n" + "".join(row(each) for each in history.experiments))


def records(repository: Path | str, tag: str | None = None) -> Iterator[Record]:
    """Everything that stands in a session's ledger, as it was written, oldest first."""
    located = locate(Path(repository), tag)
    with located.git:
        yield from read_records(located.git, ledger_ref(located.tag))


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
    writer.writerows(_flat(each) for each in history.experiments)
    return out.getvalue()


def find(history: History, wanted: str) -> Experiment:
    """An experiment by its number or by its commit's first digits."""
    by_number = wanted.isdecimal() and len(wanted) < 7 and int(wanted) < len(history.experiments)
    if by_number:
        return history.experiments[int(wanted)]
    found = [each for each in history.experiments if len(wanted) >= 4 and each.commit.startswith(wanted)]
    if not found:
        last = len(history.experiments) - 1
        raise NotebookError(f"no experiment {wanted} in {history.session.tag}\n  there are 0 to {last}")
    return found[0]


def experiment_diff(git: Git, experiment: Experiment, *, context: int = 3) -> str:
    """What an experiment changed, discarded ones too."""
    if experiment.number == 0:
        return ""
    return git.diff(git.parents(experiment.commit)[0], experiment.commit, context=context)


def _flat(experiment: Experiment) -> dict[str, Any]:
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
        "description": _inert(one_line(experiment.description, None)),
        "detail": _inert(one_line(experiment.detail, None)),
    }


def _inert(text: str) -> str:
    return f"'{text}" if text.startswith(("=", "+", "-", "@")) else text
