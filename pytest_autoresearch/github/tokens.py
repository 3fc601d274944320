"""What a token is, and under which names of the environment one is given."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

GIVEN = ("GITHUB_TOKEN", "GH_TOKEN")
APP_ID, APP_KEY = "AUTORESEARCH_APP_ID", "AUTORESEARCH_APP_KEY"
SECRETS = (*GIVEN, APP_KEY)
"""Variables that nothing we start may inherit."""

Token = Callable[[], str]
"""Gives the token that is good now."""


def spoken(token: str | Token) -> str:
    """The token as it is good now."""
    return token if isinstance(token, str) else token()


def ends_in_a_day(environ: Mapping[str, str]) -> bool:
    """Whether the token is a job's own, which ends after 24 h."""
    if environ.get(APP_ID) and environ.get(APP_KEY):
        return False
    given = next((environ[name] for name in GIVEN if environ.get(name)), "")
    return given.startswith("ghs_")


class Fresh(Mapping[str, str]):
    """Variables that are made anew whenever they are looked at."""

    def __init__(self, make: Callable[[], Mapping[str, str]]) -> None:
        self._make = make

    def __getitem__(self, name: str) -> str:
        return self._make()[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._make())

    def __len__(self) -> int:
        return len(self._make())
