"""While a session runs: what is recorded is pushed, and a job's page on GitHub shows it. Never stops the loop.

Pushing happens in a thread of its own: a slow network costs no experiment.
"""

from __future__ import annotations

import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from pytest_autoresearch.errors import AutoresearchError, NotebookError, PublishError
from pytest_autoresearch.github.escaping import command_data, command_property, words
from pytest_autoresearch.github.publish import links, plan, publish, read_checked
from pytest_autoresearch.github.pull_request import body, title
from pytest_autoresearch.github.remote import TOKENS, Remote, open_remote, send, take_token
from pytest_autoresearch.notebook.chain import ledger_ref, read_chain, read_history
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.notebook.sync import Relation, diverged, fetch
from pytest_autoresearch.protocol.experiment import Experiment
from pytest_autoresearch.protocol.model import Protocol
from pytest_autoresearch.protocol.settings import Settings
from pytest_autoresearch.report.terminal import verdict

REMOTE = "origin"
EVERY = 300.0  # s; a lost machine loses the records of that time at most, and no keep
FIRST_PAUSE = 10.0  # s after a push that failed; doubled each time, up to EVERY
LAST_WORD = 60.0  # s for the last push; an interrupted job has LAST_WORD_INTERRUPTED before it is killed
LAST_WORD_INTERRUPTED = 5.0
SUMMARY_EVERY = 20.0  # s; rendering a thousand experiments takes a tenth of a second, and nobody looks so often
SUMMARY_LIMIT = 340_000  # characters of one session; at 3 bytes each they stay below what a step may have
SUMMARY_BYTES = 2**20 - 1

Say = Callable[[str], None]
_JOB = pytest.StashKey["Job"]()


@contextmanager
def live(config: pytest.Config, git: Git, protocol: Protocol, settings: Settings, say: Say) -> Iterator[None]:
    """Follow the session that runs inside. AutoresearchError, before it begins, for what the user has to mend."""
    token = take_token(os.environ)
    job = _job(config)
    with _without_tokens():
        remote = _remote(git, protocol, settings, token, say) if settings.publish else None
        follower = Follower(git, remote, job, say)
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

    def __init__(self, git: Git, remote: Remote | None, job: Job | None, say: Say) -> None:
        self._git, self._remote, self._job, self._say = git, remote, job, say
        self._pusher: Pusher | None = None
        self.tag: str | None = None

    def pytest_autoresearch_recorded(self, experiment: Experiment, history: History) -> None:
        """Show it, and let it be pushed."""
        self.tag = history.session.tag
        if self._job is not None:
            self._job.show(experiment, history)
        if self._remote is None:
            return
        if self._pusher is None:
            self._pusher = Pusher(self._git.top, self.tag, self._remote)
        if experiment.kept:
            self._pusher.push_soon()
        self._tell()

    def close(self, seconds: float) -> None:
        """Push once more, and show what the session came to."""
        if self._pusher is not None:
            self._pusher.close(seconds)
            self._tell()
        if self._job is not None and self.tag is not None:
            self._job.summarise(read_history(self._git, self.tag))

    def _tell(self) -> None:
        for remark in self._pusher.remarks() if self._pusher is not None else ():
            self._say(remark)


