"""Attacks a sandbox for real before a session trusts it, and says what to do where a machine gives no better one."""

from __future__ import annotations

import fcntl
import os
import socket
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from pytest_autoresearch.lab.command import Command, Ending, Outcome
from pytest_autoresearch.lab.process import execute
from pytest_autoresearch.lab.removal import remove_tree
from pytest_autoresearch.lab.view import Sandbox, View

# Runs inside. A line of output for each attack that succeeded, and one word that shows that it ran at all. Whether the
# write and the daemon succeeded is seen from outside.
_PROBE = """
import fcntl, os, socket, sys
outside, port, parent, heart = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4]
def read(): open(outside + "/secret").read()
def write(): open(outside + "/written", "w")
def connect(): socket.create_connection(("127.0.0.1", port), 1)
def signal(): os.kill(parent, 0)
def environ(): assert open(f"/proc/{parent}/environ", "rb").read(1)
for attack in (read, write, connect, signal, environ):
    try:
        attack()
        if attack is not write: print(attack.__name__)
    except (OSError, AssertionError):
        pass
beat = open(heart, "w")
fcntl.flock(beat, fcntl.LOCK_EX)
os.set_inheritable(beat.fileno(), True)
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        os.execve("/bin/sleep", ["sleep", "30"], {})
    os._exit(0)
os.wait()
print("ran")
"""

_TIMEOUT = 10.0


def weaknesses(sandbox: Sandbox, scratch: Path) -> tuple[str, ...]:
    """What the attacks achieved that this level promises to stop, or why nothing runs in it. Empty: it holds."""
    place = Path(tempfile.mkdtemp(prefix="selftest-", dir=scratch))
    try:
        (place / "secret").write_text("secret")
        for name in ("workspace", "shown", "scratch"):
            (place / name).mkdir()
        view = View(workspace=place / "workspace", shown_at=place / "shown", scratch=place / "scratch")
        return _judge(sandbox, *_attack(sandbox, view, place))
    except OSError as error:
        return (str(error),)
    finally:
        remove_tree(place)


def _attack(sandbox: Sandbox, view: View, place: Path) -> tuple[Outcome, set[str]]:
    with _listener() as port:
        probe = (os.path.realpath(sys.executable), "-S", "-I", "-c", _PROBE)
        targets = (str(place), str(port), str(os.getpid()), "heart")
        command = Command((*probe, *targets), view.shown_at, {"PATH": os.defpath}, _TIMEOUT, disk_floor=0)
        with sandbox.wrap(command, view) as confined:
            outcome = execute(confined)
    achieved = set(outcome.stdout.decode(errors="replace").split())
    if (place / "written").exists():
        achieved.add("write")
    if not _has_stopped(view.workspace / "heart"):
        achieved.add("daemon")
    return outcome, achieved


def _judge(sandbox: Sandbox, outcome: Outcome, achieved: set[str]) -> tuple[str, ...]:
    if outcome.ending is not Ending.EXITED or outcome.exit_code or "ran" not in achieved:
        lines = outcome.stdout.decode(errors="replace").splitlines()
        return (outcome.detail or (lines[-1] if lines else f"exit code {outcome.exit_code}"),)
    if broken := achieved - {"ran"}:
        return (f"its self-test got through: {', '.join(sorted(broken))}",)
    return ()


@contextmanager
def _listener() -> Iterator[int]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        yield server.getsockname()[1]


def _has_stopped(heart: Path) -> bool:
    """Whether the daemon is dead: it held a lock that only its death gives back."""
    with open(heart, "a") as beat:
        with suppress(BlockingIOError):
            fcntl.flock(beat, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
    return False


def remedy(weakness: str) -> str:
    """What makes bubblewrap work on this machine, as exactly as can be told."""
    if _setting("/proc/sys/kernel/apparmor_restrict_unprivileged_userns") == "1" and os.getuid():
        return (
            "Ubuntu keeps user namespaces from programs without an AppArmor profile; load the one for /usr/bin/bwrap:\n"
            "    sudo apt install bubblewrap apparmor-profiles\n"
            "    sudo ln -s /usr/share/apparmor/extra-profiles/bwrap-userns-restrict /etc/apparmor.d/\n"
            "    sudo apparmor_parser -r /etc/apparmor.d/bwrap-userns-restrict"
        )
    if _setting("/proc/sys/kernel/unprivileged_userns_clone") == "0" and os.getuid():
        return "allow user namespaces: sudo sysctl kernel.unprivileged_userns_clone=1"
    if _setting("/proc/sys/user/max_user_namespaces") == "0":
        return "allow user namespaces: sudo sysctl user.max_user_namespaces=15000"
    if _is_container():
        return (
            "the container forbids namespaces; start it with\n"
            "    --security-opt seccomp=unconfined --security-opt apparmor=unconfined "
            "--security-opt systempaths=unconfined"
        )
    return f"see what `bwrap --unshare-user --unshare-net --ro-bind / / true` says; here it was: {weakness}"


def _is_container() -> bool:
    marks = ("/.dockerenv", "/run/.containerenv", "/var/run/secrets/kubernetes.io")
    return any(Path(mark).exists() for mark in marks)


def _setting(path: str) -> str:
    with suppress(OSError):
        return Path(path).read_text().strip()
    return ""
