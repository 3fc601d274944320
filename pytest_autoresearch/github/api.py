"""A few calls to GitHub, patient and each safe to repeat. Knows HTTP and github3.py, but no session and no git.

github3.py's models insist on keys that servers leave out and know no drafts, so its session is used and the JSON is
read here.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from typing import Protocol as Interface

from github3.session import GitHubSession
from requests import RequestException
from requests.adapters import HTTPAdapter
from urllib3.util.retry import Retry

from pytest_autoresearch.errors import PublishError
from pytest_autoresearch.github.verdict import Conclusion, Verdict

PUBLIC = "https://api.github.com"
ATTEMPTS = 4
LONGEST_WAIT = 120.0  # s; what a server may ask for between two attempts
READ_TIMEOUT = 20.0
PAGE = 100
CHECK = "autoresearch"
STATUS_LENGTH = 140
_BROKEN = (500, 502, 503, 504)
_BUSY = (403, 429)


@dataclass(frozen=True, slots=True)
class Pull:
    """A pull request. ``state`` is ``open`` or ``closed``, ``node`` its name in GraphQL."""

    number: int
    address: str
    state: str
    is_draft: bool
    is_merged: bool
    node: str


class Api(Interface):
    """What publishing needs. Every call raises PublishError with what to do."""

    def find(self, branch: str) -> Pull | None:
        """The newest pull request from a branch of this repository, open ones first."""

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


class _Patient(Retry):
    """Waits as long as the server asks, up to a limit; a refusal for being too fast was not carried out."""

    def is_retry(self, method: str, status_code: int, has_retry_after: bool = False) -> bool:
        if status_code in _BUSY:
            return has_retry_after and bool(self.total)
        return bool(super().is_retry(method, status_code, has_retry_after))

    def get_retry_after(self, response: Any) -> float | None:
        asked = super().get_retry_after(response)
        return None if asked is None else min(asked, LONGEST_WAIT)


class GitHubApi:
    """The real thing, for one repository (``owner/name``)."""

    def __init__(
        self, repository: str, token: str, *, url: str = PUBLIC, read_timeout: float = READ_TIMEOUT, pause: float = 1.0
    ) -> None:
        self._repository, self._url = repository, url.rstrip("/")
        self._session = GitHubSession(default_read_timeout=read_timeout)
        self._session.base_url = self._url
        self._session.token_auth(token)
        self._session.headers.update({"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"})
        retry = _Patient(total=ATTEMPTS, backoff_factor=pause, status_forcelist=_BROKEN, raise_on_status=False)
        for scheme in ("https://", "http://"):
            self._session.mount(scheme, HTTPAdapter(max_retries=retry))

    def find(self, branch: str) -> Pull | None:
        owner = self._repository.partition("/")[0]
        query = {"head": f"{owner}:{branch}", "state": "all", "per_page": "100"}
        pulls = [_pull(each) for each in self._call("GET", "pulls", query=query)]
        return next((pull for pull in pulls if pull.state == "open"), pulls[0] if pulls else None)

    def create(self, *, branch: str, base: str, title: str, body: str) -> Pull:
        wanted = {"title": title, "body": body, "head": branch, "base": base, "draft": True}
        for attempt in range(ATTEMPTS):
            found = self.find(branch)  # also after an answer that was lost: a retry must not make a second one
            if found is not None and found.state == "open":
                return found
            try:
                return _pull(self._call("POST", "pulls", wanted))
            except _Unclear:
                if attempt + 1 == ATTEMPTS:
                    raise
            except PublishError as error:
                if "draft pull requests are not supported" in str(error).lower():
                    wanted["draft"] = False  # private repositories of GitHub's free plans have none
                elif "already exists" not in str(error):
                    raise
        raise PublishError(f"{self._repository}: the pull request of {branch} can be neither found nor opened")

    def update(self, number: int, *, title: str, body: str) -> Pull:
        return _pull(self._call("PATCH", f"pulls/{number}", {"title": title, "body": body}))

    def label(self, number: int, names: Sequence[str]) -> None:
        self._call("POST", f"issues/{number}/labels", {"labels": list(names)})

    def mark_ready(self, pull: Pull) -> None:
        query = "mutation($id: ID!) { markPullRequestReadyForReview(input: {pullRequestId: $id}) { clientMutationId } }"
        # Enterprise servers have /api/v3 and /api/graphql side by side.
        url = self._url.removesuffix("/v3") + "/graphql"
        answer = self._request("POST", url, {"query": query, "variables": {"id": pull.node}})
        if answer.get("errors"):
            raise PublishError(f"pull request {pull.number} stays a draft: {answer['errors'][0].get('message', '')}")

    def comment(self, number: int, marker: str, body: str, *, is_wanted: bool = True) -> None:
        said = {"body": f"{marker}\n{body}"}
        known = self._comment(number, marker)
        if known is not None:
            self._call("PATCH", f"issues/comments/{known}", said)
        elif is_wanted:
            self._call("POST", f"issues/{number}/comments", said)

    def check(self, commit: str, verdict: Verdict) -> None:
        address = {"details_url": verdict.address} if verdict.address else {}
        output = {"title": verdict.title, "summary": verdict.summary}
        wanted = {"name": CHECK, "head_sha": commit, "status": "completed", "conclusion": verdict.conclusion.value}
        try:
            self._call("POST", "check-runs", {**wanted, "output": output, **address}, needs="checks: write")
        except _Forbidden:  # checks belong to Apps, and so to a job's token; a person's may set statuses
            self._set_status(commit, verdict)

    def _set_status(self, commit: str, verdict: Verdict) -> None:
        address = {"target_url": verdict.address} if verdict.address else {}
        state = "pending" if verdict.conclusion is Conclusion.NEUTRAL else verdict.conclusion.value
        said = {"state": state, "context": CHECK, "description": verdict.title[:STATUS_LENGTH]}
        self._call("POST", f"statuses/{commit}", {**said, **address}, needs="checks: write or statuses: write")

    def _comment(self, number: int, marker: str) -> int | None:
        """The oldest comment that begins with ``marker``, by somebody who may write here."""
        page, full = 1, True
        while full:
            query = {"per_page": str(PAGE), "page": str(page)}
            found = self._call("GET", f"issues/{number}/comments", query=query)
            known = (c["id"] for c in found if str(c.get("body")).startswith(marker) and _is_trusted(c))
            if (mine := next(known, None)) is not None:
                return int(mine)
            page, full = page + 1, len(found) == PAGE
        return None

    def _call(
        self,
        method: str,
        path: str,
        data: Mapping[str, Any] | None = None,
        query: Mapping[str, str] | None = None,
        needs: str = "contents: write and pull-requests: write",
    ) -> Any:
        return self._request(method, f"{self._url}/repos/{self._repository}/{path}", data, query, needs)

    def _request(
        self,
        method: str,
        url: str,
        data: Mapping[str, Any] | None,
        query: Mapping[str, str] | None = None,
        needs: str = "pull-requests: write",
    ) -> Any:
        try:
            response = self._session.request(method, url, json=data, params=query)
            answer = response.json() if response.content else {}
        except RequestException as error:
            raise _Unclear(
                f"{self._url}: no usable answer ({type(error).__name__})\n"
                "  check the network and GITHUB_API_URL, then publish again: nothing is lost"
            ) from None
        if response.status_code in _BROKEN:
            raise _Unclear(f"{self._url}: GitHub is in trouble (HTTP {response.status_code})\n  publish again later")
        if response.status_code >= 400:
            said = _said(answer)
            remedy = _remedy(response.status_code, said, needs)
            kind = _Forbidden if response.status_code == 403 else PublishError
            raise kind(f"{self._repository}: GitHub refused (HTTP {response.status_code}): {said}\n  {remedy}")
        return answer


class _Unclear(PublishError):
    """Nobody knows whether the call was carried out."""


class _Forbidden(PublishError):
    """The token may not do that."""


def api_url() -> str:
    """Where the API is: GITHUB_API_URL, as Actions sets it on Enterprise servers too."""
    return os.environ.get("GITHUB_API_URL") or PUBLIC


def _pull(answer: Mapping[str, Any]) -> Pull:
    return Pull(
        number=int(answer["number"]),
        address=str(answer.get("html_url", "")),
        state=str(answer.get("state", "open")),
        is_draft=bool(answer.get("draft")),
        is_merged=bool(answer.get("merged_at")),
        node=str(answer.get("node_id", "")),
    )


def _is_trusted(comment: Mapping[str, Any]) -> bool:
    """Anybody may write a comment that begins as ours does."""
    writer = comment.get("user") or {}
    return writer.get("type") == "Bot" or comment.get("author_association") in ("OWNER", "MEMBER", "COLLABORATOR")


def _said(answer: Any) -> str:
    if not isinstance(answer, Mapping):
        return "no reason given"
    errors = [e if isinstance(e, str) else e.get("message") or e.get("code") for e in answer.get("errors") or ()]
    return "; ".join(filter(None, [str(answer.get("message", "")), *errors])) or "no reason given"


def _remedy(status: int, said: str, needs: str) -> str:
    """What to do about a refusal."""
    low = said.lower()
    if status == 401:
        return "the token is wrong or has expired (a job's lives 24 h, an App's 1 h): publish again with a new one"
    if "not permitted to create or approve" in low:
        return (
            "a maintainer has to allow it: Settings, Actions, General, Workflow permissions, "
            "`Allow GitHub Actions to create and approve pull requests`"
        )
    if "rate limit" in low or status == 429:
        return "the token has asked too often: wait an hour and publish again"
    if status == 403:
        return f"the token needs {needs} for this repository (and SSO, if it asks)"
    if status == 404:
        return "check GITHUB_REPOSITORY and GITHUB_API_URL; a token without access to the repository reads the same"
    if "no commits between" in low:
        return "the base has everything already: there is nothing to review"
    if status == 422:
        return "check that --base names a branch of the repository, and that branch rules let the token act on it"
    return "see https://www.githubstatus.com, then publish again"
