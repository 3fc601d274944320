"""Reads a metric from a file that a run wrote: JSON by key, CSV by column and row, else like a log. Pure.

Keys are dotted (`a.b`), lists take `[0]`, `[-1]`, `[last]` or `[name=value]`; a key that itself holds dots or slashes
is found as it stands. `[last]` is the last entry that has the rest of the key: what a trainer appends to its history.
"""

from __future__ import annotations

import csv
import difflib
import io
import json
import re
from collections.abc import Iterator
from typing import Any

from pytest_autoresearch.lab.lines import lines_of, look_up
from pytest_autoresearch.lab.metrics import Reading, read_log, within
from pytest_autoresearch.lab.numbers import parse_number, unwrapped
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.experiment import Reason
from pytest_autoresearch.protocol.model import Metric, MetricFile

LARGEST = 64 * 1024 * 1024  # bytes of a file that a metric is read from
LARGEST_FINITE = 1.797e308  # mlflow writes an infinite number as the largest finite one
MOST_NAMED = 6  # keys that an error lists

MOST_IN_VAIN = 4  # times its length that a file is read for what is no document

_OPENING = regex(r"^[ \t]*(?=[\[{])", re.MULTILINE)
_BRACKET = regex(r"\[([^\[\]]*)\]")


def read_file(data: bytes, file: MetricFile, metric: Metric) -> Reading:
    """The metric from the content of the file that the protocol names."""
    if len(data) > LARGEST:
        return _failed(metric, f"{file.path} is larger than {LARGEST // 1024**2} MB")
    if not data.strip():
        return Reading(failure=Reason.NO_METRIC, detail=f"{metric.name}: {file.path} is empty")
    if is_table(file):
        return _from_table(data, file, metric)
    documents = documents_in(data)
    if documents:
        return _from_documents(documents, file, metric)
    if file.key is not None:
        return _failed(metric, f"{file.path} holds no JSON document")
    return read_log(data, metric)


def is_table(file: MetricFile) -> bool:
    """Whether a file is read by column and row."""
    return file.column is not None or file.row is not None or file.path.endswith((".csv", ".tsv"))


def documents_in(data: bytes) -> list[Any]:
    """The JSON documents of a file, or of a log between other lines, in order.

    What begins like one and is none is read in vain: no more of that than a few times the file.
    """
    text = "\n".join(lines_of(data))
    found: list[Any] = []
    at, in_vain, decoder = 0, 0, json.JSONDecoder()
    while in_vain <= MOST_IN_VAIN * len(text) and (begin := _OPENING.search(text, at)) is not None:
        try:
            document, at = decoder.raw_decode(text, begin.end())
        except (ValueError, RecursionError) as error:
            in_vain += error.pos - begin.end() if isinstance(error, json.JSONDecodeError) else len(text) // 20
            at = text.find("\n", begin.end()) + 1 or len(text)
            continue
        if isinstance(document, (dict, list)) and document:
            found.append(document)
    return found


# JSON


def _from_documents(documents: list[Any], file: MetricFile, metric: Metric) -> Reading:
    key = file.key
    why = ""
    for document in reversed(documents):
        if key is None:
            value, why = look_up(document, metric.name)
            if value is None and isinstance(document, dict) and isinstance(document.get("log_history"), list):
                value, why = _at(document, f"log_history[last].{metric.name}")
        else:
            value, why = _at(document, key)
        if value is not None:
            if abs(value) >= LARGEST_FINITE:
                return _failed(metric, f"{file.path}: {value:g} stands for an infinite number")
            return within(value, repr(value), metric)
        if why != ABSENT:
            break
    names = ", ".join(nearest_keys(documents[-1], key or metric.name))
    what = f"`{key}`" if key is not None else f"`{metric.name}`"
    words = f"{file.path}: {what}: {why}" + (f"; there is {names}" if names else "")
    return Reading(failure=Reason.NO_METRIC if why == ABSENT else Reason.BAD_METRIC, detail=f"{metric.name}: {words}")


ABSENT = "it is not there"


def _at(document: Any, key: str) -> tuple[float | None, str]:
    """The number at a key, or why there is none."""
    try:
        found = resolve(document, key)
    except LookupError as error:
        return None, str(error.args[0]) if error.args else ABSENT
    if isinstance(found, bool) or not isinstance(found, (int, float, str)):
        return None, "it is not one number"
    value = parse_number(found.strip()) if isinstance(found, str) else parse_number(repr(found))
    if value is None and isinstance(found, int):
        value = parse_number(repr(float(found))) if abs(found) < 1e308 else None
    return value, "" if value is not None else f"{found!r:.40} is not one finite number"


def resolve(document: Any, key: str) -> Any:
    """What stands at a key. LookupError says why nothing does."""
    if not key:
        return document
    if isinstance(document, dict):
        return _in_mapping(document, key)
    if isinstance(document, list):
        return _in_list(document, key)
    raise LookupError(ABSENT)


def _in_mapping(document: dict[str, Any], key: str) -> Any:
    key = key.removeprefix(".")
    if quoted := re.match(r"\[?([\"'])(.+?)\1\]?(?=[.\[]|$)", key):
        if quoted[2] not in document:
            raise LookupError(ABSENT)
        return resolve(document[quoted[2]], key[quoted.end() :])
    if key in document:
        return document[key]
    why = ABSENT
    for cut in [found.start() for found in re.finditer(r"[.\[]", key)][::-1]:
        if key[:cut] in document:
            try:
                return resolve(document[key[:cut]], key[cut:])
            except LookupError as error:
                why = str(error.args[0])
    raise LookupError(why)


