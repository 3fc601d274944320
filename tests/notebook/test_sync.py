"""Two clones on one tag: the ledger is never forced, and nothing is lost when they went different ways."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook import sync
from pytest_autoresearch.notebook.branch import OtherSpelling
from pytest_autoresearch.notebook.chain import read_history, sessions
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.sync import Fetched, Overtaken, Relation, fetch, parted_from, push
from pytest_autoresearch.notebook.tags import archive, delete, locate
from tests.notebook.diary import Diary, assert_sound, git


@pytest.fixture
def remote(room: Path, root: Path) -> Path:
    """A bare repository that ``root`` calls origin."""
    path = room / "remote.git"
    git(room, "clone", "-q", "--bare", str(root), str(path))
    git(root, "remote", "add", "origin", str(path))
    return path


def clone(remote: Path, name: str) -> Path:
    git(remote.parent, "clone", "-q", str(remote), name)
    return remote.parent / name


def reach(root: Path, count: int) -> None:
    with Diary(root) as diary:
        diary.reach(count)


def refuse_ledgers(remote: Path) -> None:
    hook = remote / "hooks/update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ncase "$1" in refs/heads/*) exit 0;; *) echo "no custom refs"; exit 1;; esac\n')
    hook.chmod(0o755)


def test_ledger_and_branch_are_pushed_and_go_on_in_another_clone(root: Path, remote: Path) -> None:
    reach(root, 4)
    with Git.discover(root) as repository:
        pushed = push(repository, "origin", "demo")
        assert (pushed.branch, pushed.ledger, pushed.refusals) == (True, True, ())
        assert fetch(repository, "origin", "demo") == Fetched(Relation.SAME)
    other = clone(remote, "other")
    with Git.discover(other) as repository:
        assert fetch(repository, "origin", "demo") == Fetched(Relation.AHEAD)
    reach(other, 7)
    assert_sound(other)
    with Git.discover(other) as repository:
        assert fetch(repository, "origin", "demo") == Fetched(Relation.BEHIND)
        assert push(repository, "origin", "demo").branch
    with Git.discover(root) as repository:
        assert fetch(repository, "origin", "demo") == Fetched(Relation.AHEAD)
    reach(root, 8)
    assert_sound(root)


def test_the_ledger_of_a_running_session_does_not_move(root: Path, remote: Path) -> None:
    reach(root, 4)
    with Git.discover(root) as repository:
        push(repository, "origin", "demo")
    other = clone(remote, "other")
    with Git.discover(other) as repository:
        fetch(repository, "origin", "demo")
    reach(other, 6)
    with Git.discover(other) as repository:
        push(repository, "origin", "demo")
    with Diary(root) as diary, Git.discover(root) as repository:
        with pytest.raises(NotebookError, match="the session demo is in use by process"):
            fetch(repository, "origin", "demo")
        diary.reach(5)


def test_a_remote_without_the_tag_says_so(root: Path, remote: Path) -> None:
    with Git.discover(root) as repository:
        assert fetch(repository, "origin", "demo") == Fetched(Relation.NONE)


@pytest.mark.parametrize("tag", ["Demo", "DEMO"])
def test_a_tag_has_one_spelling_for_file_systems_that_know_no_case(root: Path, remote: Path, tag: str) -> None:
    reach(root, 4)
    with Git.discover(root) as repository:
        push(repository, "origin", "demo")
    before = git(root, "for-each-ref")
    with pytest.raises(OtherSpelling, match=r"branch demo, from which .* differs only"), Diary(root, tag):
        raise AssertionError("begun")
    other = clone(remote, "other")
    with Git.discover(other) as repository:
        with pytest.raises(OtherSpelling, match=r"origin: .*\n  go on with demo, or choose another tag"):
            fetch(repository, "origin", tag)
        assert fetch(repository, "origin", "demo-2") == Fetched(Relation.NONE)
        git(remote, "update-ref", "-d", "refs/autoresearch/demo/log")
        with pytest.raises(OtherSpelling):  # a branch is enough
            fetch(repository, "origin", tag)
    assert git(root, "for-each-ref") == before and git(other, "for-each-ref", "refs/autoresearch") == ""


def test_two_spellings_that_are_there_already_both_go_on(root: Path, remote: Path) -> None:
    reach(root, 4)
    git(root, "update-ref", "refs/autoresearch/Demo/log", "refs/autoresearch/demo/log")
    reach(root, 5)
    git(root, "push", "-q", "origin", "refs/autoresearch/*:refs/autoresearch/*")
    with Git.discover(clone(remote, "other")) as repository:
        assert fetch(repository, "origin", "demo").relation is Relation.AHEAD


@pytest.fixture
def diverged(root: Path, remote: Path) -> Path:
    """A clone that went another way than what ``root`` has pushed: both have an experiment 0004 of their own."""
    reach(root, 4)
    with Git.discover(root) as repository:
        push(repository, "origin", "demo")
    other = clone(remote, "other")
    with Git.discover(other) as repository:
        fetch(repository, "origin", "demo")
    reach(root, 7)
    with Diary(other) as diary:
        diary.notebook.note("hint", "from the other machine")
        diary.reach(6)
        diary.notebook.begin(
            6, tree=diary.git.tree("HEAD"), parent=diary.experiments[3].commit, description="x", hypothesis=""
        )
    with Git.discover(root) as repository:
        push(repository, "origin", "demo")
    return other


def test_a_push_that_was_overtaken_pushes_nothing(root: Path, remote: Path, diverged: Path) -> None:
    before = git(remote, "for-each-ref")
    with Git.discover(diverged) as repository, pytest.raises(Overtaken, match=r"autoresearch fetch --tag demo"):
        push(repository, "origin", "demo")
    assert git(remote, "for-each-ref") == before


def test_what_went_another_way_parts_under_a_tag_of_its_own_and_nothing_is_lost(
    root: Path, remote: Path, diverged: Path
) -> None:
    records = git(diverged, "rev-list", "--first-parent", "refs/autoresearch/demo/log").split()
    branch = git(diverged, "rev-parse", "autoresearch/demo")
    with Git.discover(diverged) as repository:
        assert fetch(repository, "origin", "demo") == Fetched(Relation.DIVERGED, "demo-2")
        assert [session.tag for session in sessions(repository)] == ["demo", "demo-2"]
        parted = read_history(repository, "demo-2")
        assert (parted.session.tag, parted_from(parted), len(parted.experiments)) == ("demo-2", "demo", 6)
        assert fetch(repository, "origin", "demo") == Fetched(Relation.SAME)
    assert git(diverged, "rev-list", "--first-parent", "refs/autoresearch/demo-2/log").split()[1:] == records
    assert git(diverged, "rev-parse", "autoresearch/demo-2") == branch
    for name in ("refs/autoresearch/demo/log", "autoresearch/demo"):
        assert git(diverged, "rev-parse", name) == git(remote, "rev-parse", name)
    with Diary(diverged) as diary:  # the remote's rows, and none of ours
        assert diary.notebook.pending == {} and len(diary.experiments) == 7
    assert (diverged / "results.demo-2.tsv").read_text().count("\n") == 7
    assert not list(diverged.glob("*edited*"))
    with Diary(diverged, tag="demo-2") as diary:  # and ours go on under their own name, the pending one too
        assert [*diary.notebook.pending] == [6]
        diary.reach(8)
    with Git.discover(diverged) as repository:
        assert push(repository, "origin", "demo-2").ledger


def test_parting_again_takes_the_next_name(root: Path, remote: Path, diverged: Path) -> None:
    git(remote, "update-ref", "refs/autoresearch/demo-2/log", "refs/autoresearch/demo/log")
    git(diverged, "branch", "autoresearch/demo-3")
    with Git.discover(diverged) as repository:
        assert fetch(repository, "origin", "demo").parted == "demo-4"


def test_a_parting_that_was_cut_short_is_finished_by_the_next_one(
    root: Path, remote: Path, diverged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for step in ("_hand_on", "table_lock", "_follow"):
        with Git.discover(diverged) as repository, monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
            patched.setattr(sync, step, interrupted)
            fetch(repository, "origin", "demo")
    with Git.discover(diverged) as repository:
        fetch(repository, "origin", "demo")
        assert [session.tag for session in sessions(repository)] == ["demo", "demo-2"]
        assert len(read_history(repository, "demo-2").experiments) == 6


def interrupted(*_: object) -> None:
    raise KeyboardInterrupt


def test_a_refused_ledger_does_not_hold_back_the_branch(root: Path, remote: Path) -> None:
    reach(root, 4)
    refuse_ledgers(remote)
    with Git.discover(root) as repository:
        pushed = push(repository, "origin", "demo")
    assert (pushed.branch, pushed.ledger) == (True, False)
    assert git(remote, "rev-parse", "autoresearch/demo") == git(root, "rev-parse", "autoresearch/demo")


def test_pushing_ten_more_records_pushes_only_those(root: Path, remote: Path) -> None:
    reach(root, 30)
    with Git.discover(root) as repository:
        push(repository, "origin", "demo")
        before = int(git(remote, "count-objects").split()[0])
    reach(root, 40)
    with Git.discover(root) as repository:
        push(repository, "origin", "demo")
    assert int(git(remote, "count-objects").split()[0]) - before <= 10 * 4


def test_an_unreachable_remote_is_an_error_with_gits_words(root: Path) -> None:
    reach(root, 2)
    with Git.discover(root) as repository:
        words = r"git ls-remote failed: fatal: '/nowhere' does not .*\n.*git remote -v"
        with pytest.raises(NotebookError, match=words):
            fetch(repository, "/nowhere", "demo")
        with pytest.raises(NotebookError):
            push(repository, "--upload-pack=touch /tmp/x", "demo")


# Tags


def test_an_archived_tag_is_on_the_remote_and_no_longer_here(root: Path, remote: Path) -> None:
    reach(root, 4)
    head = git(root, "rev-parse", "autoresearch/demo")
    with Git.discover(root) as repository:
        archive(repository, "demo", "origin")
    assert git(root, "for-each-ref", "refs/autoresearch", "refs/heads/autoresearch") == ""
    assert not (root / ".git/autoresearch/demo").exists()
    assert git(remote, "rev-parse", "autoresearch/demo") == head
    with Git.discover(root) as repository:
        assert fetch(repository, "origin", "demo") == Fetched(Relation.AHEAD)
    reach(root, 5)
    assert_sound(root)


def test_nothing_is_pruned_that_the_remote_does_not_have(root: Path, remote: Path) -> None:
    reach(root, 4)
    refs = git(root, "for-each-ref", "refs/heads", "refs/autoresearch")
    with Git.discover(root) as repository:
        with pytest.raises(NotebookError, match="git ls-remote failed"):
            archive(repository, "demo", str(root.parent / "nowhere"))
        refuse_ledgers(remote)
        with pytest.raises(NotebookError, match=r"does not have all of demo.*\n  nothing was deleted here"):
            archive(repository, "demo", "origin")
    assert git(root, "for-each-ref", "refs/heads", "refs/autoresearch") == refs


def test_a_deleted_tag_leaves_no_ref_and_no_state(root: Path) -> None:
    reach(root, 4)
    (root / ".git/autoresearch/demo/logs").mkdir(parents=True)
    with Git.discover(root) as repository:
        delete(repository, "demo")
    assert git(root, "for-each-ref", "refs/autoresearch", "refs/heads/autoresearch") == ""
    assert not (root / ".git/autoresearch/demo").exists()


def test_a_running_or_checked_out_tag_is_not_deleted(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(4)
        with pytest.raises(NotebookError, match="is in use by process"):
            delete(diary.git, "demo")
    git(root, "checkout", "-q", "autoresearch/demo")
    with Git.discover(root) as repository, pytest.raises(NotebookError, match="is checked out"):
        delete(repository, "demo")


def test_a_command_means_the_tag_or_the_newest_of_its_config(root: Path) -> None:
    (root / "below").mkdir()
    with Diary(root, "old") as diary:
        diary.reach(1)
    with Diary(root, "new") as diary:
        from tests.notebook.diary import NOW, session

        begun = replace(session(diary.git.head(), "new"), started=NOW.replace(year=2025))
        diary.notebook.begin_session(begun)
    with Diary(root, "other") as diary:
        begun = replace(
            session(diary.git.head(), "other"), source="t/test_x.py::test_y", started=NOW.replace(year=2026)
        )
        diary.notebook.begin_session(begun)
    (root / "t").mkdir()
    (root / "t/test_x.py").write_text("")
    for path, tag, meant in (
        (root, None, "new"),
        (root / "autoresearch.config.md", None, "new"),
        (root / "t/test_x.py", None, "other"),
        (root / "below", None, "other"),
        (root, "old", "old"),
    ):
        located = locate(path, tag)
        located.git.close()
        assert located.tag == meant
    with pytest.raises(NotebookError, match="no session was begun here\n  there are: old, new, other"):
        locate(root / "train.py", None)
