"""What a failed baseline most likely lacks: the log says, or ignored paths that the workspace does not have. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import PurePosixPath

from pytest_autoresearch.lab.workspace import LITTER
from pytest_autoresearch.protocol.experiment import Measurement, Reason
from pytest_autoresearch.protocol.model import Protocol

MOST_PATHS = 5
_NEVER_DATA = LITTER | {"node_modules", ".tox", ".nox", ".venv", "venv", ".idea", ".vscode", ".DS_Store", "run.log"}


def baseline_advice(failed: Measurement, protocol: Protocol, ignored: Sequence[str]) -> str:
    """Why the start commit gives no metric, for the user's eyes.

    ``ignored`` are paths relative to the top that git ignores and the checkout has: a run does not see them.
    """
    is_marked = "::" in protocol.source
    reason = failed.failure.value if failed.failure is not None else "no-metric"
    lines = [f"the baseline failed: {reason}: {failed.detail}", f"  command: {_first_line(protocol.run)}"]
    if failed.log_tail:
        lines += ["  the log ends with:", *(f"    {line}" for line in failed.log_tail.splitlines())]
    missing = likely_missing(failed.log_tail, protocol, ignored)
    if missing:
        lines.append("  a run sees committed files only; git ignores these, which the checkout has:")
        lines += [f"    {path}" for path in missing]
        where = f'the marker: data=["{missing[0]}"]' if is_marked else f"the front matter: data: [{missing[0]}]"
        lines.append(f"  if the run needs one, name it in {where}")
    elif failed.failure is Reason.TIMEOUT:
        where = "with @pytest.mark.timeout" if is_marked else "under Time Budget"
        lines.append(f"  raise the kill timeout {where}, or make the run shorter")
    return "\n".join(lines)


def likely_missing(log: str, protocol: Protocol, ignored: Sequence[str]) -> list[str]:
    """Ignored paths that may be data, those that the log names first, as they are written in ``data:``."""
    named = {declared.strip("/") for declared in (*protocol.data, *protocol.caches)}
    candidates = []
    for path in ignored:
        path = path.rstrip("/")
        name = PurePosixPath(path).name
        relative = _relative(path, protocol.directory)
        if (
            not _NEVER_DATA.isdisjoint(PurePosixPath(path).parts)
            or name.endswith((".pyc", ".egg-info"))
            or relative in named
            or name.startswith("results.")
        ):
            continue
        mentioned = bool(re.search(rf"(?<![\w.]){re.escape(name)}(?![\w])", log))
        candidates.append((not mentioned, path.count("/"), relative))
    return [relative for _, _, relative in sorted(candidates)[:MOST_PATHS]]


def _relative(path: str, directory: PurePosixPath) -> str:
    inside = PurePosixPath(path)
    if inside.is_relative_to(directory):
        return str(inside.relative_to(directory))
    return "/".join([".."] * len(directory.parts)) + f"/{path}"


def _first_line(command: str) -> str:
    first, *rest = command.strip().splitlines() or [""]
    return f"{first} …" if rest else first
