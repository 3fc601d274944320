"""A small system call filter that closes what namespaces and Landlock leave open: key rings, vsock, io_uring, TIOCSTI,
the kernel's log, flags of files that are set without a word, leases that hold up whoever opens a file, and pid 1, which
is bubblewrap. Without a PID namespace also what slows or limits the processes of others.

It is no allow-list: capabilities and namespaces already stop the rest. Knows no run; only makes bytes for the kernel.
"""

from __future__ import annotations

import errno
import platform
import struct
from dataclasses import dataclass

_LOAD, _JUMP_IF_EQUAL, _JUMP_IF_GREATER_EQUAL, _RETURN = 0x20, 0x15, 0x35, 0x06
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data

_X32 = 0x40000000
"""x86-64 takes a second set of numbers from here on, which would walk around the filter."""

AF_UNIX, AF_INET, AF_INET6, AF_NETLINK = 1, 2, 10, 16
_TIOCSTI, _TIOCLINUX = 0x5412, 0x541C


@dataclass(frozen=True, slots=True)
class _Machine:
    audit: int
    ioctl: int
    socket: int
    keys: tuple[int, int, int]
    userfaultfd: int
    syslog: int
    ptrace: int
    process_vm_writev: int
    sched_setaffinity: int
    fcntl: int
    prlimit: int
    priorities: tuple[int, int]
    """setpriority and ioprio_set: whose of a kind, and the kind."""
    scheduling: tuple[int, int, int]
    """sched_setparam, sched_setscheduler and sched_setattr."""


_MACHINES = {
    "x86_64": _Machine(
        audit=0xC000003E,
        ioctl=16,
        socket=41,
        keys=(248, 249, 250),
        userfaultfd=323,
        syslog=103,
        ptrace=101,
        process_vm_writev=311,
        sched_setaffinity=203,
        fcntl=72,
        prlimit=302,
        priorities=(141, 251),
        scheduling=(142, 144, 314),
    ),
    "aarch64": _Machine(
        audit=0xC00000B7,
        ioctl=29,
        socket=198,
        keys=(217, 218, 219),
        userfaultfd=282,
        syslog=116,
        ptrace=117,
        process_vm_writev=271,
        sched_setaffinity=122,
        fcntl=25,
        prlimit=261,
        priorities=(140, 30),
        scheduling=(118, 119, 274),
    ),
}
_IO_URING_SETUP, _FILE_SETATTR = 425, 469
_F_SETLEASE = 1024
_OF_A_USER = (2, 3)  # the kinds of setpriority and ioprio_set that mean all of a user; 2 also a group to the second


def program(*, internet: bool, pinned: bool = False, among_others: bool = False, machine: str | None = None) -> bytes:
    """The filter as an array of ``struct sock_filter``; empty on a machine whose call numbers are not known here.

    ``internet`` False also refuses IPv4 and IPv6 sockets, for levels without a network namespace. ``pinned``: to ask
    for other processors does nothing. It is no error, which would end programs that pin their threads for speed.
    ``among_others``: there is no PID namespace, so only who calls is given another priority, scheduling or limit.
    """
    numbers = _MACHINES.get(machine or platform.machine())
    if numbers is None:
        return b""
    families = [AF_UNIX, AF_NETLINK, *([AF_INET, AF_INET6] if internet else [])]
    code = [
        _step(_LOAD, _ARCHITECTURE),
        _step(_JUMP_IF_EQUAL, numbers.audit, then=1),
        _refuse(errno.ENOSYS),
        _step(_LOAD, _NUMBER),
        _step(_JUMP_IF_GREATER_EQUAL, _X32, otherwise=1),
        _refuse(errno.ENOSYS),
        *_without(_IO_URING_SETUP, errno.ENOSYS),  # its socket operation passes no filter; programs do without it
        *_without(_FILE_SETATTR, errno.ENOSYS),  # no watch hears it (Linux 6.17); chattr(1) opens the file
        *_without(numbers.userfaultfd, errno.ENOSYS),
        *_without(numbers.syslog, errno.EPERM),  # where kernel.dmesg_restrict is 0 everybody reads it
        *(step for number in numbers.keys for step in _without(number, errno.ENOSYS)),
        *_only(numbers.socket, families, errno.EAFNOSUPPORT),
        *_except(numbers.ioctl, 1, [_TIOCSTI, _TIOCLINUX], errno.EPERM),
        *_except(numbers.ptrace, 1, [1], errno.EPERM),
        *_except(numbers.process_vm_writev, 0, [1], errno.EPERM),
        *_except(numbers.fcntl, 1, [_F_SETLEASE], errno.EPERM),
        *(_without(numbers.sched_setaffinity, 0) if pinned else ()),
        *(_for_itself(numbers) if among_others else ()),
        _step(_RETURN, _ALLOW),
    ]
    return b"".join(code)


