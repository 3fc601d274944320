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
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pytest_autoresearch.errors import AutoresearchError
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.ledger import state_directory
from pytest_autoresearch.notebook.record import History
from pytest_autoresearch.report.changes import Seen
from pytest_autoresearch.report.html import page, prepare
from pytest_autoresearch.report.lanes import Lane
from pytest_autoresearch.report.looking import Look
from pytest_autoresearch.report.story import Story, Teller

HOST = "127.0.0.1"
SHARE = 0.005
"""Of one core, for making pages: a page that took half a second is made again after a hundred. The first one is made
when somebody asks, so a minute holds twice the share at most."""
HEARTBEAT = 10.0  # s; a connection that is gone is noticed at the next word
LAST_LOOK = 3.0  # s
MOST_READERS = 8  # streams at once; each is a thread
POLICY = "no-referrer"


class LivePage:
    """A session's page as a server. ``look`` gives what git knows of a story; it is asked by one thread at a time."""

    def __init__(self, port: int, memory: Path, look: Callable[[Story], Seen]) -> None:
        """``port`` 0: last time's if it is free, else any. ``memory`` is the file that holds port and token."""
        remembered_port, self._token = _remembered(memory)
        self._server = _Server(_ports(port, remembered_port), self)
        _remember(memory, self._server.server_port, self._token)
        self._look = look
        self._news = threading.Condition()
        self._history: History | None = None
        self._lanes: tuple[Lane, ...] = ()
        self._version, self._process = 0, secrets.token_hex(4)
        self._ended = False
        self._making = threading.Lock()
        self._teller = Teller()
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

    def say(self, lanes: Sequence[Lane]) -> None:
        """Tell what goes on right now."""
        with self._news:
            self._lanes = tuple(lanes)
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
        sent_version, sent_lanes, said = -1, None, 0.0  # type: int, tuple[Lane, ...] | None, float
        while True:
            with self._news:
                if not self._ended and self._lanes == sent_lanes:
                    self._news.wait(timeout=1.0)
                version, lanes, ended = self._version, self._lanes, self._ended
            if lanes != sent_lanes:
                sent_lanes = lanes
                told = [[lane.number, lane.text, lane.began, lane.budget] for lane in lanes]
                yield _event("lanes", [time.time(), told])
                said = time.monotonic()
            if version != sent_version and (ended or time.monotonic() >= self._next):
                sent_version = version
                yield _event("told", self._named(version))
                said = time.monotonic()
            if ended:
                yield _event("ended", "")
                return
            if time.monotonic() - said > HEARTBEAT:
                yield ": still here\n\n"
                said = time.monotonic()

    def _named(self, version: int) -> str:
        """Another process counts anew, and a page that was opened before it is older all the same."""
        return f"{self._process}.{version}"

    def _make(self) -> None:
        if self._made == self._version or (self._html and not self._ended and time.monotonic() < self._next):
            return
        history, version = self._history, self._version
        if history is None or not history.experiments:
            return
        prepare()
        began = time.thread_time()
        story = self._teller.tell(history, running=not self._ended)
        assert story is not None
        self._html, self._made = page(story, self._look(story), stream="events", version=self._named(version)), version
        self._next = time.monotonic() + max(1.0, (time.thread_time() - began) / SHARE)

    def pytest_autoresearch_recorded(self, history: History) -> None:
        self.tell(history)


@contextmanager
def live_page(port: int, git: Git, tag: str) -> Iterator[LivePage]:
    """The page of a session, from here to the end of the block."""
    with Git.discover(git.top) as own:  # a git of its own: pages are made in other threads
        page = LivePage(port, state_directory(git, tag) / "live", Look(own).at)
        try:
            yield page
        finally:
            page.close()


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
