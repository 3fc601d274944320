"""Reads other languages by their own tree-sitter grammars: the extra ``languages``; nothing is fetched at run time."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any

from pytest_autoresearch.reading.aside import IN_PLACE, read_aside
from pytest_autoresearch.reading.luck import takes_seed
from pytest_autoresearch.reading.source import Argument, Binding, Call, Index, Kind, Source, Span, Token, Unread

if TYPE_CHECKING:
    from tree_sitter import Node, Parser

_PACKAGES = {
    "C": ("tree_sitter_c", "language"),
    "C++": ("tree_sitter_cpp", "language"),
    "Rust": ("tree_sitter_rust", "language"),
    "Go": ("tree_sitter_go", "language"),
    "Java": ("tree_sitter_java", "language"),
    "Julia": ("tree_sitter_julia", "language"),
    "JavaScript": ("tree_sitter_javascript", "language"),
    "TypeScript": ("tree_sitter_typescript", "language_typescript"),
    "TSX": ("tree_sitter_typescript", "language_tsx"),
    "shell": ("tree_sitter_bash", "language"),
}
_SUFFIXES = {
    ".c": "C",
    **dict.fromkeys((".h", ".cc", ".cpp", ".cxx", ".c++", ".hpp", ".hh", ".hxx", ".cu", ".cuh", ".ino"), "C++"),
    ".rs": "Rust",
    ".go": "Go",
    ".java": "Java",
    ".jl": "Julia",
    **dict.fromkeys((".js", ".mjs", ".cjs", ".jsx"), "JavaScript"),
    **dict.fromkeys((".ts", ".mts", ".cts"), "TypeScript"),
    ".tsx": "TSX",
    **dict.fromkeys((".sh", ".bash", ".zsh", ".ksh"), "shell"),
}
_BINDS = {
    "init_declarator": ("declarator", "value"),
    "const_item": ("name", "value"),
    "static_item": ("name", "value"),
    "let_declaration": ("pattern", "value"),
    "field_initializer": ("field", "value"),
    "assignment_expression": ("left", "right"),
    "compound_assignment_expr": ("left", "right"),
    "augmented_assignment_expression": ("left", "right"),
    "preproc_def": ("name", "value"),
    "initializer_pair": ("designator", "value"),
    "field_declaration": ("declarator", "default_value"),
    "optional_parameter_declaration": ("declarator", "default_value"),
    "enumerator": ("name", "value"),
    "const_spec": ("name", "value"),
    "var_spec": ("name", "value"),
    "short_var_declaration": ("left", "right"),
    "assignment_statement": ("left", "right"),
    "keyed_element": ("key", "value"),
    "variable_declarator": ("name", "value"),
    "pair": ("key", "value"),
    "assignment_pattern": ("left", "right"),
    "required_parameter": ("pattern", "value"),
    "optional_parameter": ("pattern", "value"),
    "field_definition": ("property", "value"),
    "public_field_definition": ("name", "value"),
    "variable_assignment": ("name", "value"),
    "element_value_pair": ("key", "value"),
    "assignment": None,  # Julia's have no fields
    "compound_assignment_expression": None,
    "named_argument": None,
    "named_field": None,
    "for_statement": ("variable", "value"),
}
_CALLS = {
    "call_expression": ("function", "arguments"),
    "new_expression": ("constructor", "arguments"),
    "method_invocation": ("name", "arguments"),
    "object_creation_expression": ("type", "arguments"),
    "macro_invocation": ("macro", None),
    "compound_literal_expression": ("type", "value"),
}
_STATEMENTS = frozenset(
    "declaration expression_statement lexical_declaration variable_declaration const_declaration var_declaration"
    " local_variable_declaration const_statement declaration_command".split()
)
_NUMBERS = frozenset(
    "number number_literal integer_literal float_literal int_literal imaginary_literal decimal_integer_literal"
    " hex_integer_literal octal_integer_literal binary_integer_literal decimal_floating_point_literal"
    " hex_floating_point_literal".split()
)
_NAMES = ("identifier", "variable_name", "word", "true", "false", "command_name")
_SINGLE = 9  # children at most of a statement that declares one thing
_LONGEST_PATH = 8  # tokens of what is called that are looked at
_WHOLE = frozenset(
    "string string_literal raw_string_literal interpreted_string_literal raw_string char_literal".split()
)


def language_of(path: str) -> str | None:
    """The language that a file's name says it is written in, of those that have a grammar."""
    return _SUFFIXES.get(PurePosixPath(path).suffix.lower())


