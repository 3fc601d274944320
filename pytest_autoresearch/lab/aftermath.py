"""What a run leaves behind, before anything is read from it: forbidden changes are found and undone, code is removed.

The baseline's run shows which tracked files a run rewrites by itself (a committed metrics.json, say) and which modules
it writes: those are its outputs, and later runs may write them too. Nothing else of the kind may.
"""

from __future__ import annotations

import os
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from pathlib import PurePosixPath

from pytest_autoresearch.lab.found import Found
from pytest_autoresearch.lab.workspace import LITTER, Workspace
from pytest_autoresearch.patterns import regex
from pytest_autoresearch.protocol.shadowing import STEERING
from pytest_autoresearch.text import one_line

_CODE = regex(r"\.(?:py|pyw|so(?:\.\d+)*|pyd|dylib|egg-link)$")
_BYTECODE = regex(r"\.(?:pyc|pyo|pth)$")
_TRUSTED_BY_TOOLS = LITTER | {".cargo"}
"""Directories whose settings and cached verdicts a tool takes for its own."""


@dataclass(frozen=True, slots=True)
class Aftermath:
    """``refusal`` says what the run changed that it must not; ``outputs`` are what a baseline was granted."""

    refusal: str | None = None
    outputs: frozenset[str] = frozenset()


def settle(
    workspace: Workspace,
    *,
    targets: AbstractSet[str],
    readonly: AbstractSet[str],
    outputs: AbstractSet[str],
    is_baseline: bool,
) -> Aftermath:
    """Leave in the workspace what the extract command may read: the state as filled, and the run's data files."""
    survey = workspace.survey()
    altered = [path for path in survey.altered if path not in outputs]
    spoilt = {path for path in survey.spoilt if path not in outputs}
    granted: set[str] = set()
    if is_baseline:
        granted.update(path for path in (*altered, *spoilt) if path not in readonly and not _steers(path))
        spoilt -= granted
    undo = [path for path in altered if path not in granted]
    if undo:
        survey = workspace.restore(undo, survey)
    forbidden = sorted(path for path in undo if path not in targets)

    def unwanted(found: Found) -> bool:
        if found.path in spoilt:
            return True
        if found.path in outputs or not _misleads(found):
            return False
        if is_baseline and found.kind == "file" and _CODE.search(found.name):
            granted.add(found.path)
            return False
        return True

    workspace.prune(unwanted, survey)
    if not forbidden:
        return Aftermath(outputs=frozenset(granted))
    more = f" and {len(forbidden) - 1} more" if len(forbidden) > 1 else ""
    return Aftermath(f"the run changed {one_line(forbidden[0])}{more}, which is no target")


def drop_links(workspace: Workspace, hidden: AbstractSet[str]) -> None:
    """Remove the links of a run's that could come to lead to ``hidden`` paths, which lie there from now on.

    An answer that is a link to the labels would be compared with itself. What leads nowhere yet may lead there, and so
    does what leads to a directory above.
    """
    root = os.path.realpath(workspace.root)
    above = {
        os.path.join(root, *parts[:n]) for path in hidden for parts in [path.split("/")] for n in range(len(parts))
    }

    def leads_there(found: Found) -> bool:
        if found.kind != "symlink":
            return False
        place = os.path.realpath(os.path.join(root, found.path))
        return not os.path.exists(place) or place in above

    workspace.prune(leads_there, workspace.survey())


def _misleads(found: Found) -> bool:
    """Whether something a run made could change what later code does, or hang it."""
    if found.kind == "special":
        return True
    if found.kind == "symlink" and _leaves(found.path, found.link):
        return True
    parts = found.path.split("/")
    return (
        bool(_CODE.search(found.name) or _BYTECODE.search(found.name))
        or _steers(found.path)
        or not _TRUSTED_BY_TOOLS.isdisjoint(parts)
    )


def _steers(path: str) -> bool:
    return path.rpartition("/")[2] in STEERING


def _leaves(path: str, target: str) -> bool:
    """Whether a symbolic link's text leads out of the workspace. Links over links are not followed.

    A step up behind a name counts too: that name may be a link itself, and then up is somewhere else.
    """
    parts = PurePosixPath(target).parts
    steps_up = next((n for n, part in enumerate(parts) if part != ".."), len(parts))
    return parts[:1] == ("/",) or ".." in parts[steps_up:] or steps_up > path.count("/")
