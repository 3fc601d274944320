"""The parent of a run at the levels without a PID namespace; a program of its own, run as ``python -S -I warden.py``.

Usage: warden.py PARENT RULESET FILTER DIRECTORY COMMAND…, where PARENT is the supervisor's pid, RULESET the descriptor
of a Landlock ruleset and FILTER the descriptor of a seccomp program, each -1 for none; DIRECTORY is where the command
starts.

Every orphan of the run becomes the warden's child, however it hides, so the whole run can be ended by ending the
warden's children. The confinement is put on after the fork, so the warden stays outside and can not be signalled from
inside where the kernel keeps signals in. It imports little: its start is a cost of every run.
"""

import ctypes
import os
import resource
import signal
import sys
from contextlib import suppress

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP = 1, 4, 24
_PR_SET_SECCOMP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 22, 36, 38
_SECCOMP_MODE_FILTER = 2
_LANDLOCK_RESTRICT_SELF = 446

_libc = ctypes.CDLL(None, use_errno=True)


class _Filter(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


class _Ended(BaseException):
    """The supervisor asked for the end, or is gone."""


def _call(result: int) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def _prctl(option: int, value: int, further: object = 0) -> None:
    _call(_libc.prctl(option, value, further, 0, 0))


def confine(ruleset: int, filter_handle: int) -> None:
    """Put this process and all that will come of it under the ruleset and the filter, for good."""
    if ruleset < 0:
        return
    # Root keeps its files but no power: what the bounding set lacks does not come back with the next exec.
    with suppress(OSError):
        for capability in range(64):
            _prctl(_PR_CAPBSET_DROP, capability)
    _prctl(_PR_SET_NO_NEW_PRIVS, 1)
    _call(_libc.syscall(_LANDLOCK_RESTRICT_SELF, ruleset, 0))
    os.close(ruleset)
    if filter_handle >= 0:
        code = os.read(filter_handle, 1 << 16)
        os.close(filter_handle)
        _prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(_Filter(len(code) // 8, code)))


def _become(directory: str, command: "list[str]", ruleset: int, filter_handle: int) -> None:
    """The child: never returns."""
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        os.setsid()
        os.chdir(directory)
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))  # 1, not 0: then no crash handler gets a dump either
        confine(ruleset, filter_handle)
        os.execvp(command[0], command)
    except BaseException as error:  # nothing may go on as a second warden
        os.write(2, f"warden: {command[0]}: {error}\n".encode())
    finally:
        os._exit(127)


def _end_children() -> None:
    """Kill and reap until no child is left. Orphans of what dies become children and are met in a later round."""
    own = os.getpgrp()
    while True:
        with open(f"/proc/self/task/{os.getpid()}/children") as file:
            children = [int(pid) for pid in file.read().split()]
        groups = set()
        for pid in children:
            with suppress(OSError):
                groups.add(os.getpgid(pid))
        for group in groups - {own}:
            with suppress(OSError):
                os.killpg(group, signal.SIGKILL)
        for pid in children:
            with suppress(OSError):
                os.kill(pid, signal.SIGKILL)
        try:
            os.wait()
            while os.waitpid(-1, os.WNOHANG)[0]:  # hundreds may have died at once
                pass
        except ChildProcessError:
            return


def _end(number: int, frame: object) -> None:
    raise _Ended


def main(arguments: "list[str]") -> int:
    supervisor, ruleset, filter_handle = map(int, arguments[:3])
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    _prctl(_PR_SET_DUMPABLE, 0)
    signal.signal(signal.SIGTERM, _end)
    code = 128 + signal.SIGTERM
    try:
        _prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)
        if os.getppid() != supervisor:
            return code
        pid = os.fork()
        if pid == 0:
            _become(arguments[3], arguments[4:], ruleset, filter_handle)
        # Only the run may hold its pipes open.
        for descriptor in (0, 1, 2):
            os.close(descriptor)
        while True:
            reaped, status = os.wait()
            if reaped == pid:
                code = os.waitstatus_to_exitcode(status)
                code = code if code >= 0 else 128 - code
                break
    except _Ended:
        pass
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    _end_children()
    return code


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))
