"""The processes that git is: what they say, and how they end. Knows pipes only."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import time
from typing import Any

PATIENCE = 5.0
"""Seconds that a git without pipes gets to end by itself."""
MOST_GRUMBLED = 65_536
"""Bytes of a process' standard error that are kept, the last ones."""


def heard(process: Any) -> tuple[bytes, bytes]:
    """The next bytes of its answer, none at its end, and what it grumbled meanwhile.

    Unread, the latter would fill its pipe and stop it for ever: git tells of a line in .gitattributes at each file.
    """
    answers, grumbles, grumbled = process.stdout.fileno(), process.stderr.fileno(), b""
    poll = select.poll()
    poll.register(answers, select.POLLIN)
    poll.register(grumbles, select.POLLIN)
    while True:
        for handle, _ in poll.poll():
            data = os.read(handle, MOST_GRUMBLED)
            if handle == answers:
                return data, grumbled
            grumbled = (grumbled + data)[-MOST_GRUMBLED:]
            if not data:
                poll.unregister(grumbles)


def stop(process: Any) -> None:
    """Close the pipes and reap. A child that still runs is of no use without them and ends, or is killed."""
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None and not stream.closed:
            with contextlib.suppress(OSError):
                stream.close()
    deadline = time.monotonic() + PATIENCE
    pause = 0.0005
    while not has_ended(process):
        if time.monotonic() > deadline:
            with contextlib.suppress(ProcessLookupError):
                os.kill(process.pid, signal.SIGKILL)
        time.sleep(pause)
        pause = min(2 * pause, 0.05)


def has_ended(process: Any) -> bool:
    """Whether a process is gone; it is reaped here, and never by Popen.

    A Ctrl-C between two steps of ``Popen.poll`` leaves its lock taken, and ``Popen.wait`` then waits for ever.
    """
    if process.returncode is None:
        try:
            pid, status = os.waitpid(process.pid, os.WNOHANG)
        except ChildProcessError:  # reaped, and a Ctrl-C came before that was noted
            pid, status = process.pid, 0
        if pid:
            process.returncode = os.waitstatus_to_exitcode(status)
    return process.returncode is not None
