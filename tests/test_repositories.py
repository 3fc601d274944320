"""Repositories as they are: each form works, or has a one-line error with the remedy."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests.conftest import CONFIG, TRAIN, Project

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.slow  # every test is a session or two of a real pytest

ONE = ("--autoresearch", "--autoresearch-experiments=1")


def assert_works(project: Project) -> None:
    done = project.pytest(*ONE)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(project.table()) == 3


def assert_refused(project: Project, mentions: str) -> None:
    done = project.pytest(*ONE)
    assert done.returncode == 4 and mentions in done.stderr and "Traceback" not in done.stderr, (
        done.stdout + done.stderr
    )


def test_no_repository_is_refused_with_the_remedy(project: Project) -> None:
    shutil.rmtree(project.root / ".git")
    assert_refused(project, "git init")


def test_an_unborn_head_is_refused_with_the_remedy(project: Project) -> None:
    shutil.rmtree(project.root / ".git")
    project.git("init", "-q")
    assert_refused(project, "commit")


def test_a_detached_head_works(project: Project) -> None:
    project.git("checkout", "-q", "--detach")
    assert_works(project)


def test_a_shallow_clone_works(project: Project, tmp_path: Path) -> None:
    project.write("more.txt", "x")
    project.commit("second")
    clone = tmp_path / "clone"
    project.git("clone", "-q", "--depth=1", f"file://{project.root}", str(clone))
    shutil.rmtree(project.root)
    shutil.move(clone, project.root)
    assert_works(project)


def test_a_linked_worktree_works(project: Project, tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    project.git("worktree", "add", "-q", str(tree))
    project.root = tree
    assert_works(project)


def test_a_submodule_works(project: Project, tmp_path: Path) -> None:
    outer = Project(tmp_path / "outer", project.home)
    outer.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(project.root), "inner")
    outer.commit()
    outer.root = outer.root / "inner"
    assert_works(outer)


def test_a_run_finds_what_lies_in_a_submodule(project: Project, tmp_path: Path) -> None:
    library = Project(tmp_path / "library", project.home)
    library.write("offset.txt", "1.0\n")
    library.commit()
    project.git("-c", "protocol.file.allow=always", "submodule", "add", "-q", str(library.root), "library")
    project.write("prepare.py", "offset = float(open('library/offset.txt').read())\n")
    project.commit()
    assert_works(project)


def test_spaces_and_other_scripts_in_paths_work(tmp_path: Path) -> None:
    project = Project(tmp_path / "mein Projekt 研究 'quoted'", tmp_path / "home")
    folder = "données d'été"
    project.write(f"{folder}/autoresearch.config.md", CONFIG)
    project.write(f"{folder}/train.py", TRAIN)
    project.write(f"{folder}/prepare.py", "offset = 1.0\n")
    project.write(f"{folder}/ein langer näme.txt", "x")
    project.commit()
    done = project.pytest(*ONE, folder)
    assert done.returncode == 0, done.stdout + done.stderr
    assert len(project.table(f"{folder}/results.tsv")) == 3


def test_twenty_thousand_files_work(project: Project) -> None:
    for folder in range(100):
        directory = project.root / f"data/{folder:03d}"
        directory.mkdir(parents=True)
        for file in range(200):
            (directory / f"{file}.txt").write_text(f"{folder} {file}\n")
    project.commit("many")
    assert_works(project)


def test_a_bare_repository_is_refused(project: Project, tmp_path: Path) -> None:
    bare = tmp_path / "bare.git"
    project.git("clone", "-q", "--bare", str(project.root), str(bare))
    shutil.copy(project.root / "autoresearch.config.md", bare)
    project.root = bare
    assert_refused(project, "bare")


def test_a_repository_without_an_identity_works(project: Project) -> None:
    environment = {"EMAIL": "", "GIT_AUTHOR_NAME": "", "GIT_COMMITTER_NAME": ""}
    done = project.pytest(*ONE, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_branch_named_autoresearch_blocks_the_namespace_in_one_line(project: Project) -> None:
    project.git("branch", "autoresearch")
    assert_refused(project, "autoresearch")


def test_a_branch_of_somebody_else_is_not_taken(project: Project) -> None:
    project.git("branch", "autoresearch/demo")
    assert_refused(project, "autoresearch/demo")


def test_a_second_session_on_the_tag_is_refused_by_name(project: Project, wait_for: Callable[[Path], None]) -> None:
    agent = project.home / "agent.sh"
    agent.write_text("touch train.py; sleep 60\n")
    first = subprocess.Popen(
        [*project.pytest_command, *ONE, f"--autoresearch-agent=command:bash {agent}"],
        cwd=project.root,
        env=project.env,
        stdout=subprocess.DEVNULL,
    )
    try:
        wait_for(project.root / "results.tsv")
        assert_refused(project, str(first.pid))
    finally:
        first.terminate()
        assert first.wait(30) == 2


def test_git_sha256_repositories_work(project: Project) -> None:
    shutil.rmtree(project.root / ".git")
    project.git("init", "-q", "--object-format=sha256", "-b", "main")
    project.commit()
    assert_works(project)
