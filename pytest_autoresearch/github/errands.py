"""What goes to GitHub while a session runs: branch, ledger and a comment. Knows the network and no pytest.

Each errand has a thread of its own, so that a slow network costs no experiment; what fails is tried again.
"""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from pathlib import Path

from pytest_autoresearch.errors import AutoresearchError
from pytest_autoresearch.github.progress import MARKER
from pytest_autoresearch.github.remote import Remote, send
from pytest_autoresearch.notebook.chain import branch_ref, ledger_ref, read_chain
from pytest_autoresearch.notebook.git import Git

EVERY = 300.0  # s; a lost machine loses the records of that time at most, and no keep
FIRST_PAUSE = 10.0  # s after a failure; doubled each time, up to EVERY
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
            self._remark(self.late)

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
            is_last = self._ended.is_set()
            self._wanted.clear()
            failures = 0 if self._succeeds() else failures + 1
            if is_last:
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
    """Pushes branch and ledger; what does not get through stays in the local repository."""

    failed = "not pushed, will be tried again"
    late = "the last push did not get through in time: `pytest-autoresearch publish` makes up for it"

    def __init__(self, top: Path, tag: str, remote: Remote, *, first_pause: float = FIRST_PAUSE) -> None:
        self._top, self._tag, self._remote = top, tag, remote
        self._pushed = ""
        super().__init__("push", first_pause=first_pause)

    def _act(self) -> None:
        with Git.discover(self._top) as git:
            if git.resolve(ledger_ref(self._tag)) == self._pushed:
                return
            chain = read_chain(git, ledger_ref(self._tag))
            if chain is not None:
                for remark in send(git, self._remote, chain, with_results=False).remarks:
                    self._remark(remark)
                self._pushed = chain.head


class Commenter(Errand):
    """Keeps one comment on the pull request of a tag up to date, once there is one."""

    failed = "the comment was not written, will be tried again"
    late = "the last comment did not get through in time"

    def __init__(
        self, tag: str, repository: str, token: str, *, pause: float = COMMENT_PAUSE, first_pause: float = FIRST_PAUSE
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
