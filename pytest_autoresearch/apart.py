"""How a measured body starts a program that may reach neither the pytest that started it nor what that says.

Runs inside the workspace. What the kernel gives is used; docs/security.md says what that is at which level:

* the pytest is not dumpable, so its descriptors, memory and environment are closed to its user's other processes;
* the program is in a Landlock domain of its own, which forbids just that for every process outside of it, to root too,
  and to send them signals;
* a module that has changed since a program runs stands before none that was there, and no bytecode is read.
"""

from __future__ import annotations

import ctypes
import os
import struct
import subprocess
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType

_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38
_CREATE_RULESET, _RESTRICT_SELF = 444, 446
_CREATE_RULESET_VERSION = 1
_MAKE_DEVICE, _SCOPE_SIGNAL = 1 << 6, 1 << 1  # a domain has to forbid something; no honest program makes a device


def run_merged(
    command: Sequence[str], *, cwd: Path, env: Mapping[str, str], enter: Callable[[], None] | None = None
) -> subprocess.CompletedProcess[bytes]:
    """Run a program to its end; its merged output is captured. ``enter`` is called in it before it begins."""
    return subprocess.run(
        list(command),
        cwd=cwd,
        env=dict(env),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        preexec_fn=enter,
    )


def run_apart(command: Sequence[str], *, cwd: Path, env: Mapping[str, str]) -> subprocess.CompletedProcess[bytes]:
    """The same, apart from this process."""
    conceal()
    with warnings.catch_warnings():  # Python 3.12 and later do not like what is called after a fork beside threads
        warnings.simplefilter("ignore", DeprecationWarning)
        return run_merged(command, cwd=cwd, env=env, enter=_entering())


@cache
def conceal() -> None:
    """Close this process to others of its user, for good: a program may leave a process behind that waits."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0)
    sys.pycache_prefix = "/dev/null/none"  # bytecode beside a module may be a program's
    sys.meta_path.insert(sys.meta_path.index(PathFinder), _Before())


@cache
def _entering() -> Callable[[], None] | None:
    """What a child calls before it becomes the program; None where the kernel has no Landlock."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None, use_errno=True)
    version = libc.syscall(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)
    if version < 1:
        return None
    attributes = struct.pack("=QQQ", _MAKE_DEVICE, 0, _SCOPE_SIGNAL if version >= 6 else 0)
    ruleset = libc.syscall(_CREATE_RULESET, attributes, 24 if version >= 6 else 8, 0)
    if ruleset < 0:
        return None
    prctl, syscall = libc.prctl, libc.syscall

    def enter() -> None:
        prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0)
        syscall(_RESTRICT_SELF, ruleset, 0)

    return enter


class _Before(MetaPathFinder):
    """Finds what can be found without the files that have changed since now."""

    def __init__(self) -> None:
        self._since = time.time_ns() - 10_000_000  # the clock of files ticks less often

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The first one that was there; None leaves a name that has come up since to the usual finders."""
        for entry in sys.path if path is None else path:
            spec = PathFinder.find_spec(fullname, [entry])
            if spec is not None and spec.loader is not None and not self._is_new(spec.origin):
                return spec
        return None

    def _is_new(self, origin: str | None) -> bool:
        with suppress(OSError, TypeError):
            return os.stat(origin or "").st_ctime_ns >= self._since
        return False
