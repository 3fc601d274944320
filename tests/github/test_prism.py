"""Every call of ours, and of the workflows' gh, is as GitHub's own description has it; bad days end in one result."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from pytest_autoresearch.cli import main
from pytest_autoresearch.github.api import GitHubApi
from pytest_autoresearch.github.errands import MARKER, Commenter
from pytest_autoresearch.github.setup import Setup, workflows
from pytest_autoresearch.github.verdict import Conclusion, Verdict
from pytest_autoresearch.notebook.git import Git
from tests.github.conftest import Work, verify
from tests.github.cut_spec import CALLS
from tests.github.fake_github import TOKEN, FakeGitHub, Fault
from tests.github.prism import DESCRIPTION, PACKAGES, PROGRAM, Prism, cut_to, standing

GH = shutil.which("gh")
REPOSITORY = "/repos/{owner}/{repo}"
# What gh asks for when the workflow of reviewers' commands runs it.
GH_PATHS = (
    "/collaborators/{username}/permission",
    "/issues/comments/{comment_id}/reactions",
)
VALIDATE = """
const {readFileSync} = require("fs"), {buildSchema, parse, validate} = require("graphql");
// GitHub states two fields twice, which is no error of ours.
const known = buildSchema(readFileSync(process.argv[1], "utf8"), {assumeValid: true});
const asked = JSON.parse(readFileSync(0));
console.log(JSON.stringify(asked.flatMap(each => validate(known, parse(each)).map(String))));
"""

# Whether somebody hears of a fault here depends on more than the fault.
UNCERTAIN = ("/dispatches", "/pulls", "/comments/1")

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        PROGRAM is None or not DESCRIPTION.is_file(), reason="prism and @octokit/openapi: see .ci/tools"
    ),
]


@pytest.fixture(scope="module")
def description() -> dict[str, Any]:
    """GitHub's own, whole."""
    return dict(json.loads(DESCRIPTION.read_text("utf-8")))


