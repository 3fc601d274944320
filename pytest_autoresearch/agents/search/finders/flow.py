"""Which expressions of a Python file make the metric: back from where it is printed, through arithmetic and reductions.

The way back ends at other calls (a model, data) and at what is changed from its own value (the state that is learned);
every literal that is met on it is arithmetic of the metric, and to turn one is to forge.
"""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator

from pytest_autoresearch.agents.search.finders.closing import EVALUATION, LUCK, METRIC_ARITHMETIC, words_of
from pytest_autoresearch.agents.search.ranges import is_known
from pytest_autoresearch.reading.luck import only_draws, says_seed, takes_seed
from pytest_autoresearch.reading.python import children

_SHOWS = frozenset(
    "print info write writelines echo dump dumps log log_metric log_metrics log_dict add_scalar report"
    " record_metric debug warning success secho rprint send append".split()
)
_PURE = frozenset(
    "sum mean sqrt abs round len float int min max log log2 log10 log1p exp zip item median std var square pow"
    " average str format percentile quantile fmean fsum stdev pvariance mean_squared_error mean_absolute_error"
    " accuracy_score r2_score norm argmax argmin eq numpy cpu detach tolist sorted prod dot array asarray clip"
    " maximum minimum nanmean power subtract divide join map list tuple reduce hypot isclose where linalg"
    " perf_counter time monotonic quantiles nanpercentile nanquantile nanmedian geometric_mean harmonic_mean".split()
)
_FILLS = frozenset({"append", "extend", "add", "insert", "appendleft"})
MAKES_DATA = "makes the data"
_MAKERS = frozenset("make load generate sample simulate create synthesize synthetic".split())
_DATA = frozenset(
    "data dataset datasets x y xs ys points samples inputs targets labels train noise series corpus examples cities"
    " graph instances".split()
)
_LEAVES = frozenset({ast.Constant, ast.Name, *ast.cmpop.__subclasses__()})
_Scope = int
_Function = ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda


