"""Finds the knobs of a Python file by its syntax tree, at the exact bytes where they stand. Pure."""

from __future__ import annotations

import ast
import re
import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from pytest_autoresearch.agents.search.knob import Knob, Rank, make_knob
from pytest_autoresearch.agents.search.literals import Value, parse_number

_LINE_END = re.compile(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"
_COOKIE = re.compile(rb"^[ \t\f]*#.*?coding[:=][ \t]*([-\w.]+)")
_GLUED = re.compile(rb"[\w.] | [\w.]")  # `return.5`, `1if x`: another literal there could change the syntax
# What these are given is structure, luck or display, not a size worth searching.
_CLOSED_CALLS = frozenset(
    "range enumerate round exit slice isinstance view reshape permute transpose unsqueeze squeeze flatten"
    " Random default_rng RandomState PRNGKey SeedSequence".split()
)
_CLOSED_KEYWORDS = frozenset({"dim", "axis", "keepdim", "indent", "file", "flush", "nargs"})
_OPTION_CALLS = frozenset({"add_argument", "option"})
_LOOKUPS = frozenset({"get", "getenv"})  # what they look up first is a name


def python_knobs(file: str, data: bytes) -> tuple[Knob, ...]:
    """Every literal that may be a knob, in order of place. Raises SyntaxError or ValueError when it does not parse."""
    body = data.removeprefix(_BOM)
    if not body.isascii() and not _is_utf8(body):
        raise ValueError("not UTF-8")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a dubious escape in a target is not our user's concern
        tree = ast.parse(body)
    finder = _Finder(file, body, len(data) - len(body))
    finder.visit(tree)
    return tuple(sorted(finder.knobs, key=lambda knob: knob.start))


def _is_utf8(body: bytes) -> bool:
    """Whether offsets in the tree are offsets in the file: the parser counts UTF-8 bytes, whatever it read."""
    for line in body.split(b"\n", 2)[:2]:
        cookie = _COOKIE.match(line)
        if cookie is not None:
            name = cookie[1].lower().replace(b"_", b"-")
            return name in (b"utf-8", b"utf8") or name.startswith(b"utf-8-")  # utf-8-unix is an editor's word for it
    return True


class _Finder(ast.NodeVisitor):
    """Walks the tree and knows, at every literal, the name it goes by and how likely it matters."""

    def __init__(self, file: str, body: bytes, offset: int) -> None:
        self.file, self.body, self.offset = file, body, offset
        self.lines = [0, *(match.end() for match in _LINE_END.finditer(body))]
        self.scope: tuple[str, ...] = ()
        self.in_function = False
        self.name, self.rank = "", Rank.LITERAL
        self.labels: Counter[str] = Counter()
        self.knobs: list[Knob] = []

    # ── names and ranks ───────────────────────────────────────────────────────────────────────────────────────────

    @contextmanager
    def _within(self, scope: str, *, function: bool) -> Iterator[None]:
        before = self.scope, self.in_function, self.name, self.rank
        self.scope = (*self.scope, scope) if scope != "__init__" else self.scope
        self.in_function, self.name, self.rank = function, "", Rank.LITERAL
        yield
        self.scope, self.in_function, self.name, self.rank = before

    def _walk(self, node: ast.AST, name: str, rank: Rank) -> None:
        before = self.name, self.rank
        self.name, self.rank = name, rank
        self.visit(node)
        self.name, self.rank = before

    def _add(self, node: ast.expr, value: Value, prefix: str = "") -> None:
        start, end = self._span(node)
        text = self.body[start:end].decode()
        if _GLUED.search(self.body[max(start - 1, 0) : start] + b" " + self.body[end : end + 1]):
            return
        if isinstance(value, str):
            if self.rank is Rank.LITERAL or text not in (f'"{value}"', f"'{value}'"):
                return
        elif not isinstance(value, bool) and parse_number(text.replace(" ", "")) != value:
            return
        label = ".".join((*self.scope, self.name) if self.name else self.scope) or "module"
        self.labels[label] += 1
        if self.labels[label] > 1:
            label = f"{label}#{self.labels[label]}"
        knob = make_knob(self.file, label, start + self.offset, text, value, self.rank, prefix=prefix)
        if knob is not None:
            self.knobs.append(knob)

    def _span(self, node: ast.expr) -> tuple[int, int]:
        assert node.end_lineno is not None and node.end_col_offset is not None
        return self.lines[node.lineno - 1] + node.col_offset, self.lines[node.end_lineno - 1] + node.end_col_offset

    # ── literals ──────────────────────────────────────────────────────────────────────────────────────────────────

    def visit_Constant(self, node: ast.Constant) -> None:
        if isinstance(node.value, (bool, int, float, str)):
            self._add(node, node.value)

    def visit_UnaryOp(self, node: ast.UnaryOp) -> None:
        number = _number(node)
        if number is None:
            self.generic_visit(node)
        else:
            self._add(node, number)

    def visit_BinOp(self, node: ast.BinOp) -> None:
        """``2**19`` and ``1 << 19`` move by their exponent, ``10**-3`` too; arithmetic is visited part by part."""
        base, exponent = _number(node.left), _number(node.right)
        if isinstance(node.op, ast.Pow) and base in (2, 10) and isinstance(exponent, int):
            self._add(node.right, exponent, f"{base}**")
        elif isinstance(node.op, ast.LShift) and base == 1 and isinstance(exponent, int):
            self._add(node.right, exponent, "1<<")
        elif not isinstance(node.left, ast.Constant) or not isinstance(node.left.value, str):  # "…" % 5 is display
            self.generic_visit(node)

    def visit_List(self, node: ast.List | ast.Tuple) -> None:
        for index, element in enumerate(node.elts):
            self._walk(element, f"{self.name}[{index}]" if self.name else "", self.rank)

    visit_Tuple = visit_List

    def visit_Dict(self, node: ast.Dict) -> None:
        for key, value in zip(node.keys, node.values, strict=True):
            if isinstance(key, ast.Constant) and isinstance(key.value, str):
                self._walk(value, f"{self.name}.{key.value}".lstrip("."), min(self.rank, Rank.NAMED))
            else:
                self._walk(value, self.name, self.rank)

    # ── what gives a literal its name ─────────────────────────────────────────────────────────────────────────────

    def visit_Assign(self, node: ast.Assign) -> None:
        target = node.targets[0]
        if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
            if len(target.elts) == len(node.value.elts):
                for one, value in zip(target.elts, node.value.elts, strict=True):
                    self._assigned(one, value)
                return
        self._assigned(target, node.value)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> None:
        if node.value is not None:
            self._assigned(node.target, node.value)

    def visit_AugAssign(self, node: ast.AugAssign) -> None:
        self._walk(node.value, _name_of(node.target), Rank.LITERAL)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> None:
        self._assigned(node.target, node.value)

    def _assigned(self, target: ast.expr, value: ast.expr) -> None:
        name = _name_of(target)
        top = not self.scope
        if top and name.isupper():
            rank = Rank.CONSTANT
        elif not self.in_function and _is_plain(value):
            rank = Rank.DEFAULT  # a field of a (data)class, or a lower-case global
        else:
            rank = Rank.NAMED if _is_plain(value) else Rank.LITERAL
        self._walk(value, name, rank)

    def visit_FunctionDef(self, node: ast.FunctionDef | ast.AsyncFunctionDef) -> None:
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and _name_of(decorator.func) in _OPTION_CALLS:
                self.visit(decorator)
        with self._within(node.name, function=True):
            self._defaults(node.args)
            for statement in node.body:
                self.visit(statement)

    visit_AsyncFunctionDef = visit_FunctionDef

    def visit_Lambda(self, node: ast.Lambda) -> None:
        self._defaults(node.args)
        self.visit(node.body)

    def _defaults(self, arguments: ast.arguments) -> None:
        positional = [*arguments.posonlyargs, *arguments.args]
        pairs = list(zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True))
        pairs += [(a, d) for a, d in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True) if d is not None]
        for argument, default in pairs:
            self._walk(default, argument.arg, Rank.DEFAULT)

    def visit_ClassDef(self, node: ast.ClassDef) -> None:
        with self._within(node.name, function=False):
            for statement in node.body:
                self.visit(statement)

    def visit_Call(self, node: ast.Call) -> None:
        callee = _name_of(node.func)
        if callee in _CLOSED_CALLS or any(word in callee.lower() for word in ("seed", "print")):
            return
        self.visit(node.func)
        if callee in _OPTION_CALLS:
            self._option(node.args, node.keywords)
            return
        wraps_value = self.name and (callee in _LOOKUPS or callee in ("float", "int", "bool", "field", "min", "max"))
        for argument in node.args[1:] if callee in _LOOKUPS else node.args:
            self._walk(argument, self.name if wraps_value else callee, self.rank if wraps_value else Rank.LITERAL)
        for keyword in node.keywords:
            if keyword.arg not in _CLOSED_KEYWORDS:
                own = keyword.arg == "default" and wraps_value
                name = self.name if own else ".".join(filter(None, (callee, keyword.arg)))
                self._walk(keyword.value, name, self.rank if own else Rank.NAMED)

    def _option(self, args: Sequence[ast.expr], keywords: Sequence[ast.keyword]) -> None:
        """``parser.add_argument("--lr", default=0.1)``: the default goes by the option's name."""
        names = [arg.value for arg in args if isinstance(arg, ast.Constant) and isinstance(arg.value, str)]
        for keyword in keywords:
            if keyword.arg == "default" and names:
                self._walk(keyword.value, max(names, key=len), Rank.DEFAULT)

    # ── what is never a knob ──────────────────────────────────────────────────────────────────────────────────────

    def visit_Expr(self, node: ast.Expr) -> None:
        if not isinstance(node.value, ast.Constant):  # docstrings
            self.generic_visit(node)

    def visit_Subscript(self, node: ast.Subscript) -> None:
        self.visit(node.value)  # indices are structure

    def visit_JoinedStr(self, node: ast.JoinedStr) -> None:
        """Display; and before 3.12 the tree has no true positions inside."""

    visit_TemplateStr = visit_JoinedStr

    def visit_Assert(self, node: ast.Assert) -> None:
        """A check, not a size."""

    def visit_Raise(self, node: ast.Raise) -> None:
        """Ends in a crash whatever it says."""

    def visit_match_case(self, node: ast.match_case) -> None:
        for statement in node.body:
            self.visit(statement)


def _name_of(node: ast.expr) -> str:
    """The last name of a target or callee, '' where there is none."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        return ".".join(filter(None, (_name_of(node.value), node.slice.value)))
    return node.id if isinstance(node, ast.Name) else ""


def _number(node: ast.expr) -> int | float | None:
    """The value of a number literal, signed or not."""
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        operand = node.operand
        number = _number(operand) if isinstance(operand, ast.Constant) else None
        return number if number is None or isinstance(node.op, ast.UAdd) else -number
    if isinstance(node, ast.Constant) and type(node.value) in (int, float):
        assert isinstance(node.value, (int, float))
        return node.value
    return None


def _is_plain(value: ast.expr) -> bool:
    """Whether a value is a literal, or arithmetic or a container of literals."""
    if isinstance(value, (ast.Tuple, ast.List)):
        return all(map(_is_plain, value.elts))
    if isinstance(value, ast.Dict):
        return all(map(_is_plain, value.values))
    if isinstance(value, ast.BinOp):
        return _is_plain(value.left) and _is_plain(value.right)
    if isinstance(value, ast.Call):
        return _name_of(value.func) in ("field", "float", "int")
    return isinstance(value, ast.Constant) or _number(value) is not None
