"""A run finds the files of submodules, at the commit that the state names, whatever their checkout holds."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.research.submodules import Submodules
from tests.conftest import Project

ADD = ("-c", "protocol.file.allow=always", "submodule", "--quiet", "add")


@pytest.fixture
def outer(tmp_path: Path) -> Project:
    """A repository with a submodule that has one of its own."""
    leaf, inner, outer = (Project(tmp_path / name, tmp_path / "home") for name in ("leaf", "inner", "outer"))
    leaf.write("leaf.txt", "deep")
    leaf.commit()
    inner.write("lib.py", "K = 1")
    inner.git(*ADD, str(leaf.root), "vendor/leaf")
    inner.commit()
    outer.write("train.py", "import lib")
    outer.git(*ADD, str(inner.root), "third party/inner")
    outer.git("-c", "protocol.file.allow=always", "submodule", "--quiet", "update", "--init", "--recursive")
    outer.commit()
    return outer


@pytest.fixture
def git(outer: Project) -> Iterator[Git]:
    with Git.discover(outer.root) as git:
        yield git


def test_a_state_holds_the_files_of_submodules_within_submodules(git: Git) -> None:
    with closing(Submodules(git)) as submodules:
        state = submodules.expanded(git.files("HEAD"))
        assert set(state) == {
            *(".gitmodules", "train.py"),
            *("third party/inner/.gitmodules", "third party/inner/lib.py"),
            "third party/inner/vendor/leaf/leaf.txt",
        }
        contents = submodules.read([entry.blob for entry in state.values()])
        assert contents[state["third party/inner/vendor/leaf/leaf.txt"].blob] == b"deep"
        assert contents[state["train.py"].blob] == b"import lib"


def test_the_commit_named_counts_and_not_what_is_checked_out(outer: Project, git: Git) -> None:
    inner = outer.root / "third party/inner"
    (inner / "lib.py").write_text("K = 2")
    outer.git("-C", str(inner), "commit", "-qam", "later")
    (inner / "lib.py").write_text("K = 3")
    with closing(Submodules(git)) as submodules:
        state = submodules.expanded(git.files("HEAD"))
        blob = state["third party/inner/lib.py"].blob
        assert submodules.read([blob])[blob] == b"K = 1"


def test_a_submodule_that_is_not_checked_out_stays_an_empty_directory(outer: Project, git: Git) -> None:
    outer.git("submodule", "--quiet", "deinit", "-f", "--all")
    with closing(Submodules(git)) as submodules:
        assert submodules.expanded(git.files("HEAD"))["third party/inner"].mode == "160000"


def test_a_commit_that_the_submodule_lacks_is_named_with_its_remedy(outer: Project, git: Git) -> None:
    outer.git("update-index", "--cacheinfo", f"160000,{'1' * 40},third party/inner")
    outer.git("commit", "-qm", "ahead")
    with closing(Submodules(git)) as submodules, pytest.raises(LabError, match="git submodule update --init third"):
        submodules.expanded(git.files("HEAD"))