@lru_cache
def _parser(language: str) -> Parser:
    module, function = _PACKAGES[language]
    try:
        from tree_sitter import Language, Parser

        grammar = importlib.import_module(module)
        return Parser(Language(getattr(grammar, function)()))
    except (ImportError, AttributeError, ValueError, TypeError) as error:
        package = module.replace("_", "-")
        raise Unread(
            f"{language} is read with {package}; run `pip install 'pytest-autoresearch[languages]'`"
        ) from error


def read_tree(language: str, data: bytes) -> Source:
    """Everything that is bound and called in a file. Raises Unread without the grammar, or where it does not parse."""
    _parser(language)
    if len(data) <= IN_PLACE:
        return read_here(language, data)
    told = read_aside(language, _PACKAGES[language][0], data)
    if told is None:
        raise Unread(f"its {language} grammar finds no end, or breaks, over it")
    if "unread" in told:
        raise Unread(told["unread"])
    return _source(told)


def read_here(language: str, data: bytes) -> Source:
    """The same in this process, however long the grammar takes."""
    root = _parser(language).parse(data).root_node
    nodes = list(_nodes(root))
    tokens = [token for node, _ in nodes if (token := _token(node)) is not None]
    reader = _Reader(tokens)
    for node, parent in nodes:
        reader.take(node, parent)
    if root.has_error and not reader.bindings and not reader.calls:
        raise Unread(f"no {language} that its grammar parses")
    calls = [replace(call, name=reader.members.get(call.name, call.name)) for call in reader.calls]
    return Source(tokens, reader.bindings, calls, reader.parameters, frozenset(reader.defined))


def plain(source: Source) -> dict[str, Any]:
    """A source in lists and texts, for :func:`_source` to make it again."""
    return {
        "tokens": [(token.kind.value, token.text, token.start, token.end) for token in source.tokens],
        "bindings": [(b.name, _ends(b.value), b.at, _ends(b.statement), b.adds) for b in source.bindings],
        "calls": [
            (c.name, c.owner, [(_ends(a.value), a.name) for a in c.arguments], _ends(c.span), _ends(c.statement))
            for c in source.calls
        ],
        "parameters": dict(source.parameters),
        "defined": sorted(source.defined),
    }


def _source(told: dict[str, Any]) -> Source:
    def span(ends: list[int]) -> Span:
        return Span(*ends)

    def maybe(ends: list[int] | None) -> Span | None:
        return None if ends is None else Span(*ends)

    return Source(
        [Token(Kind(kind), text, start, end) for kind, text, start, end in told["tokens"]],
        [Binding(name, span(value), at, maybe(whole), adds) for name, value, at, whole, adds in told["bindings"]],
        [
            Call(name, owner, [Argument(span(value), named) for value, named in given], span(all_of_it), maybe(whole))
            for name, owner, given, all_of_it, whole in told["calls"]
        ],
        told["parameters"],
        frozenset(told["defined"]),
    )


def _ends(span: Span | None) -> tuple[int, int] | None:
    return None if span is None else (span.low, span.high)


def _nodes(root: Node) -> Iterator[tuple[Node, Node | None]]:
    """Every node in order of place but comments and what is within texts, with its parent (to ask for it is slow)."""
    cursor = root.walk()
    parents: list[Node] = []
    while True:
        node = cursor.node
        assert node is not None
        hidden = "comment" in node.type or node.type in _WHOLE
        if "comment" not in node.type:
            yield node, parents[-1] if parents else None
        if not hidden and cursor.goto_first_child():
            parents.append(node)
            continue
        while not cursor.goto_next_sibling():
            if not cursor.goto_parent():
                return
            parents.pop()


