"""Sessions that older versions have written are read and go on; ``older/`` holds one of each, as git bundles."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_autoresearch.notebook.chain import ledger_ref, read_history
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.experiment import Reason
from tests.conftest import Project

BUNDLES = sorted((Path(__file__).parent / "older").glob("*.bundle"), key=lambda path: path.name)
REASONS = [Reason.IMPROVED, Reason.IMPROVED, Reason.NOISE, Reason.IMPROVED, Reason.ERROR, Reason.NOISE]


@pytest.fixture(params=BUNDLES, ids=lambda path: path.stem)
def older(request: pytest.FixtureRequest, tmp_path: Path) -> Project:
    """A checkout of the start commit of a session of six experiments, with its ledger and branch."""
    project = Project(tmp_path / "project", tmp_path / "home")
    refs = ("refs/autoresearch/*:refs/autoresearch/*", "refs/heads/*:refs/heads/*")
    project.git("fetch", "-q", str(request.param), *refs)
    project.git("checkout", "-q", "-b", "start", "autoresearch/demo")
    with Git.discover(project.root) as git:
        session = read_history(git, "demo").session
    assert session is not None
    project.git("reset", "-q", "--hard", session.start)
    return project


def test_a_ledger_of_an_older_version_is_read(older: Project) -> None:
    with Git.discover(older.root) as git:
        history = read_history(git, "demo")
        assert git.resolve("autoresearch/demo") == history.keeps[-1].commit
    assert [experiment.reason for experiment in history.experiments] == REASONS
    assert [keep.number for keep in history.keeps] == [1, 3]
    assert history.experiments[3].value == pytest.approx(105.6794, abs=1e-4)
    (group,) = history.groups
    (verification,) = history.verifications
    assert group.gain == pytest.approx(7.365, abs=1e-3) and verification.gain == pytest.approx(6.522355, abs=1e-6)


@pytest.mark.slow
def test_a_session_of_an_older_version_goes_on(older: Project) -> None:
    before = older.git("rev-parse", ledger_ref("demo"))
    done = older.pytest(
        "--autoresearch", "--autoresearch-experiments=1", "--autoresearch-agent=command:python agent.py"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    with Git.discover(older.root) as git:
        history = read_history(git, "demo")
    assert [experiment.reason for experiment in history.experiments[:6]] == REASONS and len(history.experiments) == 7
    older.git("merge-base", "--is-ancestor", before, ledger_ref("demo"))
