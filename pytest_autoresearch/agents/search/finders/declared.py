"""What a source itself says a literal may be: choices of options, types, enumerations, bounds, a remark. Pure."""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass

from pytest_autoresearch.agents.search.knob import Knob, Scale
from pytest_autoresearch.agents.search.literals import Value, parse_number
from pytest_autoresearch.patterns import regex

BY_SOURCE = "declared in the source"
_LONGEST_REMARK = 300  # characters that are looked at
_MOST_CHOICES = 24
_BETWEEN = regex(r"[\s\"'`()\[\]{}]*(?:,|\||/|\bor\b|\boder\b)[\s\"'`()\[\]{}]*|\s+(?=[\"'`])")
_NUMBER = r"[+-]?(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+)?"
_RANGE = regex(
    rf"(?:in|range|between|from|bounds?:?)?[ ]?[\[(]?[ ]?({_NUMBER})[ ]?(?:\.\.+|…|,|to|and|-)[ ]?({_NUMBER})[ ]?[\])]?"
)
_LEADING = regex(
    r"[\s#/;*!-]*(?:(?:one|any) of|choices?|options?|choose(?: from| between)?|can be|may be|either|allowed"
    r"|possible(?: values)?|values?|try|in)?[\s:=]*"
)


@dataclass(frozen=True, slots=True)
class Declared:
    """Choices as they are shown, or a range. False where nothing is declared."""

    choices: tuple[str, ...] = ()
    low: float | None = None
    high: float | None = None

    def __bool__(self) -> bool:
        return bool(self.choices) or self.low is not None or self.high is not None

    def bind(self, knob: Knob) -> Knob:
        """The knob under this declaration, if it fits."""
        if isinstance(knob.value, bool):
            return knob
        if self.choices:
            return knob._replace(scale=Scale.CHOICE, choices=self.choices, bounds=BY_SOURCE)
        if isinstance(knob.value, str) or self.low is None or self.high is None or not self.low < self.high:
            return knob
        if not self.low <= knob.value <= self.high:
            return knob
        linear = self.low <= 0
        return knob._replace(
            scale=Scale.LINEAR if linear else knob.scale, low=self.low, high=self.high, bounds=BY_SOURCE
        )


class Declarations:
    """The enumerations and type names of a module."""

    def __init__(self, tree: ast.Module) -> None:
        self._members: dict[str, tuple[str, ...]] = {}
        self._types: dict[str, ast.expr] = {}
        for node in tree.body:
            if isinstance(node, ast.ClassDef) and any(_last(base).endswith(("Enum", "Choices")) for base in node.bases):
                names = [
                    t.id for s in node.body if isinstance(s, ast.Assign) for t in s.targets if isinstance(t, ast.Name)
                ]
                self._members[node.name] = tuple(f"{node.name}.{name}" for name in names)
            elif isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                self._types[node.targets[0].id] = node.value

    def is_enumeration(self, node: ast.ClassDef) -> bool:
        """Whether the values of a class are only names for one another."""
        return node.name in self._members

    def members(self, node: ast.Attribute) -> tuple[str, ...]:
        """The members of the enumeration that a node is one of, as they would stand there."""
        return self._members.get(node.value.id, ()) if isinstance(node.value, ast.Name) else ()

    def of(self, annotation: ast.expr | None) -> Declared:
        """What a type says: ``Literal["a", "b"]``, ``Annotated[float, Field(ge=0, le=1)]``, ``conint(ge=1, le=9)``."""
        if isinstance(annotation, ast.Name) and annotation.id in self._types:
            annotation = self._types[annotation.id]
        stack: list[ast.AST] = [] if annotation is None else [annotation]
        while stack:
            node = stack.pop()
            if isinstance(node, ast.Subscript) and _last(node.value) == "Literal":
                values = node.slice.elts if isinstance(node.slice, ast.Tuple) else [node.slice]
                if choices := _texts(values):
                    return Declared(choices)
            elif isinstance(node, ast.Call):
                if found := self.of_call(node):
                    return found
            elif isinstance(node, (ast.Subscript, ast.Tuple, ast.BinOp)):
                stack += ast.iter_child_nodes(node)
        return Declared()

    def of_call(self, node: ast.Call) -> Declared:
        """What an option or a field says: ``choices=``, ``type=click.Choice(…)``, ``ge=``, ``min=``."""
        given = {keyword.arg: keyword.value for keyword in node.keywords if keyword.arg}
        choices = given.get("choices")
        kind = given.get("type")
        if isinstance(kind, ast.Call):
            name, inner = _last(kind.func), {k.arg: k.value for k in kind.keywords if k.arg}
            if name == "Choice" and kind.args:
                choices = kind.args[0]
            elif name in ("IntRange", "FloatRange"):
                ends = dict(zip(("min", "max"), kind.args, strict=False)) | inner
                return _range(ends, ("min",), ("max",))
        if isinstance(choices, ast.Name):
            choices = self._types.get(choices.id)
        if isinstance(choices, ast.Call) and _last(choices.func) == "range" and choices.args:
            limits = [_number(argument) for argument in choices.args[:2]]
            low, high = (0.0, limits[0]) if len(limits) == 1 else (limits[0], limits[1])
            return Declared() if low is None or high is None else Declared(low=low, high=high - 1)
        if isinstance(choices, (ast.List, ast.Tuple, ast.Set)) and (texts := _texts(choices.elts)):
            return Declared(texts)
        return _range(given, ("ge", "gt", "min"), ("le", "lt", "max"))


