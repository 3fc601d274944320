"""The parents of runs at the levels without a PID namespace; a program of its own, run as ``python -S -I warden.py``.

Usage: warden.py CHANNEL, where CHANNEL is the descriptor of a socket to the supervisor. An interpreter's start costs
more than many a run, so this one starts once: for every order it makes a copy of itself that is the supervisor's child,
and the warden of one run. :mod:`pytest_autoresearch.lab.nursery` is the other end.

Every orphan of the run becomes the warden's child, however it hides, so the whole run can be ended by ending the
warden's children. The confinement is put on after the fork, so the warden stays outside and can not be signalled from
inside where the kernel keeps signals in.
"""

import ctypes
import fcntl
import json
import os
import resource
import signal
import socket
import sys
import time
from contextlib import suppress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_PR_SET_PDEATHSIG, _PR_SET_DUMPABLE, _PR_CAPBSET_DROP = 1, 4, 24
_PR_SET_SECCOMP, _PR_SET_CHILD_SUBREAPER, _PR_SET_NO_NEW_PRIVS = 22, 36, 38
_SECCOMP_MODE_FILTER = 2
_LANDLOCK_RESTRICT_SELF = 446
_MOST_HANDLES = 64
_OUT_OF_THE_WAY = 256  # descriptors from here on are nobody's
_PATIENCE = 5.0  # s
_CLONE, _CLONE_PARENT = {"x86_64": 56, "aarch64": 220}, 0x8000

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


def _become(order: "dict[str, Any]", handles: "dict[str, int]", kept: "dict[int, int]") -> None:
    """The child: never returns."""
    command = order["argv"]
    try:
        for number in (signal.SIGTERM, signal.SIGHUP, signal.SIGPIPE, signal.SIGXFSZ):  # it ignores the last two
            signal.signal(number, signal.SIG_DFL)
        for target, handle in kept.items():
            os.dup2(handle, target)
        os.setsid()
        _prctl(_PR_SET_DUMPABLE, 1)  # as it will be after the exec; till then its /proc is root's
        with suppress(OSError), open("/proc/self/oom_score_adj", "w") as file:
            file.write("500")  # first to go if memory ends
        os.chdir(order["cwd"])
        resource.setrlimit(resource.RLIMIT_CORE, (1, 1))  # 1, not 0: then no crash handler gets a dump either
        confine(handles.get("ruleset", -1), handles.get("filter", -1))
        os.execvpe(command[0], command, order["env"])
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


def _left_behind() -> bool:
    """Make a copy of this process that is a child of its parent, the supervisor; whether this is the copy."""
    if (clone := _CLONE.get(os.uname().machine)) is not None:
        pid = _libc.syscall(clone, _CLONE_PARENT | signal.SIGCHLD, 0, 0, 0, 0)
        if pid >= 0:
            return bool(pid == 0)
    pid = os.fork()  # else its parent dies, and the supervisor is its subreaper
    if pid == 0 and os.fork():
        os._exit(0)
    if pid:
        os.waitpid(pid, 0)
    return pid == 0


def _guard(order: "dict[str, Any]", handles: "dict[str, int]", kept: "dict[int, int]") -> int:
    """Run one command as a child and end what is left of it; its exit status as a shell tells it."""
    code = 128 + signal.SIGTERM
    try:
        pid = os.fork()
        if pid == 0:
            _become(order, handles, kept)
        # Only the run may hold its pipes open.
        for descriptor in (*handles.values(), *kept.values()):
            os.close(descriptor)
        while True:
            reaped, status = os.wait()
            if reaped == pid:
                code = os.waitstatus_to_exitcode(status)
                code = code if code >= 0 else 128 - code
                break
    except _Ended:
        pass
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    _end_children()
    return code


def _be_inherited(supervisor: int) -> bool:
    """Wait until the supervisor, a subreaper, is the parent; whether it lives."""
    deadline = time.monotonic() + _PATIENCE
    while os.getppid() != supervisor and time.monotonic() < deadline:
        time.sleep(0.0001)

    def end_alone(number: int, frame: object) -> None:
        # A thread of the supervisor's that ends makes the signal too, while another goes on as the parent.
        if os.getppid() != supervisor:
            raise _Ended

    signal.signal(signal.SIGHUP, end_alone)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGHUP)
    return os.getppid() == supervisor


def _serve(supervisor: int, received: "list[int]") -> int:
    """One warden, from its birth to its end."""
    os.setsid()
    with open(received[0]) as file:
        order = json.load(file)
    above = max(_OUT_OF_THE_WAY, *order["kept"]) + 1  # no descriptor of the run is there
    received = [fcntl.fcntl(handle, fcntl.F_DUPFD_CLOEXEC, above) for handle in received[1:]]
    os.closerange(3, above)
    line = socket.socket(fileno=received[0])
    kept = dict(zip(order["kept"], received[1:], strict=False))
    handles = dict(zip(order["handles"], received[1 + len(kept) :], strict=True))
    os.sched_setaffinity(0, order["cpus"])
    if "group" in handles:
        with suppress(OSError):  # a refused move leaves polling in charge
            os.write(handles["group"], b"0")
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)
    signal.signal(signal.SIGTERM, _end)
    if not _be_inherited(supervisor):
        return 128 + signal.SIGTERM
    line.send(b"%d" % os.getpid())
    if not line.recv(1):  # nobody waits for it any more
        return 128 + signal.SIGTERM
    line.close()
    return _guard(order, handles, kept)


def main(arguments: "list[str]") -> int:
    supervisor = os.getppid()
    channel = socket.socket(fileno=int(arguments[0]))
    _prctl(_PR_SET_DUMPABLE, 0)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())
    while True:
        word, received, _, _ = socket.recv_fds(channel, 1, _MOST_HANDLES)
        if not word:
            return 0
        if _left_behind():
            code = 128 + signal.SIGTERM
            with suppress(BaseException):  # the supervisor sees that its line is dead
                channel.close()
                code = _serve(supervisor, received)
            os._exit(code)
        for handle in received:
            os.close(handle)


if __name__ == "__main__":
    os._exit(main(sys.argv[1:]))
