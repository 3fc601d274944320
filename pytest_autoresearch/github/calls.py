"""One call to GitHub's API: patience, and what a refusal means for people. Knows HTTP, and no pull request.

There is one policy of trying again, for every call: what may be repeated without harm is, after a pause that grows and
jitters, or as long as the server asks; what may not is unclear then, and its caller looks before it asks again.
"""

from __future__ import annotations

import os
import random
import time
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timezone
from typing import Any

from github3.session import GitHubSession
from requests import RequestException, Response

from pytest_autoresearch.errors import PublishError
from pytest_autoresearch.github.tokens import Token, spoken

PUBLIC = "https://api.github.com"
ATTEMPTS = 7  # with pauses that last a minute together: GitHub's bad moments are seldom shorter than 15 s
LONGEST_WAIT = 120.0  # s; what a server may ask for between two attempts
READ_TIMEOUT = 20.0
_BROKEN = (500, 502, 503, 504)
_BUSY = (403, 429)


class Unclear(PublishError):
    """Nobody knows whether the call was carried out."""


class Forbidden(PublishError):
    """The token may not do that."""


@dataclass(frozen=True, slots=True)
class Call:
    """What to ask. ``repeats``: asked twice it does no more than asked once."""

    method: str
    path: str
    data: Mapping[str, Any] | None = None
    query: Mapping[str, str] | None = None
    needs: str = "contents: write and pull-requests: write"
    repeats: bool = True


class Calls:
    """The door to one server. ``pause`` is the seconds before the first repeat; it doubles with each."""

    def __init__(
        self,
        token: str | Token,
        *,
        url: str = PUBLIC,
        read_timeout: float = READ_TIMEOUT,
        pause: float = 1.0,
        scheme: str = "token",
    ) -> None:
        self.url, self._pause = url.rstrip("/"), pause
        self._token, self._scheme = token, scheme
        self.token_ends: datetime | None = None
        """When the token ends that was used last, where the server says so: of people's tokens it does."""
        self._session = GitHubSession(default_read_timeout=read_timeout)
        self._session.base_url = self.url
        self._session.headers.update({"Accept": "application/vnd.github+json", "X-GitHub-Api-Version": "2022-11-28"})

    def ask(self, call: Call) -> Any:
        """The answer. PublishError with what to do; Unclear where the server may have done it and did not say."""
        attempt = 1
        while True:
            self._session.headers["Authorization"] = f"{self._scheme} {spoken(self._token)}"
            try:
                response = self._session.request(call.method, self._address(call), json=call.data, params=call.query)
                answer = response.json() if response.content else {}
                self.token_ends = _ending(response)
                asked = _asked_to_wait(response)
            except RequestException as error:
                response, answer, asked = None, {}, None
                failure: PublishError = Unclear(
                    f"{self.url}: no usable answer ({type(error).__name__})\n"
                    "  check the network and GITHUB_API_URL, then publish again: nothing is lost"
                )
            else:
                if response.status_code < 400:
                    return answer
                failure = self._failure(call, response.status_code, answer)
            # A refusal for being too fast was not carried out, so it may always be asked again.
            was_refused = response is not None and response.status_code in _BUSY and asked is not None
            if attempt == ATTEMPTS or not (was_refused or (call.repeats and isinstance(failure, Unclear))):
                raise failure from None
            self.rest(attempt, asked)
            attempt += 1

    def rest(self, attempt: int, asked: float | None = None) -> None:
        """Sleep between an attempt, counted from 1, and the next: as long as was asked for, else longer each time."""
        time.sleep(self._wait(attempt) if asked is None else asked)

    def _address(self, call: Call) -> str:
        return call.path if "://" in call.path else f"{self.url}/{call.path}"

    def _wait(self, attempt: int) -> float:
        """Seconds; spread, so that those who failed together do not come back together."""
        return min(LONGEST_WAIT, float(self._pause * 2 ** (attempt - 1)) * random.uniform(0.5, 1.5))

    def _failure(self, call: Call, status: int, answer: Any) -> PublishError:
        if status in _BROKEN:
            return Unclear(f"{self.url}: GitHub is in trouble (HTTP {status})\n  publish again later")
        said = _said(answer)
        kind = Forbidden if status == 403 else PublishError
        where = "/".join(call.path.split("/")[1:3]) if call.path.startswith("repos/") else self.url
        return kind(f"{where}: GitHub refused (HTTP {status}): {said}\n  {_remedy(status, said, call.needs)}")


def api_url() -> str:
    """Where the API is: GITHUB_API_URL, as Actions sets it on Enterprise servers too."""
    return os.environ.get("GITHUB_API_URL") or PUBLIC


def _asked_to_wait(response: Response) -> float | None:
    """Seconds that the server asks for; a date counts as the longest wait."""
    asked = response.headers.get("Retry-After")
    if asked is None and response.headers.get("x-ratelimit-remaining") == "0":
        asked = _until(response.headers.get("x-ratelimit-reset", ""))
    if asked is None:
        return None
    try:
        return min(max(0.0, float(asked)), LONGEST_WAIT)
    except ValueError:
        return LONGEST_WAIT


def _until(reset: str) -> str | None:
    """Seconds to the moment at which a spent limit is there again; None where that is too far off to wait for."""
    left = float(reset) - time.time() if reset.isdecimal() else LONGEST_WAIT
    return str(max(1.0, left)) if left < LONGEST_WAIT else None


def _ending(response: Response) -> datetime | None:
    """When the token ends, UTC; None where that is not said."""
    said = response.headers.get("github-authentication-token-expiration", "")
    try:
        return datetime.strptime(said[:19], "%Y-%m-%d %H:%M:%S").replace(tzinfo=timezone.utc)
    except ValueError:
        return None


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
    if "no history in common" in low:
        return "the base was rewritten from its first commit on: begin a session on it, with a new tag"
    if status == 422:
        return "check that --base names a branch of the repository, and that branch rules let the token act on it"
    return "see https://www.githubstatus.com, then publish again"