def _range(given: dict[str, ast.expr], lows: tuple[str, ...], highs: tuple[str, ...]) -> Declared:
    low = next((_number(given[name]) for name in lows if name in given), None)
    high = next((_number(given[name]) for name in highs if name in given), None)
    return Declared() if low is None or high is None else Declared(low=low, high=high)


def _texts(values: list[ast.expr]) -> tuple[str, ...]:
    """Literals as a protocol would write them; none where one is something else or they are too many."""
    found = [value.value for value in values if isinstance(value, ast.Constant)]
    plain = all(isinstance(value, (str, int, float)) and not isinstance(value, bool) for value in found)
    if not plain or len(found) != len(values) or not 1 < len(found) <= _MOST_CHOICES:
        return ()
    return tuple(str(value) for value in found)


def _number(node: ast.expr) -> float | None:
    sign = 1.0
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        node, sign = node.operand, -1.0
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        return sign * float(node.value)  # type: ignore[arg-type]
    return None


def _last(node: ast.expr) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def remark_of(body: bytes, end: int, value: Value, marks: tuple[bytes, ...] = (b"#",)) -> Declared:
    """What the remark behind a literal, on its line, says that it may be: ``# adam | sgd``, ``# 1e-4 .. 1e-2``."""
    if isinstance(value, bool):
        return Declared()
    places = [at for mark in marks if (at := body.find(mark, end, end + _LONGEST_REMARK)) != -1]
    if not places or body[end : min(places)].strip(b"\"' ,;)]}"):
        return Declared()  # another value stands between them, or the end of the line
    remark = body[min(places) : end + _LONGEST_REMARK].partition(b"\n")[0].decode("utf-8", "replace")
    text = remark[_LEADING.match(remark).end() :].strip() if _LEADING.match(remark) else remark  # type: ignore[union-attr]
    if isinstance(value, str):
        return _choices(text, value)
    found = _RANGE.match(text)
    if found is None:
        return _choices(text, str(value)) if "|" in text else Declared()
    low, high = float(found[1]), float(found[2])
    return (
        Declared(low=low, high=high)
        if low < high and (".." in found[0] or text[:1] in "[(" or "to" in found[0])
        else Declared()
    )


def _choices(text: str, value: str) -> Declared:
    """The words of a list that has the value in it."""
    words = [word.strip("\"'`()[]{}.;: ") for word in _BETWEEN.split(text)]
    found = tuple(dict.fromkeys(word for word in words if word))
    if (
        value not in found
        or not 1 < len(found) <= _MOST_CHOICES
        or not all(re.fullmatch(r"[\w.+/-]+", word) for word in found)
    ):
        return Declared()
    if not isinstance(parse_number(value), (int, float)) and any(parse_number(word) is not None for word in found):
        return Declared()
    return Declared(found)