class Pusher:
    """Pushes branch and ledger from a thread, soon after it is asked to and every few minutes."""

    def __init__(self, top: Path, tag: str, remote: Remote, *, first_pause: float = FIRST_PAUSE) -> None:
        self._top, self._tag, self._remote, self._first_pause = top, tag, remote, first_pause
        self._wanted, self._ended = threading.Event(), threading.Event()
        self._said: set[str] = set()
        self._unsaid: list[str] = []
        self._pushed = ""
        self._thread = threading.Thread(target=self._run, name="autoresearch-push", daemon=True)
        self._thread.start()

    def push_soon(self) -> None:
        """There is something that must not get lost."""
        self._wanted.set()

    def remarks(self) -> list[str]:
        """What went wrong since the last call; the same is said once."""
        found, self._unsaid = self._unsaid, []
        return found

    def close(self, seconds: float) -> None:
        """Push a last time, for that long at most; what does not get through stays in the local repository."""
        self._ended.set()
        self._wanted.set()
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._remark("the last push did not get through in time: `pytest-autoresearch publish` makes up for it")

    def _run(self) -> None:
        failures = 0
        while True:
            if failures:
                self._ended.wait(min(EVERY, self._first_pause * 2 ** (failures - 1)))
            else:
                self._wanted.wait(EVERY)
            is_last = self._ended.is_set()
            self._wanted.clear()
            failures = 0 if self._push() else failures + 1
            if is_last:
                return

    def _push(self) -> bool:
        try:
            with Git.discover(self._top) as git:
                if git.resolve(ledger_ref(self._tag)) == self._pushed:
                    return True
                chain = read_chain(git, ledger_ref(self._tag))
                if chain is not None:
                    for remark in send(git, self._remote, chain, with_results=False).remarks:
                        self._remark(remark)
                    self._pushed = chain.head
        except AutoresearchError as error:
            self._remark(f"not pushed, will be tried again: {error}")
            return False
        except Exception as error:  # whatever it is, the loop is worth more
            self._remark(f"not pushed, will be tried again: {type(error).__name__}")
            return False
        return True

    def _remark(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._unsaid.append(text)


@dataclass
class Job:
    """The job's page: its summary, and a notice per keep. Commands in the log are off but for ours: what a run or an
    agent says stands in it too.
    """

    write: Say
    summary: Path | None
    web: Remote | None
    secret: str = ""
    _next_summary: float = 0.0
    _texts: dict[str, str] = field(default_factory=dict)

    def mute(self) -> None:
        """From now on no line of the log is a command."""
        self.secret = secrets.token_hex(16)
        self.write(f"::stop-commands::{self.secret}")

    def unmute(self) -> None:
        """Lines may be commands again."""
        self.write(f"::{self.secret}::")

    def show(self, experiment: Experiment, history: History) -> None:
        """A notice if it is a keep, and the summary anew."""
        if experiment.kept and experiment.number > 0:
            heading = command_property(f"keep {experiment.number:04d} of {history.session.tag}")
            self.unmute()
            self.write(f"::notice title={heading}::{command_data(verdict(experiment))}")
            self.mute()
        if time.monotonic() >= self._next_summary:
            self.summarise(history)

    def summarise(self, history: History) -> None:
        """Rewrite the step's summary, which GitHub reads when the step ends."""
        self._next_summary = time.monotonic() + SUMMARY_EVERY
        if self.summary is not None and self.web is not None:
            tag = history.session.tag
            self._texts[tag] = f"# {words(title(history))}\n\n{body(history, links(self.web), limit=SUMMARY_LIMIT)}\n"
            text = "\n".join(self._texts.values()).encode("utf-8", "replace")
            self.summary.write_bytes(text if len(text) <= SUMMARY_BYTES else text[:SUMMARY_BYTES])


def _job(config: pytest.Config) -> Job | None:
    """The job this process is part of, None outside of GitHub Actions. Its log is muted until pytest has ended."""
    if os.environ.get("GITHUB_ACTIONS") != "true":
        return None
    if _JOB not in config.stash:
        summary = os.environ.get("GITHUB_STEP_SUMMARY")
        web = Remote(REMOTE, "", os.environ.get("GITHUB_REPOSITORY", ""), {})
        config.stash[_JOB] = job = Job(_writer(config), Path(summary) if summary else None, web)
        job.mute()
        config.add_cleanup(job.unmute)
    return config.stash[_JOB]


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
            relation = fetch(git, REMOTE, tag, env=remote.env)
        except NotebookError as error:
            say(f"what was pushed before is not known: {error}")
        else:
            if relation is Relation.DIVERGED:
                raise diverged(git, REMOTE, tag)
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
