"""Set-ups that are a file of settings: a problem.yaml of hillclimb or autoanything, a hillclimb.toml."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol.importing.draft import Draft, Rank
from pytest_autoresearch.protocol.importing.metrics import name_in
from pytest_autoresearch.protocol.importing.sources import WAYS, text_of
from pytest_autoresearch.protocol.model import Direction


def read_problem(draft: Draft, values: Mapping[Any, Any], path: Path) -> None:
    """A problem.yaml, of hillclimb (whose harness verifies) or of autoanything (which calls `scoring/score.py`)."""
    score = values.get("score")
    if isinstance(score, Mapping):
        draft.name.add(Rank.DECLARED, str(score.get("name") or "score"), f"{path.name} says so")
        draft.direction.add(Rank.DECLARED, WAYS.get(str(score.get("direction")).lower()), f"{path.name} says so")
        _read_scoring(draft, values, path)
    else:
        draft.name.add(Rank.DECLARED, name_in(str(values.get("metric") or "")), f"{path.name} says so")
    higher = str(values.get("higher_is_better") or "").lower()
    ways = {"true": Direction.HIGHER, "yes": Direction.HIGHER, "false": Direction.LOWER, "no": Direction.LOWER}
    draft.direction.add(Rank.DECLARED, ways.get(higher), f"{path.name} says so")
    for key in ("verifier", "verify", "evaluate", "run"):
        if isinstance(values.get(key), str):
            draft.run.add(Rank.DECLARED, str(values[key]), f"{path.name} says so")
    for key in ("solution", "solution_file", "target", "starting_solution", "seed_solution"):
        if isinstance(values.get(key), str):
            draft.may_change(str(values[key]))
    description = values.get("description")
    if isinstance(description, str):
        is_name = "\n" not in description and len(description) < 200 and (path.parent / description).is_file()
        draft.goal = (text_of(path.parent / description) if is_name else description).strip()
    draft.tell(f"{path.name}: what else it says is the other tool's own")


def _read_scoring(draft: Draft, values: Mapping[Any, Any], path: Path) -> None:
    """Autoanything: `state/` changes unless `mutable` says what, and `score()` of a script returns a dictionary."""
    mutable = values.get("mutable")
    for target in mutable if isinstance(mutable, list) else ["state/"]:
        draft.may_change(str(target))
    for key, take in (("readonly", draft.must_not_change), ("constraints", draft.constraints.append)):
        for entry in values.get(key) or () if isinstance(values.get(key), list) else ():
            take(str(entry))
    draft.must_not_change("context/")
    if (path.parent / "scoring" / "score.py").is_file():
        call = "import json, sys; sys.path.insert(0, 'scoring'); from score import score; print(json.dumps(score()))"
        draft.run.add(Rank.INFERRED, f'python -c "{call}"', "scoring/score.py has a function `score`")
        draft.data.append("scoring/")


def read_climb(draft: Draft, path: Path) -> None:
    """A hillclimb.toml: commands as lists of words, and globs below a workspace. It counts cases that pass."""
    values = _toml(path)
    place = str(values.get("workspace") or ".").strip("/").removeprefix("./")
    below = "" if place in ("", ".") else f"{place}/"
    for pattern in values.get("allow") or ():
        draft.may_change(f"{below}{pattern}")
    filled = {"{python}": "python", "{workspace}": place or ".", "{output}": "result.json"}
    words = [filled.get(str(word), str(word)) for word in values.get("evaluate") or ()]
    if words:
        draft.run.add(
            Rank.DECLARED, (f"cd {shlex.quote(place)} && " if below else "") + shlex.join(words), f"{path.name} says so"
        )
        draft.must_not_change(f"{below}{words[1]}" if len(words) > 1 else "")
    if isinstance(values.get("held_out"), str):
        draft.must_not_change(f"{below}{values['held_out']}")
    if isinstance(values.get("max_iterations"), int):
        draft.experiments = values["max_iterations"]
    if isinstance(values.get("timeout_seconds"), (int, float)):
        draft.budget = float(values["timeout_seconds"])
    draft.tell(
        f"{path.name}: objective {values.get('objective', 'quality')!r} is a share of cases that pass: print it as a "
        "number, or name its place in the result with From and Key"
    )


def _toml(path: Path) -> dict[str, Any]:
    from pytest_autoresearch.toml import loads

    try:
        found: dict[str, Any] = loads(text_of(path))
        return found
    except (ValueError, RecursionError) as error:
        raise ConfigError(f"it is not TOML: {error}", file=path, remedy="name another file") from None
