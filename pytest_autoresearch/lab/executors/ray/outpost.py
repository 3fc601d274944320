"""The actor of a slot, in a worker of Ray on the node: holds what the slot was given, and relays to its runner.

It can be killed at any time, with everything that Ray counts among its children. The runner is none of them.
"""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import threading
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from multiprocessing.connection import Connection
from typing import Any

from pytest_autoresearch.executables import NEUTRAL
from pytest_autoresearch.lab.executors.remote.messages import CANCEL, Gone

RUNNER = "pytest_autoresearch.lab.executors.remote.runner"
THREADS = "OMP_NUM_THREADS"  # Ray sets it; a slot sets it to its own cores, or leaves it to the libraries


class Outpost:
    """Made by Ray with two threads: one waits in :meth:`call`, the other is for :meth:`cancel`."""

    def __init__(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            subprocess.run(
                [sys.executable, "-m", RUNNER, str(theirs.fileno())],
                pass_fds=[theirs.fileno()],
                cwd=NEUTRAL,
                env=_without_ray(os.environ),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
                check=False,
            )
        self._ours, self._sending = ours, threading.Lock()
        self._connection = Connection(os.dup(ours.fileno()))

    def call(self, name: str, *arguments: Any) -> Any:
        """What the runner answers; Gone is the end of this slot."""
        if name == "open":
            site, berth = arguments
            arguments = site, replace(berth, gpus=_gpus())
        try:
            with self._sending:
                self._connection.send((name, arguments))
            return self._connection.recv()
        except (EOFError, OSError):
            return Gone()

    def cancel(self) -> None:
        """End what runs; who waits for it hears when that is swept."""
        with suppress(OSError), self._sending:
            self._connection.send((CANCEL, ()))

    def close(self) -> None:
        """Have everything of the slot's removed; the answer is the runner's end."""
        with suppress(EOFError, OSError):
            self._ours.shutdown(socket.SHUT_WR)
            self._connection.recv()


def _gpus() -> str:
    """The GPUs that Ray has given; without any a slot must not see those of others."""
    import ray

    return ",".join(ray.get_runtime_context().get_accelerator_ids().get("GPU", []))


def _without_ray(environment: Mapping[str, str]) -> dict[str, str]:
    """The node's environment without what Ray puts into that of a worker."""
    return {name: value for name, value in environment.items() if name != THREADS and not name.startswith("RAY_")}
