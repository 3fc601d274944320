"""Reads Python by its syntax tree and its tokens. Nothing here recurses: a long sum is no deeper than a short one."""

from __future__ import annotations

import ast
import io
import tokenize
import warnings
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import accumulate

from pytest_autoresearch.patterns import regex
from pytest_autoresearch.reading.source import Argument, Binding, Call, Index, Kind, Source, Span, Token, Unread

_LINE_END = regex(rb"\r\n|\r|\n")
_SKIPPED = frozenset({tokenize.COMMENT, tokenize.NL, tokenize.ENCODING, tokenize.ENDMARKER})
_KINDS = {tokenize.NAME: Kind.NAME, tokenize.NUMBER: Kind.NUMBER, tokenize.STRING: Kind.TEXT}
_GRAMMAR = frozenset({"ctx", "op"})
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


def parse(data: bytes) -> ast.Module:
    """The syntax tree. Raises Unread for what is no Python of this interpreter or too deep for its parser."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a dubious escape in a target is not our user's concern
            return ast.parse(data)
    except SyntaxError as error:
        raise Unread(f"no Python that this interpreter parses (line {error.lineno})") from error
    except (ValueError, LookupError) as error:
        raise Unread(f"no Python: {error}") from error
    except (RecursionError, MemoryError) as error:
        raise Unread("nested too deeply for Python's own parser") from error


def children(node: ast.AST) -> list[ast.AST]:
    """The nodes right below one, in order, but for operators and contexts, of which nobody asks anything."""
    found: list[ast.AST] = []
    for name in node._fields:
        value = getattr(node, name, None)
        if value.__class__ is list:
            found += [each for each in value if isinstance(each, ast.AST)]
        elif isinstance(value, ast.AST) and name not in _GRAMMAR:
            found.append(value)
    return found


def read_python(data: bytes) -> Source:
    """Everything that is bound and called in a module."""
    body = data.removeprefix(b"\xef\xbb\xbf")
    tree = parse(body)
    try:
        reader = _Reader(body, list(_tokens(body)))
    except (tokenize.TokenError, SyntaxError, UnicodeDecodeError, RecursionError, MemoryError) as error:
        raise Unread("its tokens are not those of a Python file in UTF-8") from error
    for node in ast.walk(tree):
        reader.take(node)
    return reader.source()


def _tokens(body: bytes) -> Iterator[Token]:
    places = _Places(body)
    for token in tokenize.generate_tokens(iter(places.lines).__next__):
        if token.type in _SKIPPED:
            continue
        kind = _KINDS.get(token.type, Kind.SIGN)
        if token.type >= tokenize.N_TOKENS or tokenize.tok_name[token.type].startswith(("FSTRING", "TSTRING")):
            kind = Kind.TEXT
        words = "\n" if token.type == tokenize.NEWLINE else token.string
        if token.type == tokenize.INDENT:
            words = " "  # its width is layout
        yield Token(kind, words, places.offset(token.start), places.offset(token.end))


class _Places:
    """From row and column to the byte, in order of the text: a line is measured once, however many tokens it has."""

    def __init__(self, body: bytes) -> None:
        self.lines = list(io.StringIO(body.decode(), newline=""))
        self._starts = line_starts(body)
        self._row = 0
        self._columns: list[int] | None = None  # the byte of each character of the row; None where it is ASCII

    def offset(self, place: tuple[int, int]) -> int:
        """The byte in the file."""
        row, column = place
        if row > len(self.lines):
            return self._starts[-1]
        if row != self._row:
            line = self.lines[row - 1]
            self._row = row
            self._columns = None if line.isascii() else [0, *accumulate(len(each.encode()) for each in line)]
        return self._starts[row - 1] + (
            column if self._columns is None else self._columns[min(column, len(self._columns) - 1)]
        )


def line_starts(body: bytes) -> list[int]:
    """The byte at which every line starts."""
    return [0, *(found.end() for found in _LINE_END.finditer(body))]


@dataclass
class _Reader:
    """Takes the nodes of a tree in any order."""

    body: bytes
    tokens: list[Token]
    bindings: list[Binding] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    parameters: dict[str, list[str]] = field(default_factory=dict)
    defined: set[int] = field(default_factory=set)
    imports: list[Span] = field(default_factory=list)
    known: dict[str, str] = field(default_factory=dict)
    also: dict[str, str] = field(default_factory=dict)
    alone: dict[int, ast.Expr] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.starts = line_starts(self.body)
        self.index = Index(self.tokens)

    def source(self) -> Source:
        """What was taken."""
        calls = [self._resolved(call) for call in self.calls]
        return Source(self.tokens, self.bindings, calls, self.parameters, frozenset(self.defined), self.imports)

    def take(self, node: ast.AST) -> None:
        """One node, and nothing below it."""
        match node:
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign() | ast.NamedExpr():
                self._assigned(node)
            case ast.Dict():
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and isinstance(key.value, str):
                        self._bind(key.value, value)
            case ast.FunctionDef() | ast.AsyncFunctionDef() | ast.Lambda():
                self._function(node)
            case ast.For() | ast.AsyncFor():
                self._bind(name_of(node.target), node.iter, at=self._name_token(node.target))
            case ast.ClassDef():
                self._made_by(node)
            case ast.Expr(value=ast.Call()):
                self.alone[id(node.value)] = node
            case ast.Call():
                self._call(node)
            case ast.Import():
                self.known |= {alias.asname or alias.name: alias.name for alias in node.names}
                statement = self._statement(node)
                if statement is not None:
                    self.imports.append(statement)
            case ast.ImportFrom():
                self.known |= {a.asname or a.name: f"{node.module or ''}.{a.name}" for a in node.names}

    def _span(self, node: ast.expr | ast.stmt) -> Span | None:
        assert node.end_lineno is not None and node.end_col_offset is not None
        start = self.starts[node.lineno - 1] + node.col_offset
        return self.index.span(start, self.starts[node.end_lineno - 1] + node.end_col_offset)

    def _statement(self, node: ast.stmt) -> Span | None:
        """A statement that has its lines to itself, with the line end."""
        span = self._span(node)
        if span is None or span.high >= len(self.tokens) or self.tokens[span.high].text not in ("\n", ";"):
            return None
        return Span(span.low, span.high + 1)

    def _bind(self, name: str, value: ast.expr, **more: object) -> None:
        span = self._span(value)
        if span is not None and name:
            self.bindings.append(Binding(name, span, **more))  # type: ignore[arg-type]

    def _assigned(self, node: ast.Assign | ast.AnnAssign | ast.AugAssign | ast.NamedExpr) -> None:
        if node.value is None:
            return
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        statement = None if isinstance(node, ast.NamedExpr) or len(targets) > 1 else self._statement(node)
        adds = isinstance(node, ast.AugAssign)
        for target in targets:
            if isinstance(target, ast.Name) and isinstance(node.value, (ast.Name, ast.Attribute)):
                made = ".".join(filter(None, (_owner(node.value), name_of(node.value))))
                self.also[target.id] = made if target.id not in self.also else ""  # of two nobody knows which one it is
            if isinstance(target, (ast.Tuple, ast.List)):
                values = node.value.elts if isinstance(node.value, (ast.Tuple, ast.List)) else []
                for one, value in zip(target.elts, values, strict=False):
                    self._bind(name_of(one), value, at=self._name_token(one))
            else:
                at = self._name_token(target)
                self._bind(name_of(target), node.value, at=at, statement=statement, adds=adds)

    def _name_token(self, target: ast.expr) -> int:
        span = self._span(target)
        if span is None or isinstance(target, ast.Subscript):
            return -1
        return span.high - 1

    def _function(self, node: _Function) -> None:
        arguments = node.args
        positional = [*arguments.posonlyargs, *arguments.args]
        everyone = [*positional, *arguments.kwonlyargs]
        if not isinstance(node, ast.Lambda):
            names = [argument.arg for argument in everyone]
            self.parameters[node.name] = names[1:] if names[:1] in (["self"], ["cls"]) else names
        for argument in everyone:
            at = self.index.span(
                start := self.starts[argument.lineno - 1] + argument.col_offset, start + len(argument.arg.encode())
            )
            self.defined |= {at.low} if at else set()
        for argument, default in zip(
            positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True
        ):
            self._bind(argument.arg, default)
        for argument, value in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
            if value is not None:
                self._bind(argument.arg, value)

    def _made_by(self, node: ast.ClassDef) -> None:
        """What a class is called with goes to its ``__init__``."""
        made = [part for part in node.body if isinstance(part, ast.FunctionDef) and part.name == "__init__"]
        for function in made:
            positional = (*function.args.posonlyargs, *function.args.args, *function.args.kwonlyargs)
            self.parameters[node.name] = [argument.arg for argument in positional[1:]]

    def _call(self, node: ast.Call) -> None:
        span = self._span(node)
        if span is None:
            return
        arguments = []
        for value in node.args:
            if (place := self._span(value)) is not None:
                arguments.append(Argument(place))
        for keyword in node.keywords:
            place = self._span(keyword.value)
            if keyword.arg is None or place is None:
                continue
            arguments.append(Argument(place, keyword.arg))
            self.bindings.append(Binding(keyword.arg, place))
            self.defined |= {place.low - 2} if self.tokens[place.low - 2].text == keyword.arg else set()
        alone = self.alone.get(id(node))
        statement = None if alone is None else self._statement(alone)
        self.calls.append(Call(name_of(node.func), _owner(node.func), arguments, span, statement))

    def _resolved(self, call: Call) -> Call:
        """The call with the full name of what was imported."""
        first, _, rest = (call.owner or call.name).partition(".")
        full = self.known.get(first) or self.also.get(first)
        if full is None or full == first:
            return call
        if not call.owner:
            owner, _, name = full.rpartition(".")
            return Call(name, owner, call.arguments, call.span, call.statement)
        return Call(call.name, ".".join(filter(None, (full, rest))), call.arguments, call.span, call.statement)


def name_of(node: ast.expr) -> str:
    """The last name of a target or callee, '' where there is none."""
    if isinstance(node, ast.Attribute):
        return node.attr
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Constant) and isinstance(node.slice.value, str):
        return node.slice.value
    return node.id if isinstance(node, ast.Name) else ""


def _owner(node: ast.expr) -> str:
    """``a.b`` of ``a.b.c``; where something else is in between, what follows it."""
    names: list[str] = []
    while isinstance(node, ast.Attribute):
        node = node.value
        names.append(
            node.attr if isinstance(node, ast.Attribute) else name_of(node.func if isinstance(node, ast.Call) else node)
        )
    return ".".join(filter(None, reversed(names)))
