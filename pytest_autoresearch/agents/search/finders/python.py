"""Finds the knobs of a Python file by its syntax tree, at the exact bytes where they stand. Never recurses."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from pytest_autoresearch.agents.search.finders.closing import WITHIN_ARITHMETIC
from pytest_autoresearch.agents.search.finders.declared import Declarations, Declared, remark_of
from pytest_autoresearch.agents.search.finders.flow import Flow, defaults_of
from pytest_autoresearch.agents.search.knob import Knob, Rank, make_knob, short
from pytest_autoresearch.agents.search.literals import Value, parse_number
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.reading.python import children, line_starts, parse
from pytest_autoresearch.reading.source import Unread

LONGEST_TABLE = 64
"""Elements of a list from which it is data: a million of them cost no more than a look."""

_BOM = b"\xef\xbb\xbf"
_COOKIE = regex(rb"^[ \t\f]*#[^:=]*coding[:=][ \t]*([-\w.]+)")
_GLUES = frozenset(b"._0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
# What these are given is structure or display, not a size worth searching.
_CLOSED_CALLS = frozenset(
    "range enumerate round exit slice isinstance view reshape permute transpose unsqueeze squeeze flatten print0"
    " format zfill rjust ljust strftime sleep basicConfig getLogger".split()
)
_CLOSED_KEYWORDS = frozenset({"dim", "axis", "keepdim", "indent", "file", "flush", "nargs"})
OPTION_CALLS = frozenset({"add_argument", "option", "Option", "Argument", "argument"})
_LOOKUPS = frozenset({"get", "getenv", "pop", "setdefault"})  # what they look up first is a name
_WRAPS = frozenset({"float", "int", "bool", "str", "field", "Field", "min", "max", "Parameter"})


_NOTHING = Declared()


class _Place(NamedTuple):
    """What is known of a literal from where it stands."""

    scope: tuple[str, ...] = ()
    in_function: bool = False
    name: str = ""
    rank: Rank = Rank.LITERAL
    declared: Declared = _NOTHING

    def named(self, name: str, rank: Rank, declared: Declared | None = None) -> _Place:
        return _Place(self.scope, self.in_function, short(name), rank, declared or _NOTHING)

    def within(self, scope: str, *, function: bool) -> _Place:
        path = (*self.scope, short(scope)) if scope != "__init__" else self.scope
        return _Place(path, function)


_Work = tuple[ast.AST, _Place]


def python_knobs(file: str, data: bytes, metric: str = "") -> tuple[Knob, ...]:
    """Every literal that may be a knob, in order of place; ``closed`` says which are not. Raises Unread."""
    body = data.removeprefix(_BOM)
    if not body.isascii() and not _is_utf8(body):
        raise Unread("not in UTF-8")
    tree = parse(body)
    finder = _Finder(file, body, len(data) - len(body), Declarations(tree))
    finder.walk(tree)
    refused = Flow(tree, metric).refused
    starts = {finder.lines[line - 1] + column + finder.offset: why for (line, column), why in refused.items()}
    found = sorted(finder.knobs, key=lambda knob: knob.start)
    return tuple(_refused(knob, starts) for knob in found) if starts else tuple(found)


def _refused(knob: Knob, starts: dict[int, str]) -> Knob:
    """The knob with the reason of its place: of its first digit where a sign stands before it."""
    digits = len(knob.text) - len(knob.text.lstrip("+- "))
    why = starts.get(knob.start) or starts.get(knob.start + digits)
    return knob._replace(closed=why) if why else knob


def _is_utf8(body: bytes) -> bool:
    """Whether offsets in the tree are offsets in the file: the parser counts UTF-8 bytes, whatever it read."""
    for line in body.split(b"\n", 2)[:2]:
        cookie = _COOKIE.match(line)
        if cookie is not None:
            name = cookie[1].lower().replace(b"_", b"-")
            return name in (b"utf-8", b"utf8") or name.startswith(b"utf-8-")  # utf-8-unix is an editor's word for it
    return True


@dataclass
class _Finder:
    """Knows, at every literal, the name it goes by and how likely it matters."""

    file: str
    body: bytes
    offset: int
    declarations: Declarations

    def __post_init__(self) -> None:
        self.lines = line_starts(self.body)
        self.labels: Counter[str] = Counter()
        self.knobs: list[Knob] = []

    def walk(self, tree: ast.Module) -> None:
        """Take every node, in order, with what its parents say of it."""
        stack: list[_Work] = [(tree, _Place())]
        while stack:
            node, place = stack.pop()
            if isinstance(node, ast.Constant):
                if isinstance(node.value, (bool, int, float, str)):
                    self._add(node, node.value, place)
            elif not isinstance(node, ast.Name):
                stack += reversed(list(self._parts(node, place)))

    def _parts(self, node: ast.AST, place: _Place) -> Iterator[_Work]:
        """What is to be looked at below a node; a literal with a sign is taken."""
        match node:
            case ast.UnaryOp():
                number = number_of(node)
                if number is None:
                    yield node.operand, place
                else:
                    self._add(node, number, place)
            case ast.BinOp():
                yield from self._arithmetic(node, place)
            case ast.List() | ast.Tuple() | ast.Set():
                if not _is_table(node.elts):
                    for index, element in enumerate(node.elts):
                        yield element, place._replace(name=f"{place.name}[{index}]" if place.name else "")
            case ast.Dict():
                yield from _dictionary(node, place)
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign() | ast.NamedExpr():
                yield from self._assignment(node, place)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda() | ast.ClassDef():
                yield from self._definition(node, place)
            case ast.Call():
                yield from self._call(node, place)
            case ast.Attribute():
                options = self.declarations.members(node)
                if options and place.rank is not Rank.LITERAL:
                    self._add_text(node, options, place)
                else:
                    yield node.value, place
            case ast.Expr():
                if not isinstance(node.value, ast.Constant):  # docstrings
                    yield node.value, place
            case ast.Subscript():
                yield node.value, place  # indices are structure
            case ast.While():
                yield from ((part, place) for part in (node.test, *node.body, *node.orelse) if not _is_endless(part))
            case ast.JoinedStr() | ast.Assert() | ast.Raise():
                return  # display, checks and crashes; before 3.12 the tree has no true positions in an f-string
            case ast.match_case():
                yield from ((statement, place) for statement in node.body)
            case _ if type(node).__name__ != "TemplateStr":
                yield from ((child, place) for child in children(node))

    # ── literals ──────────────────────────────────────────────────────────────────────────────────────────────────

    def _add(self, node: ast.expr, value: Value, place: _Place, prefix: str = "", closed: str = "") -> None:
        start, end = self._span(node)
        text = self.body[start:end].decode()
        if not _GLUES.isdisjoint(self.body[max(start - 1, 0) : start] + self.body[end : end + 1]):
            return  # `return.5`, `1if x`: another literal there could change the syntax
        if isinstance(value, str):
            if place.rank is Rank.LITERAL or text not in (f'"{value}"', f"'{value}'"):
                return
        elif str(value) != text and not isinstance(value, bool) and parse_number(text.replace(" ", "")) != value:
            return
        knob = make_knob(self.file, self._label(place), start + self.offset, text, value, place.rank, prefix=prefix)
        declared = place.declared or remark_of(self.body, end, value)
        knob = declared.bind(knob) if declared and not prefix else knob
        self.knobs.append(knob._replace(closed=closed) if closed else knob)

    def _add_text(self, node: ast.expr, options: tuple[str, ...], place: _Place) -> None:
        """A member of an enumeration: another one may stand there."""
        start, end = self._span(node)
        text = self.body[start:end].decode()
        if text in options:
            knob = make_knob(self.file, self._label(place), start + self.offset, text, text, place.rank)
            self.knobs.append(Declared(choices=options).bind(knob))

    def _label(self, place: _Place) -> str:
        label = short(".".join((*place.scope, place.name) if place.name else place.scope)) or "module"
        self.labels[label] += 1
        return label if self.labels[label] == 1 else f"{label}#{self.labels[label]}"

    def _span(self, node: ast.expr) -> tuple[int, int]:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self.lines[node.lineno - 1] + node.col_offset, self.lines[node.end_lineno - 1] + node.end_col_offset

    def _arithmetic(self, node: ast.BinOp, place: _Place) -> Iterator[_Work]:
        """``2**19`` and ``1 << 19`` move by their exponent, ``10**-3`` too; arithmetic is looked at part by part."""
        base, exponent = number_of(node.left), number_of(node.right)
        if isinstance(node.op, ast.Pow) and base in (2, 10) and isinstance(exponent, int):
            self._add(node.right, exponent, place, f"{base}**")
        elif isinstance(node.op, ast.LShift) and base == 1 and isinstance(exponent, int):
            self._add(node.right, exponent, place, "1<<")
        elif not isinstance(node.left, ast.Constant) or not isinstance(node.left.value, str):  # "…" % 5 is display
            for side, number in ((node.left, base), (node.right, exponent)):
                if number in (0, 1, -1):
                    self._add(side, number, place, closed=WITHIN_ARITHMETIC)
                else:
                    yield side, place

    # ── what gives a literal its name ─────────────────────────────────────────────────────────────────────────────

    def _assignment(
        self, node: ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr, place: _Place
    ) -> Iterator[_Work]:
        if node.value is None:
            return
        if isinstance(node, ast.AugAssign):
            yield node.value, place.named(label_of(node.target), Rank.LITERAL)
            return
        target = node.targets[0] if isinstance(node, ast.Assign) else node.target
        if (
            isinstance(target, ast.Tuple)
            and isinstance(node.value, ast.Tuple)
            and len(target.elts) == len(node.value.elts)
        ):
            for one, value in zip(target.elts, node.value.elts, strict=True):
                yield value, self._assigned(one, value, place)
            return
        declared = self.declarations.of(node.annotation) if isinstance(node, ast.AnnAssign) else None
        there = self._assigned(target, node.value, place)
        yield node.value, there._replace(declared=declared) if declared else there

    def _assigned(self, target: ast.expr, value: ast.expr, place: _Place) -> _Place:
        name = label_of(target)
        if not place.scope and name.isupper():
            return place.named(name, Rank.CONSTANT)
        plain = _is_plain(value)
        if not place.in_function and plain:
            return place.named(name, Rank.DEFAULT)  # a field of a (data)class, or a lower-case global
        return place.named(name, Rank.NAMED if plain else Rank.LITERAL)

    def _definition(
        self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda | ast.ClassDef, place: _Place
    ) -> Iterator[_Work]:
        if isinstance(node, ast.ClassDef):
            if self.declarations.is_enumeration(node):
                return
            inner = place.within(node.name, function=False)
            yield from ((statement, inner) for statement in node.body)
            return
        if isinstance(node, ast.Lambda):
            yield from self._defaults(node.args, place)
            yield node.body, place
            return
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and label_of(decorator.func) in OPTION_CALLS:
                yield decorator, place
        inner = place.within(node.name, function=True)
        yield from self._defaults(node.args, inner)
        yield from ((statement, inner) for statement in node.body)

    def _defaults(self, arguments: ast.arguments, place: _Place) -> Iterator[_Work]:
        for argument, default in defaults_of(arguments):
            yield default, place.named(argument.arg, Rank.DEFAULT, self.declarations.of(argument.annotation))

    def _call(self, node: ast.Call, place: _Place) -> Iterator[_Work]:
        callee = label_of(node.func)
        if callee in _CLOSED_CALLS or "print" in callee.lower():
            return
        if not isinstance(node.func, ast.Name):
            yield node.func, place.named("", Rank.LITERAL)
        names = [arg.value for arg in node.args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        if callee in OPTION_CALLS and names and names[0].startswith("-"):
            yield from self._option(node, names, place)
            return
        if callee == "dict" and place.name:
            named = min(place.rank, Rank.NAMED)
            yield from ((k.value, place.named(f"{place.name}.{k.arg}", named)) for k in node.keywords if k.arg)
            return
        wraps = bool(place.name) and (callee in _LOOKUPS or callee in _WRAPS or callee in OPTION_CALLS)
        declared = self.declarations.of_call(node) or place.declared
        for argument in node.args[1:] if callee in _LOOKUPS else node.args:
            yield argument, place._replace(declared=declared) if wraps else place.named(callee, Rank.LITERAL)
        for keyword in node.keywords:
            if keyword.arg in _CLOSED_KEYWORDS:
                continue
            if wraps and keyword.arg == "default":
                yield keyword.value, place._replace(declared=declared)
            elif not wraps or callee in _LOOKUPS:
                yield keyword.value, place.named(".".join(filter(None, (callee, keyword.arg))), Rank.NAMED)

    def _option(self, node: ast.Call, names: Sequence[str], place: _Place) -> Iterator[_Work]:
        """``parser.add_argument("--lr", default=0.1)``: the default goes by the option's name."""
        dashed = [name for name in names if name.startswith("-")]
        for keyword in node.keywords:
            if keyword.arg == "default" and dashed:
                name = max(dashed, key=len).partition("/")[0]
                yield keyword.value, place.named(name, Rank.DEFAULT, self.declarations.of_call(node))


