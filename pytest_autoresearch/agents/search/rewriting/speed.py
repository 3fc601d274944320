"""Three rewrites for a metric that is a time: cache pure functions, hoist invariants, compile patterns once. Pure."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pytest_autoresearch.agents.search.rewriting import Rewrite, Source, functions
from pytest_autoresearch.patterns import regex

_TIME = regex(r"(?:^|_)(?:s|ms|us|ns|sec|secs|seconds?|time|duration|latency|elapsed|runtime|wall|ops)(?:$|_)")
_PATTERNS = {"match": 2, "search": 2, "fullmatch": 2, "findall": 2, "finditer": 2, "split": 2, "sub": 3, "subn": 3}
_IMPURE_ROOTS = frozenset(
    "random time os sys io subprocess socket logging np numpy torch requests shutil tempfile uuid secrets".split()
)
_IMPURE_NAMES = frozenset("print open input exec eval globals locals vars next iter setattr delattr id hash".split())
_IMPURE_METHODS = frozenset("now today utcnow random shuffle choice read write append add update pop send".split())
_MUTABLE = frozenset("list dict set sorted bytearray deque defaultdict Counter map filter zip iter enumerate".split())
_NO_HASH = regex(r"\b(?:list|dict|set|List|Dict|Set|Sequence|Mapping|Iterable|ndarray|Tensor)\b")
_SHARED = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp, ast.GeneratorExp)
_NESTED = (ast.Call, ast.NamedExpr, ast.Starred, ast.Lambda, ast.comprehension)
_PURE_CALLS = frozenset(
    "len abs min max sum round int float str tuple frozenset pow divmod timedelta Fraction Decimal compile sqrt exp"
    " log log2 log10 sin cos tan floor ceil hypot".split()
)


def is_time(metric: str) -> bool:
    """Whether a metric's name says that it is a time."""
    lowered = metric.lower()
    return lowered.startswith("benchmark.") or bool(_TIME.search(re.sub(r"[^a-z]+", "_", lowered)))


def faster(source: Source) -> Iterator[Rewrite]:
    """All rewrites that may make a file faster, one change each."""
    yield from _compiled(source)
    yield from _cached(source)
    yield from _hoisted(source)


# ── a pattern, compiled once ──────────────────────────────────────────────────────────────────────────────────────


def _compiled(source: Source) -> Iterator[Rewrite]:
    if not _imports(source.tree, "re"):
        return
    place = source.after_imports()
    for function in functions(source.tree):
        for call in ast.walk(function):
            if not (isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) and _is_re(call.func.value)):
                continue
            wanted = _PATTERNS.get(call.func.attr)
            pattern = call.args[0] if call.args else None
            if wanted != len(call.args) or call.keywords or not isinstance(pattern, ast.Constant):
                continue
            name = source.fresh("_PATTERN")
            text = source.text(pattern)
            begin, _ = source.span(call)
            rest, _ = source.span(call.args[1])
            line = f"{name} = re.compile(".encode() + text + b")" + source.newline
            found = source.rewritten(
                f"compile the pattern of {function.name} once",
                f"re.{call.func.attr} looks its pattern up on every call; a compiled one is at hand.",
                [((begin, rest), f"{name}.{call.func.attr}(".encode()), ((place, place), line)],
            )
            if found is not None:
                yield found


def _imports(tree: ast.Module, module: str) -> bool:
    """Whether a file has a module under its own name."""
    imports = [node for node in tree.body if isinstance(node, ast.Import)]
    return any(alias.name == module and not alias.asname for node in imports for alias in node.names)


def _is_re(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "re"


# ── a pure function, cached ───────────────────────────────────────────────────────────────────────────────────────


def _cached(source: Source) -> Iterator[Rewrite]:
    called = {n.func.id for n in ast.walk(source.tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    pure = _pure_functions(source.tree)
    imports_functools = _imports(source.tree, "functools")
    for function in source.tree.body:
        if not isinstance(function, ast.FunctionDef) or function.name not in pure & called:
            continue
        if not function.args.args or _gives_what_changes(function):
            continue
        begin = source.lines[function.lineno - 1]
        edits = [((begin, begin), b"@functools.lru_cache(maxsize=None)" + source.newline)]
        if not imports_functools:
            place = source.after_imports()
            edits.append(((place, place), b"import functools" + source.newline))
        found = source.rewritten(
            f"cache {function.name}",
            f"{function.name} depends on nothing but its arguments, and is asked again and again.",
            edits,
        )
        if found is not None:
            yield found


def _pure_functions(tree: ast.Module) -> frozenset[str]:
    """Functions of a module that read and write nothing but their own names, as far as can be seen."""
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef) and _looks_pure(node))


def _looks_pure(function: ast.FunctionDef) -> bool:
    arguments = function.args
    if function.decorator_list or arguments.vararg or arguments.kwarg:
        return False
    for node in ast.walk(function):
        if isinstance(node, (ast.Global, ast.Nonlocal, ast.Yield, ast.YieldFrom, ast.Await, ast.Delete, ast.Lambda)):
            return False
        if isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, ast.Store):
            return False
        if isinstance(node, ast.Call) and not _call_looks_pure(node):
            return False
    return True


