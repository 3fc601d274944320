"""A few calls to GitHub, each safe to repeat. Knows no session and no git.

github3.py's models insist on keys that servers leave out and know no drafts, so its session is used and the JSON is
read here.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from typing import Protocol as Interface
from urllib.parse import quote

from pytest_autoresearch.errors import PublishError
from pytest_autoresearch.github.calls import ATTEMPTS, PUBLIC, READ_TIMEOUT, Call, Calls, Forbidden, Unclear, api_url
from pytest_autoresearch.github.tokens import Token
from pytest_autoresearch.github.verdict import Conclusion, Verdict
from pytest_autoresearch.report.markdown.parts import Earlier

__all__ = ["Api", "GitHubApi", "Pull", "Run", "api_url"]

PAGE = 100
CHECK = "autoresearch"
STATUS_LENGTH = 140
_ACTIONS = "actions: write"


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull request. ``state`` is ``open`` or ``closed``, ``node`` its name in GraphQL, ``base`` its branch."""

    number: int
    address: str
    state: str
    is_draft: bool
    is_merged: bool
    node: str
    base: str
    title: str
    body: str = ""


@dataclass(frozen=True, slots=True)
class Run:
    """A workflow's run that has not completed. ``began`` is when, as GitHub writes it."""

    number: int
    title: str
    address: str
    began: str = ""


class Api(Interface):
    """What publishing needs. Every call raises PublishError with what to do."""

    def find(self, branch: str) -> Pull | None:
        """The newest pull request from a branch of this repository, open ones first."""

    def merged(self, base: str) -> Sequence[Earlier]:
        """The newest pull requests that were merged into a branch."""

    def create(self, *, branch: str, base: str, title: str, body: str) -> Pull:
        """Open a draft, where there are drafts, or return the one that is open already."""

    def update(self, number: int, *, title: str, body: str) -> Pull:
        """Replace title and body."""

    def label(self, number: int, names: Sequence[str]) -> None:
        """Add labels; those that do not exist are made."""

    def mark_ready(self, pull: Pull) -> None:
        """Turn a draft into a pull request that is ready for review."""

    def comment(self, number: int, marker: str, body: str, *, is_wanted: bool = True) -> None:
        """Write the one comment that begins with ``marker``, over what it said before.

        Where there is none it is made, unless it ``is_wanted`` no more.
        """

    def check(self, commit: str, verdict: Verdict) -> None:
        """Set the check of a commit; a status where the token may set no checks. The newest one counts."""

    def may_open_pulls(self, base: str) -> None:
        """PublishError where the token may open no pull request; nothing is opened."""

    def may_set_checks(self) -> None:
        """PublishError where the token may set neither a check nor a status; nothing is set."""

    def token_ends(self) -> datetime | None:
        """When the token ends, UTC, where an answer so far has said so."""

    def rules(self, branch: str) -> Sequence[str]:
        """The kinds of the rules that hold for a branch of this name, whether it exists or not."""

    def runs(self, workflow: str) -> Sequence[Run]:
        """The runs of a workflow's file that have not completed, the newest first."""

    def cancel(self, run: Run) -> None:
        """Cancel a run; one that has completed meanwhile is no error."""

    def dispatch(self, workflow: str, ref: str, inputs: Mapping[str, str]) -> str:
        """Start a workflow at a branch; the address of its run, empty where the server does not say."""


