"""Code without a model: a few rewrites of Python that tests can vouch for. Pure: bytes in, bytes out.

Every other byte of the file stays. Nothing here is certain to be right: each one is an experiment of its own, with the
metric, the judge and the guards to say.
"""

from __future__ import annotations

import ast
import warnings
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_autoresearch.patterns import regex

LARGEST_FILE = 300_000  # bytes
_LINE_END = regex(rb"\r\n|\r|\n")
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class Rewrite:
    """One change of one file, in words and as its new content."""

    file: str
    what: str
    why: str
    data: bytes


Span = tuple[int, int]
Edit = tuple[Span, bytes]


class Source:
    """A parsed Python file, and the bytes of its nodes. ValueError or SyntaxError where it is none."""

    def __init__(self, file: str, data: bytes) -> None:
        if len(data) > LARGEST_FILE or b"\0" in data or data.startswith(_BOM):
            raise ValueError("not for rewriting")
        data.decode()
        self.file, self.data = file, data
        self.lines = [0, *(match.end() for match in _LINE_END.finditer(data))]
        self.newline = b"\r\n" if b"\r\n" in data else b"\n"
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            self.tree = ast.parse(data)

    def span(self, node: ast.AST) -> Span:
        """Where a node's bytes begin and end."""
        located = node if isinstance(node, (ast.expr, ast.stmt, ast.arg, ast.alias)) else None
        assert located is not None and located.end_lineno is not None and located.end_col_offset is not None
        begin = self.lines[located.lineno - 1] + located.col_offset
        return begin, self.lines[located.end_lineno - 1] + located.end_col_offset

    def text(self, node: ast.AST) -> bytes:
        begin, end = self.span(node)
        return self.data[begin:end]

    def whole_lines(self, node: ast.stmt) -> Span | None:
        """The lines of a statement that shares them with no other; None where it does."""
        assert node.end_lineno is not None
        first = node.lineno
        decorators = getattr(node, "decorator_list", [])
        if decorators:
            first = min(first, *(each.lineno for each in decorators))
        begin = self.lines[first - 1]
        end = self.lines[node.end_lineno] if node.end_lineno < len(self.lines) else len(self.data)
        _, last = self.span(node)
        rest = self.data[last:end].strip()
        alone = not self.data[begin : self.lines[node.lineno - 1] + node.col_offset].strip() or bool(decorators)
        return (begin, end) if alone and (not rest or rest.startswith(b"#")) else None

    def indentation(self, node: ast.stmt) -> bytes:
        begin = self.lines[node.lineno - 1]
        return self.data[begin : begin + node.col_offset]

    def after_imports(self) -> int:
        """Where a line may be put that every function can see: behind the docstring and the first imports."""
        place = 0
        for index, node in enumerate(self.tree.body):
            is_docstring = index == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
            if not (is_docstring or isinstance(node, (ast.Import, ast.ImportFrom))):
                break
            assert node.end_lineno is not None
            place = self.lines[node.end_lineno] if node.end_lineno < len(self.lines) else len(self.data)
        return place

    def fresh(self, stem: str) -> str:
        """A name that the file does not have."""
        names = {node.id for node in ast.walk(self.tree) if isinstance(node, ast.Name)}
        names |= {node.arg for node in ast.walk(self.tree) if isinstance(node, ast.arg)}
        return next(name for n in range(1, 10_000) if (name := f"{stem}_{n}") not in names)

    def rewritten(self, what: str, why: str, edits: Iterable[Edit]) -> Rewrite | None:
        """The file with these edits; None where that would be no Python any more."""
        data, last = self.data, len(self.data)
        for (begin, end), new in sorted(edits, key=lambda edit: edit[0], reverse=True):
            if end > last:
                return None
            data, last = data[:begin] + new + data[end:], begin
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                ast.parse(data)
        except (SyntaxError, ValueError):
            return None
        return Rewrite(self.file, what, why, data)


def sources(files: Sequence[tuple[str, bytes]]) -> Iterator[Source]:
    """The Python files among the targets that can be parsed."""
    for file, data in files:
        if file.endswith(".py"):
            try:
                yield Source(file, data)
            except (SyntaxError, ValueError, RecursionError, MemoryError):
                continue


def functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    """Every function of a file that is no coroutine."""
    for node in ast.walk(tree):
        if isinstance(node, ast.FunctionDef):
            yield node
