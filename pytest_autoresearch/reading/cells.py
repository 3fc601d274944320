"""An edited notebook put back into the bytes of the one it was made of: only code cells change. Pure.

Editors and tools write the whole file anew: outputs, execution counts, random ids of cells, indentation, metadata. None
of that is a candidate's to change, and a diff that shows it can not be reviewed.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from difflib import SequenceMatcher

from pytest_autoresearch.patterns import regex
from pytest_autoresearch.reading.notebook import source_of

_TOKEN = regex(r'"(?:[^"\\]|\\.)*"|[\[\]{},:]|[^\s\[\]{},:"]+', re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Cell:
    """One cell: its text, its kind and source, and where the value of `source` stands in its text."""

    text: str
    kind: str
    source: str
    value: tuple[int, int] | None


def with_code_of(edited: bytes, original: bytes) -> bytes | None:
    """``original`` with the code cells of ``edited``; None where one of them is no notebook that is understood.

    Code cells may be changed, added and removed; all else is byte for byte as it was.
    """
    try:
        before, after = _cells(original.decode("utf-8")), _cells(edited.decode("utf-8-sig"))
    except (ValueError, RecursionError, KeyError, TypeError):
        return None
    head, cells, between, tail = before
    new = after[1]
    if not cells:
        return None
    made: list[str] = []
    same = SequenceMatcher(None, [(c.kind, c.source) for c in cells], [(c.kind, c.source) for c in new], autojunk=False)
    for what, a, b, c, d in same.get_opcodes():
        if what == "equal":
            made += [cell.text for cell in cells[a:b]]
            continue
        old_code = [cell for cell in cells[a:b] if cell.kind == "code"]
        new_code = [cell for cell in new[c:d] if cell.kind == "code"]
        paired = iter(new_code)
        for cell in cells[a:b]:
            if cell.kind != "code":
                made.append(cell.text)  # prose is not the agent's to edit
            elif (other := next(paired, None)) is not None:
                made.append(_with_source(cell, other.source))
        made += [_rendered(cell.source, like=cells[0].text) for cell in new_code[len(old_code) :]]
    return f"{head}{between.join(made)}{tail}".encode() if made else None


def _cells(text: str) -> tuple[str, list[_Cell], str, str]:
    """What stands before the cells, the cells, what stands between two of them, and what stands behind the last."""
    document = json.loads(text)
    if not isinstance(document["cells"], list):
        raise TypeError("no notebook of version 4")
    spans, values = _spans(text)
    cells = []
    for (start, end), value, parsed in zip(spans, values, document["cells"], strict=True):
        inside = None if value is None else (value[0] - start, value[1] - start)
        cells.append(_Cell(text[start:end], str(parsed.get("cell_type")), source_of(parsed), inside))
    if not spans:
        return text, [], "", ""
    between = text[spans[0][1] : spans[1][0]] if len(spans) > 1 else _separator(text, spans[0][0])
    return text[: spans[0][0]], cells, between, text[spans[-1][1] :]


def _separator(text: str, start: int) -> str:
    """What would stand between two cells of a notebook that has one."""
    line = text.rfind("\n", 0, start)
    return ",\n" + text[line + 1 : start] if line >= 0 and not text[line + 1 : start].strip() else ", "


def _spans(text: str) -> tuple[list[tuple[int, int]], list[tuple[int, int] | None]]:
    """Where each cell stands, and in it the value of its `source`."""
    stack: list[str] = []
    spans: list[tuple[int, int]] = []
    values: list[tuple[int, int] | None] = []
    key, expects_key, begun = "", False, 0
    for found in _TOKEN.finditer(text):
        token = found[0]
        if token in ("{", "["):
            if len(stack) == 3 and stack[1] == "cells[" and key == "source":
                begun = found.start()
            stack.append(f"{key}{token}")
            if len(stack) == 3 and stack[1] == "cells[":
                spans.append((found.start(), found.start()))
                values.append(None)
            key, expects_key = ("", True) if token == "{" else (key, False)
        elif token in ("}", "]"):
            closed = stack.pop()
            if len(stack) == 2 and stack[1] == "cells[" and token == "}":
                spans[-1] = (spans[-1][0], found.end())
            elif len(stack) == 3 and stack[1] == "cells[" and closed == "source[":
                values[-1] = (begun, found.end())
            expects_key = False
        elif token == ",":
            expects_key = bool(stack) and stack[-1].endswith("{")
        elif token == ":":
            expects_key = False
        elif token.startswith('"') and expects_key:
            key = json.loads(token)
        elif token.startswith('"') and len(stack) == 3 and stack[1] == "cells[" and key == "source":
            values[-1] = (found.start(), found.end())
    return spans, values


def _with_source(cell: _Cell, source: str) -> str:
    """A cell with another source, written as its own was: a list of lines, or one text."""
    if cell.value is None or source == cell.source:
        return cell.text
    start, end = cell.value
    old = cell.text[start:end]
    if old.startswith('"'):
        return cell.text[:start] + json.dumps(source, ensure_ascii=old.isascii()) + cell.text[end:]
    first = re.match(r"\[(\s*)", old)
    lead, trail = first[1] if first else "", old[len(old[:-1].rstrip()) : -1]
    lines = [json.dumps(line, ensure_ascii=old.isascii()) for line in source.splitlines(keepends=True)]
    written = f",{lead or ' '}".join(lines)
    return f"{cell.text[:start]}[{lead}{written}{trail}]{cell.text[end:]}"


def _rendered(source: str, *, like: str) -> str:
    """A new code cell, indented as the others are."""
    found = re.match(r"\{\n( *)", like)
    document: dict[str, object] = {
        "cell_type": "code",
        "execution_count": None,
        "metadata": {},
        "outputs": [],
        "source": source.splitlines(keepends=True),
    }
    if found is None:
        return json.dumps(document, ensure_ascii=False)
    closing = re.search(r"\n( *)\}\Z", like)
    outer = len(closing[1]) if closing else 0
    step = max(1, len(found[1]) - outer)
    return json.dumps(document, indent=step, ensure_ascii=False).replace("\n", "\n" + " " * outer)
