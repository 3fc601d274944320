"""Full disks, read-only repositories, clocks that jump, and ``git gc --prune=now`` while a session runs."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Iterator
from datetime import datetime, timedelta, tzinfo
from pathlib import Path

import pytest

from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.notebook import git as git_module
from pytest_autoresearch.notebook import ledger as ledger_module
from pytest_autoresearch.notebook.chain import read_history
from pytest_autoresearch.notebook.git import Git
from tests.notebook.diary import Diary, assert_sound, ended_by, git, in_child, new_repository


def mount(*args: str) -> None:
    done = subprocess.run(["mount", *args], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"needs the right to mount: {done.stderr.strip()}")


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MB."""
    disk = tmp_path / "disk"
    disk.mkdir()
    try:
        mount("-t", "tmpfs", "-o", "size=2m", "autoresearch-test", str(disk))
    except FileNotFoundError:
        pytest.skip("needs mount")
    yield disk
    subprocess.run(["umount", "--lazy", str(disk)], check=True)


@pytest.mark.parametrize("free", range(0, 140_000, 12_000))
def test_a_full_disk_ends_the_session_with_a_remedy_and_loses_nothing(small_disk: Path, free: int) -> None:
    root = new_repository(small_disk / "r", "--template=")
    ballast = small_disk / "ballast"
    reached = 0
    with Diary(root) as diary:
        diary.reach(3)
        room = subprocess.run(["df", "--output=avail", "-B1", small_disk], capture_output=True, text=True, check=True)
        ballast.write_bytes(b"x" * max(int(room.stdout.split()[1]) - free, 0))
        with pytest.raises(NotebookError, match=r"(No space left|disk is full)(.|\n)*free some space"):
            diary.reach(1000)
        reached = len(diary.experiments)
    ballast.unlink()
    with Diary(root) as diary:
        assert len(diary.experiments) == reached
        diary.reach(reached + 4)
        assert diary.notebook.notices == []
    assert_sound(root)


def test_a_read_only_repository_is_refused_by_name(small_disk: Path) -> None:
    root = new_repository(small_disk / "r", "--template=")
    mount("-o", "remount,ro", str(small_disk))
    with pytest.raises(NotebookError, match=r"can not be written: Read-only file system\n  make .* writable"):
        Diary(root)
    mount("-o", "remount,rw", str(small_disk))
    with Diary(root) as diary:
        diary.reach(4)
    assert_sound(root)


def test_a_clock_that_is_set_back_changes_nothing(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Earlier(datetime):
        @classmethod
        def now(cls, tz: tzinfo | None = None) -> datetime:  # type: ignore[override]
            return datetime.now(tz) - timedelta(hours=1)

    with Diary(root) as diary:
        diary.reach(5)
        for module in (git_module, ledger_module):
            monkeypatch.setattr(module, "datetime", Earlier)
        diary.reach(8)
        diary.notebook.note("stop", "enough")
    with Diary(root) as diary:
        assert [experiment.number for experiment in diary.experiments] == list(range(8))
    assert_sound(root)


def test_garbage_collection_without_mercy_while_a_session_runs_loses_nothing(root: Path) -> None:
    over = threading.Event()
    rounds = 0

    def collect() -> None:
        nonlocal rounds
        while not over.is_set():
            subprocess.run(["git", "gc", "-q", "--prune=now"], cwd=root, capture_output=True)
            rounds += 1

    collector = threading.Thread(target=collect)
    with Diary(root) as diary:
        diary.reach(1)
        collector.start()
        try:
            while rounds < 6 or len(diary.experiments) < 40:
                diary.experiment()
                diary.notebook.note("hint", "another record")
        finally:
            over.set()
            collector.join()
        # What a collection that still ran has taken from the newest experiment is put back with the next one.
        diary.reach(len(diary.experiments) + 1)
    assert_sound(root)


def taken(root: Path, *commits: str) -> None:
    """What a collection takes that began before a ref led to these: the commits and all that only they need."""
    needed = git(root, "rev-list", "--objects", "--no-walk", *commits).split("\n")
    older = set(git(root, "rev-list", "--objects", *(f"{commit}^" for commit in commits)).split("\n"))
    for line in {*needed} - older:
        name = line.split(" ")[0]
        (root / ".git/objects" / name[:2] / name[2:]).unlink(missing_ok=True)


def test_a_session_that_dies_as_a_collection_takes_its_newest_records_finds_them_again(root: Path) -> None:
    def work_and_die() -> None:
        diary = Diary(root)
        diary.reach(6)
        heads = [f"refs/autoresearch/demo/log{back}" for back in ("", "~1")]
        taken(root, *heads, *(experiment.commit for experiment in diary.experiments[-2:]))
        os.kill(os.getpid(), signal.SIGKILL)

    assert ended_by(in_child(work_and_die)) == -signal.SIGKILL
    assert subprocess.run(["git", "fsck"], cwd=root, capture_output=True).returncode
    with Git.discover(root) as repository:  # as the commands do, which look without the lock
        assert len(read_history(repository, "demo").experiments) == 6
    with Diary(root) as diary:
        assert len(diary.experiments) == 6
        diary.reach(7)
    assert_sound(root)


def test_a_collection_that_outlives_the_session_takes_nothing_from_the_next_one(root: Path) -> None:
    def work_and_die() -> None:
        Diary(root).reach(6)
        os.kill(os.getpid(), signal.SIGKILL)

    assert ended_by(in_child(work_and_die)) == -signal.SIGKILL
    at_work = root / ".git/gc.pid"
    at_work.touch()
    for _ in range(2):  # the second one follows one that ended in order
        with Diary(root) as diary:
            taken(root, "refs/autoresearch/demo/log", diary.experiments[-1].commit)
            diary.reach(len(diary.experiments) + 1)
    at_work.unlink()
    with Diary(root) as diary:
        diary.reach(9)
    assert not (root / ".git/autoresearch/demo/kept").exists(), "what nobody can take is not kept"
    assert_sound(root)


def test_our_own_repack_keeps_the_users_unreachable_objects(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ledger_module, "REPACK_EVERY", 5)
    lost = git(root, "commit-tree", "-m", "dropped by accident", "main^{tree}")
    with Diary(root) as diary:
        diary.reach(13)
        assert diary.notebook.notices == []
    assert git(root, "cat-file", "-t", lost) == "commit"
    assert int(git(root, "count-objects").split()[0]) < 20
    assert_sound(root)


@pytest.mark.parametrize("command", [["gc", "-q"], ["commit-graph", "write", "--reachable", "--split"]])
def test_a_commit_graph_written_while_a_proposal_is_measured_stays_true(root: Path, command: list[str]) -> None:
    with Diary(root) as diary:
        diary.reach(3)
        start = diary.git.head()
        tree = diary.git.tree(start)
        pending = diary.notebook.begin(3, tree=tree, parent=start, description="x")
        git(root, *command)
        diary.record(3, tree, start, keep=True, description="x")
        assert git(root, "cat-file", "-t", pending.commit) == "commit"
    git(root, "fsck", "--strict")


def test_a_long_session_holds_no_more_files_and_processes_than_a_short_one(root: Path) -> None:
    held = []
    with Diary(root) as diary:
        for count in (10, 60):
            diary.reach(count)
            children = subprocess.run(["ps", "--no-headers", "--ppid", str(os.getpid())], capture_output=True).stdout
            held.append((len(os.listdir("/proc/self/fd")), children.count(b"git")))
    assert held[0] == held[1]
