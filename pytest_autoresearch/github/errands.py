"""What goes to GitHub while a session runs: branch, ledger and a comment. Knows the network and no pytest.

Each errand has a thread of its own, so that a slow network costs no experiment; what fails is tried again.
"""

from __future__ import annotations

import threading
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_autoresearch.errors import AutoresearchError, NotebookError
from pytest_autoresearch.github.answers import deliver
from pytest_autoresearch.github.progress import MARKER
from pytest_autoresearch.github.pull_request import Links
from pytest_autoresearch.github.remote import Remote, send
from pytest_autoresearch.github.tokens import Token
from pytest_autoresearch.notebook import hold, orders
from pytest_autoresearch.notebook.chain import branch_ref, ledger_ref, read_chain
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.orders import Answer
from pytest_autoresearch.notebook.sync import Overtaken

if TYPE_CHECKING:
    from pytest_autoresearch.github.api import Api

EVERY = 300.0  # s; the longest pause after failures, and how often others are told that a session is at work
FIRST_PAUSE = 10.0  # s after a failure; doubled each time, up to EVERY
PUSH_EVERY = 60.0  # s between two looks at what is to be pushed, and at what reviewers ask for
REAPING = 0.5  # s for what was killed to be gone
COMMENT_EVERY = 60.0  # s
COMMENT_PAUSE = 20.0  # s between two comments, however fast the keeps come; a job's token may ask 1000 times an hour


