"""A small stateful stand-in for the GitHub endpoints that publishing calls. 127.0.0.1 only.

Answers are GitHub's own examples with our values in their places, so that they are as complete as real ones.
Faults on demand: an answer instead of the real one, or one that gets lost, or never comes, after the work was done.
"""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

BODY_LIMIT = 65_536
TOKEN = "ghs_canary0123456789canary0123456789"
Json = dict[str, Any]
CALLS: dict[str, Json] = json.loads(Path(__file__).with_name("calls.json").read_text("utf-8"))["calls"]


@dataclass
class Fault:
    """What happens to the next ``times`` requests of ``method`` on a path that ends in ``path``."""

    method: str
    path: str
    status: int = 502
    body: Json = field(default_factory=lambda: {"message": "Bad Gateway"})
    headers: Mapping[str, str] = field(default_factory=dict)
    times: int = 1
    loses_answer: bool = False
    hangs: bool = False


@dataclass
class FakeGitHub:
    """The server's state, which tests read and change."""

    url: str = ""
    pulls: list[Json] = field(default_factory=list)
    comments: list[Json] = field(default_factory=list)
    checks: list[Json] = field(default_factory=list)
    statuses: list[Json] = field(default_factory=list)
    runs: list[Json] = field(default_factory=list)
    dispatches: list[Json] = field(default_factory=list)
    rules: list[Json] = field(default_factory=list)
    minted: int = 0
    expires_at: str = "2030-01-01T00:00:00Z"
    requests: list[tuple[str, str, Any]] = field(default_factory=list)
    queries: list[Mapping[str, list[str]]] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    faults: list[Fault] = field(default_factory=list)
    token: str = TOKEN
    token_ends: str = ""

    def answer(self, method: str, path: str, query: Mapping[str, list[str]], body: Any) -> tuple[int, Any]:
        for wanted, pattern, action in _ROUTES:
            found = re.fullmatch(pattern, path)
            if wanted == method and found:
                return action(self, query, body, **found.groupdict())
        return 404, {"message": "Not Found", "documentation_url": "https://docs.github.com/rest", "status": "404"}

    def take_fault(self, method: str, path: str) -> Fault | None:
        for fault in self.faults:
            if fault.times and fault.method == method and path.endswith(fault.path):
                fault.times -= 1
                return fault
        return None

    def posts(self, path: str) -> int:
        """How often something was posted there."""
        return sum(1 for method, where, _ in self.requests if method == "POST" and where.endswith(path))


_TOO_LONG = {"resource": "Issue", "code": "custom", "field": "body", "message": "body is too long"}

Action = Callable[..., tuple[int, Any]]
_ROUTES: list[tuple[str, str, Action]] = []
_REPOSITORY = r"/repos/(?P<owner>[^/]+)/(?P<name>[^/]+)"


def _route(method: str, pattern: str) -> Callable[[Action], Action]:
    def register(action: Action) -> Action:
        _ROUTES.append((method, pattern, action))
        return action

    return register


@_route("GET", _REPOSITORY + "/pulls")
def _list(fake: FakeGitHub, query: Mapping[str, list[str]], body: Any, owner: str, name: str) -> tuple[int, Any]:
    head, state = query.get("head", [""])[0], query.get("state", ["open"])[0]
    base = query.get("base", [""])[0]
    chosen = [p for p in fake.pulls if head in ("", p["head"]["label"]) and state in ("all", p["state"])]
    chosen = [p for p in chosen if base in ("", p["base"]["ref"])]
    return 200, [_filled(_example("GET", "pulls")[0], pull) for pull in reversed(chosen)]


@_route("POST", _REPOSITORY + "/pulls")
def _create(fake: FakeGitHub, query: object, body: Json, owner: str, name: str) -> tuple[int, Any]:
    if body["head"] == body["base"]:
        return _invalid({"resource": "PullRequest", "code": "custom", "message": "No commits between them"})
    label = f"{owner}:{body['head']}"
    problem = _TOO_LONG if len(body["body"]) > BODY_LIMIT else None
    if any(p["head"]["label"] == label and p["state"] == "open" for p in fake.pulls):
        problem = {
            "resource": "PullRequest",
            "code": "custom",
            "message": f"A pull request already exists for {label}.",
        }
    if problem is not None:
        return _invalid(problem)
    number = len(fake.pulls) + 1
    pull = {
        "number": number,
        "node_id": f"PR_{number}",
        "html_url": f"https://github.com/{owner}/{name}/pull/{number}",
        "state": "open",
        "draft": bool(body.get("draft")),
        "merged_at": None,
        "title": body["title"],
        "body": body["body"],
        "labels": [],
        "head": {"label": label, "ref": body["head"]},
        "base": {"label": f"{owner}:{body['base']}", "ref": body["base"]},
    }
    fake.pulls.append(pull)
    return 201, _filled(_example("POST", "pulls"), pull)


