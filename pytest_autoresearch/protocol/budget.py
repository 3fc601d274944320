"""The Time Budget section: how long one run may take, and when it is killed. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol.blocks import Block
from pytest_autoresearch.protocol.durations import EXAMPLE, format_duration, parse_duration, says_none
from pytest_autoresearch.protocol.text import field_of, one_line
from pytest_autoresearch.protocol.vocabulary import BUDGET_FIELDS, normalise

_CLAUSE = re.compile(r"[;,.。，；]\s+|\s+(?:and|und)\s+|[，；。]")
_KILL = re.compile(r"\b(?:kill\w*|abort\w*|hard|timeout|abbr[ue]ch\w*)\b|终止|超时", re.IGNORECASE)
_LEADING_WORDS = re.compile(r"^[^\d~≈≤<约]*")

Found = dict[str, tuple[float | None, int]]


def read_budget(blocks: Sequence[Block], *, file: str) -> tuple[Found, list[Block]]:
    """``budget`` and ``kill_timeout`` in seconds with their lines, and the blocks that say something else."""
    found: Found = {}
    rest: list[Block] = []
    for block in blocks:
        fields = list(_fields_of(block, is_first=not found and not rest))
        for name, text, line in fields:
            if name in found:
                raise ConfigError(
                    f"the {name.replace('_', ' ')} stands twice, in lines {found[name][1]} and {line}",
                    file=file,
                    line=line,
                    remedy="remove one",
                )
            found[name] = (_seconds(text, name, file, line), line)
        if not fields:
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


def _fields_of(block: Block, *, is_first: bool) -> list[tuple[str, str, int]]:
    """Name, text and line of what a block says about time."""
    if block.kind in ("row", "head") and len(block.cells) >= 2:
        name = BUDGET_FIELDS.get(normalise(block.cells[0]))
        return [(name, block.cells[1], block.line)] if name else []
    if block.kind not in ("text", "item", "code"):
        return []
    written = [(number, line) for number, line in enumerate(block.text.split("\n"), block.line) if line.strip()]
    named = [
        (name, key_value[1], number)
        for number, line in written
        if (key_value := field_of(line)) and (name := BUDGET_FIELDS.get(normalise(key_value[0])))
    ]
    if named or not is_first or any(field_of(line) for _, line in written):
        return named
    return _in_sentence(one_line(block.text), block.line)


def _in_sentence(text: str, line: int) -> list[tuple[str, str, int]]:
    """`5 minutes per experiment, killed after 10 minutes`."""
    clauses = [clause for clause in _CLAUSE.split(text) if re.search(r"\d", clause)]
    if not clauses:
        return [("budget", text, line)]
    found: dict[str, str] = {}
    for clause in clauses:
        name = "kill_timeout" if _KILL.search(clause) else "budget"
        found.setdefault(name, _LEADING_WORDS.sub("", clause))
    return [(name, clause, line) for name, clause in found.items()]


def _seconds(text: str, name: str, file: str, line: int) -> float | None:
    if not text.strip() or says_none(text):
        return None
    try:
        return parse_duration(text)
    except ValueError as error:
        title = "Kill timeout" if name == "kill_timeout" else "Per experiment"
        message = str(error).removesuffix(f"; {EXAMPLE}")
        raise ConfigError(f"Time Budget, {title}: {message}", file=file, line=line, remedy=EXAMPLE) from None