def _for_itself(numbers: _Machine) -> list[bytes]:
    """What changes a process named by its pid passes where that is 0: whoever asks."""
    limits = [
        _step(_LOAD, _ARGUMENTS),
        _step(_JUMP_IF_EQUAL, 0, then=4),
        _step(_LOAD, _ARGUMENTS + 8 * 2),  # a pointer to new limits, in two halves; without one they are asked for
        _step(_JUMP_IF_EQUAL, 0, otherwise=3),
        _step(_LOAD, _ARGUMENTS + 8 * 2 + 4),
        _step(_JUMP_IF_EQUAL, 0, otherwise=1),
        _step(_RETURN, _ALLOW),
        _refuse(errno.EPERM),
    ]
    steps = [_step(_JUMP_IF_EQUAL, numbers.prlimit, otherwise=len(limits)), *limits]
    for call in numbers.scheduling:
        steps += _only(call, [0], errno.EPERM)
    for call in numbers.priorities:
        kinds = [_step(_JUMP_IF_EQUAL, kind, then=len(_OF_A_USER) + 1 - at) for at, kind in enumerate(_OF_A_USER)]
        body = [
            _step(_LOAD, _ARGUMENTS),
            *kinds,
            _step(_LOAD, _ARGUMENTS + 8),
            _step(_JUMP_IF_EQUAL, 0, then=1),
            _refuse(errno.EPERM),
            _step(_RETURN, _ALLOW),
        ]
        steps += [_step(_JUMP_IF_EQUAL, call, otherwise=len(body)), *body]
    return steps


def _step(code: int, value: int, then: int = 0, otherwise: int = 0) -> bytes:
    return struct.pack("<HBBI", code, then, otherwise, value)


def _refuse(number: int) -> bytes:
    return _step(_RETURN, _ERRNO | number)


def _without(call: int, error: int) -> list[bytes]:
    return [_step(_JUMP_IF_EQUAL, call, otherwise=1), _refuse(error)]


def _only(call: int, values: list[int], error: int) -> list[bytes]:
    """The call passes with one of ``values`` as its first argument."""
    tests = [_step(_JUMP_IF_EQUAL, value, then=len(values) - place) for place, value in enumerate(values)]
    body = [_step(_LOAD, _ARGUMENTS), *tests, _refuse(error), _step(_RETURN, _ALLOW)]
    return [_step(_JUMP_IF_EQUAL, call, otherwise=len(body)), *body]


def _except(call: int, argument: int, values: list[int], error: int) -> list[bytes]:
    """The call passes unless the argument is one of ``values``."""
    tests = [_step(_JUMP_IF_EQUAL, value, then=len(values) - place) for place, value in enumerate(values)]
    body = [_step(_LOAD, _ARGUMENTS + 8 * argument), *tests, _step(_RETURN, _ALLOW), _refuse(error)]
    return [_step(_JUMP_IF_EQUAL, call, otherwise=len(body)), *body]
