"""A ledger's runs, told to a fresh judge again, give its verdicts."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from pytest_autoresearch.judge import GroupVerdict, Judge, JudgeSettings, JudgeState, Step, Verdict
from pytest_autoresearch.notebook.chain import ledger_ref, read_records
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import Group
from pytest_autoresearch.protocol.experiment import Experiment, Reason, Role
from tests.research.noisy import make_noisy, scripted

if TYPE_CHECKING:
    from tests.conftest import Project

ROLES = {Role.CANDIDATE: Step.CANDIDATE, Role.INCUMBENT: Step.INCUMBENT}


def replayed(before: Experiment | Group, experiment: Experiment, settings: JudgeSettings) -> Verdict | None:
    """The verdict on the runs of a record, from the standing that the record before it has left."""
    judge = Judge(settings, JudgeState.from_json(before.judge))
    if JudgeState.from_json(experiment.judge).standing.places > judge.standing.places:
        judge.recalibrate()
    answer: Step | Verdict | None = judge.start(experiment.complexity, experiment.number)
    for measured in experiment.measurements:
        if measured.role in ROLES:
            assert answer is ROLES[measured.role]
            answer = judge.tell(measured.value)
    return answer if isinstance(answer, Verdict) else None


def regrouped(before: Experiment | Group, group: Group, settings: JudgeSettings) -> GroupVerdict:
    """The verdict on the runs of a group's record."""
    judge = Judge(settings, JudgeState.from_json(before.judge))
    if JudgeState.from_json(group.judge).standing.places > judge.standing.places:
        judge.recalibrate()
    runs = {Step.BASE: iter(group.base_runs), Step.INCUMBENT: iter(group.tip_runs)}
    answer: Step | GroupVerdict = judge.certify()
    while isinstance(answer, Step):
        answer = judge.tell_group(next(runs[answer]).value)
    assert not [*runs[Step.BASE], *runs[Step.INCUMBENT]]
    return answer


@pytest.mark.slow
@pytest.mark.parametrize("policy", ["grouped", "certified", "fast", "classic"])
def test_a_replay_of_the_ledger_gives_its_verdicts(project: Project, policy: str) -> None:
    make_noisy(project)
    agent = scripted(
        project, ("faster", "FAST = 10.0", "FAST = 6.0"), ("slower", "FAST = 6.0", "FAST = 9.0"), ("", "", "# NUMBER\n")
    )
    for _ in range(2):  # the second time it is resumed
        project.pytest("--autoresearch", "--autoresearch-experiments=4", f"--autoresearch-judge={policy}", agent)
    with Git.discover(project.root) as git:
        records = [r for r in read_records(git, ledger_ref("demo")) if isinstance(r, (Experiment, Group))]
    assert sum(isinstance(record, Experiment) for record in records) == 9
    assert any(isinstance(record, Group) for record in records) == (policy == "grouped")
    judged = 0
    for before, experiment in pairwise(records):
        if isinstance(experiment, Group):
            proof = regrouped(before, experiment, JudgeSettings(policy=policy))
            assert (proof.outcome, proof.keeps, proof.pairs) == (experiment.outcome, experiment.keeps, experiment.pairs)
            assert (proof.evidence, proof.gain) == (experiment.evidence, experiment.gain)
            continue
        if not experiment.measurements:
            continue
        verdict = replayed(before, experiment, JudgeSettings(policy=policy))
        assert verdict is not None
        assert (verdict.status, verdict.estimate, verdict.interval, verdict.evidence, verdict.threshold) == (
            experiment.status,
            experiment.value if experiment.reason.status.value != "crash" else None,
            experiment.interval,
            experiment.evidence,
            experiment.threshold,
        )
        assert verdict.reason is experiment.reason or experiment.reason in (Reason.LIMIT, Reason.GUARD)
        judged += 1
    assert judged >= 4