@_route("PATCH", _REPOSITORY + r"/pulls/(?P<number>\d+)")
def _update(fake: FakeGitHub, query: object, body: Json, owner: str, name: str, number: str) -> tuple[int, Any]:
    if len(body["body"]) > BODY_LIMIT:
        return _invalid(_TOO_LONG)
    pull = fake.pulls[int(number) - 1]
    pull.update({key: value for key, value in body.items() if key in ("title", "body", "state")})
    return 200, _filled(_example("PATCH", "pulls/{pull_number}"), pull)


@_route("POST", _REPOSITORY + r"/issues/(?P<number>\d+)/labels")
def _label(fake: FakeGitHub, query: object, body: Json, owner: str, name: str, number: str) -> tuple[int, Any]:
    labels = fake.pulls[int(number) - 1]["labels"]
    labels += [each for each in body["labels"] if each not in labels]
    return 200, _labels(labels)


@_route("GET", _REPOSITORY + r"/issues/(?P<number>\d+)/comments")
def _comments(
    fake: FakeGitHub, query: Mapping[str, list[str]], body: None, owner: str, name: str, number: str
) -> tuple[int, Any]:
    like = _example("GET", "issues/{issue_number}/comments")[0]
    size, page = int(query.get("per_page", ["30"])[0]), int(query.get("page", ["1"])[0])
    found = [{**like, **each} for each in fake.comments if each["issue"] == int(number)]
    return 200, found[(page - 1) * size : page * size]


@_route("POST", _REPOSITORY + r"/issues/(?P<number>\d+)/comments")
def _comment(fake: FakeGitHub, query: object, body: Json, owner: str, name: str, number: str) -> tuple[int, Any]:
    if len(body["body"]) > BODY_LIMIT:
        return _invalid(_TOO_LONG)
    like = _example("POST", "issues/{issue_number}/comments")
    bot = {"user": {**like["user"], "login": "github-actions[bot]", "type": "Bot"}, "author_association": "NONE"}
    said = {"id": len(fake.comments) + 1, "issue": int(number), "body": body["body"], **bot}
    fake.comments.append(said)
    return 201, {**like, **said}


@_route("PATCH", _REPOSITORY + r"/issues/comments/(?P<number>\d+)")
def _edit(fake: FakeGitHub, query: object, body: Json, owner: str, name: str, number: str) -> tuple[int, Any]:
    said = next(each for each in fake.comments if each["id"] == int(number))
    said["body"] = body["body"]
    return 200, {**_example("PATCH", "issues/comments/{comment_id}"), **said}


@_route("POST", _REPOSITORY + "/check-runs")
def _check(fake: FakeGitHub, query: object, body: Json, owner: str, name: str) -> tuple[int, Any]:
    if set(body["head_sha"]) == {"0"}:
        return 422, {"message": "No commit found for SHA: 0", "status": "422"}
    fake.checks.append(body)
    like = _example("POST", "check-runs")
    return 201, {**like, **body, "output": {**like["output"], **body["output"]}}


@_route("POST", _REPOSITORY + "/statuses/(?P<commit>[0-9a-f]{40})")
def _status(fake: FakeGitHub, query: object, body: Json, owner: str, name: str, commit: str) -> tuple[int, Any]:
    fake.statuses.append({**body, "commit": commit})
    return 201, {**_example("POST", "statuses/{sha}"), **body}


@_route("GET", _REPOSITORY + "/actions/workflows/(?P<workflow>[^/]+)/runs")
def _runs(
    fake: FakeGitHub, query: Mapping[str, list[str]], body: None, owner: str, name: str, workflow: str
) -> tuple[int, Any]:
    like = _example("GET", "actions/workflows/{workflow_id}/runs")["workflow_runs"][0]
    status = query.get("status", [""])[0]
    found = [
        run for run in fake.runs if run["path"].endswith("/" + workflow) and (not status or run["status"] == status)
    ]
    return 200, {"total_count": len(found), "workflow_runs": [{**like, **run} for run in found]}


