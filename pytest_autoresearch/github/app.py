"""The token to act with: one that is given, or an App's, which lives an hour and is made anew in time.

A job's own token ends after 24 h whatever the job does; an App's id and key last as long as the job.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from datetime import datetime

from pytest_autoresearch.errors import PublishError
from pytest_autoresearch.github.tokens import APP_ID, APP_KEY, GIVEN, Token

RENEWED_BEFORE = 600.0  # s before a token ends
_JWT_LASTS = 540  # s; GitHub takes ten minutes at most, and clocks differ


def take_token(environ: Mapping[str, str], repository: str = "") -> Token | None:
    """The token to act with on ``repository`` (``owner/name``), if there is one. An App goes before a given one."""
    if environ.get(APP_ID) and environ.get(APP_KEY):
        return AppToken(environ[APP_ID], environ[APP_KEY], repository or environ.get("GITHUB_REPOSITORY", ""))
    given = next((environ[name] for name in GIVEN if environ.get(name)), None)
    return None if given is None else lambda: given


class AppToken:
    """An installation's token of a GitHub App, for one repository. Called, it gives one that is good for a while."""

    def __init__(self, app: str, key: str, repository: str, *, clock: Callable[[], float] = time.time) -> None:
        self._app, self._key, self._repository, self._clock = app, key, repository, clock
        self._token, self._ends = "", 0.0

    def __call__(self) -> str:
        if self._clock() > self._ends - RENEWED_BEFORE:
            self._token, self._ends = self._minted()
        return self._token

    def _minted(self) -> tuple[str, float]:
        from pytest_autoresearch.github.calls import Call, Calls, api_url

        calls = Calls(self._signed(), url=api_url(), scheme="Bearer")
        needs = "an App that is installed on this repository, and its key"
        found = calls.ask(Call("GET", f"repos/{self._repository}/installation", needs=needs))
        path = f"app/installations/{int(found['id'])}/access_tokens"
        wanted = {"repositories": [self._repository.rpartition("/")[2]]}
        answer = calls.ask(Call("POST", path, wanted, needs=needs))
        ends = datetime.fromisoformat(str(answer["expires_at"]).replace("Z", "+00:00"))
        return str(answer["token"]), ends.timestamp()

    def _signed(self) -> str:
        """What proves to be the App. PublishError for a key that is none."""
        import jwt

        now = int(self._clock())
        claims = {"iat": now - 60, "exp": now + _JWT_LASTS, "iss": self._app}
        try:
            return jwt.encode(claims, self._key.replace("\\n", "\n"), algorithm="RS256")
        except Exception as error:
            raise PublishError(
                f"{APP_KEY} is no private key of a GitHub App ({type(error).__name__})\n"
                "  store the whole .pem file that GitHub gave you, its first and last line too"
            ) from None
