"""Finds one metric's number in the lines of a log, in the many forms that programs print it in. Pure.

A form is read only if it can mean one thing. What looks like the metric and can mean two (a percentage, a unit, two
numbers, `train` beside `val`) is reported without a number: an older line must not stand in for it.
"""

from __future__ import annotations

import ast
import json
import re
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any
from unicodedata import category

from pytest_autoresearch.lab.numbers import NUMBER, looks_like_number, number_at, parse_number
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.text import without_sequences

LONGEST_LINE = 20_000  # characters of a line that are looked at
LONGEST_DOCUMENT = 5_000  # lines of a JSON document in a log
MOST_MENTIONS = 2_000  # lines that are compared with the last one
MOST_IN_LINE = 16  # mentions in one line that are looked at, the last ones
LONGEST_LEAD = 1_000  # characters before a mention that may say of what it is
MOST_OPENINGS = 50  # lines at which a document may begin that are tried

_LINE_END = regex(r"[\r\n\x08\x0b\x0c]+")
_SEPARATOR = r"(?:\s*(?::=|==|=>|->|→|[:=：])\s*|\s*[|│┃║]\s*|\s+is\s+|\s*\.{3,}:?\s*|\s+)"  # the last: `val_loss 0.41`
_OPEN_END = regex(r"(?:[,;|│┃║\[({<:]|(?:^|\s)[-–—•·*+>#]+|[=-]>)\s*[\"']*$")
_COLUMNS = {
    "bar": regex(r"[|│┃║]"),
    "tab": regex(r"\t"),
    "comma": regex(r"[,;]"),
    "blank": regex(r"\s+"),
}
_UNITS = frozenset(
    "ms s sec secs seconds second us µs μs ns min mins minute minutes h hours percent pct kb mb gb tb kib mib gib b "
    "bytes byte k m g x hz khz mhz ghz db fps ops rps qps flops gflops tflops tokens samples images iterations w j usd "
    "eur million thousand billion points pts cycles instructions bits px".split()
)
_JOINING = frozenset("of out to and from in vs versus or over per plus minus than at for by on with ±".split())
_QUALIFIERS = frozenset(
    "train training val valid validation eval evaluation test dev holdout best final mean avg average median min max "
    "last current initial start baseline ema student teacher before after running smoothed".split()
)
_LEVELS = frozenset(
    "metric result results info debug warning warn error critical notice trace success note stdout out".split()
)
_PICTURES = frozenset({"So", "Mn", "Cf"})  # ✅ 🎯, and what may stand behind them
_RANK = regex(r"\b(?:rank|worker|gpu|node|proc(?:ess)?|fold|seed|trial|client)[ :=_#-]*\d+", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Report:
    """The line that reports a metric last, and its number; without one, ``why`` says what stands in the way."""

    line: str
    value: float | None
    why: str = ""


def lines_of(log: bytes) -> list[str]:
    r"""A log's lines as a terminal would show them at last: no colours, what `\r` ends is a line."""
    encoding = "utf-16" if log[:2] in (b"\xff\xfe", b"\xfe\xff") and len(log) % 2 == 0 else "utf-8"
    text = _taken_back(without_sequences(log.decode(encoding, "replace")))
    return [line[:LONGEST_LINE].lstrip("\ufeff") for line in _LINE_END.split(text)]


def _taken_back(text: str) -> str:
    """The text without what backspaces took back; where they take a whole line, that line has ended instead."""
    if "\x08" not in text:
        return text
    done: list[str] = []
    for part in re.findall(r"\x08+|[^\x08]+", text):
        if part[0] != "\x08":
            done.extend(part)
            continue
        taken = next((n for n in range(len(part)) if n == len(done) or done[-n - 1] in "\r\n"), len(part))
        if taken < len(part) or taken == len(done) or done[-taken - 1] in "\r\n":
            done.append("\n")
        else:
            del done[-taken:]
    return "".join(done)


def find_report(lines: Sequence[str], name: str) -> Report | None:
    """Where the lines report the metric last; None if they never do."""
    mention = _mention(name)
    for at in range(len(lines) - 1, -1, -1):
        if name not in lines[at]:
            continue
        found = _in_line(lines, at, name, mention)
        if found is None:
            continue
        report, told = found
        if report.value is not None and told is not None and _is_told_apart(lines[:at], name, mention, told):
            return Report(report.line, None, "other lines report it for something else")
        return report
    return None


def _mention(name: str) -> re.Pattern[str]:
    return re.compile(rf"(?<![\w.@%/+~$-])[\"']?{re.escape(name)}[\"']?(?P<apart>{_SEPARATOR})(?=\S)")


def _in_line(
    lines: Sequence[str], at: int, name: str, mention: re.Pattern[str]
) -> tuple[Report, frozenset[str] | None] | None:
    """What a line says of the metric, and the words that say of what (`train`, `best`); None: nothing."""
    line = lines[at].replace("**", "").replace("`", "")
    document = _document(line, name)
    if document is None and re.match(r"\s+[\"']" + re.escape(name) + r"[\"']\s*:", line):
        document = _document_around(lines, at)
        if document is _NOTHING:
            return Report(line.strip(), None, "it stands in a document that can not be read"), None
    if document is not None and document is not _NOTHING:
        value, why = look_up(document, name)
        return Report(line.strip(), value, why), None
    mentions = [(found, told) for found in _mentions(line, mention) if (told := _leads(line, found)) is not None]
    if not mentions:
        below = _below(lines, at, name)
        return None if below is None else (below, None)
    last, told = mentions[-1]
    if len(mentions) > 1:
        return Report(line.strip(), None, "it stands there several times"), None
    number = number_at(line, last.end())
    if number is None or not _ends_well(line[number[1] :]):
        return Report(line.strip(), None, "the number does not stand alone"), None
    return Report(line.strip(), parse_number(number[0])), told


def _mentions(line: str, mention: re.Pattern[str]) -> Iterable[re.Match[str]]:
    """The last places of a line where a value seems to follow the name."""
    found = (each for each in mention.finditer(line) if looks_like_number(line, each.end()))
    return deque(found, maxlen=MOST_IN_LINE)


def _leads(line: str, mention: re.Match[str]) -> frozenset[str] | None:
    """Whether what stands before a name leaves it the whole name: the words that say of what it is, None if not."""
    before = line[max(0, mention.start() - LONGEST_LEAD) : mention.start()]
    told = frozenset(re.findall(r"[a-z]+", before.lower())) & _QUALIFIERS
    told |= {found.lower() for found in _RANK.findall(before)}
    bare = before.rstrip(" \t\"'")
    while bare and category(bare[-1]) in _PICTURES:
        bare = bare[:-1].rstrip()
    if not bare or _OPEN_END.search(bare) or bare[-1] in "])}>":
        return told
    last = bare.split()[-1]
    is_word = re.fullmatch(r"[^\W\d]+", last) is not None
    if re.search(r"[’']s$", before.rstrip(" \t")):  # LightGBM: `valid_0's l2`
        return told | {last.lower()}
    return told if (is_word and last.lower() in _LEVELS) or re.search(r"[0-9=]", last) else None


def _ends_well(rest: str) -> bool:
    """Whether what follows a number leaves it a number of its own: no unit, no second number."""
    if not rest.strip(" \t.!\"'*") and not rest.startswith("."):
        return True
    if re.fullmatch(r"[.!]\s*", rest):
        return True
    apart = re.match(r"\s*(?:[,;|│┃║](?![0-9])|[\])}>]+,?|\s[-–—•·/]\s)\s*", rest)
    if apart is not None:
        return re.match(rf"{NUMBER}\s*(?:[,;|│┃║\])}}%±(]|$)", rest[apart.end() :]) is None
    if re.fullmatch(r"\s{2,}\S+\.\w+:[0-9]+\s*", rest):  # where a logger was called from
        return True
    following = re.match(r"\s+((?:\w+'s )?[A-Za-z_][\w./@%-]*)\s*([:=]|\s[+-]?\.?[0-9])", rest)
    if following is None:
        return False
    word = following[1].lower()
    return following[2] in ":=" or not (word in _UNITS or word in _JOINING or "/" in word)


def _is_told_apart(lines: Sequence[str], name: str, mention: re.Pattern[str], told: frozenset[str]) -> bool:
    """Whether earlier lines report the metric of something else: `[train] loss` before `[val] loss`."""
    others = 0
    for line in reversed(lines):
        if name not in line:
            continue
        others += 1
        if others > MOST_MENTIONS:
            return False
        for found in _mentions(line, mention):
            leads = _leads(line, found)
            if leads is not None and leads != told:
                return True
    return False


# JSON and Python dictionaries

_NOTHING: Any = object()


def _document(line: str, name: str) -> Any:
    """The dictionary that a line holds, behind a logger's prefix perhaps; None if it holds none with the name."""
    begin = line.find("{")
    if begin < 0 or not re.search(rf"[\"']{re.escape(name.rpartition('.')[2])}[\"']", line[begin:]):
        return None
    text = line[begin : line.rfind("}") + 1]
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text)
        except (ValueError, SyntaxError, RecursionError, MemoryError, TypeError):
            continue
        if isinstance(found, dict):
            return found
    return None