def _is_endless(test: ast.AST) -> bool:
    """``True`` of ``while True``."""
    return isinstance(test, ast.Constant)


def _is_table(elements: Sequence[ast.expr]) -> bool:
    return len(elements) > LONGEST_TABLE


def _dictionary(node: ast.Dict, place: _Place) -> Iterator[_Work]:
    named = [isinstance(key, ast.Constant) and isinstance(key.value, str) for key in node.keys]
    if _is_table(node.values) and (not all(named) or len(named) > 8 * LONGEST_TABLE):
        return
    for key, value in zip(node.keys, node.values, strict=True):
        if isinstance(key, ast.Constant) and isinstance(key.value, str):
            yield value, place.named(f"{place.name}.{key.value}".lstrip("."), min(place.rank, Rank.NAMED))
        else:
            yield value, place


def label_of(node: ast.expr) -> str:
    """The last name of a target or callee, '' where there is none."""
    keys: list[str] = []
    while (
        isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str)
    ):
        keys.append(node.slice.value)
        node = node.value
    last = node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
    return ".".join(filter(None, (last, *reversed(keys))))


def number_of(node: ast.expr) -> int | float | None:
    """The value of a number literal, signed or not."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        operand = node.operand
        number = number_of(operand) if isinstance(operand, ast.Constant) else None
        return number if number is None or isinstance(node.op, ast.UAdd) else -number
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        assert isinstance(node.value, (int, float))
        return node.value
    return None


_PLAIN = (
    ast.Constant,
    ast.Tuple,
    ast.List,
    ast.Dict,
    ast.BinOp,
    ast.UnaryOp,
    ast.operator,
    ast.unaryop,
    ast.expr_context,
)
_PLAIN_CALLS = frozenset({"field", "Field", "float", "int", "Option", "Argument"})


def _is_plain(value: ast.expr) -> bool:
    """Whether a value is a literal, a member of something, or arithmetic or a container of such."""
    stack: list[ast.AST] = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Call):
            if label_of(node.func) not in _PLAIN_CALLS:
                return False
        elif isinstance(node, ast.Attribute):
            if not isinstance(node.value, ast.Name):
                return False
        elif isinstance(node, _PLAIN):
            stack += children(node)
        else:
            return False
    return True
