"""Every command that a body, a comment or a summary shows works in a fresh clone, as it is rendered."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_autoresearch.notebook.chain import read_history
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.report.markdown.parts import Links
from pytest_autoresearch.report.markdown.standing import standing
from pytest_autoresearch.report.story import story
from tests.conftest import Project
from tests.github.fake_github import TOKEN, FakeGitHub, serving
from tests.github.shown import blocks, inline, run_block
from tests.notebook.diary import git

pytestmark = pytest.mark.slow  # sessions of a real pytest

BRANCH = "autoresearch/demo"


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with serving() as fake:
        yield fake


@pytest.fixture
def origin(project: Project, github: FakeGitHub) -> Path:
    """A bare repository with a published session of keeps that were measured, whose table is on the branch."""
    path = project.root.parent / "o/r.git"
    git(project.root.parent, "clone", "-q", "--bare", str(project.root), str(path))
    project.git("remote", "add", "origin", str(path))
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY", "GITHUB_RUN_ID"):
        project.env.pop(name, None)
    project.env |= {"GITHUB_API_URL": github.url, "GITHUB_REPOSITORY": "o/r", "GITHUB_TOKEN": TOKEN}
    done = project.pytest("--autoresearch", "--autoresearch-experiments=6")
    assert done.returncode == 0, done.stdout
    done = project.cli("publish", "--tag", "demo")
    assert done.returncode == 0, done.stderr
    assert f"{BRANCH}/results.tsv" in git(path, "diff", "--name-only", f"{BRANCH}~", BRANCH).splitlines()
    return path


def fresh(origin: Path, name: str, *options: str) -> Path:
    git(origin.parent, "clone", "-q", *options, str(origin), name)
    return origin.parent / name


def test_every_block_of_the_body_works_by_itself_in_a_fresh_clone(
    project: Project, github: FakeGitHub, origin: Path
) -> None:
    body = github.pulls[0]["body"]
    scripts = blocks(body)
    assert len(scripts) >= 2 and any("drop" in script for script in scripts)
    for number, script in enumerate(scripts):
        before = len(github.requests)
        done = run_block(script, fresh(origin, f"clone{number}"), project.env)
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
        assert "publish" not in script or len(github.requests) > before
    assert all(command.split()[1] in str(scripts) for command in inline(body) if command.startswith("pytest-"))


def test_a_clone_that_has_the_published_branch_already_runs_them_too(
    project: Project, github: FakeGitHub, origin: Path
) -> None:
    clone = fresh(origin, "reviewer")
    git(clone, "branch", "-q", BRANCH, f"origin/{BRANCH}")
    for script in blocks(github.pulls[0]["body"]):
        done = run_block(script, clone, project.env)
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"
    with Git.discover(clone) as repository:
        history = read_history(repository, "demo")
        assert repository.resolve(BRANCH) == (history.incumbent.commit if history.incumbent else None)


def test_the_comment_and_the_summary_of_the_job_show_no_command_that_fails(
    project: Project, github: FakeGitHub, origin: Path
) -> None:
    with Git.discover(project.root) as repository:
        comment = standing(story(read_history(repository, "demo")), Links())
    for text in (comment, github.checks[-1]["output"]["summary"]):
        assert (
            blocks(text) == []
            and [each for each in inline(text) if not each.startswith("pytest-autoresearch log")] == []
        )


def test_what_the_terminal_offers_at_the_end_works(project: Project, github: FakeGitHub, origin: Path) -> None:
    done = project.pytest("--autoresearch", "--autoresearch-experiments=1")
    assert done.returncode == 0, done.stdout
    offered = [
        line.partition(" ")[2].strip()
        for line in done.stdout.splitlines()
        if line.startswith(("diff  ", "resume ", "publish "))
    ]
    assert len(offered) == 3
    for command in offered:
        ran = run_block(command, project.root, {**os.environ, **project.env})
        assert ran.returncode == 0, f"{command}\n{ran.stdout}{ran.stderr}"
