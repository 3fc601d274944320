"""Reads tables of results, ours and those of other tools: more columns, other names, CSV, a table of Markdown. Pure.

A row of somebody else's table says the same three things as ours: which state, how good, and what became of it.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.results import NAME, Row
from pytest_autoresearch.notebook.text import unescape
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.experiment import Status

_COMMITS = "commit git_commit commit_hash commit_sha git_sha git_hash sha hash rev revision".split()
_NUMBERS = "id run_id exp experiment experiment_id iteration iter trial round run number n step version".split()
"""Where no commit is named, a row is known by its number."""
_STATUSES = "status decision outcome verdict result keep_discard action".split()
_DESCRIPTIONS = "description hypothesis change summary idea notes strategy rationale".split()
_METRICS = "metric score value primary_metric metric_value".split()
_BESIDE = frozenset(
    "timestamp time date memory_gb memory_mb vram_gb vram_mb peak_memory peak_mb ram_gb delta improvement guard tag "
    "branch agent seconds duration elapsed reward_name env session labels parent baseline best cost".split()
)
"""Numbers that stand beside the metric, unless there is no other."""
_WORDS = {
    Status.KEEP: "keep kept baseline accept accepted improved improvement success pass passed ok best new_best promote "
    "promoted merged",
    Status.DISCARD: "discard discarded revert reverted reject rejected rollback rolled_back no_op noop no_change worse "
    "equal neutral no_improvement noise checks_failed correctness_fail guard_failed dropped skip skipped blocked "
    "refine pivot search drift fail_guard",
    Status.CRASH: "crash crashed error failed fail timeout oom killed",
}
_STATUS = {word: status for status, words in _WORDS.items() for word in words.split()}
_NOT_MEASURED = frozenset(("", "-", "–", "—", "n/a", "na", "nan", "none", "null", "?"))
_MEANT = regex(r"\s*[+-]?[0-9][0-9.,_']*\s?%?\s*")
"""A cell that is meant as a number, although it is none: it is told, and no other column is taken instead."""
_REMEDY = "a table of ours is written again by `pytest-autoresearch rebuild`"


def parse(text: str, source: str = NAME) -> list[Row]:
    """The rows of a table, ours or another tool's. NotebookError says what is different about it.

    A last line that lacks columns and its newline was torn and does not count.
    """
    lines = list(_cells(text))
    if not lines:
        raise _no_table(source, 1, ())
    at, head = lines[0]
    names = [re.sub(r"[\s-]+", "_", name.strip(" *`").lower()) for name in head]
    commit, status = _first(names, [*_COMMITS, *_NUMBERS]), _first(names, _STATUSES)
    if commit is None or status is None:
        raise _no_table(source, at, head)
    body = [(line, row) for line, row in lines[1:] if row != head]
    if body and len(body[-1][1]) < len(head) and not text.endswith("\n"):
        body.pop()
    is_ours = [names[0], *names[2:]] == ["commit", "status", "description"]
    remedy = _REMEDY if is_ours else "mend that line, or take it out"
    for line, row in body:
        if len(row) != len(head):
            why = f"{len(row)} columns where the head has {len(head)}"
            raise NotebookError(f"{source}:{line}: not a row of results: {why}\n  {remedy}")
    description = _first(names, _DESCRIPTIONS)
    metric = _metric_among(names, {commit, status, description}, [row for _, row in body])
    if metric is None:
        raise NotebookError(f"{source}:{at}: no column of this table is a metric\n  name one beside commit and status")
    found = []
    for line, row in body:
        try:
            words = "" if description is None else unescape(row[description])
            found.append(Row(row[commit].strip(" *`"), _value(row[metric]), _status(row[status]), words))
        except ValueError as error:
            raise NotebookError(f"{source}:{line}: not a row of results: {error}\n  {remedy}") from None
    return found


def _cells(text: str) -> Iterator[tuple[int, list[str]]]:
    """The lines that hold cells, numbered from 1; what stands before the head and begins with `#` is a remark."""
    lines = text.removeprefix("\ufeff").replace("\r\n", "\n").split("\n")
    start = next((n for n, line in enumerate(lines) if line.strip() and not line.startswith("#")), None)
    if start is None:
        return
    head = lines[start]
    if "\t" not in head and not head.lstrip().startswith("|") and re.search("[,;]", head):
        reader = csv.reader(lines[start:], delimiter=max(",;", key=head.count))
        yield from ((start + reader.line_num, row) for row in reader if any(cell.strip() for cell in row))
        return
    for number, line in enumerate(lines[start:], start + 1):
        if "\t" in head and line.strip():
            yield number, line.split("\t")
        elif "\t" not in head and re.search(r"[^\s|:-]", line):
            yield number, [cell.strip() for cell in line.strip().removeprefix("|").removesuffix("|").split("|")]


def _first(names: Sequence[str], wanted: Sequence[str]) -> int | None:
    return next((names.index(name) for name in wanted if name in names), None)


def _metric_among(names: Sequence[str], taken: set[int | None], rows: Sequence[Sequence[str]]) -> int | None:
    """The column of the metric: one that is called so, else the first of numbers that no other use is known of."""
    others = [at for at in range(len(names)) if at not in taken]
    of_numbers = [
        at for at in others if any(_is_number(row[at]) or _MEANT.fullmatch(row[at]) for row in rows)
    ] or others
    likely = [at for at in of_numbers if names[at] not in _BESIDE and names[at] not in (*_COMMITS, *_NUMBERS)]
    own = [at for at in likely if not names[at].startswith("train")]
    called = [at for at in likely if names[at] in _METRICS]
    return next(iter([*called, *own, *likely, *of_numbers]), None)


def _is_number(cell: str) -> bool:
    try:
        float(cell)
    except ValueError:
        return False
    return cell.strip().lower() not in _NOT_MEASURED


def _value(cell: str) -> float:
    """A number; an empty cell, a dash or a `nan` was not measured."""
    if cell.strip().lower() in _NOT_MEASURED:
        return 0.0
    try:
        return float(cell)
    except ValueError:
        raise ValueError(f"`{cell.strip()}` is no number") from None


def _status(text: str) -> Status:
    """A status in our words or in another tool's."""
    word = re.sub(r"[\W_]+", "_", text.lower()).strip("_")
    if word not in _STATUS:
        raise ValueError(f"`{text.strip()}` is none of keep, discard, crash and their like")
    return _STATUS[word]


def _no_table(source: str, line: int, head: Sequence[str]) -> NotebookError:
    found = f"its columns are {', '.join(head[:8])}" if len(head) > 1 else "it has no columns apart by tabs or commas"
    return NotebookError(
        f"{source}:{line}: no results table: {found}; `commit`, a metric, `status` and `description` are needed\n"
        f"  {_REMEDY}"
    )
