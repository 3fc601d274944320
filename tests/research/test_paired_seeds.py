"""Seeds that are paired, through the whole product: a script whose noise is its seed has none any more."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING

import pytest

from pytest_autoresearch.judge import JudgeSettings
from pytest_autoresearch.notebook.chain import ledger_ref, read_history, read_records
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import Group
from pytest_autoresearch.protocol.experiment import Experiment, Role
from tests.conftest import CONFIG
from tests.end_to_end.test_resume import Life
from tests.research.noisy import make_noisy, scripted
from tests.research.test_replay import regrouped, replayed

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_autoresearch.notebook.record import History
    from tests.conftest import Project

pytestmark = pytest.mark.slow
PAIRED = f"---\nseeds: paired\n---\n{CONFIG}"
BETTER = ("better", "FAST = 10.0", "FAST = 8.0")
NOTHING = ("nothing", "", "# nothing NUMBER\n")


def history_of(project: Project) -> History:
    with Git.discover(project.root) as git:
        return read_history(git, "demo")


def pair_up(project: Project) -> None:
    project.write("autoresearch.config.md", PAIRED)
    make_noisy(project)


@pytest.mark.parametrize(("policy", "gain"), [("grouped", 1.5), ("certified", 1.5), ("classic", 0.05)])
def test_a_gain_is_kept_and_verified_on_shared_seeds(project: Project, policy: str, gain: float) -> None:
    pair_up(project)
    agent = scripted(project, ("better", "FAST = 10.0", f"FAST = {10.0 - gain}"), NOTHING)
    done = project.pytest("--autoresearch", "--autoresearch-experiments=2", f"--autoresearch-judge={policy}", agent)
    assert done.returncode == 0, done.stdout + done.stderr
    history = history_of(project)
    start, first, second = history.experiments
    assert first.kept and not second.kept, done.stdout
    mine = {m.seed for m in first.measurements if m.role is Role.CANDIDATE}
    its = {m.seed for e in (start, first) for m in e.measurements if m.role is Role.INCUMBENT}
    assert start.measurements[0].seed in mine and mine & its and None not in mine | its
    for group in history.groups:
        assert [m.seed for m in group.base_runs] == [m.seed for m in group.tip_runs]
        assert not {m.seed for m in group.base_runs} & (mine | its), "what selected a keep does not prove it"
    judged_again(project, policy)
    (verified,) = history.verifications
    assert [m.seed for m in verified.start_runs] == [m.seed for m in verified.head_runs]
    assert verified.gain == pytest.approx(gain) and verified.interval is not None
    assert verified.interval == pytest.approx((gain, gain), abs=1e-6), "the seed is all the noise there is"


def judged_again(project: Project, policy: str) -> None:
    """The ledger's runs, told to a fresh judge, give its verdicts."""
    settings = JudgeSettings(policy=policy, paired=True)
    with Git.discover(project.root) as git:
        records = [r for r in read_records(git, ledger_ref("demo")) if isinstance(r, (Experiment, Group))]
    for before, record in pairwise(records):
        if isinstance(record, Group):
            proof = regrouped(before, record, settings)
            assert (proof.outcome, proof.evidence, proof.interval) == (record.outcome, record.evidence, record.interval)
        else:
            verdict = replayed(before, record, settings)
            assert verdict is not None
            assert (verdict.status, verdict.estimate, verdict.evidence) == (
                record.status,
                record.value,
                record.evidence,
            )


def test_a_session_that_dies_has_the_same_seeds_again(tmp_path: Path) -> None:
    lives = through, killed = Life(tmp_path / "through"), Life(tmp_path / "killed")
    for life in lives:
        life.project.write("autoresearch.config.md", PAIRED)
        life.project.commit("paired")
    through.live_to(1)
    killed.die_when(lambda: killed.pending >= (1, 3))
    killed.live_to(1)
    assert killed.decisions == through.decisions


def test_a_session_with_several_slots_pairs_seeds_too(project: Project) -> None:
    pair_up(project)
    agent = scripted(project, BETTER, NOTHING)
    done = project.pytest("--autoresearch", "--autoresearch-experiments=4", "--autoresearch-workers=2", agent)
    assert done.returncode == 0, done.stdout + done.stderr
    history = history_of(project)
    assert any(group.outcome.value == "certified" for group in history.groups), done.stdout
    for group in history.groups:
        assert [m.seed for m in group.base_runs] == [m.seed for m in group.tip_runs]


def test_seeds_are_not_paired_or_parted_in_the_middle_of_a_session(project: Project) -> None:
    pair_up(project)
    project.pytest("--autoresearch", "--autoresearch-experiments=1", scripted(project, NOTHING))
    project.write("autoresearch.config.md", CONFIG)
    done = project.pytest("--autoresearch", "--autoresearch-experiments=1", scripted(project, NOTHING))
    assert done.returncode == 4 and "seeds changed since the session demo began" in done.stderr + done.stdout


def test_another_word_than_paired_is_refused_with_what_to_write(project: Project) -> None:
    project.write("autoresearch.config.md", PAIRED.replace("paired", "3"))
    done = project.pytest("--autoresearch", "--autoresearch-experiments=1")
    assert done.returncode == 4 and "`seeds` is `paired` or `own`" in done.stderr + done.stdout
