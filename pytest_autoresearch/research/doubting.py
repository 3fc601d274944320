"""What becomes of a would-be keep that the metric's own arithmetic or reading explains."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from pytest_autoresearch.agents.search import NAMES as EMBEDDED
from pytest_autoresearch.judge.rule import overturned
from pytest_autoresearch.protocol.experiment import Change, FileEntry, Measurement, Reason, Role, Status, differing
from pytest_autoresearch.research.candidate import Candidate, Ruling
from pytest_autoresearch.research.case import Case
from pytest_autoresearch.research.session import Research
from pytest_autoresearch.research.work import Script

if TYPE_CHECKING:
    from pytest_autoresearch.research.artefacts import Turned

DOUBT_SEEDS = 4_000_000  # where the seeds of these runs begin, far from those of the others
LARGEST = 1_000_000  # bytes of a file that is compared by its literals
_BESIDE = 1.5  # the deviation of a difference, beside that of one run


def doubted(research: Research, case: Case, ruling: Ruling, candidate: Candidate) -> Script[Ruling]:
    """The ruling, or what ``suspicious`` makes of a keep (or of a probe's evidence) that is an artefact.

    ``discard`` and ``stop`` refuse it, ``ask`` keeps it with the reason, for a person, ``keep`` keeps it and marks it.
    """
    if ruling.reason.status is not Status.KEEP and ruling.reason is not Reason.PROBE:
        return ruling
    why = _unsaid_default(research, case, ruling)
    if not why and not candidate.probe:
        why = yield from _factor(research, case, ruling, candidate)
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
    if case.trial is not None:
        case.trial = overturned(case.trial)
    return replace(ruling, reason=Reason.SUSPICIOUS, detail=why, suspicious=True)


def _unsaid_default(research: Research, case: Case, ruling: Ruling) -> str:
    from pytest_autoresearch.research.artefacts import is_unsaid_default, value_alone  # they read knobs

    metric, value = research.protocol.metric, value_alone(case.measurements, ruling.value)
    if value is None or not is_unsaid_default(metric, value, case.to_beat):
        return ""
    side = "<=" if value > 0 else ">="
    return (
        f"{metric.name} is exactly {value + 0:.15g}, as a script prints that found no number; "
        f"if {value + 0:.15g} can be true, say so: `Bounds: {side} {value + 0:.15g}` in the section Metric"
    )


def _factor(research: Research, case: Case, ruling: Ruling, candidate: Candidate) -> Script[str]:
    """Whether the one number that was turned is a factor of the metric: tried at a second value, one run."""
    before, after = case.to_beat, ruling.value
    if not before or after is None:
        return ""
    from pytest_autoresearch.research.artefacts import explained, second_value, turned_number

    held = _contents(research, case, candidate)
    turned = None if held is None else turned_number(*held)
    if held is None or turned is None:
        return ""
    standing = research.judge.standing if case.trial is None else case.trial.standing
    deviation = _BESIDE * standing.spread.deviation(before) / abs(before) if standing.noisy else 0.0

    value = second_value(turned, before, after, deviation)
    if value is None:
        return ""
    state = _variant(research, candidate, turned, held[0][turned.path], value)
    research.phase(candidate.number, "second look at a suspicious gain", budget=research.runs.budget)
    other: Measurement = yield from research.runs.of_case(case, state, Role.CANDIDATE, DOUBT_SEEDS)
    return explained(turned, before, after, deviation, value, other.value)


def _contents(
    research: Research, case: Case, candidate: Candidate
) -> tuple[Mapping[str, bytes], Mapping[str, bytes]] | None:
    """The one file that the candidate changes, before and after; None where it changes others, or more."""
    before, after = case.state, candidate.state
    changed = differing(before, after)
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
