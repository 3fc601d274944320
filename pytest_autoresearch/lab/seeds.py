"""Whether an edit only moves a seed: luck is no improvement. Pure; Python is compared as syntax, the rest as lines."""

from __future__ import annotations

import ast
import re

_SEED_WORD = re.compile(r"(?:^|_)seeds?(?:$|_)|(?:^|_)random_state(?:$|_)")
_CAMEL = re.compile(r"(?<=[a-z0-9])(?=[A-Z])")
_SEEDING_CALLS = frozenset({"seed", "default_rng", "RandomState", "PRNGKey", "SeedSequence"})
_BINDING = re.compile(
    r"""(?<![\w.-])(?P<head>["']?(?P<key>[A-Za-z_][\w.-]*)["']?[ \t]*[:=][ \t]*)"""
    r"""["']?[-+]?[\w.]+["']?(?P<remark>(?<![ \t])[ \t]+[#;].*)?"""
)
_FLAG = re.compile(r"(?P<head>(?<![\w.-])--(?P<key>[\w.-]+)[ =]+)[-+]?[\w.]+(?P<remark>)")


def only_moves_seeds(path: str, before: bytes, after: bytes) -> bool:
    """Whether ``after`` differs from ``before`` in nothing but literals bound to names that say seed."""
    try:
        old, new = before.decode(), after.decode()
    except UnicodeDecodeError:
        return False
    if old == new:
        return False
    if path.endswith(".py"):
        return _only_moves_seeds_in_python(old, new)
    return _masked_text(old) == _masked_text(new)


def _only_moves_seeds_in_python(old: str, new: str) -> bool:
    try:
        before, after = ast.parse(old), ast.parse(new)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return False
    if ast.dump(before) == ast.dump(after):
        return False  # comments or layout only
    return ast.dump(_Mask().visit(before)) == ast.dump(_Mask().visit(after))


def _says_seed(name: str) -> bool:
    return bool(_SEED_WORD.search(_CAMEL.sub("_", name).lower().replace("-", "_").replace(".", "_")))


class _Mask(ast.NodeTransformer):
    """Puts a placeholder where a literal is bound to a name that says seed."""

    def visit_Assign(self, node: ast.Assign) -> ast.AST:
        if any(_target_says_seed(target) for target in node.targets):
            node.value = _masked(node.value)
        return self.generic_visit(node)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None and _target_says_seed(node.target):
            node.value = _masked(node.value)
        return self.generic_visit(node)

    def visit_NamedExpr(self, node: ast.NamedExpr) -> ast.AST:
        if _target_says_seed(node.target):
            node.value = _masked(node.value)
        return self.generic_visit(node)

    def visit_keyword(self, node: ast.keyword) -> ast.AST:
        if node.arg is not None and _says_seed(node.arg):
            node.value = _masked(node.value)
        return self.generic_visit(node)

    def visit_Dict(self, node: ast.Dict) -> ast.AST:
        node.values = [
            _masked(value) if _literal_says_seed(key) else value
            for key, value in zip(node.keys, node.values, strict=True)
        ]
        return self.generic_visit(node)

    def visit_arguments(self, node: ast.arguments) -> ast.AST:
        positional = [*node.posonlyargs, *node.args]
        named = positional[len(positional) - len(node.defaults) :]
        node.defaults = [
            _masked(value) if _says_seed(arg.arg) else value for arg, value in zip(named, node.defaults, strict=True)
        ]
        node.kw_defaults = [
            _masked(value) if value is not None and _says_seed(arg.arg) else value
            for arg, value in zip(node.kwonlyargs, node.kw_defaults, strict=True)
        ]
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
        if name in _SEEDING_CALLS or _says_seed(name):
            node.args = [_masked(argument) for argument in node.args]
        elif node.args and _literal_says_seed(node.args[0]):  # add_argument("--seed", default=1), get("seed", 1)
            node.args = [node.args[0], *(_masked(argument) for argument in node.args[1:])]
            for keyword in node.keywords:
                if keyword.arg == "default":
                    keyword.value = _masked(keyword.value)
        return self.generic_visit(node)


def _target_says_seed(target: ast.expr) -> bool:
    if isinstance(target, ast.Name):
        return _says_seed(target.id)
    if isinstance(target, ast.Attribute):
        return _says_seed(target.attr)
    return isinstance(target, ast.Subscript) and _literal_says_seed(target.slice)


def _literal_says_seed(node: ast.expr | None) -> bool:
    return isinstance(node, ast.Constant) and isinstance(node.value, str) and _says_seed(node.value.lstrip("-"))


def _masked(value: ast.expr) -> ast.expr:
    """The placeholder if ``value`` is made of literals only, else ``value``."""
    literal = (ast.Constant, ast.UnaryOp, ast.BinOp, ast.Tuple, ast.List, ast.operator, ast.unaryop, ast.expr_context)
    return ast.Constant("seed") if all(isinstance(node, literal) for node in ast.walk(value)) else value


def _masked_text(text: str) -> str:
    """The text with a placeholder for each value of a key or flag that says seed, and for the remark behind it."""

    def mask(found: re.Match[str]) -> str:
        return f"{found['head']}seed" if _says_seed(found["key"]) else found[0]

    return _FLAG.sub(mask, _BINDING.sub(mask, text))
