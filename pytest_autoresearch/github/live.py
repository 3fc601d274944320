"""While a session runs: what is recorded is pushed, and pages on GitHub show it. Never stops the loop."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import pytest

from pytest_autoresearch.errors import AutoresearchError, NotebookError, PublishError
from pytest_autoresearch.github.errands import Commenter, Errand, Pusher
from pytest_autoresearch.github.job import Job
from pytest_autoresearch.github.progress import Progress, ended
from pytest_autoresearch.github.publish import links, plan, publish, read_checked
from pytest_autoresearch.github.remote import TOKENS, Remote, open_remote, take_token
from pytest_autoresearch.notebook.chain import read_history
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.notebook.sync import fetch
from pytest_autoresearch.protocol.experiment import Experiment
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.settings import Settings

REMOTE = "origin"
LAST_WORD = 60.0  # s for what is sent last; an interrupted job has LAST_WORD_INTERRUPTED before it is killed
LAST_WORD_INTERRUPTED = 5.0

Say = Callable[[str], None]
_JOB = pytest.StashKey["Job"]()


@contextmanager
def live(config: pytest.Config, git: Git, protocol: Protocol, settings: Settings, say: Say) -> Iterator[None]:
    """Follow the session that runs inside. AutoresearchError, before it begins, for what the user has to mend."""
    token = take_token(os.environ)
    job = _job(config)
    with _without_tokens():
        remote = _remote(git, protocol, settings, token, say) if settings.publish else None
        follower = Follower(git, remote, token, job, say)
        config.pluginmanager.register(follower)
        seconds = LAST_WORD_INTERRUPTED
        try:
            yield
            seconds = LAST_WORD
        finally:
            config.pluginmanager.unregister(follower)
            follower.close(seconds)
        if remote is not None and token is not None and job is None and follower.tag is not None:
            _open_pull_request(git, follower.tag, remote, token, say)


class Follower:
    """An observer of one session, as a pytest plugin."""

    def __init__(self, git: Git, remote: Remote | None, token: str | None, job: Job | None, say: Say) -> None:
        self._git, self._remote, self._token, self._job, self._say = git, remote, token, job, say
        self._links = links(remote or _web())
        self._progress = Progress()
        self._pusher: Pusher | None = None
        self._commenter: Commenter | None = None
        self.tag: str | None = None

    def pytest_autoresearch_recorded(self, experiment: Experiment, history: History) -> None:
        """Show it, and let it be pushed."""
        self.tag = history.session.tag
        text = self._progress.text(history, self._links)
        if self._job is not None:
            self._job.show(experiment, history, text)
        if self._remote is None:
            return
        if self._pusher is None:
            self._pusher = Pusher(self._git.top, self.tag, self._remote)
            if self._token is not None and self._remote.repository.count("/") == 1:
                self._commenter = Commenter(self.tag, self._remote.repository, self._token)
        if self._commenter is not None:
            self._commenter.say(text)
        if experiment.kept:
            for errand in self._errands():
                errand.soon()
        self._tell()

    def close(self, seconds: float) -> None:
        """Push once more, and show what the session came to."""
        until = time.monotonic() + seconds
        if self.tag is not None and (self._job is not None or self._commenter is not None):
            history = read_history(self._git, self.tag)
            if self._commenter is not None:
                self._commenter.say(ended(history, self._links))
            if self._job is not None:
                self._job.summarise(history)
        for errand in self._errands():
            errand.end()
        for errand in self._errands():
            errand.close(max(0.0, until - time.monotonic()))
        self._tell()

    def _errands(self) -> list[Errand]:
        return [errand for errand in (self._pusher, self._commenter) if errand is not None]

    def _tell(self) -> None:
        for errand in self._errands():
            for remark in errand.remarks():
                self._say(remark)


def _job(config: pytest.Config) -> Job | None:
    """The job this process is part of, None outside of GitHub Actions. Its log is muted until pytest has ended."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return None
    if _JOB not in config.stash:
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        config.stash[_JOB] = job = Job(_writer(config), Path(summary) if summary else None, _web())
        job.mute()
        config.add_cleanup(job.unmute)
    return config.stash[_JOB]


def _web() -> Remote:
    """Where links lead to when nothing is pushed."""
    return Remote(REMOTE, "", os.environ.get("GITHUB_REPOSITORY", ""), {})


def _writer(config: pytest.Config) -> Say:
    """Writes a line of its own past pytest's capturing."""

    def write(line: str) -> None:
        capture = config.pluginmanager.getplugin("capturemanager")
        uncaptured: AbstractContextManager[None] = nullcontext()
        if capture is not None:
            uncaptured = capture.global_and_fixture_disabled()
        with uncaptured:
            reporter = config.pluginmanager.getplugin("terminalreporter")
            if reporter is not None:
                reporter.ensure_newline()
                reporter.flush()
            print(line, flush=True)

    return write


def _remote(git: Git, protocol: Protocol, settings: Settings, token: str | None, say: Say) -> Remote:
    """Where to push, after this clone has caught up with what another machine has pushed."""
    if token is not None and settings.isolation != "strict":
        raise PublishError(
            f"publishing with a token needs isolation strict, not {settings.isolation}: lower levels let runs read it\n"
            "  add --autoresearch-isolation strict, or publish afterwards: pytest-autoresearch publish"
        )
    remote = open_remote(git, REMOTE, token)
    if token is None:
        say(f"{TOKENS[0]} is not set: git's own credentials push, `pytest-autoresearch publish` opens the pull request")
    tag = settings.tag or protocol.tag
    if tag is not None:
        try:
            parted = fetch(git, REMOTE, tag, env=remote.env).parted
        except NotebookError as error:
            say(f"what was pushed before is not known: {error}")
        else:
            if parted is not None:
                say(f"{tag} went on elsewhere: what this clone had recorded is {parted} now")
    return remote


def _open_pull_request(git: Git, tag: str, remote: Remote, token: str, say: Say) -> None:
    """At the end on a person's machine; in a workflow a job of its own does it, with permissions of its own."""
    from pytest_autoresearch.github.api import GitHubApi, api_url

    try:
        planned = plan(git, read_checked(git, tag), remote)
        done = publish(git, planned, remote, GitHubApi(remote.repository, token, url=api_url()))
    except AutoresearchError as error:
        say(f"no pull request: {error}")
        return
    for remark in done.remarks:
        say(remark)
    if done.pull is not None:
        say(f"pull request: {done.pull.address}")


@contextmanager
def _without_tokens() -> Iterator[None]:
    """Whatever this process starts does not inherit a token."""
    taken = {name: os.environ.pop(name) for name in TOKENS if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(taken)
