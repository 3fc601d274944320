"""Every call survives what GitHub does on a bad day, and says what to do where it can not."""

from __future__ import annotations

import json
import re
import time
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_autoresearch.errors import PublishError
from pytest_autoresearch.github.api import GitHubApi, Pull
from pytest_autoresearch.github.app import AppToken
from pytest_autoresearch.github.verdict import Conclusion, Verdict
from tests.github.fake_github import TOKEN, FakeGitHub, Fault

BRANCH = "autoresearch/demo"


@pytest.fixture
def api(github: FakeGitHub) -> GitHubApi:
    return GitHubApi("o/r", TOKEN, url=github.url, read_timeout=2.0, pause=0.01)


def opened(api: GitHubApi) -> int:
    return api.create(branch=BRANCH, base="main", title="t", body="b").number


def test_a_draft_is_opened_updated_labelled_and_made_ready(api: GitHubApi, github: FakeGitHub) -> None:
    assert api.find(BRANCH) is None
    number = opened(api)
    assert github.pulls[0]["draft"] and github.pulls[0]["base"]["ref"] == "main"
    api.update(number, title="t2", body="b2")
    api.label(number, ["autoresearch"])
    found = api.find(BRANCH)
    assert found is not None and found.is_draft and found.address.endswith("/pull/1")
    api.mark_ready(found)
    assert not github.pulls[0]["draft"] and github.pulls[0]["title"] == "t2"
    assert github.pulls[0]["labels"] == ["autoresearch"]


def test_creating_twice_gives_the_one_that_is_open(api: GitHubApi, github: FakeGitHub) -> None:
    assert opened(api) == opened(api) == 1
    assert len(github.pulls) == 1 and github.posts("/pulls") == 1


def test_where_there_are_no_drafts_it_is_open_for_review(api: GitHubApi, github: FakeGitHub) -> None:
    body = {"message": "Draft pull requests are not supported in this repository."}
    github.faults.append(Fault("POST", "/pulls", 422, body))
    assert opened(api) == 1 and len(github.pulls) == 1 and not github.pulls[0]["draft"]


def test_one_that_somebody_else_opened_meanwhile_is_taken(api: GitHubApi, github: FakeGitHub) -> None:
    opened(api)
    github.faults.append(Fault("GET", "/pulls", 200, body=[]))  # type: ignore[arg-type]
    assert opened(api) == 1 and len(github.pulls) == 1


def test_an_answer_lost_after_success_makes_no_second_one(api: GitHubApi, github: FakeGitHub) -> None:
    github.faults.append(Fault("POST", "/pulls", loses_answer=True))
    assert opened(api) == 1 and len(github.pulls) == 1


def test_an_answer_that_never_comes_makes_no_second_one(github: FakeGitHub) -> None:
    github.faults.append(Fault("POST", "/pulls", hangs=True))
    api = GitHubApi("o/r", TOKEN, url=github.url, read_timeout=0.3, pause=0.01)
    assert opened(api) == 1 and len(github.pulls) == 1


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_bad_gateway_is_tried_again(api: GitHubApi, github: FakeGitHub, method: str) -> None:
    github.faults.append(Fault(method, "/pulls", 502, times=2))
    assert opened(api) == 1 and len(github.pulls) == 1


