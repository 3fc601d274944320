"""What a reader meets is short: no function over 50 lines, no module of the package over 400."""

from __future__ import annotations

import ast
from pathlib import Path

TOP = Path(__file__).parents[1]
MODULES = sorted(path for part in ("pytest_autoresearch", "tests", "benchmarks") for path in (TOP / part).rglob("*.py"))


def test_no_function_is_over_50_lines() -> None:
    long = [
        f"{path.relative_to(TOP)}:{node.lineno} {node.name}: {size} lines"
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (size := (node.end_lineno or 0) - node.lineno + 1) > 50
    ]
    assert long == []


def test_no_module_of_the_package_is_over_400_lines() -> None:
    sizes = {
        path: path.read_text("utf-8").count("\n") for path in MODULES if TOP / "pytest_autoresearch" in path.parents
    }
    assert len(sizes) > 200
    assert {str(path.relative_to(TOP)): size for path, size in sizes.items() if size > 400} == {}