@_route("POST", _REPOSITORY + r"/actions/runs/(?P<number>\d+)/cancel")
def _cancel(fake: FakeGitHub, query: object, body: None, owner: str, name: str, number: str) -> tuple[int, Any]:
    run = next(each for each in fake.runs if each["id"] == int(number))
    if run["status"] == "completed":
        return 409, {"message": "Cannot cancel a workflow run that is completed.", "status": "409"}
    run.update(status="completed", conclusion="cancelled")
    return 202, {}


@_route("POST", _REPOSITORY + "/actions/workflows/(?P<workflow>[^/]+)/dispatches")
def _dispatch(fake: FakeGitHub, query: object, body: Json, owner: str, name: str, workflow: str) -> tuple[int, Any]:
    fake.dispatches.append({"workflow": workflow, **body})
    number = 100 + len(fake.dispatches)
    where = {"workflow_run_id": number, "html_url": f"https://github.com/{owner}/{name}/actions/runs/{number}"}
    return 200, {**_example("POST", "actions/workflows/{workflow_id}/dispatches"), **where}


@_route("GET", _REPOSITORY + "/rules/branches/(?P<branch>.+)")
def _rules(fake: FakeGitHub, query: object, body: None, owner: str, name: str, branch: str) -> tuple[int, Any]:
    like = _example("GET", "rules/branches/{branch}")[0]
    return 200, [{**like, **rule} for rule in fake.rules]


@_route("GET", _REPOSITORY + "/installation")
def _installation(fake: FakeGitHub, query: object, body: None, owner: str, name: str) -> tuple[int, Any]:
    return 200, {"id": 5}


@_route("POST", "/app/installations/5/access_tokens")
def _access_token(fake: FakeGitHub, query: object, body: Json) -> tuple[int, Any]:
    fake.minted += 1
    fake.token = f"ghs_minted{fake.minted}"
    return 201, {"token": fake.token, "expires_at": fake.expires_at, "permissions": {}}


@_route("POST", "/graphql")
def _graphql(fake: FakeGitHub, query: object, body: Json) -> tuple[int, Any]:
    pull = next(p for p in fake.pulls if p["node_id"] == body["variables"]["id"])
    pull["draft"] = False
    return 200, {"data": {"markPullRequestReadyForReview": {"clientMutationId": None}}}


def _invalid(problem: Json) -> tuple[int, Json]:
    where = "https://docs.github.com/rest/pulls/pulls"
    return 422, {"message": "Validation Failed", "errors": [problem], "documentation_url": where, "status": "422"}


def _example(method: str, path: str) -> Any:
    return CALLS[f"{method} /repos/{{owner}}/{{repo}}/{path}"]["answer"]


def _filled(example: Json, pull: Json) -> Json:
    """A pull request as GitHub shows it."""
    ends = {end: {**example[end], **pull[end]} for end in ("head", "base")}
    # The example asks teams for a review, and lacks what the description demands of a team.
    return {**example, **pull, **ends, "labels": _labels(pull["labels"]), "requested_teams": []}


def _labels(names: list[str]) -> list[Json]:
    like = _example("POST", "issues/{issue_number}/labels")[0]
    return [{**like, "name": name} for name in names]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    fake: FakeGitHub

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""

    def _handle(self) -> None:
        size = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(size)) if size else None
        where = urlsplit(self.path)
        self.fake.requests.append((self.command, where.path, body))
        self.fake.queries.append(parse_qs(where.query))
        self.fake.headers.append(dict(self.headers))
        is_app = where.path.endswith(("/installation", "/access_tokens"))
        if not is_app and self.headers.get("Authorization") != f"token {self.fake.token}":
            self._send(401, {"message": "Bad credentials", "status": "401"}, {})
            return
        fault = self.fake.take_fault(self.command, where.path)
        if fault is not None and not (fault.loses_answer or fault.hangs):
            self._send(fault.status, fault.body, fault.headers)
            return
        status, answer = self.fake.answer(self.command, where.path, parse_qs(where.query), body)
        if fault is not None:
            if fault.hangs:
                self.rfile.read(1)  # until the client has enough of it
            self.close_connection = True
            return
        self._send(status, answer, {})

    def _send(self, status: int, answer: Any, headers: Mapping[str, str]) -> None:
        data = json.dumps(answer).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json; charset=utf-8")
        self.send_header("Content-Length", str(len(data)))
        ends = {"github-authentication-token-expiration": self.fake.token_ends} if self.fake.token_ends else {}
        for name, value in {**ends, **headers}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_POST = do_PATCH = _handle


@contextmanager
def serving() -> Iterator[FakeGitHub]:
    """A server for the time of a test."""
    fake = FakeGitHub()
    handler = type("Handler", (_Handler,), {"fake": fake})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    fake.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield fake
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
