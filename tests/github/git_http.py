"""git over HTTP on 127.0.0.1, with a token that may end: what a runner pushes to."""

from __future__ import annotations

import base64
import os
import subprocess
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

_BACKEND = Path(subprocess.run(["git", "--exec-path"], capture_output=True, text=True).stdout.strip())
BACKEND = _BACKEND / "git-http-backend"


@dataclass
class GitHttp:
    """Serves the bare repositories below ``root`` to who brings the token that counts now, and notes who came."""

    root: Path
    token: Callable[[], str]
    url: str = ""
    also: str = ""  # another token that counts
    tokens: list[str] = field(default_factory=list)
    pushed_with: list[str] = field(default_factory=list)
    refused: int = 0
    broken: int = 0  # so many requests more are answered by a gateway that reaches nothing


class _Handler(BaseHTTPRequestHandler):
    state: GitHttp

    def do_GET(self) -> None:
        self._answer(b"")

    def do_POST(self) -> None:
        self._answer(self._body())

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length") or 0))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _answer(self, body: bytes) -> None:
        state = self.state
        if state.broken:
            state.broken -= 1
            self._send(502, {})
            return
        given = base64.b64decode(self.headers.get("Authorization", "basic ").partition(" ")[2]).decode()
        if given.removeprefix("x-access-token:") not in (state.token(), state.also or state.token()):
            state.refused += 1
            self._send(401, {"WWW-Authenticate": 'Basic realm="GitHub"'})
            return
        state.tokens.append(given.partition(":")[2])
        if self.path.partition("?")[0].endswith("/git-receive-pack"):
            state.pushed_with.append(state.tokens[-1])
        self._of_git(body)

    def _of_git(self, body: bytes) -> None:
        path, _, query = self.path.partition("?")
        env = {
            "GIT_PROJECT_ROOT": str(self.state.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "REMOTE_USER": "x",
            "PATH_INFO": path,
            "QUERY_STRING": query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "PATH": os.environ["PATH"],
        }
        done = subprocess.run([str(BACKEND)], input=body, env=env, capture_output=True, check=False)
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        lines = dict(line.split(": ", 1) for line in head.decode().split("\r\n") if line)
        self._send(int(lines.pop("Status", "200").split()[0]), lines, content)

    def _send(self, status: int, headers: Mapping[str, str], content: bytes = b"") -> None:
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, format: str, *args: object) -> None:
        return


@contextmanager
def serving_git(root: Path, token: Callable[[], str]) -> Iterator[GitHttp]:
    state = GitHttp(root, token)
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"state": state}))
    state.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield state
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
