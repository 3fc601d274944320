"""What ruff's safe fixes make shorter, where ruff is installed beside this plugin. One rule of one file at a time.

Ruff runs in the agent's sandbox, by its absolute path, on the file's text alone: no configuration of a project counts.
"""

from __future__ import annotations

import json
import sysconfig
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_autoresearch.agents.base import Desk
from pytest_autoresearch.agents.search.rewriting import Edit, Rewrite, Source

_RULES = "F,SIM,C4,PIE,RET,UP,FURB,PERF"
_SECONDS = 20.0


def linted(source: Source, desk: Desk) -> Iterator[Rewrite]:
    """A rewrite for each rule whose safe fixes leave fewer lines, which is what is kept; nothing without ruff."""
    program = Path(sysconfig.get_path("scripts")) / "ruff"
    if not program.is_file() or source.newline != b"\n":
        return
    arguments = ["check", "--isolated", "--no-cache", "--quiet", "--select", _RULES, "--output-format", "json"]
    turn = desk.run([str(program), *arguments, "--stdin-filename", "x.py", "-"], stdin=source.data, timeout=_SECONDS)
    by_rule: dict[str, list[Edit]] = {}
    words: dict[str, str] = {}
    for found in _found(turn.stdout):
        edits = _edits(source, found)
        if edits:
            by_rule.setdefault(found["code"], []).extend(edits)
            words.setdefault(found["code"], str(found["message"]).partition("\n")[0][:100])
    for rule, edits in sorted(by_rule.items()):
        what = f"ruff's safe fix of {rule}: {words[rule]}"
        rewrite = source.rewritten(what, "Less code that does the same, ruff says.", dict.fromkeys(edits))
        if rewrite is not None and rewrite.data.count(b"\n") < source.data.count(b"\n"):
            yield rewrite


def _found(stdout: bytes) -> list[dict[str, Any]]:
    """Ruff's findings; none where what it said is cut off or no list."""
    try:
        found = json.loads(stdout)
    except ValueError:
        return []
    known = [each for each in found if isinstance(each, dict) and each.get("fix")] if isinstance(found, list) else []
    return [each for each in known if each["fix"].get("applicability") == "safe"]


def _edits(source: Source, found: dict[str, Any]) -> list[Edit]:
    """The edits of a fix as bytes of the file."""

    def place(at: dict[str, int]) -> int:
        begin = source.lines[at["row"] - 1] if at["row"] <= len(source.lines) else len(source.data)
        line = source.data[begin:].split(b"\n", 1)[0].decode()
        return begin + len(line[: at["column"] - 1].encode())

    return [
        ((place(edit["location"]), place(edit["end_location"])), edit["content"].encode())
        for edit in found["fix"]["edits"]
    ]