def _token(node: Node) -> Token | None:
    if node.child_count and node.type not in _WHOLE:
        return None
    text = (node.text or b"").decode("utf-8", "replace")
    start, end = node.start_byte, node.end_byte
    if node.type == "preproc_arg":  # plain text with its remark and, on Windows, its line end
        text = text.partition("//")[0].partition("/*")[0].rstrip()
        end = start + len(text.encode())
        kind = Kind.NUMBER if text[:1].isdigit() or text[:1] in "-+." else Kind.TEXT if text[:1] == '"' else Kind.NAME
        return Token(kind, text, start, end)
    if not text.strip():
        return None
    if node.type in _NUMBERS:
        return Token(Kind.NUMBER, text, start, end)
    if node.type in _WHOLE or "string" in node.type:
        return Token(Kind.TEXT, text, start, end)
    is_name = node.type.endswith(_NAMES) or (node.is_named and text[:1].isalpha())
    return Token(Kind.NAME if is_name else Kind.SIGN, text, start, end)


class _Reader:
    """Takes the nodes of a tree in any order."""

    def __init__(self, tokens: list[Token]) -> None:
        self.tokens = tokens
        self.index = Index(tokens)
        self.bindings: list[Binding] = []
        self.calls: list[Call] = []
        self.parameters: dict[str, list[str]] = {}
        self.defined: set[int] = set()
        self.members: dict[str, str] = {}
        self.constructed: set[int] = set()

    def take(self, node: Node, parent: Node | None) -> None:
        """One node, and nothing below it but what names it."""
        if node.type in _BINDS:
            self._bound(node, self._statement(node, parent))
        if node.type in _CALLS:
            self._called(node, self._statement(node, parent))
        if node.type in ("declaration", "field_declaration"):
            self._constructed(node)
        if node.type == "field_initializer":
            self._initialised(node)
        if node.type == "binary_expression":
            self._paired(node)
        parameters = node.child_by_field_name("parameters")
        if parameters is not None:
            self._function(node, parameters)
        elif node.type == "signature" and node.named_children:
            self._julia_function(node.named_children[0])

    def _span(self, node: Node) -> Span | None:
        return self.index.span(node.start_byte, node.end_byte)

    def _statement(self, node: Node, parent: Node | None) -> Span | None:
        """The statement that a node is all of."""
        if parent is None:
            return None
        if parent.type in _STATEMENTS and parent.child_count <= _SINGLE:
            if sum(child.type in _BINDS or child.type in _CALLS for child in parent.children) == 1:
                return self._span(parent)
            return None
        whole = node.type in ("preproc_def", "const_item", "static_item", "let_declaration", "short_var_declaration")
        return (
            self._span(node) if whole or parent.type in ("statement_list", "source_file", "block", "program") else None
        )

    def _bound(self, node: Node, statement: Span | None) -> None:
        fields = _BINDS[node.type]
        if fields is None:
            named = [child for child in node.children if child.type != "operator"]
            left, right = (named[0], named[-1]) if len(named) > 1 else (None, None)
        else:
            left, right = (node.child_by_field_name(name) for name in fields)
        if left is None or right is None:
            return
        if left.type == right.type == "expression_list" and left.named_child_count == right.named_child_count:
            pairs = list(zip(left.named_children, right.named_children, strict=True))
        else:
            pairs = [(left, right)]
        statement = statement if len(pairs) == 1 else None
        adds = node.type.startswith(("compound", "augmented")) or any(
            child.type in ("operator", "+=", "-=", "*=", "^=") and child.text not in (b"=", b":=")
            for child in node.children
        )
        for name, value in pairs:
            self._bind(name, value, statement, adds=adds)

    def _bind(self, left: Node, right: Node, statement: Span | None, *, adds: bool) -> None:
        if left.type == "typed_expression" and left.named_children:
            left = left.named_children[0]
        place = self._span(left)
        value = self.index.first(right.start_byte) if right.type == "preproc_arg" else self._span(right)
        if place is None or value is None:
            return
        backwards = range(place.high - 1, place.low - 1, -1)  # what is bound may be long, and hold what is bound itself
        at = next((at for at in backwards if self.tokens[at].kind in (Kind.NAME, Kind.TEXT)), None)
        if at is not None:
            self.bindings.append(Binding(self.tokens[at].text.strip("\"'`"), value, at, statement, adds))

    def _called(self, node: Node, statement: Span | None) -> None:
        function, arguments = (None if name is None else node.child_by_field_name(name) for name in _CALLS[node.type])
        if function is None and node.named_children:
            function = node.named_children[0]
        if arguments is None:
            arguments = next((c for c in node.children if c.type in ("argument_list", "token_tree")), None)
        if function is None or arguments is None:
            return
        place, span = self._span(function), self._span(node)
        if place is None or span is None:
            return
        owner = node.child_by_field_name("object")
        before = None if owner is None else self._span(owner)
        self._call(Span(place.low if before is None else before.low, place.high), arguments, span, statement)

    def _call(self, path: Span, arguments: Node, span: Span, statement: Span | None) -> None:
        names = self.tokens[max(path.low, path.high - _LONGEST_PATH) : path.high]
        parts = [token.text for token in names if token.kind is Kind.NAME]
        values = [] if arguments.type == "token_tree" else arguments.named_children
        given = [Argument(value) for each in values if (value := self._span(each)) is not None]
        if parts:
            self.calls.append(Call(parts[-1], ".".join(parts[:-1]), given, span, statement))

    def _constructed(self, node: Node) -> None:
        """``std::mt19937 generator(42)``: what a declaration calls is its type."""
        declarator = node.child_by_field_name("declarator")
        arguments = None if declarator is None else declarator.child_by_field_name("value")
        arguments = arguments or node.child_by_field_name("default_value")
        kind, span = node.child_by_field_name("type"), self._span(node)
        path = None if kind is None else self._span(kind)
        if path is None or span is None or declarator is None:
            return
        if takes_seed(self.tokens[path.high - 1].text, ""):
            if (member := self._span(declarator)) is not None and node.type == "field_declaration":
                self.members[self.tokens[member.high - 1].text] = self.tokens[path.high - 1].text
            if declarator.type == "function_declarator":  # ``T generator(n)`` may be a function, by its look
                arguments = declarator.child_by_field_name("parameters")
                self.constructed.add(declarator.start_byte)
        if arguments is not None and arguments.type in ("argument_list", "initializer_list", "parameter_list"):
            self._call(path, arguments, span, None)

    def _initialised(self, node: Node) -> None:
        """``A() : generator_(42)``: a member that goes by the name of its kind."""
        path = None if not node.named_children else self._span(node.named_children[0])
        arguments = next((c for c in node.children if c.type in ("argument_list", "initializer_list")), None)
        span = self._span(node)
        if path is not None and arguments is not None and span is not None:
            self._call(path, arguments, span, None)

    def _paired(self, node: Node) -> None:
        """``"seed" => 1`` in Julia."""
        left, sign, *right = node.children
        if sign.text == b"=>" and len(right) == 1:
            self._bind(left, right[0], None, adds=False)

    def _function(self, node: Node, parameters: Node) -> None:
        if node.start_byte in self.constructed:
            return
        named = node.child_by_field_name("name") or node.child_by_field_name("declarator")
        names = []
        for child in parameters.named_children:
            inner = next(filter(None, map(child.child_by_field_name, ("pattern", "name", "declarator", "left"))), child)
            names.append(self._define(inner))
        if named is not None:
            text = (named.text or b"").decode("utf-8", "replace")
            self.parameters[text.replace("::", ".").split(".")[-1]] = names

    def _julia_function(self, call: Node) -> None:
        arguments = next((child for child in call.children if child.type == "argument_list"), None)
        if arguments is None or not call.named_children:
            return
        name = (call.named_children[0].text or b"").decode("utf-8", "replace")
        names = [
            self._define(child.named_children[0] if child.named_children else child)
            for child in arguments.named_children
        ]
        self.parameters[name] = names

    def _define(self, node: Node) -> str:
        place = self._span(node)
        if place is None:
            return ""
        self.defined |= {place.high - 1}
        return self.tokens[place.high - 1].text
