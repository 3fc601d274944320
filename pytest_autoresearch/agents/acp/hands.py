"""What an agent's ACP client does for it with files and commands. Runs inside the agent's sandbox; imports only Python.

Its checks tell an agent of a mistake at once; what confines the agent is the sandbox, and who judges is the supervisor.
"""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import threading
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

LARGEST_FILE = 10 << 20  # bytes
LARGEST_OUTPUT = 1 << 20  # bytes kept of a terminal
NOT_FOUND, INVALID, REFUSED = -32601, -32602, -32000
Json = Any


class Refusal(Exception):
    """What is answered to one request."""

    def __init__(self, code: int, words: str) -> None:
        super().__init__(words)
        self.code = code


class Files:
    """Files below ``root``, by paths that are walked part by part, so that no link leads out and none is swapped in."""

    def __init__(self, root: str, cwd: str) -> None:
        self._root, self._cwd = os.path.realpath(root), cwd

    def read(self, path: str, line: int | None, limit: int | None) -> str:
        """A text file, or ``limit`` lines of it from ``line`` (the first is 1)."""
        with os.fdopen(self._open(path, os.O_RDONLY), "rb") as file:
            text = file.read(LARGEST_FILE + 1)
        if len(text) > LARGEST_FILE:
            raise Refusal(INVALID, f"{path}: larger than {LARGEST_FILE >> 20} MiB")
        lines = text.decode("utf-8", "replace").splitlines(keepends=True)
        first = max(0, (line or 1) - 1)
        return "".join(lines[first : None if limit is None else first + max(0, limit)])

    def write(self, path: str, content: str) -> None:
        """Replace a file, or make it with the directories above it."""
        data = content.encode("utf-8", "surrogateescape")
        if len(data) > LARGEST_FILE:
            raise Refusal(INVALID, f"{path}: larger than {LARGEST_FILE >> 20} MiB")
        with os.fdopen(self._open(path, os.O_WRONLY | os.O_CREAT), "wb") as file:
            os.ftruncate(file.fileno(), 0)
            file.write(data)

    def _open(self, path: str, flags: int) -> int:
        absolute = os.path.normpath(os.path.join(self._cwd, path))
        if "\0" in path or not absolute.startswith(self._root + os.sep):
            raise Refusal(REFUSED, f"{path}: not in the working directory")
        *parents, name = absolute[len(self._root) + 1 :].split(os.sep)
        try:
            place = os.open(self._root, os.O_RDONLY | os.O_DIRECTORY)
            try:
                for part in parents:
                    if flags & os.O_CREAT:
                        with suppress(FileExistsError):
                            os.mkdir(part, dir_fd=place)
                    below = os.open(part, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW, dir_fd=place)
                    os.close(place)
                    place = below
                # Without blocking, for a pipe; nothing that is no file is touched.
                found = os.open(name, flags | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC, 0o644, dir_fd=place)
            finally:
                os.close(place)
        except OSError as error:
            raise Refusal(REFUSED, f"{path}: {error.strerror}") from None
        if not stat.S_ISREG(os.fstat(found).st_mode):
            os.close(found)
            raise Refusal(REFUSED, f"{path}: no regular file")
        return found


class Terminal:
    """One command that the agent asked for; the end of its output is kept."""

    def __init__(self, argv: list[str] | str, cwd: str, env: Mapping[str, str], limit: int) -> None:
        self.limit = max(0, min(limit, LARGEST_OUTPUT))
        self.output, self.truncated = b"", False
        self._lock = threading.Lock()
        self.process = subprocess.Popen(
            ["/bin/sh", "-c", argv] if isinstance(argv, str) else argv,
            cwd=cwd,
            env={**os.environ, **env},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self.process.stdout is not None
        while data := os.read(self.process.stdout.fileno(), 1 << 16):
            with self._lock:
                whole = self.output + data
                self.truncated = self.truncated or len(whole) > self.limit
                self.output = whole[len(whole) - self.limit :] if len(whole) > self.limit else whole

    def told(self) -> Json:
        """The output so far, and the exit status where there is one."""
        ended = self.process.poll() is not None
        if ended:
            self._reader.join(0.5)
        with self._lock:
            text = self.output.decode("utf-8", "replace")
            return {"output": text, "truncated": self.truncated, **({"exitStatus": self.status()} if ended else {})}

    def status(self) -> Json:
        """How it ended."""
        code = self.process.wait()
        return {"exitCode": code, "signal": None} if code >= 0 else {"exitCode": None, "signal": f"SIG{-code}"}

    def kill(self) -> None:
        """End it and its group."""
        with suppress(OSError):
            os.killpg(self.process.pid, signal.SIGKILL)


def permission(params: Mapping[str, Json]) -> Json:
    """Yes, once, to whatever the sandbox allows anyway; an agent whose options are all refusals is told `cancelled`."""
    options = dicts_in(params.get("options"))
    for kind in ("allow_once", "allow_always"):
        for option in options:
            if option.get("kind") == kind and isinstance(option.get("optionId"), str):
                return {"outcome": {"outcome": "selected", "optionId": option["optionId"]}}
    return {"outcome": {"outcome": "cancelled"}}


def dicts_in(value: Json) -> list[dict[str, Json]]:
    """The objects of a list; none of what is no list."""
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []


def text_of(params: Mapping[str, Json], name: str) -> str:
    value = params.get(name)
    if not isinstance(value, str):
        raise Refusal(INVALID, f"{name} is missing")
    try:
        value.encode()
    except UnicodeError:  # JSON may hold half a character
        raise Refusal(INVALID, f"{name} is no text") from None
    return value


def number_of(value: Json) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None
