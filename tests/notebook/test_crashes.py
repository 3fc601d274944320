"""The machine dies at every effect, and the next start goes on as if nothing had happened."""

from __future__ import annotations

import os
import random
import shutil
import signal
from pathlib import Path

import pytest

from pytest_autoresearch.errors import NotebookError
from tests.notebook.diary import Diary, assert_clean, assert_sound, ended_by, git, in_child

COUNT = 4  # the baseline, two discards and a keep: every effect there is


def boundaries_of_a_session(root: Path) -> list[str]:
    names: list[str] = []
    with Diary(root, boundary=names.append) as diary:
        diary.reach(COUNT)
    return names


def die_at(root: Path, at: int) -> int:
    passed = 0

    def boundary(name: str) -> None:
        nonlocal passed
        passed += 1
        if passed > at:
            os.killpg(0, signal.SIGKILL)

    def body() -> None:
        with Diary(root, boundary=boundary) as diary:
            diary.reach(COUNT)

    return ended_by(in_child(body))


@pytest.mark.slow
def test_a_session_killed_at_any_effect_is_whole_after_the_next_start(root: Path) -> None:
    template, room = root, root.parent
    names = boundaries_of_a_session(Path(shutil.copytree(template, room / "whole")))
    assert len(names) > 35
    for at, name in enumerate(names):
        root = Path(shutil.copytree(template, room / f"killed-{at}"))
        assert die_at(root, at) == -signal.SIGKILL, name
        with Diary(root) as diary:
            diary.reach(COUNT)
            assert len(diary.experiments) == COUNT, name
            assert diary.notebook.notices == [], name
        assert_sound(root)


def test_a_session_that_dies_at_every_effect_in_turn_ends_like_one_that_ran_through(root: Path) -> None:
    deaths = 0
    while die_at(root, deaths % 17) != 0:
        deaths += 1
        assert deaths < 300
    assert deaths > 10
    assert_sound(root)


def test_a_proposal_that_was_paid_for_is_measured_again_and_not_asked_for_again(root: Path) -> None:
    names: list[str] = []

    def body() -> None:
        def boundary(name: str) -> None:
            names.append(name)
            if names.count("pending written") == 2:  # with the commit of experiment 2, before its ref
                os.killpg(0, signal.SIGKILL)

        with Diary(root, boundary=boundary) as diary:
            diary.reach(COUNT)

    assert ended_by(in_child(body)) == -signal.SIGKILL
    with Diary(root) as diary:
        pending = diary.notebook.pending[2]
        assert (pending.number, pending.attempts, pending.description) == (2, 1, "set RATE to 2")
        diary.reach(COUNT)
        assert diary.asked == [3]
    assert_sound(root)


def test_a_resumed_proposal_counts_its_attempts_and_keeps_its_measurements(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(1)
        start = diary.git.head()
        tree = diary.git.tree(start)
        diary.notebook.begin(1, tree=tree, parent=start, description="first", agent="sweep")
        diary.notebook.progress(1, diary.experiments[0].measurements, {"runs": 1})
    for attempts in (1, 2, 3):
        with Diary(root) as diary:
            pending = diary.notebook.pending[1]
            assert pending.attempts == attempts
            assert pending.measurements == diary.experiments[0].measurements
            assert pending.judge == {"runs": 1}
            assert pending.agent == "sweep"
            diary.notebook.begin(1, tree=tree, parent=start, description="first")


def test_a_torn_file_of_a_proposal_costs_the_proposal_and_nothing_else(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(2)
        start = diary.git.head()
        diary.notebook.begin(2, tree=diary.git.tree(start), parent=start, description="x")
    (root / ".git/autoresearch/demo/pending/2.json").write_text('{"number": 2, "tr')
    with Diary(root) as diary:
        assert diary.notebook.pending == {}
        diary.reach(COUNT)
    assert_sound(root)


@pytest.mark.slow
def test_random_kills_of_the_whole_process_group_lose_nothing(root: Path) -> None:
    from benchmarks.kills import kill_at_random

    counts = kill_at_random(root, kills=25, rng=random.Random(3))
    assert counts.killed == 25
    assert_sound(root)


def test_stale_locks_of_a_killed_git_are_removed(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(2)
    old = 1_000_000_000
    for name in ("refs/autoresearch/demo/log.lock", "refs/heads/autoresearch/demo.lock", "packed-refs.lock"):
        (root / ".git" / name).touch()
        os.utime(root / ".git" / name, (old, old))
    finished = root / ".git/autoresearch/demo/finished.json"
    finished.parent.mkdir(exist_ok=True)
    finished.touch()
    os.utime(finished, (old, old))
    with Diary(root) as diary:
        diary.reach(COUNT)
    assert_sound(root)


def test_somebody_elses_packed_refs_lock_is_not_touched(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(1)
    lock = root / ".git/packed-refs.lock"
    lock.touch()
    with Diary(root):
        assert lock.exists()
    lock.unlink()
    assert_clean(root)


def test_a_second_session_on_the_same_tag_is_refused_by_name(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(1)
        with pytest.raises(NotebookError, match=rf"the session demo is in use by process {os.getpid()} on "):
            Diary(root)
        diary.reach(COUNT)
    assert_sound(root)


def test_a_second_session_on_the_same_table_is_refused_by_name(root: Path) -> None:
    with Diary(root) as diary:
        diary.reach(1)
        with pytest.raises(NotebookError, match=r"results\.tsv is in use by process"):
            Diary(root, "other")
    assert not (root / ".git/autoresearch/other").exists()
    assert git(root, "for-each-ref", "refs/autoresearch/other") == ""
