"""Level ``landlock``: no namespaces, but the kernel refuses files, sockets and signals outside a list of paths.

Needs no privilege and works inside containers. It can not hide or remap paths and leaves local sockets open.
"""

from __future__ import annotations

import os
import stat
import struct
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from functools import cache, lru_cache
from pathlib import Path

from pytest_autoresearch.lab import seccomp
from pytest_autoresearch.lab.command import Command
from pytest_autoresearch.lab.kernel import checked, libc
from pytest_autoresearch.lab.places import sealed
from pytest_autoresearch.lab.plain import fresh_home, guarded, inside, settled, stand_ins, supervisor_concealed
from pytest_autoresearch.lab.reach import Reach, reach
from pytest_autoresearch.lab.view import View

_CREATE_RULESET, _ADD_RULE = 444, 445
_RULE_PATH_BENEATH = 1
_CREATE_RULESET_VERSION = 1

_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1 << 0, 1 << 1, 1 << 2, 1 << 3
_REMOVE_AND_MAKE = 0b1_1111_1111 << 4  # remove dir and file, make char, dir, reg, sock, fifo, block and sym
_MAKE_DEVICES = 1 << 6 | 1 << 11
_REFER, _TRUNCATE, _IOCTL = 1 << 13, 1 << 14, 1 << 15
_OF_FILES = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL

LIST = _READ_DIR
READ = _EXECUTE | _READ_FILE | _READ_DIR
USE = READ | _WRITE_FILE | _TRUNCATE | _IOCTL
WRITE = READ | _WRITE_FILE | _TRUNCATE | _REFER | (_REMOVE_AND_MAKE & ~_MAKE_DEVICES)

_TCP, _SCOPES = 0b11, 0b11  # bind and connect; abstract unix sockets and signals

DEVICES = ("/dev/null", "/dev/zero", "/dev/full", "/dev/random", "/dev/urandom")

Rules = dict[Path, int]


class LandlockSandbox:
    """Runs the command under a Landlock ruleset and a system call filter, below a warden."""

    level = "landlock"

    @contextmanager
    def wrap(self, command: Command, view: View) -> Iterator[Command]:
        with ExitStack() as stack:
            own = stack.enter_context(fresh_home(view))
            stack.enter_context(stand_ins(view))
            stack.enter_context(supervisor_concealed())
            ruleset = stack.enter_context(_ruleset(rules(view, reach(), own), internet=view.network))
            code = seccomp.program(internet=view.network, pinned=view.pinned, among_others=True)
            confined = replace(
                command,
                cwd=inside(command.cwd, view),
                env=settled(command.env, *own),
            )
            handle = stack.enter_context(sealed(code)) if code else -1
            yield guarded(confined, view.scratch, ruleset=ruleset, filter_handle=handle)


def rules(view: View, reach: Reach, own: Iterable[Path]) -> Rules:
    """What is granted below which path; everything else is refused."""
    granted: Rules = {}
    hidden = tuple(path.resolve() for path in view.hidden)

    def grant(paths: Iterable[Path], access: int) -> None:
        for path in paths:
            resolved = path.resolve()
            granted[resolved] = granted.get(resolved, 0) | access

    grant([Path("/proc")], READ)
    granted |= _machine(reach, view.shown_at, hidden)
    if view.network:
        grant([Path("/etc/resolv.conf")], READ)
    grant(view.described, READ)
    for path in view.data:
        if view.candidates(path) is not None:
            continue  # without mounts it leads to the checkout's file, and would be measured instead of the candidate's
        for part, access in _around(path.resolve(), hidden):
            grant([part], access)
    grant(map(Path, DEVICES), USE)
    grant(view.devices, USE)
    grant([*own, *view.caches], WRITE)
    grant([view.workspace, Path("/dev/shm")], READ if view.frozen else WRITE)
    return granted


@lru_cache(maxsize=8)
def _machine(reach: Reach, shown: Path, hidden: tuple[Path, ...]) -> Rules:
    """The part that is the same for every run of a session."""
    beside = (*reach.interpreter_beside(shown), *reach.libraries_beside(shown), *reach.toolchains_beside(shown))
    paths = (*reach.system, *beside)
    masked = (*(path.resolve() for path in reach.masked), *hidden)
    return {part: access for path in paths for part, access in _around(path.resolve(), masked)}


def _around(path: Path, masked: tuple[Path, ...]) -> Iterator[tuple[Path, int]]:
    """Grants to read ``path`` but not what is masked below it: Landlock can not take back, so each part is named."""
    if any(path.is_relative_to(mask) for mask in masked):
        return
    if not any(mask.is_relative_to(path) for mask in masked):
        yield path, READ
        return
    yield path, LIST
    with suppress(OSError):
        for part in path.iterdir():
            if not part.is_symlink():
                yield from _around(part, masked)


@cache
def version() -> int:
    """The kernel's Landlock ABI, 0 if it has none or it is switched off."""
    return max(0, int(_syscall(_CREATE_RULESET, None, 0, _CREATE_RULESET_VERSION)))


@contextmanager
def _ruleset(rules: Rules, *, internet: bool) -> Iterator[int]:
    handled = _handled_files(version())
    attributes = struct.pack("=QQQ", handled, 0 if internet else _TCP, _SCOPES)
    size = 8 if version() < 4 else 16 if version() < 6 else 24
    handle = checked(_syscall(_CREATE_RULESET, attributes[:size], size, 0))
    try:
        for path, access in rules.items():
            with suppress(FileNotFoundError, PermissionError):
                _add(handle, path, access & handled)
        yield handle
    finally:
        os.close(handle)


def _handled_files(version: int) -> int:
    newer = [(2, _REFER), (3, _TRUNCATE), (5, _IOCTL)]
    return READ | _WRITE_FILE | _REMOVE_AND_MAKE | sum(right for since, right in newer if version >= since)


def _add(ruleset: int, path: Path, access: int) -> None:
    handle = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        if not stat.S_ISDIR(os.fstat(handle).st_mode):
            access &= _OF_FILES
        checked(_syscall(_ADD_RULE, ruleset, _RULE_PATH_BENEATH, struct.pack("=Qi", access, handle), 0))
    finally:
        os.close(handle)


def _syscall(*arguments: object) -> int:
    return int(libc().syscall(*arguments))