def _in_list(entries: list[Any], key: str) -> Any:
    key = key.removeprefix(".")
    found = _BRACKET.match(key) or re.match(r"(-?[0-9]+)(?=[.\[]|$)", key)
    if found is None:
        having = [value for entry in entries if (value := _attempt(entry, key)) is not None]
        if len(having) > 1:
            raise LookupError(
                f"{len(having)} entries have it: write `[last].{key}`, `[0].{key}` or `[name=value].{key}`"
            )
        if not having:
            raise LookupError(ABSENT)
        return having[0][0]
    which, rest = found[1].strip(), key[found.end() :]
    if re.fullmatch(r"-?[0-9]+", which):
        if not -len(entries) <= int(which) < len(entries):
            raise LookupError(f"there are {len(entries)} entries")
        return resolve(entries[int(which)], rest)
    if which in ("last", "first"):
        order = entries[::-1] if which == "last" else entries
        picked = next((value for entry in order if (value := _attempt(entry, rest)) is not None), None)
        if picked is None:
            raise LookupError(ABSENT)
        return picked[0]
    name, _, wanted = which.partition("=")
    wanted = wanted.strip().strip("\"'")
    matching = [e for e in entries if isinstance(e, dict) and str(e.get(name.strip().strip("\"'"))) == wanted]
    if len(matching) != 1:
        raise LookupError(f"{len(matching)} entries have {name.strip()} = {wanted}")
    return resolve(matching[0], rest)


def _attempt(document: Any, key: str) -> tuple[Any] | None:
    try:
        return (resolve(document, key),)
    except LookupError:
        return None


def nearest_keys(document: Any, wanted: str) -> list[str]:
    """The keys of numbers in a document that are most like a name, as they are written."""
    keys = list(dict.fromkeys(key for key, _ in leaves(document)))
    last = wanted.rpartition(".")[2].lower()
    near = [key for key in keys if last in key.lower()] or difflib.get_close_matches(wanted, keys, MOST_NAMED, 0.4)
    return (near or keys)[:MOST_NAMED]


def leaves(document: Any, path: str = "", depth: int = 0) -> Iterator[tuple[str, Any]]:
    """Every number of a document with the key that finds it; of long lists the first and the last entries."""
    if depth > 12:
        return
    if isinstance(document, dict):
        for key, below in document.items():
            name = key if re.fullmatch(r"[\w@%-]+", key) else f'"{key}"'
            yield from leaves(below, f"{path}.{name}" if path else name, depth + 1)
    elif isinstance(document, list):
        for at, below in list(enumerate(document))[:8]:
            label = below.get("name") or below.get("command") if isinstance(below, dict) else None
            is_named = isinstance(label, str) and re.fullmatch(r"[^\[\]=\"'`]+", label) and len(document) > 1
            which = f"[name={label}]" if is_named and isinstance(below, dict) and "name" in below else f"[{at}]"
            yield from leaves(below, f"{path}{which}", depth + 1)
    elif isinstance(document, (int, float)) and not isinstance(document, bool):
        yield path, document


# Tables


def _from_table(data: bytes, file: MetricFile, metric: Metric) -> Reading:
    lines = [line for line in lines_of(data) if line.strip() and not line.startswith("#")]
    head = lines[0] if lines else ""
    delimiter = max("\t,;", key=head.count) if re.search(r"[\t,;]", head) else ","
    rows = [[cell.strip() for cell in row] for row in csv.reader(io.StringIO("\n".join(lines)), delimiter=delimiter)]
    wanted = file.column or metric.name
    if not rows or rows[0].count(wanted) != 1:
        near = difflib.get_close_matches(wanted, rows[0] if rows else [], n=1, cutoff=0.4)
        meant = f"; did you mean `{near[0]}`?" if near else f"; there is {', '.join(rows[0][:12])}" if rows else ""
        return Reading(
            failure=Reason.NO_METRIC, detail=f"{metric.name}: {file.path} has no one column `{wanted}`{meant}"
        )
    column = rows[0].index(wanted)
    cell, why = _cell(rows, column, file.row or "last")
    if cell is None:
        return Reading(failure=Reason.NO_METRIC, detail=f"{metric.name}: {file.path}: {why}")
    value = parse_number(unwrapped(cell))
    if value is None or abs(value) >= LARGEST_FINITE:
        return _failed(metric, f"{file.path}: {cell[:40]!r} in the column `{wanted}` is not one finite number")
    return within(value, cell, metric)


def _cell(rows: list[list[str]], column: int, which: str) -> tuple[str | None, str]:
    """The cell of a row: `last` and `first` are those that are not empty, numbers count from 1, `-1` is the last."""
    named = which.partition("=")
    body = [row for row in rows[1:] if len(row) > column]
    if named[1]:
        if named[0].strip() not in rows[0]:
            return None, f"there is no column `{named[0].strip()}`"
        at = rows[0].index(named[0].strip())
        body = [row for row in body if len(row) > at and row[at] == named[2].strip().strip("\"'")]
        which = "last"
    filled = [row[column] for row in body if row[column]]
    if which in ("last", "first"):
        return (filled[-1 if which == "last" else 0], "") if filled else (None, "no row has it")
    number = int(which)
    at = number - 1 if number > 0 else len(body) + number
    if not 0 <= at < len(body) or not body[at][column]:
        return None, f"row {which} is not there or empty"
    return body[at][column], ""


def _failed(metric: Metric, words: str) -> Reading:
    return Reading(failure=Reason.BAD_METRIC, detail=f"{metric.name}: {words}")
