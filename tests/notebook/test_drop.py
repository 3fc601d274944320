"""Taking a keep back: the branch without it, both histories in the ledger, the head to be measured again."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.drop import DropConflict, drop_keep
from pytest_autoresearch.notebook.record import Level
from pytest_autoresearch.protocol.experiment import Reason, Status
from tests.notebook.diary import NOW, Diary, assert_clean, ended_by, git, in_child, measured

LINES = [f"line {number} = 0\n" for number in range(20)]


def edited(*numbers: int) -> str:
    """The target with some lines changed: far enough apart, changes fit together."""
    return "".join(f"line {n} = 1\n" if n in numbers else line for n, line in enumerate(LINES))


def begun(root: Path) -> None:
    """Keeps 1, 2 and 4 on lines 0, 9 and 18; 3 is a discard. Keep 4 also adds a file."""
    (root / "wide.py").write_text(edited())
    git(root, "add", "wide.py")
    git(root, "commit", "-q", "-m", "wide")
    with Diary(root) as diary:
        diary.reach(1)
        diary.experiment(edited(0), keep=True, file="wide.py")
        diary.experiment(edited(0, 9), keep=True, file="wide.py")
        diary.experiment(edited(0, 9, 15), keep=False, file="wide.py")
        diary.experiment(edited(0, 9, 18), keep=True, file="wide.py")


def test_later_keeps_are_applied_again_without_the_dropped_one(root: Path) -> None:
    begun(root)
    with Diary(root) as diary:
        before = diary.experiments
        drop = drop_keep(diary.notebook, 1, "luck")
        after = diary.experiments
        assert diary.notebook.notices == []
    assert git(root, "show", "autoresearch/demo:wide.py") + "\n" == edited(9, 18)
    assert git(root, "log", "--format=%s", "main..autoresearch/demo").splitlines() == ["set RATE to 4", "set RATE to 2"]
    assert [e.status for e in after] == [Status.KEEP, Status.DISCARD, Status.KEEP, Status.DISCARD, Status.KEEP]
    assert after[1].commit == before[1].commit
    assert (after[1].reason, after[1].detail, after[1].provisional) == (Reason.DROPPED, "luck", False)
    assert [after[n].commit for n in (2, 4)] == [drop.moved[2], drop.moved[4]] != [before[n].commit for n in (2, 4)]
    for keep in (after[2], after[4]):
        assert keep.parent == git(root, "rev-parse", f"{keep.commit}^")
    rows = [line.split("\t") for line in (root / "results.tsv").read_text().splitlines()[1:]]
    assert [row[0] for row in rows[1:]] == [e.commit[:7] for e in after[1:]]
    assert rows[1][2] == "discard"
    git(root, "gc", "-q", "--prune=now")
    for commit in [e.commit for e in (*before, *after)]:
        assert git(root, "cat-file", "-t", commit) == "commit"
    with Diary(root) as diary:
        assert diary.experiments == after
    assert_clean(root)


def test_the_newest_keep_and_the_only_keep_can_be_dropped(root: Path) -> None:
    begun(root)
    for number, content in ((4, edited(0, 9)), (1, edited(9)), (2, edited())):
        with Diary(root) as diary:
            drop_keep(diary.notebook, number)
        assert git(root, "show", "autoresearch/demo:wide.py") + "\n" == content
    assert git(root, "rev-parse", "autoresearch/demo") == git(root, "rev-parse", "main")
    with Diary(root) as diary:
        assert diary.notebook.history.keeps == ()
        diary.experiment(edited(3), keep=True, file="wide.py")
    assert git(root, "show", "autoresearch/demo:wide.py") + "\n" == edited(3)


def test_a_conflict_is_reported_and_nothing_is_changed(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(7)  # keeps 3 and 6 set the same line
        refs, table = git(root, "for-each-ref"), (root / "results.tsv").read_text()
        with pytest.raises(DropConflict, match=r"experiments 3 and 6 change the same or adjacent lines of train.py\n"):
            drop_keep(diary.notebook, 3)
        assert (git(root, "for-each-ref"), (root / "results.tsv").read_text()) == (refs, table)
        assert len(diary.notebook.history.keeps) == 2


@pytest.mark.parametrize("number", [0, 1, 2, 9, -1])
def test_only_a_keep_can_be_dropped(root: Path, number: int) -> None:
    with Diary(root) as diary:
        diary.reach(4)
        with pytest.raises(
            NotebookError, match=rf"experiment {number} of demo is no keep on the branch\n  the keeps are: 3"
        ):
            drop_keep(diary.notebook, number)


def test_a_dropped_keep_can_not_be_dropped_twice(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(4)
        drop_keep(diary.notebook, 3)
        with pytest.raises(NotebookError, match="the keeps are: none"):
            drop_keep(diary.notebook, 3)


def test_the_head_is_unmeasured_until_its_level_is_recorded_and_an_experiment_was_judged_by_it(root: Path) -> None:
    begun(root)
    with Diary(root) as diary:
        assert diary.notebook.unmeasured is None
        drop_keep(diary.notebook, 1)
    with Diary(root) as diary:
        head = diary.notebook.unmeasured
        assert head is not None
        assert head.number == 4
        diary.notebook.level(Level(4, head.commit, 0.5, (0.4, 0.6), (measured(4),), NOW))
        assert diary.notebook.unmeasured is None
        assert diary.notebook.notices == []
    assert "\t0.500000\tkeep" in (root / "results.tsv").read_text().splitlines()[-1]
    with Diary(root) as diary:
        assert diary.notebook.unmeasured is not None  # the newest judge's state is of the old head
        assert diary.experiments[4].value == 0.5
        diary.experiment(edited(3), keep=False, file="wide.py")
        assert diary.notebook.unmeasured is None
        assert diary.notebook.notices == []
    with Diary(root) as diary:
        assert diary.notebook.unmeasured is None


def test_a_level_that_was_killed_before_its_row_leaves_no_false_notice(root: Path) -> None:
    begun(root)
    with Diary(root) as diary:
        drop_keep(diary.notebook, 1)
    old = (root / "results.tsv").read_text()
    with Diary(root) as diary:
        diary.notebook.level(Level(4, diary.experiments[4].commit, 0.5, None, (measured(4),), NOW))
    (root / "results.tsv").write_text(old)
    with Diary(root) as diary:
        assert diary.notebook.notices == []
    assert "\t0.500000\tkeep" in (root / "results.tsv").read_text().splitlines()[-1]


def test_a_pending_proposal_that_builds_on_it_is_forgotten(root: Path) -> None:
    begun(root)
    with Diary(root) as diary:
        head = git(root, "rev-parse", "autoresearch/demo")
        diary.notebook.begin(5, tree=diary.git.tree(head), parent=head, description="x")
    with Diary(root) as diary:
        assert [*diary.notebook.pending] == [5]
        drop_keep(diary.notebook, 1)
    with Diary(root) as diary:
        assert diary.notebook.pending == {}
    assert_clean(root)


def test_a_drop_killed_at_any_effect_is_either_whole_or_undone(root: Path) -> None:
    begun(root)
    with Diary(root) as diary:
        whole = diary.experiments
    for at in range(20):
        passed = 0

        def boundary(name: str, at: int = at) -> None:
            nonlocal passed
            passed += 1
            if passed > at:
                os.killpg(0, signal.SIGKILL)

        def body() -> None:
            with Diary(root, boundary=boundary) as diary:
                drop_keep(diary.notebook, 1)

        ended = ended_by(in_child(body))
        with Diary(root) as diary:
            assert diary.notebook.notices == []
            dropped = diary.experiments != whole
            head = diary.notebook.history.incumbent
            assert head is not None
            assert git(root, "rev-parse", "autoresearch/demo") == head.commit
        assert_clean(root)
        if dropped:
            break
        assert ended == -signal.SIGKILL
    else:
        pytest.fail("the drop was never reached")
    assert git(root, "show", "autoresearch/demo:wide.py") + "\n" == edited(9, 18)
