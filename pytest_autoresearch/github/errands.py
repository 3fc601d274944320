"""What goes to GitHub while a session runs: branch, ledger and a comment. Knows the network and no pytest.

Each errand has a thread of its own, so that a slow network costs no experiment; what fails is tried again.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_autoresearch.errand import EVERY, FIRST_PAUSE, Errand
from pytest_autoresearch.errors import NotebookError
from pytest_autoresearch.github.answers import deliver
from pytest_autoresearch.github.remote import Remote, send
from pytest_autoresearch.github.tokens import Token
from pytest_autoresearch.notebook import hold, orders
from pytest_autoresearch.notebook.chain import branch_ref, ledger_ref, read_chain
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.orders import Answer
from pytest_autoresearch.notebook.sync import Overtaken
from pytest_autoresearch.report.markdown.parts import Links
from pytest_autoresearch.report.markdown.standing import troubled

if TYPE_CHECKING:
    from pytest_autoresearch.github.api import Api

PUSH_EVERY = 60.0  # s between two looks at what is to be pushed, and at what reviewers ask for
ANSWER_EVERY = 10.0  # s between two looks at whether the loop has answered what they ask for
COMMENT_EVERY = 60.0  # s
MARKER = "<!-- pytest-autoresearch: how the session stands -->"
"""The comment begins with it and is found by it; nobody sees it."""
COMMENT_PAUSE = 20.0  # s between two comments, however fast the keeps come; a job's token may ask 1000 times an hour


class Pusher(Errand):
    """Pushes branch and ledger, brings what reviewers ask for and says what the ledger answers.

    What does not get through stays in the local repository. ``overtaken`` is called, once, when the remote holds
    records that are not here. ``api`` makes the door to the pull request, where there is a token. Until the session
    ``has_begun`` it only lets others see that one is at work; ``is_holding``: they see it already.
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
        is_holding: bool = False,
    ) -> None:
        self._top, self._tag, self._remote = top, tag, remote
        self._api, self._links, self._overtaken = api, links or Links(), overtaken
        self._me = hold.myself(self._links.run)
        self._held, self._is_holding = time.monotonic(), is_holding
        self._pushed = ""
        self._answered: Mapping[str, Answer] = {}
        self._git: Git | None = None
        self._refused, self._is_asked = "", False
        self.is_overtaken = False
        self.has_begun = has_begun
        super().__init__("push", every=every, first_pause=first_pause)

    def _act(self) -> str:
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
        return self._refused

    @property
    def _rest(self) -> float:
        return min(self._every, ANSWER_EVERY) if self._is_asked else self._every

    def _abandon(self) -> None:
        if self._git is not None:
            self._git.plumbing.kill()

    def _push(self, git: Git) -> None:
        if git.resolve(ledger_ref(self._tag)) != self._pushed:
            chain = read_chain(git, ledger_ref(self._tag))
            if chain is not None:
                remarks = send(git, self._remote, chain, with_results=False).remarks
                for remark in remarks:
                    self._remark(remark)
                self._refused = "; ".join(remarks)
                self._pushed, self._answered = chain.head, orders.answers(chain.history)

    def _listen(self, git: Git) -> None:
        """Bring what people ask for to where the loop looks, and say what it has answered."""
        found = orders.bring(git, self._remote.name, self._tag, env=self._remote.env)
        self._is_asked = any(each not in self._answered for each in found)
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
    """Keeps one comment on the pull request of a tag up to date, once there is one.

    ``troubles`` gives what stands in the way of something else: the comment is what can still be written.
    """

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
        troubles: Callable[[], str] = str,
    ) -> None:
        self._branch, self._repository, self._token = branch_ref(tag)[11:], repository, token
        self._troubles = troubles
        self._text = self._written = ""
        super().__init__("comment", every=COMMENT_EVERY, pause=pause, first_pause=first_pause)

    def say(self, text: str) -> None:
        """What the comment is to say from now on."""
        self._text = text

    def _act(self) -> str:
        text = troubled(self._text, self._troubles()) if self._text else ""
        if text == self._written:
            return ""
        from pytest_autoresearch.github.api import GitHubApi, api_url  # slow to import; not all who push have a token

        api = GitHubApi(self._repository, self._token, url=api_url())
        pull = api.find(self._branch)
        if pull is not None and pull.state == "open":
            api.comment(pull.number, MARKER, text)
            self._written = text
        return ""
