"""What experiments changed, read from their diffs: files, functions, lines. And which of it paid. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pytest_autoresearch.patterns import regex
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
_FUNCTION = regex(r"(?:def|class|fn|func|function|struct|impl)\s+(\w+)")
_DEFINED = regex(r"\s*(?:(?:async|export|pub|public|private|static|inline)\s+)*(?:def|fn|func|function)\s+(\w+)")
_UNSEEN = regex(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e0fff]"
)
LONGEST_PATCH = 20_000  # characters


@dataclass(frozen=True, slots=True)
class Change:
    """One experiment's diff in short, its text cut at LONGEST_PATCH. ``functions`` are ``path:name``."""

    patch: str
    paths: tuple[str, ...] = ()
    functions: tuple[str, ...] = ()
    added: int = 0
    removed: int = 0


NOTHING = Change("")


@dataclass(frozen=True, slots=True)
class Seen:
    """What git knows of a session besides its ledger: changes by commit, and the functions of its targets by path."""

    changes: Mapping[str, Change] = field(default_factory=dict)
    regions: Mapping[str, tuple[str, ...]] = field(default_factory=dict)

    def of(self, commit: str) -> Change:
        return self.changes.get(commit, NOTHING)


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
    path, region, added, removed = "", "", 0, 0
    inside = False
    for line in patch.split("\n"):
        if line.startswith("diff --git "):
            inside, region = False, ""
        elif line.startswith("@@ "):
            inside = True
            named = _FUNCTION.search(line[:400].partition(" @@ ")[2])
            region = named[1] if named else ""
        elif not inside and line.startswith(("--- a/", "+++ b/")):
            path = line[6:].rstrip("\t")
            paths[path] = None
        elif inside:
            region = _region(line[1:], path, region)
            added += line.startswith("+")
            removed += line.startswith("-")
            if region and line[:1] in ("+", "-"):
                functions[f"{path}:{region}"] = None
    shown = patch if len(patch) <= LONGEST_PATCH else f"{patch[:LONGEST_PATCH]}\n… cut"
    shown = _UNSEEN.sub(
        lambda found: f"⟨U+{ord(found[0]):04X}⟩", shown
    )  # a reviewer has to see what hides or turns code
    return Change(shown, tuple(paths), tuple(functions), added, removed)


def _region(line: str, path: str, before: str) -> str:
    """The function that a line of a file is in, the line before being in ``before``; empty outside of all."""
    if defined := _DEFINED.match(line[:400]):
        return defined[1]
    outside = path.endswith(".py") and line.strip() and line[0] not in " \t)]}#@"
    return "" if outside else before


def regions(text: str) -> tuple[str, ...]:
    """The functions that a source defines, in order."""
    return tuple(dict.fromkeys(found[1] for line in text.split("\n") if (found := _DEFINED.match(line[:400]))))


def by_file(story: Story, seen: Seen) -> list[Paid]:
    """Which files paid, the largest gain first."""
    return _paid(story, lambda each: seen.of(each.commit).paths)


def by_function(story: Story, seen: Seen) -> list[Paid]:
    """Which functions paid, the largest gain first."""
    return _paid(story, lambda each: seen.of(each.commit).functions)


def by_knob(story: Story) -> list[Paid]:
    """Which knobs paid, the largest gain first; of agents that turn knobs only."""
    return _paid(story, lambda each: tuple(move.name for move in each.moves or ()))


def untouched(story: Story, seen: Seen) -> list[str]:
    """Targets, and functions of the others, that no experiment has changed; globs are left out."""
    paths = {path for change in seen.changes.values() for path in change.paths}
    functions = {name for change in seen.changes.values() for name in change.functions}
    place = story.protocol.directory
    plain = [rule.pattern for rule in story.protocol.targets if not set(rule.pattern) & set("*?[")]
    whole = [pattern for pattern in plain if str(place / pattern) not in paths]
    parts = [f"{path}:{name}" for path, names in seen.regions.items() if path in paths for name in names]
    return [*whole, *(part for part in parts if part not in functions)]


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