class GitHubApi:
    """The real thing, for one repository (``owner/name``)."""

    def __init__(
        self,
        repository: str,
        token: str | Token,
        *,
        url: str = PUBLIC,
        read_timeout: float = READ_TIMEOUT,
        pause: float = 1.0,
    ) -> None:
        self._repository = repository
        self._calls = Calls(token, url=url, read_timeout=read_timeout, pause=pause)

    def find(self, branch: str) -> Pull | None:
        owner = self._repository.partition("/")[0]
        query = {"head": f"{owner}:{branch}", "state": "all", "per_page": "100"}
        pulls = [_pull(each) for each in self._ask("GET", "pulls", query=query)]
        return next((pull for pull in pulls if pull.state == "open"), pulls[0] if pulls else None)

    def merged(self, base: str) -> Sequence[Earlier]:
        query = {"state": "closed", "base": base, "sort": "updated", "direction": "desc", "per_page": str(PAGE)}
        found = [each for each in self._ask("GET", "pulls", query=query) if each.get("merged_at")]
        return [Earlier(str(p["title"]), str(p.get("html_url", "")), str(p["merged_at"])[:10]) for p in found]

    def create(self, *, branch: str, base: str, title: str, body: str) -> Pull:
        wanted = {"title": title, "body": body, "head": branch, "base": base, "draft": True}
        for attempt in range(ATTEMPTS):
            found = self.find(branch)  # also after an answer that was lost: a retry must not make a second one
            if found is not None and found.state == "open":
                return found
            try:
                return _pull(self._ask("POST", "pulls", wanted, repeats=False))
            except Unclear:
                if attempt + 1 == ATTEMPTS:
                    raise
                self._calls.rest(attempt + 1)
            except PublishError as error:
                if "draft pull requests are not supported" in str(error).lower():
                    wanted["draft"] = False  # private repositories of GitHub's free plans have none
                elif "already exists" not in str(error):
                    raise
        raise PublishError(f"{self._repository}: the pull request of {branch} can be neither found nor opened")

    def update(self, number: int, *, title: str, body: str) -> Pull:
        return _pull(self._ask("PATCH", f"pulls/{number}", {"title": title, "body": body}))

    def label(self, number: int, names: Sequence[str]) -> None:
        self._ask("POST", f"issues/{number}/labels", {"labels": list(names)})

    def mark_ready(self, pull: Pull) -> None:
        query = "mutation($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id}) { clientMutationId } }"
        # Enterprise servers have /api/v3 and /api/graphql side by side.
        url = self._calls.url.removesuffix("/v3") + "/graphql"
        answer = self._calls.ask(Call("POST", url, {"query": query, "variables": {"id": pull.node}}))
        if answer.get("errors"):
            raise PublishError(f"pull request {pull.number} stays a draft: {answer['errors'][0].get('message', '')}")

    def comment(self, number: int, marker: str, body: str, *, is_wanted: bool = True) -> None:
        said = {"body": f"{marker}\n{body}"}
        for attempt in range(ATTEMPTS):
            known = self._comment(number, marker)  # also after an answer that was lost
            try:
                if known is not None:
                    self._ask("PATCH", f"issues/comments/{known}", said)
                elif is_wanted:
                    self._ask("POST", f"issues/{number}/comments", said, repeats=False)
                return
            except Unclear:
                if attempt + 1 == ATTEMPTS:
                    raise
                self._calls.rest(attempt + 1)

    def check(self, commit: str, verdict: Verdict) -> None:
        address = {"details_url": verdict.address} if verdict.address else {}
        output = {"title": verdict.title, "summary": verdict.summary}
        wanted = {"name": verdict.check, "head_sha": commit, "status": "completed"}
        wanted["conclusion"] = verdict.conclusion.value
        try:
            self._ask("POST", "check-runs", {**wanted, "output": output, **address}, needs="checks: write")
        except Forbidden:  # checks belong to Apps, and so to a job's token; a person's may set statuses
            self._set_status(commit, verdict)

    def may_open_pulls(self, base: str) -> None:
        wanted = {
            "title": "never opened",
            "body": "",
            "head": base,
            "base": base,
            "draft": True,
        }  # a branch into itself
        try:
            self._ask("POST", "pulls", wanted, repeats=False)
        except PublishError as error:
            if "HTTP 422" not in str(error):
                raise

    def may_set_checks(self) -> None:
        nothing = "0" * 40  # no commit of anybody's
        for path, wanted in (
            ("check-runs", {"name": CHECK, "head_sha": nothing, "status": "queued"}),
            (f"statuses/{nothing}", {"state": "pending", "context": CHECK}),
        ):
            try:
                self._ask("POST", path, wanted, needs="checks: write or statuses: write")
                return
            except Forbidden as error:
                refusal = error
            except PublishError as error:
                if "HTTP 422" not in str(error) and "HTTP 404" not in str(error):
                    raise
                return
        raise refusal

    def token_ends(self) -> datetime | None:
        return self._calls.token_ends

    def rules(self, branch: str) -> Sequence[str]:
        found = self._ask("GET", f"rules/branches/{quote(branch, safe='')}", needs="metadata: read")
        return [str(rule["type"]) for rule in found]

    def runs(self, workflow: str) -> Sequence[Run]:
        query = {"per_page": str(PAGE)}
        found = self._ask("GET", f"actions/workflows/{workflow}/runs", query=query, needs="actions: read")
        return [
            Run(
                *(int(run["id"]), str(run.get("display_title", "")), str(run.get("html_url", ""))),
                str(run.get("created_at", "")),
            )
            for run in found["workflow_runs"]
            if run.get("status") != "completed"
        ]

    def cancel(self, run: Run) -> None:
        try:
            self._ask("POST", f"actions/runs/{run.number}/cancel", needs=_ACTIONS)
        except PublishError as error:
            if "HTTP 409" not in str(error):
                raise

    def dispatch(self, workflow: str, ref: str, inputs: Mapping[str, str]) -> str:
        wanted = {"ref": ref, "inputs": dict(inputs), "return_run_details": True}
        path = f"actions/workflows/{workflow}/dispatches"
        answer = self._ask("POST", path, wanted, needs=_ACTIONS, repeats=False)
        return str(answer.get("html_url", ""))

    def _set_status(self, commit: str, verdict: Verdict) -> None:
        address = {"target_url": verdict.address} if verdict.address else {}
        state = "pending" if verdict.conclusion is Conclusion.NEUTRAL else verdict.conclusion.value
        said = {"state": state, "context": verdict.check, "description": verdict.title[:STATUS_LENGTH]}
        self._ask("POST", f"statuses/{commit}", {**said, **address}, needs="checks: write or statuses: write")

    def _comment(self, number: int, marker: str) -> int | None:
        """The oldest comment that begins with ``marker``, by somebody who may write here."""
        page, full = 1, True
        while full:
            query = {"per_page": str(PAGE), "page": str(page)}
            found = self._ask("GET", f"issues/{number}/comments", query=query)
            known = (c["id"] for c in found if str(c.get("body")).startswith(marker) and _is_trusted(c))
            if (mine := next(known, None)) is not None:
                return int(mine)
            page, full = page + 1, len(found) == PAGE
        return None

    def _ask(
        self,
        method: str,
        path: str,
        data: Mapping[str, Any] | None = None,
        *,
        query: Mapping[str, str] | None = None,
        needs: str = "contents: write and pull-requests: write",
        repeats: bool = True,
    ) -> Any:
        return self._calls.ask(Call(method, f"repos/{self._repository}/{path}", data, query, needs, repeats))


def _pull(answer: Mapping[str, Any]) -> Pull:
    return Pull(
        number=int(answer["number"]),
        address=str(answer.get("html_url", "")),
        state=str(answer.get("state", "open")),
        is_draft=bool(answer.get("draft")),
        is_merged=bool(answer.get("merged_at")),
        node=str(answer.get("node_id", "")),
        base=str((answer.get("base") or {}).get("ref", "")),
        title=str(answer.get("title", "")),
        body=str(answer.get("body") or ""),
    )


def _is_trusted(comment: Mapping[str, Any]) -> bool:
    """Anybody may write a comment that begins as ours does."""
    writer = comment.get("user") or {}
    return writer.get("type") == "Bot" or comment.get("author_association") in ("OWNER", "MEMBER", "COLLABORATOR")
