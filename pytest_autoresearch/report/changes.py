"""What experiments changed, read from their diffs: files, functions, lines. And which of it paid. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_autoresearch.protocol.experiment import Experiment, Reason
from pytest_autoresearch.report.story import Story

NEAR_MISSES = 5
NEAR = 0.02  # of the level
_MEASURED = frozenset(
    {
        *(Reason.WORSE, Reason.NOISE, Reason.EQUAL, Reason.LIMIT, Reason.GUARD, Reason.HOLDOUT),
        Reason.SUSPICIOUS,
    }
)
_FUNCTION = re.compile(r"(?:def|class|fn|func|function|struct|impl)\s+(\w+)")


@dataclass(frozen=True, slots=True)
class Change:
    """One experiment's diff in short. ``functions`` are those that git names above the changed lines."""

    patch: str
    paths: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    added: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True)
class Paid:
    """What changes of one kind (a file, a function, a knob) have come to; ``gain`` in metric units."""

    name: str
    tried: int
    kept: int
    gain: float


def read(patch: str) -> Change:
    """The change that a unified diff of git describes."""
    paths: dict[str, None] = {}
    functions: dict[str, None] = {}
    added = removed = 0
    inside = False
    for line in patch.split("\n"):
        if line.startswith("diff --git "):
            inside = False
        elif line.startswith("@@ "):
            inside = True
            named = _FUNCTION.search(line[:400].partition(" @@ ")[2])
            if named is not None:
                functions[named[1]] = None
        elif not inside and line.startswith(("--- a/", "+++ b/")):
            paths[line[6:].rstrip("\t")] = None
        elif inside:
            added += line.startswith("+")
            removed += line.startswith("-")
    return Change(patch, tuple(paths), tuple(functions), added, removed)


def by_file(story: Story, changes: Mapping[str, Change]) -> list[Paid]:
    """Which files paid, the largest gain first."""
    return _paid(story, lambda each: changes[each.commit].paths if each.commit in changes else ())


def by_function(story: Story, changes: Mapping[str, Change]) -> list[Paid]:
    """Which functions paid, the largest gain first."""
    return _paid(story, lambda each: changes[each.commit].functions if each.commit in changes else ())


def by_knob(story: Story) -> list[Paid]:
    """Which knobs paid, the largest gain first; of agents that turn knobs only."""
    return _paid(story, lambda each: tuple(move.name for move in each.moves or ()))


def untouched(story: Story, changes: Mapping[str, Change]) -> list[str]:
    """Targets that no experiment has changed, as the protocol names them; globs are left out."""
    touched = {path for change in changes.values() for path in change.paths}
    place = story.protocol.directory
    plain = [rule.pattern for rule in story.protocol.targets if not set(rule.pattern) & set("*?[")]
    return [pattern for pattern in plain if not any(path == str(place / pattern) for path in touched)]


def near_misses(story: Story) -> list[Experiment]:
    """The measured discards that came closest to the incumbent of their time, the best first."""
    missed = [e for e in story.experiments if e.reason in _MEASURED and _was_near(e, story)]
    return sorted(missed, key=lambda e: (-gain_of(e, story), -e.number))[:NEAR_MISSES]


def _was_near(experiment: Experiment, story: Story) -> bool:
    """Whether it was not more than NEAR worse, or within the noise of one run."""
    if experiment.value is None or experiment.against is None:
        return False
    spread = max((point.spread or 0.0 for point in story.points[-1:]), default=0.0)
    return gain_of(experiment, story) >= -max(NEAR * abs(experiment.against), spread)


def gain_of(experiment: Experiment, story: Story) -> float:
    """Gain over the incumbent it was judged against, in metric units; 0 where it was not measured."""
    if experiment.value is None or experiment.against is None:
        return 0.0
    return story.direction.gain(experiment.against, experiment.value)


def _paid(story: Story, names: Callable[[Experiment], Sequence[str]]) -> list[Paid]:
    """Sums by name; an experiment with several names counts in full for each."""
    sums: dict[str, list[float]] = {}
    for experiment in story.experiments[1:]:
        for name in names(experiment):
            row = sums.setdefault(name, [0, 0, 0.0])
            row[0] += 1
            row[1] += experiment.kept
            row[2] += gain_of(experiment, story) if experiment.kept else 0.0
    paid = (Paid(name, int(tried), int(kept), gain) for name, (tried, kept, gain) in sums.items())
    return sorted(paid, key=lambda each: (-each.gain, -each.tried, each.name))


def changes_of(patches: Mapping[str, str], commits: Iterable[str]) -> dict[str, Change]:
    """The changes of these commits, as far as their diffs are known."""
    return {commit: read(patches[commit]) for commit in commits if commit in patches}