class Flow:
    """Reasons for literals by their place, a pair of line and column. Takes no more than a look at each node."""

    def __init__(self, tree: ast.Module, metric: str) -> None:
        self.refused: dict[tuple[int, int], str] = {}
        self._metric = metric.lower()
        self._scope_of: dict[int, _Scope] = {}
        self._functions: dict[str, _Function] = {}
        self._values: defaultdict[tuple[_Scope, str], list[ast.expr]] = defaultdict(list)
        self._filled: defaultdict[tuple[_Scope, str], list[ast.expr]] = defaultdict(list)
        self._lent: defaultdict[tuple[_Scope, str], list[tuple[_Scope, str]]] = defaultdict(list)
        self._feeds: defaultdict[tuple[_Scope, str], set[str]] = defaultdict(set)
        self._returns: defaultdict[_Scope, list[ast.expr]] = defaultdict(list)
        self._calls: list[ast.Call] = []
        self._records: list[ast.expr] = []
        self._whole: set[int] = set()
        self._module = id(tree)
        for node, scope in _scoped(tree):
            self._take(node, scope)
        for call in self._calls:
            self._handed_over(call)
        self._states = _states(self._feeds)
        self._follow()

    def _take(self, node: ast.AST, scope: _Scope) -> None:
        match node:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                self._defined(node.name, node)
                if words_of(node.name) & EVALUATION:
                    self._refuse(node, f"inside {node.name}()")
            case ast.Assign() | ast.AnnAssign() | ast.AugAssign() | ast.NamedExpr() if node.value is not None:
                for target in node.targets if isinstance(node, ast.Assign) else [node.target]:
                    self._assigned(target, node.value, scope, adds=isinstance(node, ast.AugAssign))
            case ast.Return() if node.value is not None:
                self._returns[scope].append(node.value)
            case ast.Dict():
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and isinstance(key.value, str) and self._is_metric(key.value):
                        self._records.append(value)
                        self._scope_of[id(value)] = scope
            case ast.Call():
                self._calls.append(node)
                self._scope_of[id(node)] = scope
                name = last_name(node.func)
                if name in _FILLS and isinstance(node.func, ast.Attribute):
                    filled = last_name(node.func.value)
                    self._values[scope, filled] += node.args
                    self._filled[scope, filled] += node.args
                if words_of(name) & _MAKERS and any(says_seed(keyword.arg or "") for keyword in node.keywords):
                    self._refuse(node, MAKES_DATA)
                if words_of(name) & EVALUATION and name not in _PURE:
                    self._refuse(node, f"argument of {name}()")
                elif takes_seed(name, "") or says_seed(name):
                    self._refuse(node, f"argument of {name}(), a seed")

    def _assigned(self, target: ast.expr, value: ast.expr, scope: _Scope, *, adds: bool) -> None:
        several = target.elts if isinstance(target, (ast.Tuple, ast.List)) else []
        if several:  # each of them may have its value from each name: by way of one that stands for them all
            self._feeds[scope, f"={id(value)}"] |= _names(value, without="")
        for one in several or [target]:
            base = one
            while isinstance(base, (ast.Subscript, ast.Starred)):
                base = base.value
            name = last_name(base)
            if not name:
                continue
            self._values[scope, name].append(value)
            if isinstance(value, ast.Lambda):
                self._defined(name, value)
                self._returns[id(value)].append(value.body)
            if several:
                self._feeds[scope, name].add(f"={id(value)}")
            else:
                own = name if not adds and _accumulates(value, name) else ""
                self._feeds[scope, name] |= _names(value, without=own)
            key = one.slice if isinstance(one, ast.Subscript) else None
            if isinstance(key, ast.Constant) and isinstance(key.value, str) and self._is_metric(key.value):
                self._records.append(value)
                self._scope_of[id(value)] = scope
            if says_seed(name):
                self._refuse(value, LUCK)
            elif words_of(name) & EVALUATION:
                self._refuse(value, f"feeds {name}")
            elif words_of(name) & _DATA and _draws(value):
                self._refuse(value, MAKES_DATA)

    def _defined(self, name: str, function: _Function) -> None:
        """A function of the file, and what its arguments are where nobody says."""
        self._functions.setdefault(name, function)
        for argument, default in defaults_of(function.args):
            self._values[id(function), argument.arg].append(default)

    def _handed_over(self, call: ast.Call) -> None:
        """The numbers that a function of the file is called with, and the names that it may fill."""
        function = self._functions.get(last_name(call.func))
        if function is None:
            return
        names = [argument.arg for argument in (*function.args.posonlyargs, *function.args.args)]
        if isinstance(call.func, ast.Attribute) and names[:1] in (["self"], ["cls"]):
            del names[0]
        pairs = [*zip(names, call.args, strict=False), *((k.arg or "", k.value) for k in call.keywords)]
        for name, value in pairs:
            if not _names(value, without=""):
                self._values[id(function), name].append(value)
            elif isinstance(value, ast.Name):
                self._lent[self._scope_of[id(call)], value.id].append((id(function), name))

    def _is_metric(self, text: str) -> bool:
        return bool(self._metric) and self._metric in text.lower()

    def _refuse(self, node: ast.AST, reason: str) -> None:
        if id(node) in self._whole:
            return
        self._whole.add(id(node))
        for part in ast.walk(node):
            if isinstance(part, (ast.FunctionDef, ast.ClassDef, ast.Lambda, ast.Call)):
                if id(part) in self._whole and part is not node:
                    continue
            if isinstance(part, ast.Constant):
                self.refused.setdefault((part.lineno, part.col_offset), reason)

    # ── back from what is shown ───────────────────────────────────────────────────────────────────────────────────

    def _follow(self) -> None:
        shows = [call for call in self._calls if last_name(call.func) in _SHOWS]
        said = [call for call in shows if self._says_metric(call)]
        if not said and not self._records:
            said = [call for call in shows if last_name(call.func) == "print"]  # nobody knows which of them it is
        self._open: list[tuple[ast.AST, _Scope]] = []
        self._seen: set[tuple[_Scope, str]] = set()
        for call in said:
            whole = (
                argument for argument in _arguments(call) if not _is_record(argument)
            )  # of a record only the metric
            self._open += [(argument, self._scope_of[id(call)]) for argument in whole]
        self._open += [(value, self._scope_of.get(id(value), self._module)) for value in self._records]
        while self._open:
            self._step(*self._open.pop())

    def _says_metric(self, call: ast.Call) -> bool:
        for part in ast.walk(call):
            if isinstance(part, ast.Constant) and isinstance(part.value, str) and self._is_metric(part.value):
                return True
            if isinstance(part, (ast.Name, ast.Attribute)) and last_name(part).lower() == self._metric:
                return True
            if isinstance(part, ast.keyword) and (part.arg or "").lower() == self._metric:
                return True
        return False

    def _step(self, node: ast.AST, scope: _Scope) -> None:
        match node:
            case ast.Constant():
                self.refused.setdefault((node.lineno, node.col_offset), METRIC_ARITHMETIC)
            case ast.Name():
                self._name(node.id, scope)
            case ast.Call():
                self._call(node, scope)
            case ast.Attribute():
                if not isinstance(node.value, ast.Name):
                    self._open.append((node.value, scope))
            case ast.Subscript():
                self._open.append((node.value, scope))
                self._open.append((node.slice, scope))
            case ast.Lambda():
                self._open.append((node.body, scope))
            case _:
                self._open += [(child, scope) for child in children(node)]

    def _name(self, name: str, scope: _Scope) -> None:
        if (scope, name) not in self._values:
            scope = self._module
        if (scope, name) in self._seen or ((scope, name) in self._states and not self._is_metric(name)):
            return
        self._seen.add((scope, name))
        for value in self._values[scope, name]:
            if isinstance(value, ast.Constant) and is_known(name) and not words_of(name) & EVALUATION:
                continue  # the rate is printed beside the metric
            self._open.append((value, scope))
        for function, argument in self._lent[scope, name]:
            self._open += [(value, function) for value in self._filled[function, argument]]

    def _call(self, node: ast.Call, scope: _Scope) -> None:
        name = last_name(node.func)
        function = self._functions.get(name)
        if function is None and (name in _PURE or name in _SHOWS):
            self._open += [(argument, scope) for argument in _arguments(node)]
            if isinstance(node.func, ast.Attribute):
                self._open.append((node.func.value, scope))
            return
        if function is None:
            self._open += [
                (argument, scope) for argument in node.args if not isinstance(argument, (ast.Name, ast.Call))
            ]
        if function is None or (self._module, f"{name}()") in self._seen:
            return
        self._seen.add((self._module, f"{name}()"))
        if words_of(name) & EVALUATION or self._metric in name.lower():
            self._refuse(function, f"inside {name}(), which makes the metric")
        else:
            self._open += [(value, id(function)) for value in self._returns[id(function)]]


