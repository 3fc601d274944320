"""What a session has really gained: the start against the head, interleaved, on fresh runs that selected nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from pytest_autoresearch.judge.comparing import Compared, Residuals, compared, compared_pairs
from pytest_autoresearch.notebook.record import Verification
from pytest_autoresearch.protocol.experiment import Experiment, FileEntry, Measurement, Place, Role
from pytest_autoresearch.research.session import Research

VERIFY_SEEDS = 1_000_000  # where the seeds of these runs begin, far from those of the experiments
PAIRS = 5  # of runs on a noisy metric; with the earlier runs of either commit more narrow the interval little
ROUNDING = 1e-12  # relative; a recorded level is a mean


def is_verified(research: Research) -> bool:
    """Whether the newest verification gave a gain, and of the head as it is; or there is nothing to verify."""
    newest = research.notebook.history.verifications[-1:]
    found = any(v.head == research.certified.commit and v.gain is not None for v in newest)
    return found or research.certified.number == 0


def verify(research: Research, pairs: int | None = None) -> Verification:
    """Measure start and head ``pairs`` times each in turn (ABBA), from their commits, and record what came out.

    Unless told otherwise, one pair is enough where it repeats what the session has recorded; what does not is noise,
    whatever the judge took it for. A run that fails is the last one, and makes the gain None.
    """
    noise = research.judge.standing
    number = research.next_number  # a state that does well under the number it was kept with, and no other, is seen
    head = research.certified.commit  # what is provisional has its group to prove it first
    states = {"start": research.drafts.start, "head": research.parts.git.files(head)}
    runs: dict[str, list[Measurement]] = {"start": [], "head": []}
    for index in range(2 * (pairs or PAIRS)):
        if pairs is None and index == 2 and not noise.noisy and _repeats(research, runs):
            break
        name = ("start", "head", "head", "start")[index % 4]
        research.phase(number, f"verify, {name}", budget=research.runs.budget)
        runs[name].append(_fresh_run(research, states[name], number, VERIFY_SEEDS + index))
        if runs[name][-1].value is None:
            break
    found = _found(research, runs)
    hidden = _on_holdout(research, states, number, len(runs["head"]), failed=found is None)
    fresh = None if hidden is None else _compared(research, *hidden)
    verification = Verification(
        start=research.parts.session.start,
        head=head,
        start_runs=tuple(runs["start"]),
        head_runs=tuple(runs["head"]),
        gain=None if found is None else found.gain,
        interval=None if found is None else found.interval,
        percent_interval=None if found is None else found.percent_interval,
        when=datetime.now(timezone.utc),
        isolation=research.lab.isolation,
        hidden_start=() if hidden is None else tuple(hidden[0]),
        hidden_head=() if hidden is None else tuple(hidden[1]),
        hidden_gain=None if fresh is None else fresh.gain,
        hidden_interval=None if fresh is None else fresh.interval,
    )
    research.notebook.verification(verification)
    return verification


def _found(research: Research, runs: Mapping[str, Sequence[Measurement]]) -> Compared | None:
    """What the runs say, with each commit's own earlier runs for its noise; None where one of them failed."""
    start, head = ([m.value for m in runs[name] if m.value is not None] for name in ("start", "head"))
    if len(start) + len(head) < sum(map(len, runs.values())) or not head:
        return None
    if research.protocol.paired_seeds:
        return compared_pairs(research.protocol.metric.direction, start, head)
    place = research.place
    first, last = (Residuals.of(own_runs(research.history, end, place)) for end in _ends(research))
    return compared(research.protocol.metric.direction, start, head, first, last)


def _on_holdout(
    research: Research, states: Mapping[str, Mapping[str, FileEntry]], number: int, pairs: int, *, failed: bool
) -> tuple[list[Measurement], list[Measurement]] | None:
    """Start and head on a holdout that no keep has seen, in turn, as many pairs as on the metric; None without one."""
    holdout = research.protocol.holdout
    if failed or holdout is None or holdout.when != "verify":
        return None
    start: list[Measurement] = []
    head: list[Measurement] = []
    for index in range(2 * pairs):
        name = ("start", "head", "head", "start")[index % 4]
        seed = VERIFY_SEEDS + (index - index % 2 if research.protocol.paired_seeds else index)
        measured = research.runs.measure_hidden(states[name], number, seed)
        (start if name == "start" else head).append(measured)
        if measured.value is None:
            break
    return start, head


def _compared(research: Research, start: Sequence[Measurement], head: Sequence[Measurement]) -> Compared | None:
    """What runs say that nothing else is known of; None where one of them failed."""
    before, after = ([m.value for m in runs if m.value is not None] for runs in (start, head))
    if len(before) < len(start) or len(after) < len(head) or not after:
        return None
    by_pairs = research.protocol.paired_seeds and len(before) == len(after)
    return (compared_pairs if by_pairs else compared)(research.protocol.metric.direction, before, after)


def own_runs(history: Sequence[Experiment], state: Experiment, place: Place) -> list[float]:
    """Runs of a recorded state at this place that selected nothing.

    Of the start its calibration; of a keep those that certified it but for the first, and what it was measured with
    since, as the incumbent of later experiments.
    """
    here = [e for e in history if e.was_measured_at(place)]
    if state.number == 0:
        return [m.value for e in here[:1] for m in e.measurements if e is state and m.value is not None]
    mine = [m.value for m in state.measurements if m.role is Role.CANDIDATE and m.value is not None and state in here]
    later = [m for e in here if e.number > state.number and e.parent == state.commit for m in e.measurements]
    return mine[1:] + [m.value for m in later if m.role is Role.INCUMBENT and m.value is not None]


def _ends(research: Research) -> tuple[Experiment, Experiment]:
    return research.history[0], research.certified


def _repeats(research: Research, runs: Mapping[str, Sequence[Measurement]]) -> bool:
    """Whether the first run of start and head gave the numbers that the session has recorded for them."""
    recorded = {name: end.value for name, end in zip(("start", "head"), _ends(research), strict=True)}
    pairs = [(runs[name][0].value, recorded[name]) for name in recorded]
    return all(a is not None and b is not None and math.isclose(a, b, rel_tol=ROUNDING) for a, b in pairs)


def _fresh_run(research: Research, state: Mapping[str, FileEntry], number: int, index: int) -> Measurement:
    """The runs of a pair come one after the other; where seeds are paired they share theirs."""
    pair = index - index % 2 if research.protocol.paired_seeds else None
    return research.runs.measure(state, Role.INCUMBENT, number, index, pair)
