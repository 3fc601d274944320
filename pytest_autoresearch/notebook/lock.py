"""One session per tag and per table: advisory locks that die with their holder and name it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import platform
import time
from collections.abc import Mapping
from datetime import datetime, timezone
from pathlib import Path

from pytest_autoresearch.errors import NotebookError

PATIENCE = 5.0
"""Seconds to wait for the last git process of a session that was killed."""


class Lock:
    """A held lock. ``previous`` is what its last holder wrote about itself."""

    def __init__(self, fd: int, previous: Mapping[str, str]) -> None:
        self.fd, self.previous = fd, previous

    @classmethod
    def acquire(cls, path: Path, what: str, **about: str) -> Lock:
        """Take the lock; NotebookError that names the holder where another session has it."""
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        except OSError as error:
            remedy = "make the repository's git directory writable for this user"
            raise NotebookError(f"{path}: can not be written: {error.strerror}\n  {remedy}") from None
        deadline = time.monotonic() + PATIENCE
        while not _locked(fd):
            holder = _read(fd)
            if _lives(holder) or time.monotonic() > deadline:
                os.close(fd)
                raise NotebookError(_refusal(what, holder))
            time.sleep(0.02)
        previous = _read(fd)
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        text = json.dumps({"pid": str(os.getpid()), "host": platform.node(), "since": now, **about})
        try:
            os.ftruncate(fd, 0)
            os.pwrite(fd, text.encode(), 0)
        except OSError as error:
            os.close(fd)
            raise NotebookError(f"{path}: can not be written: {error.strerror}\n  free some disk space") from None
        return cls(fd, previous)

    def release(self) -> None:
        """Let others have it. The file stays: removing it would open a gap between two waiters."""
        fcntl.flock(self.fd, fcntl.LOCK_UN)
        os.close(self.fd)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _read(fd: int) -> dict[str, str]:
    with contextlib.suppress(ValueError, OSError):
        found = json.loads(os.pread(fd, 4096, 0))
        if isinstance(found, dict):
            return {str(key): str(value) for key, value in found.items()}
    return {}


def _lives(holder: Mapping[str, str]) -> bool:
    if holder.get("host") != platform.node():
        return bool(holder)
    try:
        os.kill(int(holder["pid"]), 0)
    except (ProcessLookupError, ValueError, KeyError):
        return False
    except PermissionError:
        return True
    return True


def _refusal(what: str, holder: Mapping[str, str]) -> str:
    who = f"process {holder.get('pid', '?')} on {holder.get('host', '?')} since {holder.get('since', '?')}"
    return f"{what} is in use by {who}\n  wait until it ends, or stop it with Ctrl-C there"
