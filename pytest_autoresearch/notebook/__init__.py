"""The notebook room: git as the record. Knows no judge, no lab, no agent; the ledger is the only truth."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pytest_autoresearch.notebook.export import load_results, records
    from pytest_autoresearch.notebook.results import Row

__all__ = ["Row", "load_results", "records"]

_HOMES = {"load_results": "export", "records": "export", "Row": "results"}


def __getattr__(name: str) -> Any:
    # Lazily: reading the package must not import GitPython.
    if name in _HOMES:
        return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
