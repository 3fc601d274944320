"""Tells a person of keeps and of the end: by a command of theirs, or a webhook. It can neither stop the loop nor flood.

What an agent has written reaches the command as environment and standard input, never as part of its line. An address
may be a secret: it is shown nowhere, and stands in the environment (``$NAME``) rather than in the protocol.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

from pytest_autoresearch.errand import Errand
from pytest_autoresearch.errors import AutoresearchError, ConfigError
from pytest_autoresearch.executables import find
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.report.chart import staircase
from pytest_autoresearch.report.figures import count
from pytest_autoresearch.report.story import Story, Teller
from pytest_autoresearch.report.words import experiment_words, headline, state

PAUSE = 30.0  # s between two notices; keeps in between are told together
PATIENCE = 20.0  # s for a command or a webhook
FAILED = ("the harness failed", "the baseline failed")
PICTURE = "progress.svg"


class Notifier(Errand):
    """One session's notices. ``where`` is a command, or an address that begins with http:// or https://."""

    failed = "notify: nobody was told, will be tried again"
    late = "notify: the last notice did not get through in time"

    def __init__(self, where: str, state: Path, *, pause: float = PAUSE, patience: float = PATIENCE) -> None:
        self._where, self._picture, self._patience = addressed(where), state / PICTURE, patience
        self._teller, self._history = Teller(), None  # type: Teller, History | None
        self._keeps: int | None = None
        self._process: subprocess.Popen[bytes] | None = None
        super().__init__("notify", every=1e9, pause=pause, first_pause=pause)

    def follow(self, history: History) -> None:
        """The session has come to this; what was kept before it was resumed is no news."""
        newest = history.experiments[-1] if history.experiments else None
        if self._keeps is None:
            self._keeps = len(history.keeps) - (newest is not None and newest.number > 0 and newest.kept)
        self._history = history
        if len(history.keeps) > self._keeps:
            self.soon()

    def _act(self) -> str:
        history = self._history
        if history is None:
            return ""
        story = self._teller.tell(history, running=not self.is_ending)
        new = len(history.keeps) - (self._keeps or 0)
        if self.is_ending or new > 0:
            self._send(notice(history, story, new, is_ending=self.is_ending))
        self._keeps = len(history.keeps)
        return ""

    def _send(self, told: Mapping[str, object]) -> None:
        story = self._teller.tell(self._history) if self._history is not None else None
        if story is not None:
            self._picture.write_text(staircase(story, "light"), encoding="utf-8", errors="replace")
            told = {**told, "picture": str(self._picture)}
        if self._where.startswith(("http://", "https://")):
            _post(self._where, told, self._patience)
        else:
            self._run_command(told)

    def _run_command(self, told: Mapping[str, object]) -> None:
        named = {f"AUTORESEARCH_NOTICE_{name.upper()}".encode(): _worded(value) for name, value in told.items()}
        self._process = process = subprocess.Popen(
            [str(find("bash") or "/bin/sh"), "-c", self._where],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env={**os.environb, **named},
            start_new_session=True,
        )
        try:
            process.communicate(json.dumps(told).encode(), timeout=self._patience)
        except subprocess.TimeoutExpired:
            self._abandon()
            process.wait()
            raise AutoresearchError(f"the command took longer than {self._patience:g} s") from None
        if process.returncode:
            raise AutoresearchError(f"the command ended with exit code {process.returncode}")

    def _abandon(self) -> None:
        if self._process is not None and self._process.poll() is None:
            os.killpg(self._process.pid, 9)


def addressed(where: str) -> str:
    """``where`` with a leading ``$NAME`` replaced from the environment. ConfigError where that says nothing."""
    name = where[1:].strip("{}")
    if not where.startswith("$") or not name.isidentifier():
        return where
    if not os.environ.get(name):
        raise ConfigError(f"notify: the environment has no {name}", remedy=f"export {name}, or leave notify out")
    return os.environ[name]


def notice(history: History, story: Story | None, new: int, *, is_ending: bool) -> dict[str, object]:
    """What is told: ``kind`` is keep, stop or failure; gains in metric units; ``link`` is the job on the web."""
    why = "" if history.ending is None else history.ending.text
    kind = "keep" if not is_ending else "failure" if story is None or why in FAILED else "stop"
    keep = history.keeps[-1] if history.keeps else None
    title = f"autoresearch {history.session.tag}: "
    if story is None:
        title, text = title + "the baseline failed", ""
    elif kind == "keep" and keep is not None:
        title += headline(story) if new == 1 else f"{count(new, 'keep')}; {headline(story)}"
        text = f"{keep.number:04d} {experiment_words(keep)}"
    else:
        title, text = title + state(story), headline(story)
    run, server = os.environ.get("GITHUB_RUN_ID"), os.environ.get("GITHUB_SERVER_URL", "https://github.com")
    return {
        "kind": kind,
        "tag": history.session.tag,
        "title": title,
        "text": text,
        "number": "" if keep is None else keep.number,
        "best": "" if story is None else story.best.value,
        "gain": "" if story is None else story.gain,
        "link": f"{server}/{os.environ.get('GITHUB_REPOSITORY', '')}/actions/runs/{run}" if run else "",
    }


def _post(address: str, told: Mapping[str, object], patience: float) -> None:
    """As JSON; ``text`` and ``content`` hold everything, for the two best known services."""
    said = "\n".join(str(told[name]) for name in ("title", "text", "link") if told[name])
    body = json.dumps({**told, "text": said, "content": said}).encode()
    try:
        with urlopen(Request(address, body, {"Content-Type": "application/json"}), timeout=patience):
            pass
    except HTTPError as error:
        raise AutoresearchError(f"the webhook answered {error.code}") from None
    except (URLError, OSError, ValueError):  # their texts may have the address
        raise AutoresearchError("the webhook can not be reached") from None


def _worded(value: object) -> bytes:
    """For an environment: UTF-8 whatever the locale, which may have no letter for it."""
    return str(value).replace("\0", "").encode("utf-8", "replace")