def _document_around(lines: Sequence[str], at: int) -> Any:
    """The JSON document, written over several lines, that a line stands in."""
    openings = (n for n in range(at, max(-1, at - LONGEST_DOCUMENT), -1) if lines[n].startswith(("{", "[")))
    for begin in islice(openings, MOST_OPENINGS):
        text = "\n".join(lines[begin : at + LONGEST_DOCUMENT])
        try:
            found, end = json.JSONDecoder().raw_decode(text)
        except (ValueError, RecursionError):
            continue
        if text[:end].count("\n") >= at - begin:
            return found
    return _NOTHING


def look_up(document: Any, name: str) -> tuple[float | None, str]:
    """The number that a document has under a name: at the top, by its dotted path, or in the one place that has it."""
    found = [document[name]] if isinstance(document, dict) and name in document else list(_everywhere(document, name))
    if len(found) != 1:
        return None, "it stands there several times" if found else "it is not there"
    value = _plain(found[0])
    return value, "" if value is not None else "it is not one finite number there"


def _plain(value: Any) -> float | None:
    if isinstance(value, str):
        return parse_number(value.strip())
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return None
    try:
        return parse_number(repr(float(value)))
    except OverflowError:
        return None


def _everywhere(document: Any, name: str, depth: int = 0) -> Iterator[Any]:
    if depth > 20:
        return
    if isinstance(document, dict):
        head, _, rest = name.partition(".")
        if name in document:
            yield document[name]
        elif rest and head in document:
            yield from _everywhere(document[head], rest, depth + 1)
        for key, below in document.items():
            if key != name and not (rest and key == head):
                yield from _everywhere(below, name, depth + 1)
    elif isinstance(document, (list, tuple)):
        for below in document:
            yield from _everywhere(below, name, depth + 1)


