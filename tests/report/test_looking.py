"""What git knows of a session is looked up once, and held only as far as a page has room for it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_autoresearch.notebook.chain import read_history
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.report import looking
from pytest_autoresearch.report.looking import Look
from pytest_autoresearch.report.story import story
from tests.notebook.diary import Diary, new_repository


def test_the_oldest_diffs_that_were_not_kept_make_room_and_what_they_touched_stays_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = new_repository(tmp_path / "repository")
    with Diary(root) as diary:
        diary.reach(12)
    with Git.discover(root) as git:
        told = story(read_history(git, "demo"))
        assert told is not None and told.keeps
        look = Look(git)
        whole = look.at(told)
        commits = [each.commit for each in told.experiments[1:]]
        assert all(whole.of(commit).patch for commit in commits)

        monkeypatch.setattr(looking, "HELD", sum(len(whole.of(commit).patch) for commit in commits) // 2)
        less = look.at(told)
        held = [commit for commit in commits if less.of(commit).patch]
        assert sum(len(less.of(commit).patch) for commit in held) <= looking.HELD
        assert {keep.commit for keep in told.keeps} <= set(held) and commits[-1] in held
        assert [less.of(commit).paths for commit in commits] == [whole.of(commit).paths for commit in commits]

        monkeypatch.setattr(looking, "HELD", 0)
        assert Look(git).at(told).changes == {}
