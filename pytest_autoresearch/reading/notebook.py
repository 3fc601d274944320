"""The code cells of a Jupyter notebook, at the bytes where their lines stand. Never writes through a parser of JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_autoresearch.reading.source import Unread

_PYTHON = "python"
_PYTHON_MAGICS = ("%%time", "%%capture", "%%prun", "%%memit")


@dataclass(frozen=True, slots=True)
class Cell:
    """One code cell: its source with ``%`` and ``!`` lines blanked."""

    source: str


@dataclass(frozen=True, slots=True)
class Notebook:
    """``language`` as the kernel names it, in lower case. ``rest`` is everything of the cells that is not code."""

    language: str
    cells: tuple[Cell, ...]
    rest: tuple[tuple[str, str], ...]


def read_notebook(data: bytes) -> Notebook:
    """The cells of a notebook; what runs leave behind (outputs, counts, ids) is no part of it. Raises Unread."""
    try:
        document = json.loads(data)
    except (ValueError, RecursionError) as error:
        raise Unread("no notebook: it is not JSON") from error
    cells = document.get("cells") if isinstance(document, dict) else None
    if not isinstance(cells, list):
        raise Unread("no notebook of version 4: it has no cells")
    metadata = document.get("metadata")
    found = [cell for cell in cells if isinstance(cell, dict)]
    code = tuple(Cell(without_magics(source_of(cell))) for cell in found if cell.get("cell_type") == "code")
    rest = tuple((str(cell.get("cell_type")), _beside_code(cell)) for cell in found)
    return Notebook(_language(metadata if isinstance(metadata, dict) else {}), code, rest)


def _beside_code(cell: dict[str, object]) -> str:
    """The text of a cell that is no code, the magics of one that is."""
    source = source_of(cell)
    if cell.get("cell_type") != "code":
        return source
    plain = without_magics(source).splitlines()
    return "\n".join(line for line, kept in zip(source.splitlines(), plain, strict=True) if line != kept)


def source_of(cell: dict[str, object]) -> str:
    """The source of a cell, which may be a text or a list of lines."""
    source = cell.get("source")
    if isinstance(source, list):
        return "".join(line for line in source if isinstance(line, str))
    return source if isinstance(source, str) else ""


def without_magics(source: str) -> str:
    """A cell's code with the lines that are no Python blanked, character for character."""
    return "".join(_blanked(source))


def _blanked(source: str) -> Iterator[str]:
    other_language = source.startswith("%%") and not source.startswith(_PYTHON_MAGICS)
    for line in source.splitlines(keepends=True):
        bare = line.strip()
        if not other_language and not bare.startswith(("%", "!", "?")):
            yield line
            continue
        ends = line[len(line.rstrip("\r\n")) :]
        indent = line[: len(line) - len(line.lstrip())] if bare else ""
        room = len(line) - len(ends) - len(indent)
        yield indent + ("pass" if room > 3 else "").ljust(room) + ends  # in a block a statement has to stand


def _language(metadata: dict[str, object]) -> str:
    for key, name in (("language_info", "name"), ("kernelspec", "language"), ("kernelspec", "name")):
        inner = metadata.get(key)
        said = inner.get(name) if isinstance(inner, dict) else None
        if isinstance(said, str) and said:
            return said.lower()
    return _PYTHON
