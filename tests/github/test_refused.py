"""A push that is refused is told while the loop runs, and a token that ends is renewed where there is an App's."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_autoresearch.errors import PublishError
from pytest_autoresearch.github import remote as remotes
from pytest_autoresearch.github.api import GitHubApi
from pytest_autoresearch.github.app import AppToken
from pytest_autoresearch.github.errands import Pusher
from pytest_autoresearch.github.publish import plan, publish, read_checked
from pytest_autoresearch.github.remote import open_remote
from pytest_autoresearch.lab.sandbox import choose
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.sync import push_ledger
from tests.conftest import Project
from tests.github.conftest import Work
from tests.github.fake_github import TOKEN, FakeGitHub
from tests.github.git_http import BACKEND, GitHttp, serving_git
from tests.notebook.diary import git

pytestmark = pytest.mark.skipif(not BACKEND.is_file(), reason="this git has no http-backend")

LEDGER = "refs/autoresearch/demo/log"
ANNOTATION = re.compile(
    r"^::warning title=autoresearch::not pushed, .*(401|could not read|Authentication)", re.MULTILINE
)


@pytest.fixture
def served(place: Path, github: FakeGitHub) -> Iterator[GitHttp]:
    """The origin over HTTP, for the token that GitHub takes at the time."""
    git(place / "origin.git", "config", "http.receivepack", "true")
    with serving_git(place, lambda: github.token) as serving:
        git(place / "clone", "remote", "set-url", "origin", f"{serving.url}/origin.git")
        yield serving


@pytest.mark.parametrize("broken", [1, 4])
def test_a_remote_in_trouble_is_asked_again_and_no_branch_goes_before_its_ledger(
    served: GitHttp, repository: Git, github: FakeGitHub, origin: Path, monkeypatch: pytest.MonkeyPatch, broken: int
) -> None:
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    remote = open_remote(repository, "origin", TOKEN)
    planned = plan(repository, read_checked(repository, "demo"), remote)
    real = push_ledger

    def in_trouble(*args: Any, **options: Any) -> Any:
        monkeypatch.setattr(remotes, "push_ledger", real)
        served.broken = broken
        return real(*args, **options)

    monkeypatch.setattr(remotes, "push_ledger", in_trouble)
    done = publish(repository, planned, remote, GitHubApi("o/r", TOKEN, url=github.url))
    assert done.sent.ledger and done.sent.branch and not done.remarks and len(github.pulls) == 1
    assert at(origin, LEDGER) == at(repository.top, LEDGER) and waited
    served.broken, waited[:] = 999, []
    with pytest.raises(PublishError, match=r"error: 502[\s\S]*nothing is lost"):
        publish(repository, planned, remote, GitHubApi("o/r", TOKEN, url=github.url))
    assert sum(waited) > 30


def test_an_apps_token_that_ends_while_a_session_runs_is_renewed_for_the_next_push(
    served: GitHttp, repository: Git, github: FakeGitHub, origin: Path, key: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_API_URL", github.url)
    now = [1_900_000_000.0]
    github.expires_at = "2030-03-17T18:46:40Z"  # an hour later
    token = AppToken("7", key, "o/r", clock=lambda: now[0])
    pusher = Pusher(repository.top, "demo", open_remote(repository, "origin", token), first_pause=0.01)
    pusher.soon()
    wait_until(lambda: at(origin, LEDGER) == at(repository.top, LEDGER))
    assert set(served.tokens) == {"ghs_minted1"}
    now[0], github.expires_at = now[0] + 3300.0, "2030-03-17T19:41:40Z"
    with Work(repository.top) as work:
        work.reach(9)
    pusher.close(30)
    assert at(origin, LEDGER) == at(repository.top, LEDGER) and served.tokens[-1] == "ghs_minted2"
    assert pusher.trouble == "" and pusher.remarks() == []


def test_what_stands_in_the_way_of_a_push_is_known_until_it_is_gone(
    served: GitHttp, repository: Git, github: FakeGitHub, origin: Path
) -> None:
    pusher = Pusher(repository.top, "demo", open_remote(repository, "origin", "ghs_old"), first_pause=0.01)
    pusher.soon()
    wait_until(lambda: "not pushed" in pusher.trouble)
    assert "publish again with a new one" in pusher.trouble and "ghs_old" not in pusher.trouble
    github.token = "ghs_old"
    wait_until(lambda: pusher.trouble == "")
    pusher.close(30)
    assert at(origin, LEDGER) == at(repository.top, LEDGER) and len(pusher.remarks()) == 1


@pytest.mark.slow
def test_a_token_that_ends_is_told_on_the_jobs_page_and_in_the_comment_while_the_loop_runs(
    project: Project, github: FakeGitHub, tmp_path: Path
) -> None:
    try:
        choose("strict", scratch=tmp_path)
    except Exception as error:
        pytest.skip(str(error))
    bare = project.root.parent / "o/r.git"
    git(project.root.parent, "clone", "-q", "--bare", str(project.root), str(bare))
    git(bare, "config", "http.receivepack", "true")
    GitHubApi("o/r", TOKEN, url=github.url).create(branch="autoresearch/demo", base="main", title="t", body="b")
    ended = list[str]()
    with serving_git(bare.parent, lambda: ended[0] if ended else TOKEN) as served:
        project.git("remote", "add", "origin", f"{served.url}/r.git")
        env = {"GITHUB_TOKEN": TOKEN, "GITHUB_API_URL": github.url, "GITHUB_REPOSITORY": "o/r"}
        env |= {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(tmp_path / "summary.md")}
        command = [*project.pytest_command, "--autoresearch", "--autoresearch-publish=yes"]
        command += ["--autoresearch-isolation=strict", "--autoresearch-experiments=500"]
        log = tmp_path / "log"
        with log.open("w") as out:
            job = subprocess.Popen(command, cwd=project.root, env={**project.env, **env}, stdout=out, stderr=out)
        try:
            wait_until(lambda: git(bare, "for-each-ref", LEDGER) != "", 60)
            pushed = at(bare, LEDGER)
            ended.append("none is good any more")
            wait_until(lambda: ANNOTATION.search(log.read_text()) is not None, 60)
            wait_until(lambda: any("not pushed" in c["body"] for c in github.comments), 100)
            wait_until(lambda: "not pushed" in (tmp_path / "summary.md").read_text(), 60)
            assert job.poll() is None, "it runs"
            ended.clear()
            wait_until(lambda: at(bare, LEDGER) != pushed, 60)
            wait_until(lambda: "not pushed" not in github.comments[0]["body"], 100)
        finally:
            job.terminate()
            job.wait(60)
    (comment,) = github.comments
    assert "[!WARNING]" not in comment["body"] and TOKEN not in log.read_text() + str(github.comments)


def at(repository: Path, ref: str) -> str:
    return git(repository, "for-each-ref", "--format=%(objectname)", ref)


def wait_until(condition: Callable[[], bool], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.parametrize(
    ("said", "remedy"),
    [
        (
            "fatal: unable to access 'http://127.0.0.1:34403/o/denied.git/': The requested URL returned error: 502",
            "network",
        ),
        (
            "fatal: unable to access 'https://git.example/o/r.git/': The requested URL returned error: 403",
            "contents: write",
        ),
        ("fatal: could not read Username for 'https://git.example': terminal prompts disabled", "contents: write"),
        ("remote: error: GH006: Protected branch update failed for refs/heads/autoresearch/demo.", "branch rule"),
        ("! [rejected] autoresearch/demo -> autoresearch/demo (stale info)", "meanwhile"),
    ],
)
def test_a_remedy_is_read_from_what_git_says_and_never_from_an_address(said: str, remedy: str) -> None:
    assert remedy in remotes._remedy(said)
