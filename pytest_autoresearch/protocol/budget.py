"""The Time Budget section: how long one run may take, and when it is killed. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.blocks import Block, upright
from pytest_autoresearch.protocol.durations import (
    EXAMPLE,
    format_duration,
    has_unit,
    in_one_piece,
    parse_duration,
    says_none,
)
from pytest_autoresearch.protocol.text import field_of, one_line, quoted
from pytest_autoresearch.protocol.vocabulary import BUDGET_FIELDS, normalise

_CLAUSE = regex(r"[;,.。，；]\s+|(?<!\s)\s+(?:(?:and|und)\s+|\*\*)|[，；。]|(?:(?<!\s)\s+)?[(（]")
_KILL = regex(r"\b(?:kill\w*|abort\w*|hard|timeout|abbr[ue]ch\w*)\b|终止|超时", re.IGNORECASE)
_ONE_RUN = regex(r"\b(?:experiments?|runs?|iterations?|trials?|training|duration|wall|max|limit|lauf)\b|实验|运行")
_SOMETHING_ELSE = regex(
    r"\b(?:total|overall|whole|sessions?|night|overnight|set ?up|start\w*|warm\w*|poll\w*|interval|compil\w*|build"
    r"|install\w*|gesamt\w*)\b|总"
)
_TOTAL = regex(r"\b(?:total|overall|all in all|insgesamt|gesamt)\b|总", re.IGNORECASE)
_SESSION = regex(r"\b(?:session|overnight|night|nacht|über nacht)\b", re.IGNORECASE)
_TWICE = regex(r"(?:twice|double|2\s*[x×]|doppel\w*|das doppelte|两倍|2\s*倍)(?![\w.])", re.IGNORECASE)
_LEADING_WORDS = regex(r"^[^\d~≈≤<约]*")

Found = dict[str, tuple[float | None, int]]


class _Said(NamedTuple):
    """What a line says of a field; ``is_named`` by one of its names, else by words that mean it."""

    name: str
    text: str
    line: int
    is_named: bool = True


def read_budget(blocks: Sequence[Block], *, file: str) -> tuple[Found, list[Block]]:
    """``budget`` and ``kill_timeout`` in seconds with their lines, and the blocks that say something else."""
    said: list[tuple[Block, list[_Said]]] = []
    for block in upright(blocks, BUDGET_FIELDS):
        is_first = not any(entries or earlier.kind != "head" for earlier, entries in said)
        said.append((block, list(_said_by(block, file, is_first=is_first))))
    named = {entry.name for _, entries in said for entry in entries if entry.is_named}
    found: Found = {}
    rest: list[Block] = []
    for block, entries in said:
        counting = [entry for entry in entries if entry.is_named or entry.name not in named]
        for name, text, line, _ in counting:
            if name in found:
                raise ConfigError(
                    f"the {name.replace('_', ' ')} stands twice, in lines {found[name][1]} and {line}",
                    file=file,
                    line=line,
                    remedy="remove one",
                )
            found[name] = (_seconds(text, name, file, line), line)
        if not counting and block.kind != "head":
            rest.append(block)
    check_order(found, file)
    return found, rest


def check_order(found: Found, file: str) -> None:
    """A run must have its budget before it is killed."""
    (budget, _), (kill, line) = found.get("budget", (None, 0)), found.get("kill_timeout", (None, 0))
    if budget is not None and kill is not None and kill < budget:
        raise ConfigError(
            f"the kill timeout {format_duration(kill)} is shorter than the budget {format_duration(budget)}",
            file=file,
            line=line,
            remedy="give the run its budget before it is killed; leave the kill timeout out for twice the budget",
        )


def _said_by(block: Block, file: str, *, is_first: bool) -> Iterator[_Said]:
    """What a block says about time."""
    if block.kind in ("row", "head"):
        if len(block.cells) >= 2:
            yield from _field(block.cells[0], block.cells[1], block.line)
        return
    if block.kind not in ("text", "item", "code"):
        return
    written = [(number, line) for number, line in enumerate(block.text.split("\n"), block.line) if line.strip()]
    fields = [(number, key_value) for number, line in written if (key_value := _field_of(line))]
    if fields:
        for number, (key, value) in fields:
            yield from _field(key, value, number)
        return
    text = in_one_piece(one_line(block.text))
    if is_first:
        yield from _in_sentence(text, block.line, file)
    elif _KILL.search(text) and has_unit(text):
        yield _Said("kill_timeout", _LEADING_WORDS.sub("", text), block.line, is_named=False)


def _field_of(line: str) -> tuple[str, str] | None:
    """The field of a line; ``5:00`` and a time in bold are none."""
    key_value = field_of(line)
    return None if key_value is None or re.match(r"\D{0,2}\d", key_value[0]) else key_value


def _field(key: str, value: str, line: int) -> Iterator[_Said]:
    words = normalise(key)
    if name := BUDGET_FIELDS.get(words):
        yield _Said(name, value, line)
        behind = [clause for clause in _CLAUSE.split(value)[1:] if _KILL.search(clause) and has_unit(clause)]
        if name == "budget" and behind:
            yield _Said("kill_timeout", _LEADING_WORDS.sub("", behind[0]).rstrip(")）"), line, is_named=False)
    elif has_unit(value) and not _SOMETHING_ELSE.search(words):
        if _KILL.search(words):
            yield _Said("kill_timeout", value, line, is_named=False)
        elif _ONE_RUN.search(words):
            yield _Said("budget", value, line, is_named=False)


def _in_sentence(text: str, line: int, file: str) -> Iterator[_Said]:
    """`5 minutes per experiment, killed after 10 minutes`."""
    clauses = [clause for clause in _CLAUSE.split(text) if re.search(r"\d", clause)]
    clauses = [clause for clause in clauses if has_unit(clause) or _KILL.search(clause)] or clauses
    clauses = [clause for clause in clauses if not _TOTAL.search(clause)] or clauses
    if not clauses:
        yield _Said("budget", text, line)
    elif all(_SESSION.search(clause) for clause in clauses):
        raise ConfigError(
            f"Time Budget: {quoted(text)} is the time of a whole session",
            file=file,
            line=line,
            remedy="write the time of one experiment here; the session's goes into the front matter: `duration: 8h`",
        )
    found: dict[str, str] = {}
    for clause in clauses:
        name = "kill_timeout" if _KILL.search(clause) else "budget"
        found.setdefault(name, _LEADING_WORDS.sub("", clause).rstrip(")）"))
    for name, clause in found.items():
        yield _Said(name, clause, line)


def _seconds(text: str, name: str, file: str, line: int) -> float | None:
    if not text.strip() or says_none(text) or (name == "kill_timeout" and _TWICE.match(text.strip(" *`~"))):
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        title = "Kill timeout" if name == "kill_timeout" else "Per experiment"
        message = str(error).removesuffix(f"; {EXAMPLE}")
        raise ConfigError(f"Time Budget, {title}: {message}", file=file, line=line, remedy=EXAMPLE) from None
