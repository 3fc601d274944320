"""The ledger is the truth, the branch follows it, and the user's own doings are respected."""

from __future__ import annotations

import json
import os
import signal
import threading
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from pytest_autoresearch import records
from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook.chain import read_history, sessions
from pytest_autoresearch.notebook.drop import drop_keep
from pytest_autoresearch.notebook.lock import Lock
from pytest_autoresearch.notebook.record import Note, Session, Verification
from pytest_autoresearch.protocol.experiment import Change, Experiment
from tests.notebook.diary import NOW, Diary, assert_sound, git, measured, session


def test_a_discarded_experiment_leaves_no_trace_on_the_branch_but_can_be_shown(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(8)
        discarded = diary.experiments[4]
    subjects = git(root, "log", "--format=%s", "main..autoresearch/demo").splitlines()
    assert subjects == ["set RATE to 6", "set RATE to 3"]
    git(root, "gc", "-q", "--prune=now")
    assert git(root, "show", f"{discarded.commit}:train.py") == "RATE = 4"
    assert_sound(root)


def test_a_keep_is_a_commit_that_says_what_why_and_how_much(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(4)
    assert git(root, "log", "-1", "--format=%B", "autoresearch/demo").split("\n\n") == [
        "set RATE to 3",
        "it may help",
        "loss 0.9997, keep: improved",
        "Autoresearch-Metric: loss=0.999700\nAutoresearch-Baseline: 1.000000\nAutoresearch-Experiment: 3\n"
        "Autoresearch-Samples: 1\nAutoresearch-Isolation: process",
    ]
    trailers = git(root, "log", "-1", "--format=%(trailers:key=Autoresearch-Experiment,valueonly)", "autoresearch/demo")
    assert trailers.strip() == "3"


def test_every_record_is_one_json_document_whose_parents_are_the_previous_and_the_candidate(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(4)
        diary.notebook.note("stop", "enough")
        experiments = diary.experiments
    log = git(root, "log", "--first-parent", "--reverse", "--format=%H %P", "refs/autoresearch/demo/log").splitlines()
    commits = [line.split() for line in log]
    assert commits[0][1:] == []
    for previous, entry, experiment in zip(commits, commits[1:5], experiments, strict=False):
        assert entry[1:] == [previous[0], experiment.commit]
    assert commits[5][1:] == [commits[4][0]]
    document = json.loads(git(root, "log", "-1", "--format=%B", commits[3][0]))
    assert document["version"] == 1
    assert document["kind"] == "experiment"
    assert document["data"]["number"] == 2
    assert document["data"]["judge"]["runs"] == 2


def test_a_resumed_notebook_knows_everything_and_the_newest_judge_state(root: Path) -> None:
    with Diary(root) as diary:
        assert diary.notebook.session is None
        assert diary.experiments == ()
        assert diary.notebook.judged is None
        diary.reach(5)
        diary.notebook.note("hint", "try dropout")
        diary.notebook.verification(Verification("a", "b", (measured(0),), (measured(3),), 0.1, (0.0, 0.2), NOW))
        history, newest = diary.notebook.history, diary.notebook.judged
    with Diary(root) as diary:
        assert diary.notebook.session == session(git(root, "rev-parse", "main"))
        assert diary.notebook.history == history == read_history(diary.git, "demo")
        assert diary.notebook.judged == newest
        assert newest is not None
        assert newest.judge == {"runs": 4, "window": [1.0] * 20}
        assert all(not experiment.judge for experiment in history.experiments[:-1])
        assert [note.text for note in history.notes] == ["try dropout"]


def test_a_stop_is_the_ending_until_the_session_has_gone_on(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(3)
        assert diary.notebook.history.ending is None
        diary.notebook.note("stop", "enough")
        diary.notebook.note("hint", "try dropout")
        history = diary.notebook.history
    assert history.ending is not None and history.ending.text == "enough"
    later = replace(history.experiments[-1], number=3, ended=history.ending.when + timedelta(seconds=1))
    assert history.followed_by(later).ending is None, "it went on, and was killed"


def test_records_yields_what_was_written_in_order(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(3)
        diary.notebook.note("stop", "enough")
    kinds = [type(record) for record in records(root, "demo")]
    assert kinds == [Session, Experiment, Experiment, Experiment, Note]


def test_sessions_lists_every_tag_in_the_order_they_began(root: Path) -> None:
    with Diary(root, "zeta") as diary:
        diary.reach(2)
    with Diary(root, "alpha") as diary:
        diary.notebook.begin_session(replace(session(diary.git.head(), "alpha"), started=NOW.replace(year=2025)))
        assert [each.tag for each in sessions(diary.git)] == ["zeta", "alpha"]


def test_a_number_is_recorded_once(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(2)
        start = diary.git.head()
        for number in (0, 1):
            with pytest.raises(NotebookError, match=f"experiment {number} of demo is recorded already"):
                diary.record(number, diary.git.tree(start), start, keep=False, description="x")
        diary.reach(4)
    assert_sound(root)


def test_records_stand_in_the_order_in_which_experiments_end_and_older_programs_are_told(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(1)
        start = diary.git.head()
        tree = diary.git.tree(start)
        for number in (1, 2, 3):
            diary.notebook.begin(number, tree=tree, parent=start, description=f"proposal {number}")
        diary.record(2, tree, start, keep=True, description="the second")
        diary.record(1, tree, start, keep=False, description="the first")
        assert sorted(diary.notebook.pending) == [3]
        assert diary.notebook.next_number() == 4
    with Diary(root) as diary:
        assert [e.number for e in diary.notebook.history.experiments] == [0, 2, 1]
        assert diary.notebook.history.at(1).description == "the first"
        assert diary.notebook.history.incumbent == diary.notebook.history.at(2)
        assert sorted(diary.notebook.pending) == [3] and diary.notebook.next_number() == 4
        diary.record(3, tree, start, keep=False, description="the third")
        messages = git(root, "log", "--first-parent", "--reverse", "--format=%B", "refs/autoresearch/demo/log")
        found = [json.loads(line) for line in messages.splitlines() if line]
    ours = [each for each in found if each["kind"] == "experiment"]
    assert [(each["data"]["number"], each["version"]) for each in ours] == [(0, 1), (2, 2), (1, 2), (3, 1)]
    table = [line.split("\t")[-1] for line in (root / "results.tsv").read_text().splitlines()]
    assert table == ["description", "baseline run, no changes", "the second", "the first", "the third"]


def test_a_keep_is_dropped_by_its_number_whatever_the_order(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(1)
        start = diary.git.head()
        second = diary.git.write_tree(start, [Change("a.py", "file", data=b"a = 1\n")])
        diary.record(2, second, start, keep=True, description="the second")
        head = diary.notebook.history.at(2).commit
        first = diary.git.write_tree(head, [Change("b.py", "file", data=b"b = 1\n")])
        diary.record(1, first, head, keep=True, description="the first")
        drop = drop_keep(diary.notebook, 2)
        assert list(drop.moved) == [1]
        history = diary.notebook.history
        assert [e.number for e in history.keeps] == [1]
        assert git(root, "rev-parse", "autoresearch/demo") == history.at(1).commit == drop.moved[1]
        assert not history.at(2).kept
    with Diary(root) as diary:
        assert diary.notebook.history == history


def test_what_a_version_with_one_proposal_at_a_time_has_left_goes_on(root: Path) -> None:
    state = root / ".git/autoresearch/demo"
    with Diary(root) as diary:
        diary.reach(1)
        start = diary.git.head()
        pending = diary.notebook.begin(1, tree=diary.git.tree(start), parent=start, description="x")
    (state / "pending/1.json").rename(state / "running.json")
    git(root, "update-ref", "refs/autoresearch/demo/running", pending.commit)
    git(root, "update-ref", "-d", "refs/autoresearch/demo/pending/1")
    with Diary(root) as diary:
        assert diary.notebook.pending == {1: pending}
        assert git(root, "rev-parse", "refs/autoresearch/demo/pending/1") == pending.commit
        assert git(root, "for-each-ref", "refs/autoresearch/demo/running") == ""
        assert not (state / "running.json").exists()


def test_a_refused_proposal_is_recorded_without_having_been_announced(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(1)
        start = diary.git.head()
        diary.record(1, diary.git.tree(start), start, keep=False, description="changed nothing")
        assert diary.notebook.notices == []
    assert git(root, "diff", "main", read_commit(root, 1)) == ""


def read_commit(root: Path, number: int) -> str:
    return git(root, "log", "-1", "--format=%H", f"--grep=Autoresearch-Experiment: {number}$", "--all")


def test_pending_names_the_proposal_while_it_is_measured_and_is_gone_afterwards(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(1)
        start = diary.git.head()
        tree = diary.git.tree(start)
        pending = diary.notebook.begin(1, tree=tree, parent=start, description="x")
        assert git(root, "rev-parse", "refs/autoresearch/demo/pending/1") == pending.commit
        assert json.loads((root / ".git/autoresearch/demo/pending/1.json").read_text())["description"] == "x"
        diary.record(1, tree, start, keep=False, description="x")
        assert git(root, "for-each-ref", "refs/autoresearch/demo/pending") == ""
        assert not (root / ".git/autoresearch/demo/pending/1.json").exists()


def test_a_ledger_of_a_newer_version_is_refused(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(2)
        newer = diary.git.commit(
            diary.git.empty_tree,
            [git(root, "rev-parse", "refs/autoresearch/demo/log")],
            json.dumps({"version": 99, "kind": "experiment", "data": {}}),
        )
    git(root, "update-ref", "refs/autoresearch/demo/log", newer)
    with pytest.raises(NotebookError, match=r"record of version 99, this program reads up to version 2\n  upgrade"):
        Diary(root)


def test_somebody_else_moving_the_ledger_is_an_error_and_nothing_is_recorded(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(3)
        git(root, "update-ref", "refs/autoresearch/demo/log", "refs/autoresearch/demo/log~1")
        with pytest.raises(NotebookError, match="cannot lock ref 'refs/autoresearch/demo/log'"):
            diary.reach(4)
        assert len(diary.experiments) == 3
    with Diary(root) as diary:
        assert len(diary.experiments) == 2


# The branch, and the user


@pytest.mark.parametrize("tag", ["a/b", "", "x" * 61, "-x", "a b", "a..b", "a.lock", "ü\x07", "a~1", "@{"])
def test_a_tag_that_can_not_name_a_branch_is_refused(root: Path, tag: str) -> None:
    with pytest.raises(NotebookError, match="tag "):
        Diary(root, tag)
    assert not (root / ".git/autoresearch").exists()


def test_a_branch_called_autoresearch_is_named_with_the_remedy(root: Path) -> None:
    git(root, "branch", "autoresearch")
    with pytest.raises(NotebookError, match=r"branch autoresearch is in the way .*\n  git branch -m autoresearch"):
        Diary(root)


def test_a_branch_without_a_ledger_is_not_taken_over(root: Path) -> None:
    git(root, "branch", "autoresearch/demo")
    with pytest.raises(NotebookError, match=r"exists, but has no ledger\n  pytest-autoresearch fetch --tag demo"):
        Diary(root)


def test_a_branch_that_is_checked_out_is_refused_wherever_that_is(room: Path, root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(4)
    git(root, "worktree", "add", "-q", str(room / "w"), "autoresearch/demo")
    with pytest.raises(NotebookError, match=rf"autoresearch/demo is checked out in {room / 'w'}\n  git switch"):
        Diary(root)


def test_commits_of_the_users_on_the_branch_are_refused(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(4)
    mine = git(root, "commit-tree", "-p", "autoresearch/demo", "-m", "mine", "main^{tree}")
    git(root, "update-ref", "refs/heads/autoresearch/demo", mine)
    with pytest.raises(NotebookError, match=r"holds commits that are not the session's\n  git branch -m"):
        Diary(root)
    git(root, "branch", "-m", "autoresearch/demo", "mine")
    with Diary(root) as diary:
        assert diary.notebook.notices == []
    assert_sound(root)


def test_a_branch_that_lags_or_is_missing_is_derived_again(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(8)
    for damage in (["-d"], ["autoresearch/demo~1"], ["main"]):
        if damage == ["-d"]:
            git(root, "update-ref", "-d", "refs/heads/autoresearch/demo")
        else:
            git(root, "update-ref", "refs/heads/autoresearch/demo", *damage)
        with Diary(root):
            pass
        assert_sound(root)


def test_a_branch_the_user_moves_during_the_session_is_left_alone_and_that_is_said_once(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(4)
        git(root, "branch", "-f", "autoresearch/demo", "main")
        diary.reach(10)
        assert diary.notebook.notices == ["autoresearch/demo was moved meanwhile: it is left alone, the ledger goes on"]
        assert git(root, "rev-parse", "autoresearch/demo") == git(root, "rev-parse", "main")
        assert len(diary.notebook.history.keeps) == 3
    with Diary(root):
        pass
    assert_sound(root)


def test_a_branch_checked_out_during_the_session_is_left_alone(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(4)
        git(root, "checkout", "-q", "autoresearch/demo")
        diary.reach(10)
        assert diary.notebook.notices == [
            f"autoresearch/demo was checked out in {root} meanwhile: it is left alone, the ledger goes on"
        ]
        assert git(root, "status", "--porcelain") == ""
        git(root, "checkout", "-q", "main")
    with Diary(root):
        pass
    assert_sound(root)


def test_the_user_goes_on_working_in_the_checkout_meanwhile(root: Path) -> None:
    (root / "train.py").write_text("RATE = -1\n")
    with Diary(root) as diary:
        diary.reach(3)
        git(root, "stash")
        diary.reach(5)
        git(root, "checkout", "-q", "-b", "side")
        (root / "notes.txt").write_text("mine")
        git(root, "add", "notes.txt")
        diary.reach(7)
        git(root, "commit", "-q", "-m", "mine")
        git(root, "stash", "pop")
        diary.reach(9)
        git(root, "reset", "-q", "--hard")
        git(root, "checkout", "-q", "main")
        git(root, "gc", "-q", "--prune=now")
        diary.reach(12)
        assert diary.notebook.notices == []
    assert git(root, "log", "--format=%s", "side") == "mine\nstart"
    assert_sound(root)


def test_ctrl_c_waits_until_a_record_is_whole(root: Path) -> None:
    def boundary(name: str) -> None:
        if name == "ledger moved" and threading.current_thread() is threading.main_thread():
            os.kill(os.getpid(), signal.SIGINT)

    with Diary(root, boundary=lambda name: boundary(name)) as diary:
        for count in (1, 2, 3):
            with pytest.raises(KeyboardInterrupt):
                diary.reach(count)
        assert len(diary.experiments) == 2
    with Diary(root) as diary:
        diary.reach(4)
    assert_sound(root)


def test_a_lock_is_taken_while_its_last_holder_cleans_up(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, opened = tmp_path / "demo" / "lock", os.open

    def too_late(*args: Any) -> int:
        monkeypatch.undo()
        path.parent.rmdir()
        return opened(*args)

    monkeypatch.setattr(os, "open", too_late)
    Lock.acquire(path, "the session demo").release(remove=True)
    assert not path.parent.exists()