def defaults_of(arguments: ast.arguments) -> Iterator[tuple[ast.arg, ast.expr]]:
    """The arguments that have a default, with it."""
    positional = [*arguments.posonlyargs, *arguments.args]
    yield from zip(positional[len(positional) - len(arguments.defaults) :], arguments.defaults, strict=True)
    for argument, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        if default is not None:
            yield argument, default


def last_name(node: ast.expr) -> str:
    """``c`` of ``a.b.c``."""
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""


def _is_record(node: ast.expr) -> bool:
    """``{"loss": loss, "lr": rate}``: each value has its own name."""
    return isinstance(node, ast.Dict) and all(isinstance(key, ast.Constant) for key in node.keys)


def _draws(value: ast.expr) -> bool:
    """Whether random numbers are drawn in an expression."""
    calls = (part for part in ast.walk(value) if isinstance(part, ast.Call))
    return any(only_draws(last_name(c.func), _owner(c.func)) or takes_seed(last_name(c.func), "") for c in calls)


def _owner(node: ast.expr) -> str:
    return last_name(node.value) if isinstance(node, ast.Attribute) else ""


def _arguments(call: ast.Call) -> list[ast.expr]:
    return [*call.args, *(keyword.value for keyword in call.keywords)]


def _scoped(tree: ast.Module) -> Iterator[tuple[ast.AST, _Scope]]:
    """Every node that has others below it, with the function that it stands in; without recursion."""
    stack: list[tuple[ast.AST, _Scope]] = [(tree, id(tree))]
    while stack:
        node, scope = stack.pop()
        yield node, scope
        inner = id(node) if isinstance(node, _Function) else scope
        stack += [(child, inner) for child in children(node) if child.__class__ not in _LEAVES]


def _names(value: ast.expr, *, without: str) -> set[str]:
    if isinstance(value, ast.Constant):
        return set()
    found: set[str] = set()
    stack: list[ast.AST] = [value]
    while stack:
        node = stack.pop()
        if isinstance(node, ast.Name):
            found.add(node.id)
            continue
        if isinstance(node, ast.Attribute):
            found.add(node.attr)
        stack += children(node)
    return found - {without, ""}


def _accumulates(value: ast.expr, name: str) -> bool:
    """``total = total + error``: what is added does not come from the total."""
    if not isinstance(value, ast.BinOp) or not isinstance(value.op, ast.Add):
        return False
    sides = [value.left, value.right]
    own = [side for side in sides if isinstance(side, ast.Name) and side.id == name]
    return len(own) == 1 and name not in set().union(*(_names(side, without="") for side in sides if side not in own))


def _states(feeds: dict[tuple[_Scope, str], set[str]]) -> set[tuple[_Scope, str]]:
    """The names whose value comes from itself, also by way of others: the strongly connected parts of the feeds."""
    edges = {key: [(key[0], name) for name in names if (key[0], name) in feeds] for key, names in feeds.items()}
    index: dict[tuple[_Scope, str], int] = {}
    low: dict[tuple[_Scope, str], int] = {}
    stack: list[tuple[_Scope, str]] = []
    standing: set[tuple[_Scope, str]] = set()
    states: set[tuple[_Scope, str]] = set()
    for root in edges:
        work = [(root, iter(edges[root]))] if root not in index else []
        while work:
            node, following = work[-1]
            if node not in index:
                index[node] = low[node] = len(index)
                stack.append(node)
                standing.add(node)
            for other in following:
                if other not in index:
                    work.append((other, iter(edges[other])))
                    break
                if other in standing:
                    low[node] = min(low[node], index[other])
            else:
                work.pop()
                if work:
                    low[work[-1][0]] = min(low[work[-1][0]], low[node])
                if low[node] == index[node]:
                    part: list[tuple[_Scope, str]] = []
                    while not part or part[-1] != node:
                        part.append(stack.pop())
                        standing.discard(part[-1])
                    if len(part) > 1 or node in edges[node]:
                        states.update(part)
    return states
