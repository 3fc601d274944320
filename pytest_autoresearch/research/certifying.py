"""Provisional keeps proven together: the tip against the last certified commit, on runs that selected nothing."""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone

from pytest_autoresearch.errors import PlaceLost
from pytest_autoresearch.judge import GroupVerdict, Step
from pytest_autoresearch.judge.group import told
from pytest_autoresearch.notebook.record import Group
from pytest_autoresearch.protocol.experiment import FileEntry, Measurement, Outcome, Place, Role
from pytest_autoresearch.research.baseline import refresh
from pytest_autoresearch.research.moving import elsewhere
from pytest_autoresearch.research.session import Research
from pytest_autoresearch.research.work import Script, Seat

GROUP_SEEDS = 5_000_000  # where the seeds of these runs begin, far from those of experiments and verifications
SEEDS_OF_ONE = 1_000  # a group that goes on is measured again, on other seeds
RESERVED_RUNS = 8  # so many runs before the end of its duration a session stops to propose, for its last group


def prove(research: Research) -> None:
    """Certify while the judge wants to, before the next experiment begins."""
    while research.judge.due:
        elsewhere(research, certify)


def certify(research: Research) -> Group:
    """Measure tip and base in turn (ABBA) until the judge has a verdict on the group, and record it.

    Where there are several slots each measures pairs of its own; what was measured beyond the verdict is left out.

    Where it fails the branch is at the base again. Nothing is recorded, and the next start begins anew, where the
    session dies in between.
    """
    number, opened = research.next_number, research.position
    fresh = _Fresh(research, _states(research), number, _seeds(research))
    answer: Step | GroupVerdict = research.judge.certify()
    while isinstance(answer, Step):
        research.phase(number, f"{research.judge.progress()}", budget=research.runs.budget)
        answer = research.judge.tell_group(fresh.run(answer).value)
    return _recorded(research, answer, fresh.runs, opened, research.place)


def proof(research: Research) -> Script[Group]:
    """As :func:`certify`, on one slot while experiments go on on the others, and anew where its place is lost."""
    try:
        return (yield from _proof(research))
    except PlaceLost:
        return (yield from _proof(research))


def _proof(research: Research) -> Script[Group]:
    place = yield Seat()
    number, opened, states, seeds = research.next_number, research.position, _states(research), _seeds(research)
    runs: Mapping[Step, list[Measurement]] = {step: [] for step in states}
    group = research.judge.prove()
    while isinstance(step := group.answer, Step):
        index = seeds + sum(map(len, runs.values()))
        pair = group.seed
        if pair is not None and group.standing.calibrated:
            pair += seeds
        runs[step].append((yield from research.runs.beside(states[step], number, index, pair)))
        group = told(group, runs[step][-1].value)
    research.judge.settle(group)
    assert isinstance(group.answer, GroupVerdict)
    return _recorded(research, group.answer, runs, opened, place)


def _states(research: Research) -> Mapping[Step, Mapping[str, FileEntry]]:
    """What is measured: the tip, and the last certified commit below it."""
    return {
        Step.BASE: research.parts.git.files(research.certified.commit),
        Step.INCUMBENT: research.drafts.incumbent,
    }


def _seeds(research: Research) -> int:
    return GROUP_SEEDS + SEEDS_OF_ONE * len(research.notebook.history.groups)


def _recorded(
    research: Research, answer: GroupVerdict, runs: Mapping[Step, Sequence[Measurement]], opened: int, place: Place
) -> Group:
    """Write down how a group fared; what was kept on top of one that failed falls with it."""
    failed = answer.outcome is Outcome.ROLLED_BACK
    above = [keep.number for keep in research.notebook.history.provisional if keep.number not in answer.keeps]
    group = Group(
        keeps=(*answer.keeps, *(above if failed else ())),
        base=answer.base,
        outcome=answer.outcome,
        gain=answer.gain,
        interval=answer.interval,
        pairs=answer.pairs,
        base_runs=tuple(runs[Step.BASE]),
        tip_runs=tuple(runs[Step.INCUMBENT]),
        when=datetime.now(timezone.utc),
        evidence=answer.evidence,
        threshold=answer.threshold,
        isolation=research.lab.isolation,
        place=place,
        judge=research.judge.state().to_json(),
        opened=None if opened == research.position else opened,
    )
    research.notebook.group(group)
    if failed:
        research.drafts.went_back(research.certified.commit)
    research.watch.remark(group_words(group))
    return group


