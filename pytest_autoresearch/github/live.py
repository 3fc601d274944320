"""While a session runs: what is recorded is pushed, and pages on GitHub show it. Never stops the loop."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_autoresearch.errors import AutoresearchError, NotebookError, PublishError
from pytest_autoresearch.github.answers import say_parted
from pytest_autoresearch.github.errands import Commenter, Errand, Pusher
from pytest_autoresearch.github.job import Job, outcome, tell_job
from pytest_autoresearch.github.progress import Progress, ended
from pytest_autoresearch.github.publish import links, plan, publish, read_checked
from pytest_autoresearch.github.remote import Remote, open_remote, send
from pytest_autoresearch.github.tokens import GIVEN, SECRETS, Token, take_token
from pytest_autoresearch.notebook import hold, steering
from pytest_autoresearch.notebook.chain import read_history
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.ledger import state_directory
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.notebook.sync import fetch
from pytest_autoresearch.protocol.experiment import Experiment
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.settings import Settings

if TYPE_CHECKING:
    from pytest_autoresearch.github.api import Api

REMOTE = "origin"
LAST_WORD = 60.0  # s for what is sent last; an interrupted job has LAST_WORD_INTERRUPTED before it is killed
LAST_WORD_INTERRUPTED = 3.0  # the runner asks again after 7.5 s and kills 2.5 s later; a run has to be ended too

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
        if (known := settings.tag or protocol.tag) is not None:
            follower.begin(known)
        config.pluginmanager.register(follower)
        seconds = LAST_WORD_INTERRUPTED
        try:
            yield
            seconds = LAST_WORD
        finally:
            config.pluginmanager.unregister(follower)
            follower.close(seconds)
            tag = follower.tag
            if remote is not None and tag is not None and follower.is_overtaken:
                tag = _part(git, tag, remote, token, say)
            if job is not None and tag is not None:
                tell_job(**outcome(read_history(git, tag)))
        if remote is not None and token is not None and job is None and tag is not None:
            _open_pull_request(git, tag, remote, token, say)


class Follower:
    """An observer of one session, as a pytest plugin."""

    def __init__(self, git: Git, remote: Remote | None, token: Token | None, job: Job | None, say: Say) -> None:
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
            self.begin(self.tag)
        assert self._pusher is not None
        self._pusher.has_begun = True
        if self._commenter is not None:
            self._commenter.say(text)
        if experiment.kept:
            for errand in self._errands():
                errand.soon()
        self._tell()

    def begin(self, tag: str) -> None:
        """Start what runs beside the session, where something is to be pushed."""
        remote = self._remote
        if remote is None:
            return
        api = None
        if self._token is not None and remote.repository.count("/") == 1:
            self._commenter = Commenter(tag, remote.repository, self._token)
            api = partial(_api, remote.repository, self._token)
        state = state_directory(self._git, tag)
        self._pusher = Pusher(
            self._git.top,
            tag,
            remote,
            api=api,
            links=self._links,
            overtaken=lambda text: steering.request_stop(state, "somebody else went on with it"),
            has_begun=False,
        )

    @property
    def is_overtaken(self) -> bool:
        """Whether the remote holds records that this session lacks: it ends then."""
        return self._pusher is not None and self._pusher.is_overtaken

    def close(self, seconds: float) -> None:
        """Push once more, and show what the session came to."""
        until = time.monotonic() + seconds
        if self.tag is not None and (self._job is not None or self._commenter is not None):
            history = read_history(self._git, self.tag)
            if self._commenter is not None and not self.is_overtaken:  # or the comment is another session's
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


def _remote(git: Git, protocol: Protocol, settings: Settings, token: Token | None, say: Say) -> Remote:
    """Where to push, after this clone has caught up with what another machine has pushed."""
    if token is not None and settings.isolation != "strict":
        raise PublishError(
            f"publishing with a token needs isolation strict, not {settings.isolation}: lower levels let runs read it\n"
            "  add --autoresearch-isolation strict, or publish afterwards: pytest-autoresearch publish"
        )
    remote = open_remote(git, REMOTE, token)
    if token is None:
        say(f"{GIVEN[0]} is not set: git's own credentials push, `pytest-autoresearch publish` opens the pull request")
    tag = settings.tag or protocol.tag
    if tag is not None:
        _refuse_second(git, tag, remote)
        try:
            parted = fetch(git, REMOTE, tag, env=remote.env).parted
        except NotebookError as error:
            say(f"what was pushed before is not known: {error}")
        else:
            if parted is not None:
                say(f"{tag} went on elsewhere: what this clone had recorded is {parted} now")
    return remote


def _part(git: Git, tag: str, remote: Remote, token: Token | None, say: Say) -> str | None:
    """Keep what this session did under a tag of its own, there too; that tag, None where it could not be done."""
    try:
        parted = fetch(git, REMOTE, tag, env=remote.env).parted
        if parted is None:
            return tag
        say(f"{tag} went on elsewhere: what this session did is kept as {parted}, it goes on with that tag")
        send(git, remote, read_checked(git, parted), with_results=False)
    except AutoresearchError as error:
        say(f"{tag} went on elsewhere, what this session did is kept here: {error}")
        return None
    if token is not None:
        try:
            say_parted(_api(remote.repository, token), tag, parted, read_history(git, parted), links(remote))
        except PublishError as error:
            say(f"its pull request was not told: {error}")
    return parted


def _api(repository: str, token: Token) -> Api:
    from pytest_autoresearch.github.api import GitHubApi, api_url  # slow to import; not all who push have a token

    return GitHubApi(repository, token, url=api_url())


def _open_pull_request(git: Git, tag: str, remote: Remote, token: Token, say: Say) -> None:
    """At the end on a person's machine; in a workflow a job of its own does it, with permissions of its own."""
    try:
        planned = plan(git, read_checked(git, tag), remote)
        done = publish(git, planned, remote, _api(remote.repository, token))
    except AutoresearchError as error:
        say(f"no pull request: {error}")
        return
    for remark in done.remarks:
        say(remark)
    if done.pull is not None:
        say(f"pull request: {done.pull.address}")


def _refuse_second(git: Git, tag: str, remote: Remote) -> None:
    """NotebookError where another session is at work on the tag."""
    try:
        other = hold.holder(git, REMOTE, tag, env=remote.env)
    except NotebookError:  # the remote is not there: pushing will tell
        return
    if other is not None and not other.yields_to(hold.myself(links(remote).run)):
        raise hold.refused(other, tag)


@contextmanager
def _without_tokens() -> Iterator[None]:
    """Whatever this process starts does not inherit a token."""
    taken = {name: os.environ.pop(name) for name in SECRETS if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(taken)
