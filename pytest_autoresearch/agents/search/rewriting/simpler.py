"""What may go: unused imports, names and arguments, what is never reached; with tests to vouch, any statement."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator, Sequence
from itertools import pairwise

from pytest_autoresearch.agents.search.rewriting import Rewrite, Source, functions

_ENDS = (ast.Return, ast.Raise, ast.Continue, ast.Break)
_SHOWS = frozenset("print info debug warning error write log flush".split())


def simpler(source: Source, *, guarded: bool) -> Iterator[Rewrite]:
    """Rewrites that leave less code. ``guarded``: tests say whether a statement that does something was needed."""
    yield from _unused_imports(source)
    yield from _unreachable(source)
    yield from _unused_names(source)
    yield from _unused_arguments(source)
    if guarded:
        yield from _statements(source)


def _used(tree: ast.AST) -> Counter[str]:
    """Names that are read, and words in texts, which ``__all__`` and annotations may be."""
    used: Counter[str] = Counter()
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            used[node.id] += 1
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            used.update(node.value.replace("[", " ").replace("]", " ").replace(".", " ").split())
    return used


def _unused_imports(source: Source) -> Iterator[Rewrite]:
    if source.file.endswith("__init__.py"):
        return  # what it imports is what it offers
    used = _used(source.tree)
    for node in source.tree.body:
        if not isinstance(node, (ast.Import, ast.ImportFrom)) or getattr(node, "module", "") == "__future__":
            continue
        names = [alias.asname or alias.name.partition(".")[0] for alias in node.names]
        lines = source.whole_lines(node)
        if lines is None or b"noqa" in source.data[slice(*lines)]:
            continue
        for index, name in enumerate(names):
            if used[name] or name == "*":
                continue
            edit = (lines, b"") if len(names) == 1 else (_item(source, node.names, index), b"")
            found = source.rewritten(f"remove the unused import of {name}", "Nothing reads it.", [edit])
            if found is not None:
                yield found


def _item(source: Source, items: Sequence[ast.AST], index: int) -> tuple[int, int]:
    """One of several items with the comma that belongs to it."""
    if index + 1 < len(items):
        return source.span(items[index])[0], source.span(items[index + 1])[0]
    return source.span(items[index - 1])[1], source.span(items[index])[1]


def _unreachable(source: Source) -> Iterator[Rewrite]:
    for block in _blocks(source.tree):
        for before, after in pairwise(block):
            if isinstance(before, _ENDS):
                yield from _without(source, after, "what is never reached", "What stands before it always leaves.")
                break
    for node in ast.walk(source.tree):
        if isinstance(node, (ast.If, ast.While)) and isinstance(node.test, ast.Constant) and not node.test.value:
            if not node.orelse:
                yield from _without(source, node, "a branch that is never taken", "Its condition is never true.")


def _blocks(tree: ast.AST) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(tree):
        for name in ("body", "orelse", "finalbody"):
            block = getattr(node, name, None)
            if isinstance(block, list) and block and isinstance(block[0], ast.stmt):
                yield block


def _unused_names(source: Source) -> Iterator[Rewrite]:
    for function in functions(source.tree):
        used = _used(function)
        for block in _blocks(function):
            for node in block:
                if isinstance(node, ast.Assign) and len(node.targets) == 1 and isinstance(node.targets[0], ast.Name):
                    name = node.targets[0].id
                    does_something = any(isinstance(n, (ast.Call, ast.Await, ast.Yield)) for n in ast.walk(node.value))
                    if not used[name] and not does_something and len(block) > 1:
                        yield from _without(source, node, f"{name} in {function.name}", "Nothing reads it.")


def _unused_arguments(source: Source) -> Iterator[Rewrite]:
    """The last argument with a default, where neither the function nor a call in this file knows it."""
    passed = {keyword.arg for n in ast.walk(source.tree) if isinstance(n, ast.Call) for keyword in n.keywords}
    most: dict[str, int] = {}
    for call in ast.walk(source.tree):
        if isinstance(call, ast.Call):
            name = getattr(call.func, "id", getattr(call.func, "attr", ""))
            starred = any(isinstance(each, ast.Starred) for each in call.args)
            most[name] = max(most.get(name, 0), 1000 if starred else len(call.args))
    for function in functions(source.tree):
        given = function.args
        if not given.defaults or given.vararg or given.kwonlyargs or given.kwarg or len(given.args) < 2:
            continue
        last = given.args[-1]
        if _used(function)[last.arg] or last.arg in passed or most.get(function.name, 0) >= len(given.args):
            continue
        before = given.defaults[-2] if len(given.defaults) > 1 else given.args[-2]
        edit = (source.span(before)[1], source.span(given.defaults[-1])[1]), b""
        what = f"remove the unused argument {last.arg} of {function.name}"
        found = source.rewritten(what, "Nothing reads it.", [edit])
        if found is not None:
            yield found


def _statements(source: Source) -> Iterator[Rewrite]:
    """Single statements of functions but those that show, check or leave, or without which a name would be missing."""
    for function in functions(source.tree):
        stored = Counter(n.id for n in ast.walk(function) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store))
        used = _used(function)
        for block in _blocks(function):
            if len(block) < 2:
                continue
            for node in block:
                names = [n.id for n in ast.walk(node) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)]
                if isinstance(node, ast.Assign) and any(stored[name] == 1 and used[name] for name in names):
                    continue
                if isinstance(node, (ast.Assign, ast.AugAssign)) or (
                    isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and not _shows(node.value)
                ):
                    said = source.text(node).decode().split("\n")[0][:60]
                    why = "If the tests and the metric do not miss it, less code is better."
                    yield from _without(source, node, f"`{said}` in {function.name}", why)


def _shows(call: ast.Call) -> bool:
    return getattr(call.func, "id", getattr(call.func, "attr", "")) in _SHOWS


def _without(source: Source, node: ast.stmt, what: str, why: str) -> Iterator[Rewrite]:
    lines = source.whole_lines(node)
    found = None if lines is None else source.rewritten(f"remove {what}", why, [(lines, b"")])
    if found is not None:
        yield found