# Tables with the names on top


def _below(lines: Sequence[str], at: int, name: str) -> Report | None:
    """The last row below a head that has the metric as one of its columns."""
    head = cells_of(lines[at])
    if [cell for cell in head if re.fullmatch(NUMBER, cell)]:
        return None
    if head == [name] or head == [f"{name}:"]:
        following = next(
            (line.strip() for line in lines[at + 1 : at + 3] if not re.fullmatch(r"\s*[-=─━]+\s*", line)), ""
        )
        number = number_at(following, 0)
        return Report(following, parse_number(number[0])) if number and number[1] == len(following) else None
    if head.count(name) != 1:
        return None
    row, text, goes_on = _last_row(lines, at, len(head), kind_of(lines[at]))
    if row is None:
        return None
    if goes_on:
        return Report(text, None, "the table has rows of several kinds below it")
    value = parse_number(row[head.index(name) + len(row) - len(head)])
    return Report(text, value, "" if value is not None else "the number does not stand alone")


def _last_row(lines: Sequence[str], at: int, width: int, kind: str) -> tuple[list[str] | None, str, bool]:
    """The last row of a table, and whether rows with other labels follow (`macro avg` below the classes)."""
    last: list[str] | None = None
    text = ""
    for number, line in enumerate(lines[at + 1 : at + 1 + LONGEST_DOCUMENT], at + 1):
        if not re.search(r"\w", line):
            continue
        cells = cells_of(line, kind)
        has_index = kind == "blank" and len(cells) == width + 1
        numbers = sum(1 for cell in cells if re.search(r"[0-9]", cell))
        is_row = len(cells) == len(last) if last is not None else len(cells) == width or has_index
        if not is_row or 2 * numbers < len(cells):
            return last, text, last is not None and _is_summed_up(lines[number : number + 4], len(last), width)
        last, text = cells, line.strip()
    return last, text, False


def _is_summed_up(lines: Sequence[str], length: int, width: int) -> bool:
    """Whether lines below labelled rows have words and then as many numbers as the table has columns."""
    rows = [line.split() for line in lines] if length == width + 1 else []
    return any(
        len(row) > width
        and not re.search("[0-9]", row[0])
        and all(parse_number(cell) is not None for cell in row[-width:])
        for row in rows
    )


def kind_of(line: str) -> str:
    """What separates the columns of a table with this head."""
    return next(
        (kind for kind, sign in (("bar", "|│┃║"), ("tab", "\t"), ("comma", ",")) if set(sign) & set(line)), "blank"
    )


def cells_of(line: str, kind: str | None = None) -> list[str]:
    """The columns of a line of a table."""
    columns = _COLUMNS[kind or kind_of(line)]
    cells = [cell.strip(" \t\"'") for cell in columns.split(line.strip().strip("|│┃║"))]
    return [cell for cell in cells if cell] if kind == "blank" else cells
