"""Provisional keeps: on the branch at once, on others' only when their group has proven them, gone when it has not."""

from __future__ import annotations

import os
import shutil
import signal
from pathlib import Path

from pytest_autoresearch.notebook.chain import read_history
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.sync import push
from pytest_autoresearch.protocol.experiment import Outcome, Reason, Status
from tests.notebook.diary import Diary, assert_agreed, ended_by, git, in_child


def statuses(root: Path) -> list[str]:
    return [line.split("\t")[2] for line in (root / "results.tsv").read_text().splitlines()[1:]]


def begun(root: Path) -> Diary:
    """A baseline, a proven keep, a discard, and two provisional keeps."""
    diary = Diary(root)
    diary.reach(1)
    for keep, provisional in ((True, False), (False, False), (True, True), (True, True)):
        diary.experiment(keep=keep, provisional=provisional)
    return diary


def test_a_provisional_keep_is_the_incumbent_and_a_keep_in_the_table(root: Path) -> None:
    with begun(root) as diary:
        history = diary.notebook.history
        assert history.incumbent is history.experiments[4]
        assert history.certified is history.experiments[1]
        assert [keep.number for keep in history.provisional] == [3, 4]
        assert [keep.number for keep in history.proven] == [1]
    assert statuses(root) == ["keep", "keep", "discard", "keep", "keep"]
    assert_agreed(root)


def test_a_proven_group_needs_no_further_proof(root: Path) -> None:
    with begun(root) as diary:
        diary.group(Outcome.CERTIFIED)
        assert diary.notebook.history.certified is diary.notebook.history.incumbent
    with Diary(root) as diary:
        assert not diary.notebook.history.provisional
        assert diary.notebook.judged is not None
        assert diary.notebook.judged.judge == {"groups": 1}
    assert statuses(root) == ["keep", "keep", "discard", "keep", "keep"]
    assert_agreed(root)


def test_a_group_that_fails_is_rolled_back_and_its_diffs_stay(root: Path) -> None:
    with begun(root) as diary:
        before = [e.commit for e in diary.experiments]
        diary.group(Outcome.ROLLED_BACK)
    history = assert_agreed(root)
    assert statuses(root) == ["keep", "keep", "discard", "discard", "discard"]
    assert [e.commit for e in history.experiments] == before
    assert {e.reason for e in history.experiments[3:]} == {Reason.UNPROVEN}
    assert git(root, "rev-parse", "autoresearch/demo") == before[1]
    assert git(root, "show", f"{before[4][:7]}:train.py") == "RATE = 4"
    with Diary(root) as diary:
        assert diary.experiment(keep=True, provisional=True).parent == before[1]
    assert_agreed(root)


def test_a_group_that_goes_on_changes_nothing(root: Path) -> None:
    with begun(root) as diary:
        diary.group(Outcome.GOES_ON)
        diary.experiment(keep=True, provisional=True)
        diary.group(Outcome.CERTIFIED)
        assert len(diary.notebook.history.groups) == 2
    history = assert_agreed(root)
    assert [e.status for e in history.experiments[3:]] == [Status.KEEP] * 3
    assert not history.provisional


def test_a_keep_that_was_dropped_from_a_group_stays_dropped(root: Path) -> None:
    from pytest_autoresearch.notebook.drop import drop_keep

    with begun(root) as diary:
        group = diary.group(Outcome.GOES_ON)
        drop_keep(diary.notebook, 4)
        assert [keep.number for keep in diary.notebook.history.provisional] == [3]
        diary.group(Outcome.ROLLED_BACK)
        assert group.keeps == (3, 4)
        assert [e.reason for e in diary.experiments[3:]] == [Reason.UNPROVEN, Reason.DROPPED]
    assert_agreed(root)


def test_only_what_is_proven_is_pushed(root: Path, tmp_path: Path) -> None:
    remote = tmp_path / "remote.git"
    git(root, "init", "-q", "--bare", str(remote))
    git(root, "remote", "add", "origin", str(remote))
    with begun(root) as diary:
        proven, tip = (diary.experiments[n].commit for n in (1, 4))
    with Git.discover(root) as repository:
        assert push(repository, "origin", "demo").branch
    assert git(remote, "rev-parse", "autoresearch/demo") == proven
    assert git(remote, "rev-parse", "refs/autoresearch/demo/log") == git(
        root, "rev-parse", "refs/autoresearch/demo/log"
    )
    with Diary(root) as diary:
        diary.group(Outcome.CERTIFIED)
    with Git.discover(root) as repository:
        push(repository, "origin", "demo")
        assert not read_history(repository, "demo").provisional
    assert git(remote, "rev-parse", "autoresearch/demo") == tip


def test_a_drop_takes_the_proof_from_the_rest_of_its_group(root: Path) -> None:
    from pytest_autoresearch.notebook.drop import drop_keep

    with begun(root) as diary:
        diary.group(Outcome.CERTIFIED)
        later = diary.experiment(keep=True, file="other.py")
        drop = drop_keep(diary.notebook, 4)
        assert drop.unproven == (3, later.number)
        assert [keep.number for keep in diary.notebook.history.provisional] == [3, later.number]
        assert [keep.number for keep in diary.notebook.history.proven] == [1]
    assert_agreed(root)


def test_a_session_killed_at_any_effect_of_a_group_is_whole_after_the_next_start(root: Path) -> None:
    begun(root).__exit__()
    names: list[str] = []
    with Diary(Path(shutil.copytree(root, root.parent / "whole")), boundary=names.append) as diary:
        del names[:]
        diary.group(Outcome.ROLLED_BACK)
    assert names == ["record written", "ledger moved", "branch moved", "table written"]
    for at, name in enumerate(names):
        killed = Path(shutil.copytree(root, root.parent / f"killed-{at}"))

        def body(killed: Path = killed, name: str = name) -> None:
            armed = False

            def boundary(passed: str) -> None:
                if armed and passed == name:
                    os.killpg(0, signal.SIGKILL)

            with Diary(killed, boundary=boundary) as diary:
                armed = True
                diary.group(Outcome.ROLLED_BACK)

        assert ended_by(in_child(body)) == -signal.SIGKILL
        with Diary(killed) as diary:
            assert diary.notebook.notices == [], name
            assert len(diary.notebook.history.groups) == (0 if name == "record written" else 1)
        assert_agreed(killed)
