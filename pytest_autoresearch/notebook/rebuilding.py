"""A session's results.tsv from git alone, where no session is at work: in a fresh clone, or after somebody lost it."""

from __future__ import annotations

from pathlib import Path

from pytest_autoresearch.notebook.chain import metric_name, read_history
from pytest_autoresearch.notebook.claim import claim, table_lock
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.results import Table, render, table_path


def rebuild_table(git: Git, tag: str) -> tuple[Path, list[str]]:
    """Write a session's results.tsv from git alone; where it is, and what the user should be told.

    Works in a fresh clone that fetched the ledger, and touches no ref.
    """
    history = read_history(git, tag)
    notices: list[str] = []
    path = table_path(git, history.session.source, tag)
    lock = table_lock(git, path)
    try:
        table = Table(path, notices.append)
        table.refuse_odd()
        claim(git, table, lock, tag)
        table.write(render(history, metric_name(history)))
    finally:
        lock.release(remove=False)
    return path, notices