class _Fresh:
    """Runs of tip and base as they are asked for: ``runs``.

    Where there are several slots, each of them measures a pair, and what nobody has asked for yet is kept.
    """

    def __init__(
        self, research: Research, states: Mapping[Step, Mapping[str, FileEntry]], number: int, seeds: int
    ) -> None:
        self._research, self._states, self._number, self._seeds = research, states, number, seeds
        self.runs: Mapping[Step, list[Measurement]] = {step: [] for step in states}
        self._ahead: Mapping[Step, deque[Measurement]] = {step: deque() for step in states}
        self._made = 0

    def run(self, step: Step) -> Measurement:
        """The next run of a state."""
        if not self._ahead[step]:
            if self._research.slots.size > 1 and self._research.judge.is_calibrated:
                self._measure_pairs()
            else:
                self._ahead[step].append(self._measure(self._states[step]))
                self._made += 1
        self.runs[step].append(self._ahead[step].popleft())
        return self.runs[step][-1]

    def _measure(self, state: Mapping[str, FileEntry]) -> Measurement:
        judge, runs = self._research.judge, self._research.runs
        pair = judge.seed
        if pair is not None and judge.is_calibrated:
            pair += self._seeds
        return runs.measure(state, Role.INCUMBENT, self._number, self._seeds + self._made, pair)

    def _measure_pairs(self) -> None:
        begun, size = len(self.runs[Step.BASE]), self._research.slots.size
        first = self._seeds + self._made
        pairs = [self._pair(first + 4 * slot, tip_first=(begun + slot) % 2 == 1) for slot in range(size)]
        self._made += 4 * size
        for found in self._research.slots.run(*pairs, number=self._number):
            for step, runs in found.items():
                self._ahead[step].extend(runs)

    def _pair(self, index: int, *, tip_first: bool) -> Script[dict[Step, list[Measurement]]]:
        """A run of base and tip each on one slot, a second one of a state whose first failed."""
        if self._research.protocol.paired_seeds:
            return (yield from self._of_one_seed(index, tip_first=tip_first))
        found: dict[Step, list[Measurement]] = {}
        for step in (Step.INCUMBENT, Step.BASE) if tip_first else (Step.BASE, Step.INCUMBENT):
            found[step] = []
            while not found[step] or (found[step][-1].value is None and len(found[step]) < 2):
                made = sum(map(len, found.values()))
                run = yield from self._research.runs.beside(self._states[step], self._number, index + made)
                found[step].append(run)
        return found

    def _of_one_seed(self, index: int, *, tip_first: bool) -> Script[dict[Step, list[Measurement]]]:
        """The same where both share a seed: after a failure both are run anew, and who fails again has failed."""
        found: dict[Step, list[Measurement]] = {}
        for seed in (index, index + 1):
            for step in (Step.INCUMBENT, Step.BASE) if tip_first else (Step.BASE, Step.INCUMBENT):
                run = yield from self._research.runs.beside(self._states[step], self._number, seed, pair=seed)
                found[step] = [run]
                if run.value is None:
                    break
            if run.value is not None:
                return found
        return {step: [run, run]}


def certify_again(research: Research) -> Group | None:
    """Prove what is provisional, since a drop has taken the proof from it; None where nothing is."""
    if not research.notebook.history.provisional:
        return None
    research.drafts.went_back(research.incumbent.commit)
    refresh(research)
    return certify(research)


def reserve(research: Research) -> float:
    """Seconds that the proof of what is provisional needs."""
    if not research.judge.stack:
        return 0.0
    return RESERVED_RUNS * statistics.median(run.duration for run in research.history[0].measurements)


def group_words(group: Group) -> str:
    keeps = f"{group.keeps[0]:04d}" if len(group.keeps) == 1 else f"{group.keeps[0]:04d} to {group.keeps[-1]:04d}"
    what = f"group of {len(group.keeps)} ({keeps}), measured on {group.pairs} fresh pairs"
    gain = "" if group.gain is None else f", gain {group.gain:.4g}"
    if group.outcome is Outcome.CERTIFIED:
        return f"{what}{gain}: certified"
    if group.outcome is Outcome.GOES_ON:
        return f"{what}{gain}: not shown yet, its keeps stay provisional"
    return f"{what}{gain}: no proven gain, the branch is at {group.base:04d} again"
