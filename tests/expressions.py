"""Every regular expression of the package, found in its source, and texts that would cost a bad one dear."""

from __future__ import annotations

import ast
import importlib
import inspect
import math
import pkgutil
import re
import signal
import time
import warnings
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from types import FrameType, ModuleType, SimpleNamespace
from typing import Any

import pytest_autoresearch
from pytest_autoresearch.patterns import regex

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    import sre_parse

EXTRAS = frozenset({"mlflow", "trackio"})
"""What a module may need that is not installed with the tests; theirs is an expression of one character."""

METHODS = frozenset({"search", "match", "fullmatch", "findall", "finditer", "sub", "subn", "split"})
_FLAGGED = frozenset({"search", "match", "fullmatch", "findall", "finditer"})  # whose third argument is flags
LOCALS = {"metric": SimpleNamespace(name="val_loss"), "name": "val_loss", "top": "/home/me/project", "letter": "m"}
"""What stands for the local names that an expression is made with."""


@dataclass
class Expression:
    """One expression, where it stands and how it is used."""

    place: str
    pattern: re.Pattern[Any]
    methods: set[str] = field(default_factory=set)
    name: str = ""


def expressions() -> tuple[list[Expression], list[str]]:
    """All of them, and the places of those that can not be made here."""
    found: list[Expression] = []
    unmade: list[str] = []
    uses: dict[str, set[str]] = {}
    homes: list[tuple[Expression, ModuleType]] = []
    for info in pkgutil.walk_packages(pytest_autoresearch.__path__, "pytest_autoresearch."):
        try:
            module = importlib.import_module(info.name)
        except ModuleNotFoundError as error:
            if error.name not in EXTRAS:
                raise
            continue
        for node in ast.walk(ast.parse(inspect.getsource(module))):
            if not isinstance(node, ast.Call):
                continue
            owner, method = (node.func.value, node.func.attr) if isinstance(node.func, ast.Attribute) else (None, "")
            if isinstance(owner, (ast.Name, ast.Attribute)) and method in METHODS:
                uses.setdefault(owner.id if isinstance(owner, ast.Name) else owner.attr, set()).add(method)
            is_regex = isinstance(node.func, ast.Name) and node.func.id == "regex"
            method = "compile" if is_regex else method
            if is_regex or (isinstance(owner, ast.Name) and owner.id == "re" and method in METHODS | {"compile"}):
                place = f"{info.name.partition('.')[2]}:{node.lineno}"
                first = node.args[0]
                for argument in (first.body, first.orelse) if isinstance(first, ast.IfExp) else (first,):
                    try:
                        made = Expression(place, _made(argument, node, method, module), {method} & METHODS)
                    except NameError:
                        unmade.append(place)
                        continue
                    found.append(made)
                    homes.append((made, module))
    for made, module in homes:
        values = vars(module).items()  # equal, and not the same: re forgets what it made where there is much of it
        names = [name for name, value in values if _is(value, made.pattern)]
        made.name = f"{module.__name__.partition('.')[2]}.{names[0]}" if names else ""
        if not made.methods:
            made.methods = set().union(*(uses.get(name, set()) for name in names)) or {"match"}
    return found, unmade


def _is(value: object, pattern: re.Pattern[Any]) -> bool:
    is_expression = isinstance(value, (re.Pattern, type(regex(""))))
    return is_expression and (value.pattern, value.flags) == (pattern.pattern, pattern.flags)  # type: ignore[attr-defined]


def _made(argument: ast.expr, call: ast.Call, method: str, module: ModuleType) -> re.Pattern[Any]:
    names = {**vars(module), **LOCALS}

    def value(node: ast.expr) -> Any:
        return eval(compile(ast.Expression(node), "expression", "eval"), names)

    flags = [keyword.value for keyword in call.keywords if keyword.arg == "flags"]
    flags += call.args[1:2] if method == "compile" else call.args[2:3] if method in _FLAGGED else []
    return re.compile(value(argument), value(flags[0]) if flags else 0)


# ── texts ─────────────────────────────────────────────────────────────────────────────────────────────────────────

_GENERIC = [
    " ",
    "a",
    "1",
    "a ",
    "a.",
    "-",
    "*",
    "`",
    '"',
    "'",
    "(",
    "[",
    "<",
    "\n",
    "\t",
    "#",
    "/",
    "a/",
    "=",
    "a=",
    "a: ",
]
_GENERIC += ["<!--", "--", "**a", "\\", "_", "a,", "(a", "你", "\x1b[", "{", "a.\n", "| "]
_CATEGORIES = {"SPACE": " ", "WORD": "a", "DIGIT": "1", "NOT_SPACE": "x", "NOT_WORD": "-", "NOT_DIGIT": "x"}


def attacks(pattern: re.Pattern[Any]) -> Iterator[tuple[str, str]]:
    """What a text begins with, and what is repeated in it: each repetition of the expression, and what is usual."""
    text = pattern.pattern.decode("latin1") if isinstance(pattern.pattern, bytes) else pattern.pattern
    parsed = sre_parse.parse(text, pattern.flags & ~(re.UNICODE if isinstance(pattern.pattern, bytes) else 0))
    example = _example(parsed)
    units = list(_repeated(parsed, ""))
    yield from dict.fromkeys(units + [("", unit) for unit in [*_GENERIC, example] if unit])
    yield from dict.fromkeys(("", example + unit) for _, unit in units[:8])


