"""The page of a session while it runs: read-only, on 127.0.0.1, behind an address that nobody can guess.

The loop leaves values here and goes on; what is asked for is made in the threads that serve it, and so seldom that it
costs the loop less than a hundredth of a core.
"""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pytest_autoresearch.errors import AutoresearchError
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.ledger import state_directory
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.report.html import page
from pytest_autoresearch.report.story import Teller

HOST = "127.0.0.1"
SHARE = 0.01
"""Of one core, for making pages: a page that took a second is made again after a hundred."""
HEARTBEAT = 10.0  # s; a connection that is gone is noticed at the next word
LAST_LOOK = 3.0  # s
MOST_READERS = 8  # streams at once; each is a thread
POLICY = "no-referrer"


@dataclass(frozen=True, slots=True)
class Lane:
    """What goes on right now. Seconds; ``budget`` None where none is known."""

    number: int
    text: str
    elapsed: float = 0.0
    budget: float | None = None


class LivePage:
    """A session's page as a server. ``patches`` gives the diffs of commits; it is asked from one thread at a time."""

    def __init__(self, port: int, memory: Path, patches: Callable[[Sequence[str]], Mapping[str, str]]) -> None:
        """``port`` 0: last time's if it is free, else any. ``memory`` is the file that holds port and token."""
        remembered_port, self._token = _remembered(memory)
        self._server = _Server(_ports(port, remembered_port), self)
        _remember(memory, self._server.server_port, self._token)
        self._patches, self._known = patches, {}  # type: Callable[[Sequence[str]], Mapping[str, str]], dict[str, str]
        self._news = threading.Condition()
        self._history: History | None = None
        self._lane: Lane | None = None
        self._version = 0
        self._ended = False
        self._making = threading.Lock()
        self._teller: Teller | None = None
        self._made, self._shown, self._html, self._next = -1, -1, "", 0.0
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.2,), daemon=True)
        self._thread.start()

    @property
    def address(self) -> str:
        """What a person opens."""
        return f"http://{HOST}:{self._server.server_port}/{self._token}/"

    # The loop's side

    def tell(self, history: History) -> None:
        """The session has come to this."""
        with self._news:
            self._history = history
            self._version += 1
            self._news.notify_all()

    def say(self, lane: Lane) -> None:
        """Tell what goes on right now."""
        with self._news:
            self._lane = lane
            self._news.notify_all()

    def close(self) -> None:
        """The session has ended; who looks on gets the last page, if that takes no longer than LAST_LOOK."""
        with self._news:
            self._version += 1
            self._ended = True
            self._news.notify_all()
        deadline = time.monotonic() + LAST_LOOK
        while self._server.has_readers and self._shown != self._version and time.monotonic() < deadline:
            time.sleep(0.02)
        self._server.shutdown()
        self._server.server_close()
        self._thread.join(2.0)

    # The readers' side

    def knows(self, token: str) -> bool:
        return secrets.compare_digest(token.encode(), self._token.encode())

    def html(self) -> str:
        """The newest page that there was time to make."""
        with self._making:
            self._make()
            self._shown = self._made
            return self._html or _WAITING

    def words(self) -> Iterator[str]:
        """Server-sent events for one reader, until the session ends: what goes on, and when to look again."""
        sent_version, sent_lane, said = -1, None, 0.0
        while True:
            with self._news:
                if not self._ended and self._lane == sent_lane:
                    self._news.wait(timeout=1.0)
                version, lane, ended = self._version, self._lane, self._ended
            if lane is not None and lane != sent_lane:
                sent_lane = lane
                budget = None if lane.budget is None else round(lane.budget, 1)
                yield _event("lane", [lane.number, lane.text, round(lane.elapsed), budget])
                said = time.monotonic()
            if version != sent_version and (ended or time.monotonic() >= self._next):
                sent_version = version
                yield _event("told", version)
                said = time.monotonic()
            if ended:
                yield _event("ended", "")
                return
            if time.monotonic() - said > HEARTBEAT:
                yield ": still here\n\n"
                said = time.monotonic()

    def _make(self) -> None:
        if self._made == self._version or (self._html and not self._ended and time.monotonic() < self._next):
            return
        history, version = self._history, self._version
        if history is None or not history.experiments:
            return
        began = time.thread_time()
        self._teller = self._teller or Teller(history.session)
        story = self._teller.tell(history, running=not self._ended)
        assert story is not None
        unknown = [each.commit for each in story.experiments[1:] if each.commit not in self._known]
        self._known.update(self._patches(unknown))
        self._html, self._made = page(story, self._known, stream="events"), version
        self._next = time.monotonic() + max(1.0, (time.thread_time() - began) / SHARE)


