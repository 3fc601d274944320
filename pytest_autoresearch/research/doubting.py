"""What becomes of a would-be keep that the metric's own arithmetic or reading explains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_autoresearch.agents.search.agent import NAMES as EMBEDDED
from pytest_autoresearch.protocol.experiment import Change, FileEntry, Reason, Role, Status
from pytest_autoresearch.research.artefacts import Turned, explained, is_unsaid_zero, turned_number
from pytest_autoresearch.research.candidate import Candidate, Ruling

if TYPE_CHECKING:
    from pytest_autoresearch.research.loop import Research

DOUBT_SEEDS = 4_000_000  # where the seeds of these runs begin, far from those of the others
LARGEST = 1_000_000  # bytes of a file that is compared by its literals
_BESIDE = 1.5  # the deviation of a difference, beside that of one run


def doubted(research: Research, ruling: Ruling, candidate: Candidate) -> Ruling:
    """The ruling, or what ``suspicious`` makes of a keep (or of a probe's evidence) that is an artefact.

    ``discard`` and ``stop`` refuse it, ``ask`` keeps it with the reason, for a person, ``keep`` keeps it and marks it.
    """
    if ruling.reason.status is not Status.KEEP and ruling.reason is not Reason.PROBE:
        return ruling
    why = _unsaid_zero(research, ruling) or ("" if candidate.probe else _factor(research, ruling, candidate))
    if not why:
        return ruling
    usual = "discard" if candidate.agent in EMBEDDED else "ask"
    policy = research.settings.suspicious or usual
    if policy in ("ask", "keep") and not candidate.probe:
        return replace(ruling, suspicious=True, detail=why if policy == "ask" else ruling.detail)
    if policy in ("ask", "keep"):
        return ruling
    if policy == "stop":
        research.tally.alarm = f"{candidate.number:04d} is suspicious: {why}"
    if not candidate.probe:
        research.judge.overturn()
    return replace(ruling, reason=Reason.SUSPICIOUS, detail=why, suspicious=True)


def _unsaid_zero(research: Research, ruling: Ruling) -> str:
    metric = research.protocol.metric
    if not is_unsaid_zero(metric, ruling.value, research.to_beat):
        return ""
    return (
        f"{metric.name} is exactly 0, as a script prints that found no number; "
        "if 0 can be true, say so: `Bounds: >= 0` in the section Metric"
    )


def _factor(research: Research, ruling: Ruling, candidate: Candidate) -> str:
    """Whether the one number that was turned is a factor of the metric: tried at a second value, one run."""
    before, after = research.to_beat, ruling.value
    if not before or after is None:
        return ""
    held = _contents(research, candidate)
    turned = None if held is None else turned_number(*held)
    if held is None or turned is None:
        return ""
    standing = research.judge.standing
    deviation = _BESIDE * standing.spread.deviation(before) / abs(before) if standing.noisy else 0.0

    def measure(value: float) -> float | None:
        state = _variant(research, candidate, turned, held[0][turned.path], value)
        research.watch.phase(candidate.number, "second look at a suspicious gain", budget=research.budget)
        return research.measure(state, Role.CANDIDATE, candidate.number, DOUBT_SEEDS).value

    return explained(turned, before, after, deviation, measure)


def _contents(research: Research, candidate: Candidate) -> tuple[Mapping[str, bytes], Mapping[str, bytes]] | None:
    """The one file that the candidate changes, before and after; None where it changes others, or more."""
    before, after = research.drafts.incumbent, candidate.state
    changed = [path for path in before.keys() | after.keys() if before.get(path) != after.get(path)]
    if len(changed) != 1 or changed[0] not in before or changed[0] not in after:
        return None
    path = changed[0]
    read = research.parts.git.read([before[path].blob, after[path].blob])
    old, new = read[before[path].blob], read[after[path].blob]
    return ({path: old}, {path: new}) if len(new) <= LARGEST else None


def _variant(
    research: Research, candidate: Candidate, turned: Turned, data: bytes, value: float
) -> Mapping[str, FileEntry]:
    """The candidate's state with another value of the number that it turned."""
    git, mode = research.parts.git, candidate.state[turned.path].mode
    content = turned.at(data, value)
    git.write_tree(candidate.tree, [Change(turned.path, "file", mode, content, len(content))])
    return {**candidate.state, turned.path: FileEntry(mode, git.blob_id(content))}