def _repeated(parsed: Any, before: str) -> Iterator[tuple[str, str]]:
    for op, argument in parsed:
        name = str(op)
        if name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            if argument[1] > 100:
                unit = _example(argument[2])
                yield from ((before, each) for each in dict.fromkeys([unit, *_characters(argument[2])]) if each)
                yield before + unit, unit or "a"
                yield from (("", each) for each in dict.fromkeys((before, before + unit)) if each)
            yield from _repeated(argument[2], before)
        elif name == "SUBPATTERN":
            yield from _repeated(argument[3], before)
        elif name == "BRANCH":
            for branch in argument[1]:
                yield from _repeated(branch, before)
        elif name in ("ASSERT", "ASSERT_NOT"):
            yield from _repeated(argument[1], before)
        before += _example([(op, argument)])


def _characters(parsed: Any) -> list[str]:
    """Some of the characters that a set matches."""
    if len(parsed) != 1 or str(parsed[0][0]) != "IN":
        return []
    found = []
    for op, argument in parsed[0][1]:
        if str(op) == "NEGATE":
            return ["a", " ", "-", "1", "\n"]
        if str(op) == "CATEGORY":
            found.append(_CATEGORIES[str(argument).partition("_")[2]])
            found += ["\n"] if str(argument) == "CATEGORY_SPACE" else []
        else:
            found.append(chr(argument if str(op) == "LITERAL" else argument[0]))
    return found


def _example(parsed: Any) -> str:
    """A short text that is roughly what an expression matches."""
    out = ""
    for op, argument in parsed:
        name = str(op)
        if name == "LITERAL":
            out += chr(argument)
        elif name == "IN":
            out += (_characters([(op, argument)]) or ["a"])[0]
        elif name in ("ANY", "NOT_LITERAL"):
            out += "x"
        elif name in ("MAX_REPEAT", "MIN_REPEAT", "POSSESSIVE_REPEAT"):
            out += _example(argument[2]) * min(argument[0], 20)
        elif name == "SUBPATTERN":
            out += _example(argument[3])
        elif name == "BRANCH":
            out += _example(argument[1][0])
        elif name == "ATOMIC_GROUP":
            out += _example(argument)
    return out


# ── growth ────────────────────────────────────────────────────────────────────────────────────────────────────────

SIZES = (20, 100, 500, 2500)
STEEP = 1.6  # n log n is below it, and an exponent of 2 above it at any noise that was seen
TELLING = 0.003  # s; what takes less at one size is measured at the next
HOPELESS = 0.5  # s; no text of these sizes takes as long


def steep(expression: Expression) -> str:
    """The text on which the time of an expression grows faster than its length, in words; nothing if none does."""
    for method in sorted(expression.methods):
        for before, unit in attacks(expression.pattern):
            grown = _growth(expression.pattern, method, before, unit)
            if grown > STEEP and _growth(expression.pattern, method, before, unit) > STEEP:  # never on one measurement
                return (
                    f"{method} on {before!r} + {unit!r} * n grows like n ** {grown:.1f}: {expression.pattern.pattern!r}"
                )
    return ""


def _growth(pattern: re.Pattern[Any], method: str, before: str, unit: str) -> float:
    """The exponent with which the time of a call grows at the end; 0 where it is too short to matter."""
    text = _text(pattern, before, unit, SIZES[-1])
    if cpu_time(_call(pattern, method, text)) < TELLING:
        return 0.0
    last = size = 0.0
    for length in SIZES:
        took = cpu_time(_call(pattern, method, _text(pattern, before, unit, length)))
        if took >= HOPELESS:
            return math.inf
        if took > TELLING and last > TELLING / 40:
            return math.log(took / last) / math.log(length / size)
        last, size = took, length
    return 0.0


def _text(pattern: re.Pattern[Any], before: str, unit: str, length: int) -> Any:
    text = before + unit * (length // len(unit) + 1) + "\0"
    return text.encode("utf-8", "replace") if isinstance(pattern.pattern, bytes) else text


def _call(pattern: re.Pattern[Any], method: str, text: Any) -> Callable[[], object]:
    if method in ("sub", "subn"):
        return lambda: getattr(pattern, method)(text[:0], text)
    if method == "finditer":
        return lambda: list(pattern.finditer(text))
    return lambda: getattr(pattern, method)(text)


class _Hopeless(Exception):
    pass


def cpu_time(call: Callable[[], object], *, hopeless: float = HOPELESS) -> float:
    """The best of three, in seconds of the processor: what else the machine does is no part of it."""

    def stop(_signal: int, _frame: FrameType | None) -> None:
        raise _Hopeless

    before = signal.signal(signal.SIGVTALRM, stop)
    signal.setitimer(signal.ITIMER_VIRTUAL, hopeless)
    try:
        best = hopeless
        for _ in range(3):
            began = time.thread_time()
            call()
            best = min(best, time.thread_time() - began)
            if best < TELLING / 2:
                break
        return best
    except _Hopeless:
        return HOPELESS
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
