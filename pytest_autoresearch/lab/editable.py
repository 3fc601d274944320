"""Where editable installs lead into the repository: a run must import the candidate, not the checkout.

A level with mounts shows the workspace there. The others put the workspace's directories first on the module path,
which comes before every ``.pth`` file and import hook.
"""

from __future__ import annotations

import ast
import os
import site
from collections.abc import Iterable, Iterator
from contextlib import suppress
from pathlib import Path


def site_directories() -> list[Path]:
    """Where this interpreter looks for ``.pth`` files."""
    return [Path(place) for place in (*site.getsitepackages(), site.getusersitepackages())]


def editable_roots(top: Path, places: Iterable[Path]) -> tuple[str, ...]:
    """The directories below ``top``, relative to it, that the installs recorded in ``places`` import from."""
    found = dict.fromkeys(os.path.normpath(root) for place in places for root in _roots(place))
    inside = (Path(root) for root in found)
    return tuple(path.relative_to(top).as_posix() for path in inside if path.is_relative_to(top))


def packages_elsewhere(place: Path, top: Path) -> Iterator[str]:
    """The names that the import hooks recorded in ``place`` take from other repositories than ``top``."""
    for package, path in _hooked(place):
        if not Path(path).is_relative_to(top):
            yield package.partition(".")[0]


def _roots(place: Path) -> Iterator[str]:
    for record in sorted(place.glob("*.pth")):
        with suppress(OSError, UnicodeDecodeError):
            lines = record.read_text(encoding="utf-8").splitlines()
            yield from (line.strip() for line in lines if os.path.isabs(line.strip()))
    for package, path in _hooked(place):
        with suppress(IndexError):
            # The directory that has to be on the path for `import a.b` to find <root>/a/b.
            yield str(Path(path).parents[package.count(".")])


def _hooked(place: Path) -> Iterator[tuple[str, str]]:
    for hook in sorted(place.glob("__editable__*_finder.py")):
        with suppress(OSError, ValueError, SyntaxError, AttributeError):
            yield from _mapping(hook.read_text(encoding="utf-8")).items()


def _mapping(source: str) -> dict[str, str]:
    """Package name → path, as setuptools writes it into its import hook."""
    for node in ast.parse(source).body:
        if not isinstance(node, (ast.Assign, ast.AnnAssign)) or node.value is None:
            continue
        targets = node.targets if isinstance(node, ast.Assign) else [node.target]
        if any(isinstance(target, ast.Name) and target.id == "MAPPING" for target in targets):
            return {str(package): str(path) for package, path in ast.literal_eval(node.value).items()}
    return {}
