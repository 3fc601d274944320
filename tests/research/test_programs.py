"""One session, one version: record 0 says which, and another one that goes on is marked wherever numbers are shown."""

from __future__ import annotations

from importlib.metadata import version

import pytest

from pytest_autoresearch.notebook.chain import read_history
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.report.markdown.body import body
from pytest_autoresearch.report.markdown.parts import Links
from pytest_autoresearch.report.story import story
from tests.conftest import Project

NAME = "pytest-autoresearch"


@pytest.mark.slow
def test_another_version_that_goes_on_is_marked_once(project: Project) -> None:
    few = ("--autoresearch", "--autoresearch-experiments=1")
    assert project.pytest(*few).returncode == 0
    newer = project.root.parent / f"site/{NAME.replace('-', '_')}-99.1.dist-info"
    newer.mkdir(parents=True)
    (newer / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {NAME}\nVersion: 99.1\n")
    for _ in range(2):
        done = project.pytest(*few, env={"PYTHONPATH": str(newer.parent)})
        assert done.returncode == 0, done.stdout + done.stderr
    with Git.discover(project.root) as repository:
        history = read_history(repository, "demo")
    assert history.session.versions[NAME] == version(NAME)
    mark = f"99.1 of {NAME} goes on from experiment 0002, after {version(NAME)}"
    assert [note.text for note in history.notes if note.kind == "program"] == [mark]
    assert mark.replace("-", r"\-") in body(story(history), Links()), "where a reviewer looks first"
    assert "0003" not in mark and len(history.experiments) == 4