def _call_looks_pure(call: ast.Call) -> bool:
    if isinstance(call.func, ast.Name):
        return call.func.id not in _IMPURE_NAMES
    if not isinstance(call.func, ast.Attribute):
        return False
    root: ast.expr = call.func
    while isinstance(root, ast.Attribute):
        root = root.value
    return call.func.attr not in _IMPURE_METHODS and not (isinstance(root, ast.Name) and root.id in _IMPURE_ROOTS)


def _gives_what_changes(function: ast.FunctionDef) -> bool:
    """Whether a caller could change what it is given, and with it everybody's; or it is asked with what has no hash."""
    for node in ast.walk(function):
        if isinstance(node, ast.Return) and node.value is not None:
            value = node.value
            name = value.func.id if isinstance(value, ast.Call) and isinstance(value.func, ast.Name) else ""
            if isinstance(value, _SHARED):
                return True
            if isinstance(value, ast.Name) or name in _MUTABLE:
                return True
    said = [ast.unparse(arg.annotation) for arg in function.args.args if arg.annotation is not None]
    return any(_NO_HASH.search(each) for each in said)


# ── an invariant, taken out of a loop ─────────────────────────────────────────────────────────────────────────────


def _hoisted(source: Source) -> Iterator[Rewrite]:
    for function in functions(source.tree):
        for loop in ast.walk(function):
            if isinstance(loop, (ast.For, ast.While)) and source.whole_lines(loop) is not None:
                yield from _hoisted_from(source, function, loop)


def _hoisted_from(source: Source, function: ast.FunctionDef, loop: ast.For | ast.While) -> Iterator[Rewrite]:
    bound = _bound_in(loop)
    inside = [*loop.body, *loop.orelse] + ([loop.test] if isinstance(loop, ast.While) else [])
    seen = set()
    for part in inside:
        for node in ast.walk(part):
            if not isinstance(node, ast.Call) or not _is_invariant(node, bound):
                continue
            text = source.text(node)
            if text in seen or b"\n" in text:
                continue
            seen.add(text)
            name = source.fresh("invariant")
            begin = source.lines[loop.lineno - 1]
            line = source.indentation(loop) + name.encode() + b" = " + text + source.newline
            places = [
                source.span(other)
                for each in inside
                for other in ast.walk(each)
                if isinstance(other, ast.Call) and source.text(other) == text
            ]
            found = source.rewritten(
                f"take {text.decode()[:60]} out of a loop of {function.name}",
                "It is the same in every round, so once is enough.",
                [((begin, begin), line), *((place, name.encode()) for place in places)],
            )
            if found is not None:
                yield found


def _bound_in(loop: ast.For | ast.While) -> frozenset[str]:
    """Names that a round may change: assigned, or changed through a method or an item."""
    names = set()
    for node in ast.walk(loop):
        if isinstance(node, ast.Name) and isinstance(node.ctx, (ast.Store, ast.Del)):
            names.add(node.id)
        target: ast.expr | None = None
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            target = node.func.value
        elif isinstance(node, (ast.Attribute, ast.Subscript)) and isinstance(node.ctx, (ast.Store, ast.Del)):
            target = node.value
        while isinstance(target, (ast.Attribute, ast.Subscript)):
            target = target.value
        if isinstance(target, ast.Name):
            names.add(target.id)
    return frozenset(names)


def _is_invariant(call: ast.Call, bound: frozenset[str]) -> bool:
    name = call.func.id if isinstance(call.func, ast.Name) else getattr(call.func, "attr", "")
    root = call.func.value if isinstance(call.func, ast.Attribute) else None
    if name not in _PURE_CALLS or not (root is None or (isinstance(root, ast.Name) and root.id in ("math", "re"))):
        return False
    arguments = [*call.args, *(keyword.value for keyword in call.keywords)]
    inner = [node for argument in arguments for node in ast.walk(argument)]
    if not inner or any(isinstance(node, _NESTED) for node in inner):
        return False
    loads = {node.id for node in inner if isinstance(node, ast.Name)}
    return bool(loads) and loads.isdisjoint(bound)
