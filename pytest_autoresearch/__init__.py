"""Autoresearch as a pytest plugin: propose, measure, judge, record; git is the lab notebook.

PYTEST_DONT_REWRITE: our commands ask a pytest in a process that has imported us already.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_autoresearch.report.tables import load_results, records

__version__ = "0.2.0"
__all__ = ["__version__", "load_results", "records"]


def __getattr__(name: str) -> Any:
    # Lazily: pytest imports this package at every start, and reading a ledger needs GitPython.
    if name in ("load_results", "records"):
        from pytest_autoresearch.report import tables

        return getattr(tables, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
