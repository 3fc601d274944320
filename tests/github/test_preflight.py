"""What would go wrong in the morning is said before the first run, all of it, each with its remedy."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from pytest_autoresearch.cli import main
from pytest_autoresearch.github.api import GitHubApi
from pytest_autoresearch.github.app import AppToken, take_token
from pytest_autoresearch.github.tokens import ends_in_a_day
from pytest_autoresearch.notebook import hold
from pytest_autoresearch.notebook.git import Git
from tests.github.fake_github import TOKEN, FakeGitHub, Fault
from tests.notebook.diary import git

Asked = Callable[..., tuple[int, str]]


@pytest.fixture
def asked(
    repository: Git, github: FakeGitHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Asked:
    """The step before the first run; its exit code and what it says."""
    monkeypatch.setenv("GITHUB_API_URL", github.url)
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)

    def call(*args: str) -> tuple[int, str]:
        code = main(["preflight", str(repository.top), "--tag", "demo", "--duration", "8h", *args])
        said = capsys.readouterr()
        return code, said.out + said.err

    return call


def test_where_nothing_stands_in_the_way_nothing_is_left_behind(asked: Asked, github: FakeGitHub, origin: Path) -> None:
    before = git(origin, "for-each-ref")
    assert asked() == (0, "demo: nothing stands in its way\n")
    assert git(origin, "for-each-ref") == before
    assert (github.pulls, github.checks, github.statuses) == ([], [], [])


NOT_PERMITTED = "GitHub Actions is not permitted to create or approve pull requests."
NO_GRANT = "Resource not accessible by integration"


@pytest.mark.parametrize(
    ("fault", "remedy"),
    [
        (Fault("POST", "/pulls", 403, {"message": NOT_PERMITTED}), "Allow GitHub Actions to create"),
        (Fault("POST", "/pulls", 403, {"message": NO_GRANT}), "pull-requests: write"),
        (Fault("GET", "/pulls", 401, {"message": "Bad credentials"}), "has expired"),
        (Fault("GET", "autoresearch%2Fdemo", 404, {"message": "Not Found"}), "GITHUB_REPOSITORY"),
    ],
)
def test_what_github_would_refuse_is_said(asked: Asked, github: FakeGitHub, fault: Fault, remedy: str) -> None:
    github.faults.append(fault)
    code, said = asked()
    assert code == 1 and remedy in said and "Traceback" not in said and TOKEN not in said


def test_a_token_that_may_set_neither_check_nor_status(asked: Asked, github: FakeGitHub) -> None:
    github.faults.append(Fault("POST", "/check-runs", 403, {"message": NO_GRANT}))
    assert asked()[0] == 0, "a status will do"
    github.faults.append(Fault("POST", "/check-runs", 403, {"message": NO_GRANT}))
    github.faults.append(Fault("POST", "0" * 40, 403, {"message": NO_GRANT}))
    code, said = asked()
    assert code == 1 and "checks: write or statuses: write" in said


@pytest.mark.parametrize(("merged_at", "word"), [(None, "closed"), ("2026-03-01T00:00:00Z", "merged")])
def test_a_tag_whose_pull_request_is_over(asked: Asked, github: FakeGitHub, merged_at: str | None, word: str) -> None:
    api = GitHubApi("o/r", TOKEN, url=github.url)
    api.create(branch="autoresearch/demo", base="main", title="t", body="b")
    github.pulls[0].update(state="closed", merged_at=merged_at)
    code, said = asked()
    assert code == 1 and f"was {word}" in said and "new tag" in said


def test_rules_that_would_refuse_the_branch(asked: Asked, github: FakeGitHub) -> None:
    github.rules += [{"type": "deletion"}, {"type": "non_fast_forward"}, {"type": "required_signatures"}]
    code, said = asked()
    assert code == 1 and "non_fast_forward" in said and "required_signatures" in said and "deletion" not in said
    assert "exempt autoresearch/*" in said


def test_a_remote_that_takes_no_ledger(asked: Asked, origin: Path) -> None:
    hook = origin / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    code, said = asked()
    assert code == 1 and "declined" in said and "exempt autoresearch/*" in said


def test_a_base_that_has_not_what_the_session_began_from(asked: Asked, origin: Path, github: FakeGitHub) -> None:
    git(origin, "branch", "old", "main~")
    code, said = asked("--base", "old")
    assert code == 1 and "which old does not have" in said
    code, said = asked("--base", "gone")
    assert code == 1 and "has no branch gone" in said
    api = GitHubApi("o/r", TOKEN, url=github.url)
    api.create(branch="autoresearch/demo", base="main", title="t", body="b")
    assert asked("--base", "old")[0] == 0, "the pull request that is open says what it is for"


def test_a_session_that_runs_elsewhere(asked: Asked, repository: Git) -> None:
    hold.take(repository, "origin", "demo", hold.Holder("a laptop", 1))
    code, said = asked()
    assert code == 1 and "is being run by process 1 on a laptop" in said


def test_a_tag_that_is_there_in_another_spelling(asked: Asked, repository: Git, origin: Path) -> None:
    git(repository.top, "push", "-q", "origin", "autoresearch/demo")
    code, said = asked("--tag", "Demo")
    assert code == 1 and "a session or branch demo, from which Demo differs only in upper and lower case" in said
    assert git(origin, "for-each-ref", "refs/autoresearch") == ""


def test_everything_is_said_at_once(asked: Asked, github: FakeGitHub) -> None:
    github.rules.append({"type": "creation"})
    github.faults.append(Fault("POST", "/pulls", 403, {"message": NOT_PERMITTED}))
    code, said = asked("--base", "gone")
    assert code == 1 and all(each in said for each in ("creation", "Allow GitHub Actions", "has no branch gone"))


@pytest.mark.parametrize(("duration", "is_said"), [("", True), ("30h", True), ("22h", False)])
def test_a_job_that_lasts_longer_than_its_token_is_warned_of(asked: Asked, duration: str, is_said: bool) -> None:
    code, said = asked("--duration", duration)
    assert code == 0 and ("ends after 24 h" in said) == is_said


@pytest.mark.parametrize(("hours", "is_said"), [(8.5, True), (9.5, False)])
def test_a_persons_token_that_ends_before_the_session_is_warned_of(
    asked: Asked, github: FakeGitHub, monkeypatch: pytest.MonkeyPatch, hours: float, is_said: bool
) -> None:
    github.token = "github_pat_x"
    monkeypatch.setenv("GITHUB_TOKEN", github.token)
    ends = datetime.now(timezone.utc) + timedelta(hours=hours)
    github.token_ends = f"{ends:%Y-%m-%d %H:%M:%S} UTC"
    code, said = asked()
    assert code == 0 and (f"the token ends at {ends:%Y-%m-%d %H:%M} UTC" in said) == is_said
    assert ("AUTORESEARCH_APP_KEY" in said) == is_said


# Tokens


def test_an_apps_token_is_made_anew_before_it_ends(
    github: FakeGitHub, monkeypatch: pytest.MonkeyPatch, key: str
) -> None:
    monkeypatch.setenv("GITHUB_API_URL", github.url)
    now = [1_900_000_000.0]
    github.expires_at = "2030-03-17T18:46:40Z"  # an hour later
    token = AppToken("7", key, "o/r", clock=lambda: now[0])
    api = GitHubApi("o/r", token, url=github.url)
    assert api.find("autoresearch/demo") is None and github.minted == 1
    api.find("autoresearch/demo")
    assert github.minted == 1
    now[0], github.expires_at = now[0] + 3300.0, "2030-03-17T19:41:40Z"
    api.find("autoresearch/demo")
    assert github.minted == 2 and token() == "ghs_minted2"
    bearer = next(h["Authorization"] for h in github.headers if h["Authorization"].startswith("Bearer"))
    assert bearer.count(".") == 2 and key not in str(github.headers)


def test_a_key_that_is_none_is_said_and_not_shown(github: FakeGitHub) -> None:
    from pytest_autoresearch.errors import PublishError

    with pytest.raises(PublishError, match=r"AUTORESEARCH_APP_KEY is no private key") as caught:
        AppToken("7", "secret words", "o/r")()
    assert "secret words" not in str(caught.value)


@pytest.mark.parametrize(
    ("environ", "token", "ends"),
    [
        ({}, None, False),
        ({"GITHUB_TOKEN": "ghs_x"}, "ghs_x", True),
        ({"GITHUB_TOKEN": "", "GH_TOKEN": "github_pat_x"}, "github_pat_x", False),
        ({"GITHUB_TOKEN": "ghs_x", "AUTORESEARCH_APP_ID": ""}, "ghs_x", True),
    ],
)
def test_which_token_is_taken(environ: dict[str, str], token: str | None, ends: bool) -> None:
    found = take_token(environ)
    assert (found() if found is not None else None) == token and ends_in_a_day(environ) == ends
    assert not ends_in_a_day({**environ, "AUTORESEARCH_APP_ID": "7", "AUTORESEARCH_APP_KEY": "k"})