@dataclass
class Watched:
    """A session's page as the loop knows it: a watcher among others, and a hook that hears of records."""

    live: LivePage
    _lane: Lane = Lane(0, "")

    def phase(self, number: int, text: str, *, budget: float | None = None) -> None:
        self._lane = Lane(number, text, 0.0, budget)
        self.live.say(self._lane)

    def tick(self, elapsed: float) -> None:
        if int(elapsed) != int(self._lane.elapsed):  # once a second is enough
            self._lane = replace(self._lane, elapsed=elapsed)
            self.live.say(self._lane)

    def remark(self, text: str) -> None:
        """Stands in the terminal."""

    def pytest_autoresearch_recorded(self, history: History) -> None:
        self.live.tell(history)


@contextmanager
def watched(port: int, git: Git, tag: str, history: History) -> Iterator[Watched]:
    """The page of a session, from here to the end of the block."""
    with Git.discover(git.top) as own:  # a git of its own: pages are made in other threads
        live = LivePage(port, state_directory(git, tag) / "live", own.diffs)
        live.tell(history)
        follower = Watched(live)
        try:
            yield follower
        finally:
            live.close()


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    allow_reuse_address = True

    def __init__(self, ports: Sequence[int], live: LivePage) -> None:
        self.live = live
        self._readers, self._door = 0, threading.Lock()
        for port in ports:
            try:
                super().__init__((HOST, port), _Handler)
                return
            except OSError as error:
                why = error.strerror
        raise AutoresearchError(f"--autoresearch-live: port {ports[-1]} can not be used: {why}\n  choose another one")

    @property
    def has_readers(self) -> bool:
        return self._readers > 0

    @contextmanager
    def reader(self) -> Iterator[bool]:
        """Counts who listens; False: there are too many already."""
        with self._door:
            admitted = self._readers < MOST_READERS
            self._readers += admitted
        try:
            yield admitted
        finally:
            with self._door:
                self._readers -= admitted

    def handle_error(self, request: object, client_address: object) -> None:
        """A reader that went away is no news."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    server_version, sys_version = "pytest-autoresearch", ""
    timeout = 30.0

    def do_GET(self) -> None:
        """The page, or its events. A browser that was led here under another name is sent away (DNS rebinding)."""
        live = self.server.live
        hosts = {f"{name}:{self.server.server_port}" for name in (HOST, "localhost")}
        _, _, token_and_rest = self.path.partition("/")
        token, _, rest = token_and_rest.partition("/")
        if self.headers.get("Host") not in hosts or not live.knows(token) or rest not in ("", "events"):
            self.send_error(HTTPStatus.NOT_FOUND)
        elif rest == "":
            self._answer("text/html; charset=utf-8", live.html().encode("utf-8", "replace"))
        else:
            with self.server.reader() as admitted:
                if admitted:
                    self._stream(live.words())
                else:
                    self.send_error(HTTPStatus.SERVICE_UNAVAILABLE)

    def _answer(self, kind: str, data: bytes | None) -> None:
        self.send_response(HTTPStatus.OK)
        self.send_header("Content-Type", kind)
        self.send_header("Cache-Control", "no-store")
        self.send_header("Referrer-Policy", POLICY)
        self.send_header("X-Content-Type-Options", "nosniff")
        self.send_header("X-Frame-Options", "DENY")
        self.send_header("Cross-Origin-Resource-Policy", "same-origin")
        if data is not None:
            self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if data is not None:
            self.wfile.write(data)

    def _stream(self, words: Iterator[str]) -> None:
        self._answer("text/event-stream", None)
        with suppress(OSError):  # the reader has gone
            for word in words:
                self.wfile.write(word.encode())
                self.wfile.flush()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None:
        """Nothing: the terminal is the loop's."""


def _event(name: str, data: object) -> str:
    return f"event: {name}\ndata: {json.dumps(data)}\n\n"


def _ports(wanted: int, remembered: int) -> list[int]:
    if wanted:
        return [wanted]
    return [remembered, 0] if remembered else [0]


def _remembered(memory: Path) -> tuple[int, str]:
    """Port and token of the session before, so that an open page finds the one that goes on."""
    with suppress(OSError, ValueError):
        port, token = memory.read_text("ascii").split()
        if int(port) < 65536 and len(token) >= 32:
            return int(port), token
    return 0, secrets.token_urlsafe(32)


def _remember(memory: Path, port: int, token: str) -> None:
    """For its owner alone; without a place for it the next session has another address."""
    with suppress(OSError):
        memory.unlink(missing_ok=True)
        with os.fdopen(os.open(memory, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="ascii") as file:
            file.write(f"{port} {token}\n")


_WAITING = """\
<!doctype html><html lang="en"><meta charset="utf-8"><meta http-equiv="refresh" content="2">
<title>autoresearch</title><p>The baseline is being measured; this page looks again by itself.</p></html>
"""