def test_what_is_asked_again_after_a_look_is_given_as_long_as_everything_else(
    github: FakeGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Writes alone fail at times, and then for longer than it takes to ask five times."""
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    api = GitHubApi("o/r", TOKEN, url=github.url)
    github.faults += [Fault("POST", "/pulls", 502, times=6), Fault("POST", "/comments", 502, times=6)]
    number = opened(api)
    assert len(github.pulls) == 1 and sum(waited) > 30
    waited.clear()
    api.comment(number, MARKER, "text")
    assert len(github.comments) == 1 and sum(waited) > 30


@pytest.mark.parametrize("status", [403, 429])
def test_a_secondary_limit_is_waited_for(api: GitHubApi, github: FakeGitHub, status: int) -> None:
    body = {"message": "You have exceeded a secondary rate limit."}
    github.faults.append(Fault("POST", "/pulls", status, body, {"Retry-After": "0"}, times=2))
    assert opened(api) == 1 and github.posts("/pulls") == 3


def test_a_spent_limit_is_waited_for_until_it_is_there_again(api: GitHubApi, github: FakeGitHub) -> None:
    spent = {"x-ratelimit-remaining": "0", "x-ratelimit-reset": str(int(time.time()))}
    github.faults.append(Fault("GET", "/pulls", 403, {"message": "API rate limit exceeded"}, spent))
    assert api.find("autoresearch/demo") is None and len(github.requests) == 2
    spent["x-ratelimit-reset"] = str(int(time.time()) + 1800)
    github.faults.append(Fault("GET", "/pulls", 403, {"message": "API rate limit exceeded"}, spent))
    with pytest.raises(PublishError, match="wait an hour"):
        api.find("autoresearch/demo")
    assert len(github.requests) == 3


def test_a_limit_that_stays_is_said_in_the_end(api: GitHubApi, github: FakeGitHub) -> None:
    body = {"message": "You have exceeded a secondary rate limit."}
    github.faults.append(Fault("POST", "/pulls", 403, body, {"Retry-After": "0"}, times=99))
    with pytest.raises(PublishError, match="wait an hour"):
        opened(api)
    assert not github.pulls


REFUSALS = [
    (401, "Bad credentials", "expired"),
    (403, "Resource not accessible by integration", "pull-requests: write"),
    (403, "GitHub Actions is not permitted to create or approve pull requests.", "Allow GitHub Actions to create"),
    (403, "API rate limit exceeded", "wait an hour"),
    (404, "Not Found", "GITHUB_REPOSITORY"),
    (422, "No commits between main and autoresearch/demo", "nothing to review"),
    (422, "Validation Failed", "--base"),
]


@pytest.mark.parametrize(("status", "message", "remedy"), REFUSALS)
def test_a_refusal_says_what_to_do(api: GitHubApi, github: FakeGitHub, status: int, message: str, remedy: str) -> None:
    github.faults.append(Fault("POST", "/pulls", status, {"message": message}))
    with pytest.raises(PublishError) as caught:
        opened(api)
    assert message in str(caught.value) and remedy in str(caught.value) and caught.value.exit_code == 4
    assert TOKEN not in str(caught.value)


def test_an_expired_token_is_named_but_not_shown(github: FakeGitHub) -> None:
    with pytest.raises(PublishError, match="has expired") as caught:
        GitHubApi("o/r", "ghs_old", url=github.url).find(BRANCH)
    assert "ghs_old" not in str(caught.value)


def test_a_server_that_stays_broken_is_given_up_on(api: GitHubApi, github: FakeGitHub) -> None:
    github.faults.append(Fault("PATCH", "/pulls/1", 503, times=99))
    opened(api)
    with pytest.raises(PublishError, match="in trouble"):
        api.update(1, title="t", body="b")


def test_a_server_that_is_not_there_is_one_line(github: FakeGitHub) -> None:
    with pytest.raises(PublishError, match="GITHUB_API_URL"):
        GitHubApi("o/r", TOKEN, url="http://127.0.0.1:1", pause=0.01).find(BRANCH)


# The comment

MARKER = "<!-- mine -->"


def test_one_comment_is_written_over_and_over(api: GitHubApi, github: FakeGitHub) -> None:
    number = opened(api)
    api.comment(number, MARKER, "gone already", is_wanted=False)
    assert github.comments == []
    for text in ("one", "two", "three"):
        api.comment(number, MARKER, text)
    assert [said["body"] for said in github.comments] == [f"{MARKER}\nthree"]
    api.comment(number, MARKER, "the end", is_wanted=False)
    assert [said["body"] for said in github.comments] == [f"{MARKER}\nthe end"]


def test_it_is_found_behind_hundreds_of_others(api: GitHubApi, github: FakeGitHub) -> None:
    number = opened(api)
    github.comments += [{"id": n, "issue": number, "body": f"I like {MARKER}"} for n in range(1, 251)]
    for text in ("one", "two"):
        api.comment(number, MARKER, text)
    assert [said["body"] for said in github.comments[250:]] == [f"{MARKER}\ntwo"]


def test_a_strangers_comment_is_not_taken_for_ours(api: GitHubApi, github: FakeGitHub) -> None:
    number = opened(api)
    stranger = {"user": {"login": "x", "type": "User"}, "author_association": "CONTRIBUTOR"}
    github.comments.append({"id": 1, "issue": number, "body": f"{MARKER} all is well", **stranger})
    api.comment(number, MARKER, "one")
    assert [said["body"] for said in github.comments] == [f"{MARKER} all is well", f"{MARKER}\none"]


def test_a_comment_whose_answer_got_lost_is_not_written_twice(api: GitHubApi, github: FakeGitHub) -> None:
    number = opened(api)
    github.faults.append(Fault("POST", "/comments", loses_answer=True))
    api.comment(number, MARKER, "one")
    assert [said["body"] for said in github.comments] == [f"{MARKER}\none"]


# The check

HEAD = "a" * 40
VERDICT = Verdict(Conclusion.SUCCESS, "verified gain 0.1", "**better**", "https://github.com/o/r/actions/runs/1")
NO_APP = {"message": "You must authenticate via a GitHub App."}


def test_the_verdict_is_a_check_of_the_commit(api: GitHubApi, github: FakeGitHub) -> None:
    api.check(HEAD, VERDICT)
    (check,) = github.checks
    assert check["name"] == "autoresearch" and check["head_sha"] == HEAD and check["conclusion"] == "success"
    assert check["output"] == {"title": "verified gain 0.1", "summary": "**better**"} and not github.statuses
    assert check["details_url"] == VERDICT.address


@pytest.mark.parametrize(
    ("conclusion", "state"),
    [(Conclusion.SUCCESS, "success"), (Conclusion.FAILURE, "failure"), (Conclusion.NEUTRAL, "pending")],
)
def test_a_persons_token_sets_a_status_instead(
    api: GitHubApi, github: FakeGitHub, conclusion: Conclusion, state: str
) -> None:
    github.faults.append(Fault("POST", "/check-runs", 403, NO_APP))
    api.check(HEAD, Verdict(conclusion, "x" * 200, ""))
    (status,) = github.statuses
    assert (status["commit"], status["context"], status["state"]) == (HEAD, "autoresearch", state)
    assert len(status["description"]) == 140


def test_a_token_that_may_set_neither_is_told_what_it_needs(api: GitHubApi, github: FakeGitHub) -> None:
    github.faults += [Fault("POST", path, 403, NO_APP) for path in ("/check-runs", f"/statuses/{HEAD}")]
    with pytest.raises(PublishError, match="checks: write or statuses: write"):
        api.check(HEAD, VERDICT)


TROUBLES: dict[str, dict[str, Any]] = {
    "502": {"status": 502},
    "lost": {"loses_answer": True},
    "busy": {"status": 429, "body": {"message": "slow down"}, "headers": {"Retry-After": "0"}},
}


@pytest.mark.parametrize("trouble", TROUBLES)
def test_what_is_written_beside_the_pull_request_is_tried_again_too(
    api: GitHubApi, github: FakeGitHub, monkeypatch: pytest.MonkeyPatch, key: str, trouble: str
) -> None:
    """A status, the end of a draft, and an App's token: asked twice they do no more than asked once."""
    monkeypatch.setattr(time, "sleep", lambda seconds: None)
    monkeypatch.setenv("GITHUB_API_URL", github.url)
    opened(api)
    found = api.find(BRANCH)
    assert found is not None
    faults = TROUBLES[trouble]
    github.faults.append(Fault("POST", "/check-runs", 403, NO_APP))
    github.faults += [Fault("POST", path, times=2, **faults) for path in (HEAD, "/graphql", "/access_tokens")]
    api.check(HEAD, VERDICT)
    api.mark_ready(found)
    assert AppToken("7", key, "o/r")() == github.token and github.token.startswith("ghs_minted")
    assert {(status["commit"], status["state"]) for status in github.statuses} == {(HEAD, "success")}
    assert not github.pulls[0]["draft"] and all(not fault.times for fault in github.faults)


@pytest.mark.parametrize(("path", "needs"), [("/graphql", "pull-requests: write"), ("/access_tokens", "an App that")])
def test_what_is_refused_beside_the_pull_request_says_what_it_needs(
    api: GitHubApi, github: FakeGitHub, monkeypatch: pytest.MonkeyPatch, key: str, path: str, needs: str
) -> None:
    monkeypatch.setenv("GITHUB_API_URL", github.url)
    opened(api)
    found = api.find(BRANCH)
    assert found is not None
    github.faults.append(Fault("POST", path, 403, NO_APP))
    with pytest.raises(PublishError, match=needs) as caught:
        api.mark_ready(found) if path == "/graphql" else AppToken("7", key, "o/r")()
    assert github.pulls[0]["draft"] and TOKEN not in str(caught.value) and key not in str(caught.value)


# GitHub's own description of its API, cut to our calls by cut_spec.py

CALLS = json.loads(Path(__file__).with_name("calls.json").read_text("utf-8"))["calls"]


def described(method: str, path: str) -> dict[str, Any]:
    """What GitHub says of a request."""
    for call, description in CALLS.items():
        wanted, pattern = call.split(" ")
        if wanted == method and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", pattern), path):
            return dict(description)
    raise AssertionError(f"GitHub has no {method} {path}")


def test_every_request_is_as_github_describes_it(api: GitHubApi, github: FakeGitHub) -> None:
    number = opened(api)
    api.update(number, title="t2", body="b2")
    api.label(number, ["autoresearch"])
    for text in ("one", "two"):
        api.comment(number, MARKER, text)
    github.faults.append(Fault("POST", "/check-runs", 403, NO_APP))
    for _ in range(2):
        api.check(HEAD, VERDICT)
    assert {method for method, _, _ in github.requests} == {"GET", "POST", "PATCH"}
    for (method, path, body), query in zip(github.requests, github.queries, strict=True):
        known = described(method, path)
        for name, (value,) in query.items():
            schema = known["query"][name]
            jsonschema.validate(int(value) if schema["type"] == "integer" else value, schema)
        if known["body"] is not None:
            jsonschema.validate(body, known["body"])
            properties = known["body"].get("properties") or known["body"]["oneOf"][0]["properties"]
            assert set(body) <= set(properties), "GitHub ignores what it does not know"


@pytest.mark.parametrize("call", [call for call in CALLS if "/pulls" in call])
def test_the_answers_of_githubs_own_examples_are_understood(call: str, github: FakeGitHub) -> None:
    method, pattern = call.split(" ")
    path = pattern.format(owner="o", repo="r", pull_number=1347)
    github.faults.append(Fault(method, path, 200, CALLS[call]["answer"]))
    api = GitHubApi("o/r", TOKEN, url=github.url, pause=0.01)
    pull: Pull | None
    if method == "GET":
        pull = api.find(BRANCH)
    elif method == "POST":
        pull = api.create(branch=BRANCH, base="main", title="t", body="b")
    else:
        pull = api.update(1347, title="t", body="b")
    assert pull is not None and pull.number == 1347 and pull.state == "open" and pull.node
    assert pull.address == "https://github.com/octocat/Hello-World/pull/1347"
