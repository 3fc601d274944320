"""The end of what a run has said so far, in a file for whoever looks on from another process. Short runs have none."""

from __future__ import annotations

import os
import stat
import time
from contextlib import suppress
from pathlib import Path

KEPT = 4096  # bytes
EVERY = 1.0  # s


class Tail:
    """Told of a run's output as it comes; ``log`` is the file that a run may write instead of saying anything."""

    def __init__(self, place: Path | None, log: Path) -> None:
        """``place`` is the file that is written, in a directory that is there; None: nobody looks on."""
        self._place, self._log = place, log
        self._end, self._written, self._next = b"", b"", EVERY
        self._began = time.time()

    def feed(self, data: bytes) -> None:
        """The run has said this."""
        self._end = (self._end + data[-KEPT:])[-KEPT:]

    def tick(self, elapsed: float) -> None:
        """Write what is new, once in EVERY seconds of the run; a full disk costs it nothing."""
        if self._place is None or elapsed < self._next:
            return
        self._next = elapsed + EVERY
        end = self._end or end_of(self._log, self._began)
        if end != self._written:
            self._written = end
            with suppress(OSError):
                new = self._place.with_name(self._place.name + ".new")
                new.write_bytes(end)
                os.replace(new, self._place)

    def close(self) -> None:
        """The run is over: its record has what is worth keeping."""
        if self._written and self._place is not None:
            with suppress(OSError):
                self._place.unlink()


def end_of(path: Path, since: float) -> bytes:
    """The last KEPT bytes of a file that was written after ``since``, in seconds since 1970, if it is one.

    Whoever had the directory may have left a link, a pipe or nothing.
    """
    with suppress(OSError):
        handle = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as file:
            found = os.fstat(handle)
            if stat.S_ISREG(found.st_mode) and found.st_mtime > since - 1:
                file.seek(max(0, found.st_size - KEPT))
                return file.read(KEPT)
    return b""
