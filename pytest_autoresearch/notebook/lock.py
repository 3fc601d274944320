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
    """A held lock. ``owner`` is the tag that signed it last: it stays in the file when nobody holds the lock."""

    def __init__(self, path: Path, fd: int) -> None:
        self._path, self.fd = path, fd
        self.owner = _read(fd).get("tag", "")

    @classmethod
    def acquire(cls, path: Path, what: str) -> Lock:
        """Take the lock; NotebookError that names the holder where another session has it."""
        deadline = time.monotonic() + PATIENCE
        while True:
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                fd = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
            except OSError as error:
                removed = isinstance(error, (FileNotFoundError, FileExistsError))  # by its last holder, this moment
                if not removed or time.monotonic() > deadline:
                    raise NotebookError(_unwritable(path, error)) from None
                time.sleep(0.002)
                continue
            if _locked(fd) and _is_still(path, fd):
                lock = cls(path, fd)
                lock.sign(lock.owner)
                return lock
            holder = _read(fd)
            os.close(fd)
            if _lives(holder) or time.monotonic() > deadline:
                raise NotebookError(_refusal(what, holder))
            time.sleep(0.02)

    def sign(self, tag: str) -> None:
        """Write who holds the lock, and for which tag."""
        now = datetime.now(timezone.utc).isoformat(timespec="seconds")
        about = {"pid": str(os.getpid()), "host": platform.node(), "since": now, "tag": tag}
        try:
            os.ftruncate(self.fd, 0)
            os.pwrite(self.fd, json.dumps(about).encode(), 0)
        except OSError as error:
            raise NotebookError(_unwritable(self._path, error)) from None
        self.owner = tag

    def release(self, *, remove: bool) -> None:
        """Let others have it; with ``remove`` the file goes too, and its directory when that is empty then."""
        if remove:
            with contextlib.suppress(OSError):
                self._path.unlink()
                self._path.parent.rmdir()
        fcntl.flock(self.fd, fcntl.LOCK_UN)
        os.close(self.fd)


def _locked(fd: int) -> bool:
    try:
        fcntl.flock(fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _is_still(path: Path, fd: int) -> bool:
    """Whether the locked file is the one others will find: its last holder may have removed it meanwhile."""
    try:
        return os.stat(path).st_ino == os.fstat(fd).st_ino
    except FileNotFoundError:
        return False


def _unwritable(path: Path, error: OSError) -> str:
    remedy = "make the repository's git directory writable for this user, with some free space"
    return f"{path}: can not be written: {error.strerror}\n  {remedy}"


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
