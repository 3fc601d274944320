"""While a session runs: what is recorded is pushed, and pages on GitHub show it. Never stops the loop."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, nullcontext
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_autoresearch.errand import Errand
from pytest_autoresearch.errors import AutoresearchError, NotebookError, PublishError
from pytest_autoresearch.github.answers import say_parted
from pytest_autoresearch.github.app import take_token
from pytest_autoresearch.github.errands import Commenter, Pusher
from pytest_autoresearch.github.job import Job
from pytest_autoresearch.github.publish import links, plan, publish, read_checked
from pytest_autoresearch.github.remote import Remote, open_remote, send
from pytest_autoresearch.github.tokens import GIVEN, SECRETS, Token
from pytest_autoresearch.notebook import hold, steering
from pytest_autoresearch.notebook.branch import OtherSpelling
from pytest_autoresearch.notebook.chain import ledger_ref, read_history
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.ledger import state_directory
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.notebook.sync import fetch
from pytest_autoresearch.protocol.experiment import Experiment
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.settings import Settings
from pytest_autoresearch.report.markdown.standing import standing, troubled
from pytest_autoresearch.report.story import Teller, story
from pytest_autoresearch.research.watch import Watch

if TYPE_CHECKING:
    from pytest_autoresearch.github.api import Api

REMOTE = "origin"
LAST_WORD = 60.0  # s for what is sent last; an interrupted job has LAST_WORD_INTERRUPTED before it is killed
LAST_WORD_INTERRUPTED = 3.0  # the runner asks again after 7.5 s and kills 2.5 s later; a run has to be ended too

Say = Callable[[str], None]
_JOB = pytest.StashKey["Job"]()


@contextmanager
def live(
    config: pytest.Config, git: Git, protocol: Protocol, settings: Settings, say: Say, *, join: Callable[[Watch], None]
) -> Iterator[None]:
    """Follow the session that runs inside, told by ``join`` while a run lasts.

    AutoresearchError, before it begins, for what the user has to mend.
    """
    token = take_token(os.environ)
    job = _job(config)
    if job is not None:
        say = _twice(say, job.warn)
    with _without_tokens():
        remote = _remote(git, settings, token, say) if settings.publish else None
        follower = Follower(git, remote, token, job, say)
        if remote is not None and (known := settings.tag or protocol.tag) is not None:
            follower.begin(known, is_holding=_occupied(git, known, remote, say))
        config.pluginmanager.register(follower)
        join(follower)
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
            begun = tag or settings.tag or protocol.tag  # one that had begun before may end without a record more
            if job is not None and begun is not None and git.resolve(ledger_ref(begun)) is not None:
                job.tell(story(read_history(git, begun)), begun)
        if remote is not None and token is not None and job is None and tag is not None:
            _open_pull_request(git, tag, remote, token, say)


class Follower:
    """An observer of one session, as a pytest plugin, and of what goes on inside an experiment."""

    def __init__(self, git: Git, remote: Remote | None, token: Token | None, job: Job | None, say: Say) -> None:
        self._git, self._remote, self._token, self._job, self._say = git, remote, token, job, say
        self._links = links(remote or _web())
        self._teller = Teller()
        self._pusher: Pusher | None = None
        self._commenter: Commenter | None = None
        self.tag: str | None = None

    def pytest_autoresearch_recorded(self, experiment: Experiment, history: History) -> None:
        """Show it, and let it be pushed."""
        self.tag = history.session.tag
        told = self._teller.tell(history, running=True)
        text = standing(told, self._links)
        if self._job is not None:
            self._job.show(experiment, history, troubled(text, self.trouble))
            self._job.tell(told, self.tag)
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

    def begin(self, tag: str, *, is_holding: bool = False) -> None:
        """Start what runs beside the session, where something is to be pushed. ``is_holding``: the tag is taken."""
        remote = self._remote
        if remote is None:
            return
        api = None
        if self._token is not None and remote.repository.count("/") == 1:
            self._commenter = Commenter(tag, remote.repository, self._token, troubles=lambda: self.trouble)
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
            is_holding=is_holding,
        )

    def phase(self, number: int, text: str, *, budget: float | None = None) -> None:
        return

    def tick(self, elapsed: float) -> None:
        """Say what went wrong outside while a run lasts: that may be hours."""
        self._tell()

    def remark(self, text: str) -> None:
        return

    @property
    def trouble(self) -> str:
        """What keeps from being pushed what is recorded; empty while nothing does."""
        return "" if self._pusher is None else self._pusher.trouble

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
                self._commenter.say(standing(story(history), self._links))
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


def _remote(git: Git, settings: Settings, token: Token | None, say: Say) -> Remote:
    """Where to push. PublishError where that would give the token away, or there is no such place."""
    if token is not None and settings.isolation != "strict":
        raise PublishError(
            f"publishing with a token needs isolation strict, not {settings.isolation}: lower levels let runs read it\n"
            "  add --autoresearch-isolation strict, or publish afterwards: pytest-autoresearch publish"
        )
    remote = open_remote(git, REMOTE, token)
    if token is None:
        say(f"{GIVEN[0]} is not set: git's own credentials push, `pytest-autoresearch publish` opens the pull request")
    return remote


def _occupied(git: Git, tag: str, remote: Remote, say: Say) -> bool:
    """Take the tag, then catch up with what another machine has pushed; whether others can see that it is taken.

    NotebookError where another session is at work on it.
    """
    me = hold.myself(links(remote).run)
    with ExitStack() as undone:
        is_taken = _taken(git, tag, remote, me)
        if is_taken:
            undone.callback(hold.release, git, REMOTE, tag, me, env=remote.env)
        try:
            parted = fetch(git, REMOTE, tag, env=remote.env).parted
        except OtherSpelling:
            raise
        except NotebookError as error:
            say(f"what was pushed before is not known: {error}")
        else:
            if parted is not None:
                say(f"{tag} went on elsewhere: what this clone had recorded is {parted} now")
        undone.pop_all()
    return is_taken


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


def _twice(say: Say, also: Say) -> Say:
    def both(text: str) -> None:
        say(text)
        also(text)

    return both


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


def _taken(git: Git, tag: str, remote: Remote, me: hold.Holder) -> bool:
    """Take the tag before anything else is done. NotebookError where another session is at work on it."""
    try:
        other = hold.take(git, REMOTE, tag, me, env=remote.env)
    except NotebookError:  # somebody was faster, the remote takes no such refs, or it is not there: pushing will tell
        try:
            other = hold.holder(git, REMOTE, tag, env=remote.env)
        except NotebookError:
            return False
        if other is None or other.yields_to(me):
            return False
    if other is not None:
        raise hold.refused(other, tag)
    return True


@contextmanager
def _without_tokens() -> Iterator[None]:
    """Whatever this process starts does not inherit a token."""
    taken = {name: os.environ.pop(name) for name in SECRETS if name in os.environ}
    try:
        yield
    finally:
        os.environ.update(taken)
