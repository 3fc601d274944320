"""Something that is done beside the loop, in a thread of its own: a slow or broken other end costs no experiment."""

from __future__ import annotations

import threading
from abc import ABC, abstractmethod
from contextlib import suppress
from queue import Empty, SimpleQueue

from pytest_autoresearch.errors import AutoresearchError

EVERY = 300.0  # s; the longest pause after failures, and how often what is kept alive is renewed
FIRST_PAUSE = 10.0  # s after a failure; doubled each time, up to EVERY
REAPING = 0.5  # s for what was killed to be gone


class Errand(ABC):
    """Something that is done soon after it is asked for, and every so often.

    ``trouble`` is what stands in its way now, empty while nothing does.
    """

    failed = "failed, will be tried again"
    late = "did not get through in time"

    def __init__(
        self, name: str, *, every: float = EVERY, pause: float = 0.0, first_pause: float = FIRST_PAUSE
    ) -> None:
        self._every, self._pause, self._first_pause = every, pause, first_pause
        self._wanted, self._ended = threading.Event(), threading.Event()
        self.is_ending = self._is_late = False
        self.trouble = ""
        self._said: set[str] = set()
        self._unsaid: SimpleQueue[str] = SimpleQueue()
        self._thread = threading.Thread(target=self._run, name=f"autoresearch-{name}", daemon=True)
        self._thread.start()

    def soon(self) -> None:
        """Ask for it; it need not wait for its time."""
        self._wanted.set()

    def remarks(self) -> list[str]:
        """What went wrong since the last call; the same is said once."""
        found = list[str]()
        with suppress(Empty):
            while True:
                found.append(self._unsaid.get_nowait())
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
            self.remarks()  # that what was killed has failed is no news
            self._unsaid.put(self.late)

    @property
    def _rest(self) -> float:
        """Seconds from one act to the next that nobody asks for."""
        return self._every

    def _abandon(self) -> None:
        """End what still runs of it: nobody waits for it any more."""
        return

    @abstractmethod
    def _act(self) -> str:
        """Do it; what of it was refused. Whatever it raises is a remark and a reason to wait longer."""

    def _run(self) -> None:
        failures = 0
        while True:
            if failures:
                self._ended.wait(min(EVERY, self._first_pause * 2 ** (failures - 1)))
            else:
                self._ended.wait(self._pause)
                self._wanted.wait(self._rest - self._pause)
            self.is_ending = is_last = self._ended.is_set()
            self._wanted.clear()
            failures = 0 if self._succeeds() else failures + 1
            if is_last or self._is_late:
                return

    def _succeeds(self) -> bool:
        try:
            self.trouble = self._act()
        except AutoresearchError as error:
            self.trouble = f"{self.failed}: {error}"
        except Exception as error:  # whatever it is, the loop is worth more
            self.trouble = f"{self.failed}: {type(error).__name__}"
        else:
            return True
        self._remark(self.trouble)
        return False

    def _remark(self, text: str) -> None:
        if text not in self._said:
            self._said.add(text)
            self._unsaid.put(text)