@pytest.fixture(scope="module")
def cut(description: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same, for the paths that are called."""
    file = tmp_path_factory.mktemp("description") / "calls.json"
    ours = {call.split(" ")[1] for call in CALLS}
    file.write_text(json.dumps(cut_to(description, ours | {REPOSITORY + path for path in GH_PATHS})))
    return file


@pytest.fixture
def prism(cut: Path, github: FakeGitHub, tmp_path: Path) -> Iterator[Prism]:
    with standing(cut, github.url, tmp_path / "prism.log") as proxy:
        yield proxy


@pytest.fixture
def publish(prism: Prism, repository: Git, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    """The command, as a job gives it."""
    monkeypatch.setenv("GITHUB_API_URL", prism.url)
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    return lambda *args: main(["publish", str(repository.top), *args])


def test_a_session_is_published_in_githubs_own_terms(
    publish: Callable[..., int], prism: Prism, github: FakeGitHub, repository: Git
) -> None:
    assert publish() == 0 and github.pulls[0]["draft"]
    commenter = Commenter("demo", "o/r", TOKEN, pause=0.0)
    commenter.say("It runs.")
    commenter.close(60.0)
    assert [comment["body"] for comment in github.comments] == [f"{MARKER}\nIt runs."]
    with Work(repository.top) as work:
        work.reach(14)
    assert publish() == 0 and "(4 keeps of 13 experiments)" in github.pulls[0]["title"]
    verify(repository, gain=0.1)
    with Work(repository.top) as work:
        work.notebook.note("stop", "10 experiments")
    assert publish() == 0 and not github.pulls[0]["draft"]
    assert len(github.comments) == 1 and "it has ended" in github.comments[0]["body"]
    assert [check["conclusion"] for check in github.checks] == ["neutral", "neutral", "success"]
    assert prism.violations() == [] and misspelt(github) == []


def test_every_verdict_is_in_githubs_own_terms_as_a_check_or_as_a_status(prism: Prism, github: FakeGitHub) -> None:
    api = GitHubApi("o/r", TOKEN, url=prism.url)
    verdicts = [Verdict(conclusion, "title", "summary", "https://github.com/o/r") for conclusion in Conclusion]
    for verdict in verdicts:
        api.check("1" * 40, verdict)
    github.faults.append(Fault("POST", "/check-runs", 403, {"message": "Resource not accessible"}, times=3))
    for verdict in verdicts:
        api.check("1" * 40, verdict)
    assert len(github.checks) == len(github.statuses) == 3 and prism.violations(statuses=False) == []


def test_a_bad_day_ends_in_one_pull_request_and_an_expired_token_in_a_clear_message(
    publish: Callable[..., int], prism: Prism, github: FakeGitHub, capsys: pytest.CaptureFixture[str]
) -> None:
    limited = {"message": "You have exceeded a secondary rate limit.", "documentation_url": "https://docs.github.com"}
    github.faults += [
        Fault("POST", "/pulls", 403, limited, {"Retry-After": "0"}),
        Fault("POST", "/pulls", 502),
        Fault("POST", "/pulls", loses_answer=True),  # Prism makes a 500 of it
        # What was merged before, and three times true; after that a 422 says what there is.
        Fault("GET", "/pulls", 200, body=[], times=5),  # type: ignore[arg-type]
        Fault("PATCH", "/pulls/1", 401, {"message": "Bad credentials"}),
    ]
    assert publish() == 4
    said = capsys.readouterr().err
    assert "has expired" in said and "publish again" in said and "Traceback" not in said and TOKEN not in said
    assert len(github.pulls) == 1 and github.posts("/pulls") == 4 and all(not fault.times for fault in github.faults)
    assert publish() == 0 and len(github.pulls) == 1 and github.posts("/pulls") == 4
    assert prism.violations(statuses=False) == []


def test_what_answers_a_reviewer_asks_in_githubs_own_terms(
    publish: Callable[..., int], prism: Prism, github: FakeGitHub, repository: Git
) -> None:
    assert publish() == 0
    running = {"id": 2, "display_title": "autoresearch demo", "status": "in_progress", "conclusion": None}
    about = ("--tag", "demo", "--pull", "1", "--by", "reviewer", "--ref", "main")
    for number, text in enumerate(("drop 6", "verify", "continue 5", "stop", "drop 3")):
        if text == "stop":
            github.runs.append({**running, "path": ".github/workflows/autoresearch.yml"})
        assert main(["answer", text, str(repository.top), *about, "--id", f"comment-{number}"]) == 0
    assert [each["workflow"] for each in github.dispatches] == ["verify.yml", "autoresearch.yml"]
    assert github.runs[0]["conclusion"] == "cancelled" and len(github.comments) == 5
    assert prism.violations() == []


def test_what_is_asked_before_the_first_run_is_in_githubs_own_terms(
    publish: Callable[..., int], prism: Prism, github: FakeGitHub, repository: Git
) -> None:
    github.rules.append({"type": "creation"})
    assert main(["preflight", str(repository.top), "--tag", "demo", "--duration", "8h"]) == 1
    github.rules.clear()
    assert main(["preflight", str(repository.top), "--tag", "demo", "--duration", "8h"]) == 0
    assert prism.violations(statuses=False) == [], "a check on no commit is a 422, which the description leaves out"


@pytest.mark.skipif(GH is None, reason="gh is not installed: see .ci/tools")
def test_who_asks_is_asked_in_githubs_own_terms(
    prism: Prism, github: FakeGitHub, description: dict[str, Any], tmp_path: Path
) -> None:
    github.faults += prepared(description)
    carry_out("/autoresearch verify", prism, tmp_path)
    assert [path.rsplit("/", 1)[1] for _, path, _ in github.requests if "graphql" not in path] == [
        *("permission", "reactions")
    ]
    assert prism.violations() == [] and misspelt(github) == []


@pytest.mark.parametrize(
    ("method", "path"),
    [
        *(("PATCH", "/pulls/1"), ("POST", "/labels"), ("POST", "/check-runs"), ("POST", "/comments")),
        *(("PATCH", "/comments/1"), ("POST", "/dispatches"), ("POST", "/cancel"), ("POST", "/pulls")),
    ],
)
@pytest.mark.parametrize("fault", ["502", "lost", "busy", "refused"])
def test_a_fault_of_any_write_is_made_good_or_said(
    publish: Callable[..., int], prism: Prism, github: FakeGitHub, repository: Git, method: str, path: str, fault: str
) -> None:
    """Once the fault is over everything is there once; what was not to be repeated was not."""
    times = 1 if path == "/dispatches" and fault in ("502", "lost") else 2
    github.faults.append(
        {
            "502": Fault(method, path, 502, times=times),
            "lost": Fault(method, path, loses_answer=True, times=times),
            "busy": Fault(method, path, 429, {"message": "slow down"}, {"Retry-After": "0"}, times=times),
            "refused": Fault(method, path, 403, {"message": "Resource not accessible by integration"}, times=1),
        }[fault]
    )
    running = {"id": 2, "display_title": "autoresearch demo", "status": "in_progress", "conclusion": None}
    about = ("--tag", "demo", "--pull", "1", "--by", "reviewer", "--ref", "main")
    codes = [publish()]
    codes += [main(["answer", "continue 5", str(repository.top), *about, "--id", "a"])]
    github.runs.append({**running, "path": ".github/workflows/autoresearch.yml"})
    codes += [main(["answer", "stop", str(repository.top), *about, "--id", "b"]) for _ in range(2)][:1]
    is_said = any(codes)
    assert is_said == (fault == "refused" and path != "/check-runs") or path in UNCERTAIN, codes
    assert publish() == 0
    assert len(github.pulls) == 1 and github.pulls[0]["labels"] == ["autoresearch"]
    assert len(github.dispatches) == (0 if path == "/dispatches" and fault in ("502", "refused") else 1)
    assert len([c for c in github.comments if "answer to a" in c["body"]]) <= 1
    assert prism.violations(statuses=False) == []


def prepared(description: dict[str, Any]) -> list[Fault]:
    """The examples of the description as answers."""
    examples = {name: each["value"] for name, each in description["components"]["examples"].items()}
    permission = examples["repository-collaborator-permission-response-if-user-has-admin-permissions"]
    permission["user"]["role_name"] = permission["role_name"]  # demanded by the description, and not in its example
    pull = {"number": 1, "id": "PR_1", "headRefName": "autoresearch/demo", "isCrossRepository": False}
    repository = {"id": "R_1", "name": "r", "owner": {"login": "o"}, "defaultBranchRef": {"name": "main"}}
    answers = [
        ("GET", "/permission", 200, permission),
        ("POST", "/reactions", 201, examples["reaction"]),
        ("POST", "/graphql", 200, {"data": {"repository": {**repository, "pullRequest": pull}}}),
    ]
    return [Fault(method, path, status, body, times=99) for method, path, status, body in answers]


def carry_out(comment: str, prism: Prism, place: Path) -> None:
    """Run the steps of the workflow that carry out a comment with the real gh."""
    told = place / "output"
    told.touch()
    env = {
        "PATH": os.environ["PATH"],
        "HOME": str(place),
        "GH_HOST": "github.localhost",  # the one host that gh speaks plain HTTP with; the proxy takes what is for it
        "HTTP_PROXY": prism.url,
        "GH_TOKEN": TOKEN,
        "GH_REPO": "o/r",
        "GITHUB_REPOSITORY": "o/r",
        "GITHUB_OUTPUT": str(told),
        "COMMENT": comment,
        "COMMENT_ID": "7",
        "NUMBER": "1",
        "ACTOR": "reviewer",
    }
    job = yaml.safe_load(workflows(Setup())["commands.yml"])["jobs"]["command"]
    for step in job["steps"][:1]:
        command = ["bash", "-eo", "pipefail", "-c", step["run"]]
        done = subprocess.run(command, env=env, cwd=place, capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, f"{comment}: {step['name']}\n{done.stdout}{done.stderr}"
        for line in told.read_text().splitlines():
            name, _, value = line.partition("=")
            env[name.upper()] = value
    told.unlink()


def misspelt(github: FakeGitHub) -> list[str]:
    """What GraphQL's own description has against what was asked in it."""
    asked = [body["query"] for _, path, body in github.requests if path == "/graphql"]
    assert asked
    command = ["node", "-e", VALIDATE, str(PACKAGES / "@octokit/graphql-schema/schema.graphql")]
    env = {"PATH": os.environ["PATH"], "NODE_PATH": str(PACKAGES)}
    done = subprocess.run(command, input=json.dumps(asked), env=env, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))