class Errand(ABC):
    """Something that is done soon after it is asked for, and every so often."""

    failed = "failed, will be tried again"
    late = "did not get through in time"

    def __init__(
        self, name: str, *, every: float = EVERY, pause: float = 0.0, first_pause: float = FIRST_PAUSE
    ) -> None:
        self._every, self._pause, self._first_pause = every, pause, first_pause
        self._wanted, self._ended = threading.Event(), threading.Event()
        self.is_ending = self._is_late = False
        self._said: set[str] = set()
        self._unsaid: list[str] = []
        self._thread = threading.Thread(target=self._run, name=f"autoresearch-{name}", daemon=True)
        self._thread.start()

    def soon(self) -> None:
        """Ask for it; it need not wait for its time."""
        self._wanted.set()

    def remarks(self) -> list[str]:
        """What went wrong since the last call; the same is said once."""
        found, self._unsaid = self._unsaid, []
        return found

    def end(self) -> None:
        """Ask for it a last time."""
        self._ended.set()
        self._wanted.set()

    def close(self, seconds: float) -> None:
        """Do it a last time, for that long at most."""
        self.end()
        self._thread.join(seconds)
        if self._thread.is_alive():
            self._is_late = True
            self._abandon()
            self._thread.join(REAPING)
            self._unsaid = [self.late]  # that what was killed has failed is no news

    def _abandon(self) -> None:
        """End what still runs of it: nobody waits for it any more."""
        return

    @abstractmethod
    def _act(self) -> None:
        """Do it; whatever it raises is a remark and a reason to wait longer."""

    def _run(self) -> None:
        failures = 0
        while True:
            if failures:
                self._ended.wait(min(EVERY, self._first_pause * 2 ** (failures - 1)))
            else:
                self._ended.wait(self._pause)
                self._wanted.wait(self._every - self._pause)
            self.is_ending = is_last = self._ended.is_set()
            self._wanted.clear()
            failures = 0 if self._succeeds() else failures + 1
            if is_last or self._is_late:
                return

    def _succeeds(self) -> bool:
        try:
            self._act()
        except AutoresearchError as error:
            self._remark(f"{self.failed}: {error}")
            return False
        except Exception as error:  # whatever it is, the loop is worth more
            self._remark(f"{self.failed}: {type(error).__name__}")
            return False
        return True

    def _remark(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._unsaid.append(text)


class Pusher(Errand):
    """Pushes branch and ledger, brings what reviewers ask for and says what the ledger answers.

    What does not get through stays in the local repository. ``overtaken`` is called, once, when the remote holds
    records that are not here. ``api`` makes the door to the pull request, where there is a token. Until the session
    ``has_begun`` it only lets others see that one is at work.
    """

    failed = "not pushed, will be tried again"
    late = "the last push did not get through in time: `pytest-autoresearch publish` makes up for it"

    def __init__(
        self,
        top: Path,
        tag: str,
        remote: Remote,
        *,
        first_pause: float = FIRST_PAUSE,
        every: float = PUSH_EVERY,
        api: Callable[[], Api] | None = None,
        links: Links | None = None,
        overtaken: Callable[[str], None] = lambda text: None,
        has_begun: bool = True,
    ) -> None:
        self._top, self._tag, self._remote = top, tag, remote
        self._api, self._links, self._overtaken = api, links or Links(), overtaken
        self._me = hold.myself(self._links.run)
        self._held, self._is_holding = 0.0, False
        self._pushed = ""
        self._answered: Mapping[str, Answer] = {}
        self._git: Git | None = None
        self.is_overtaken = False
        self.has_begun = has_begun
        super().__init__("push", every=every, first_pause=first_pause)

    def _act(self) -> None:
        with Git.discover(self._top) as git:
            self._git = git
            if self.has_begun and not self.is_overtaken:
                try:
                    self._push(git)
                except Overtaken as error:
                    self.is_overtaken = True
                    self._overtaken(str(error))
                    self._remark(str(error))
                self._listen(git)
            if not self.is_ending:
                self._hold(git)
            elif self._is_holding:
                hold.release(git, self._remote.name, self._tag, self._me, env=self._remote.env)

    def _abandon(self) -> None:
        if self._git is not None:
            self._git.plumbing.kill()

    def _push(self, git: Git) -> None:
        if git.resolve(ledger_ref(self._tag)) != self._pushed:
            chain = read_chain(git, ledger_ref(self._tag))
            if chain is not None:
                for remark in send(git, self._remote, chain, with_results=False).remarks:
                    self._remark(remark)
                self._pushed, self._answered = chain.head, orders.answers(chain.history)

    def _listen(self, git: Git) -> None:
        """Bring what people ask for to where the loop looks, and say what it has answered."""
        found = orders.bring(git, self._remote.name, self._tag, env=self._remote.env)
        if self._api is not None and any(each in self._answered for each in found):
            for remark in deliver(git, self._remote, self._tag, self._answered, self._api(), self._links):
                self._remark(remark)

    def _hold(self, git: Git) -> None:
        """Let others see that a session is at work; a remote that takes no such ref is done without."""
        if self._is_holding and time.monotonic() - self._held < EVERY:
            return
        try:
            other = hold.take(git, self._remote.name, self._tag, self._me, env=self._remote.env)
        except NotebookError:
            return
        self._held, self._is_holding = time.monotonic(), other is None
        if other is not None:
            self._remark(f"{self._tag} is being run by {other} too: whoever pushes last goes on under another tag")


class Commenter(Errand):
    """Keeps one comment on the pull request of a tag up to date, once there is one."""

    failed = "the comment was not written, will be tried again"
    late = "the last comment did not get through in time"

    def __init__(
        self,
        tag: str,
        repository: str,
        token: str | Token,
        *,
        pause: float = COMMENT_PAUSE,
        first_pause: float = FIRST_PAUSE,
    ) -> None:
        self._branch, self._repository, self._token = branch_ref(tag)[11:], repository, token
        self._text = self._written = ""
        super().__init__("comment", every=COMMENT_EVERY, pause=pause, first_pause=first_pause)

    def say(self, text: str) -> None:
        """What the comment is to say from now on."""
        self._text = text

    def _act(self) -> None:
        text = self._text
        if text == self._written:
            return
        from pytest_autoresearch.github.api import GitHubApi, api_url  # slow to import; not all who push have a token

        api = GitHubApi(self._repository, self._token, url=api_url())
        pull = api.find(self._branch)
        if pull is not None and pull.state == "open":
            api.comment(pull.number, MARKER, text)
            self._written = text
