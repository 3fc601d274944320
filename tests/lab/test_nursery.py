"""One small process bears the warden of every run; what a run inherits is what it was given."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_autoresearch.lab import nursery, warden
from pytest_autoresearch.lab.command import Command, Ending, Outcome
from pytest_autoresearch.lab.nursery import Keeper
from pytest_autoresearch.lab.process import execute

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="there are wardens on Linux only")


def kept(script: str, cwd: Path, stdin: bytes = b"", pass_fds: tuple[int, ...] = ()) -> Outcome:
    command = Command(("bash", "-c", script), cwd, {"PATH": os.defpath}, 20.0, stdin=stdin, pass_fds=pass_fds)
    return execute(_below_a_warden(command))


def _below_a_warden(command: Command) -> Command:
    return replace(command, keeper=Keeper(command.cwd), wrappers=1, complaint=b"warden: ")


def test_a_run_gets_its_input_its_directory_and_its_exit_status(tmp_path: Path) -> None:
    outcome = kept("cat; pwd; exit 3", tmp_path, stdin=b"told\n")
    assert (outcome.ending, outcome.exit_code) == (Ending.EXITED, 3)
    assert outcome.stdout == f"told\n{tmp_path}\n".encode()


def test_a_run_holds_what_it_was_given_open_and_nothing_else(tmp_path: Path) -> None:
    read, write = os.pipe()
    try:
        os.write(write, b"handed\n")
        outcome = kept(f"read -r line <&{read}; echo $line; ls /proc/$$/fd; true", tmp_path, pass_fds=(read,))
    finally:
        os.close(read)
        os.close(write)
    said = outcome.stdout.decode().split()
    assert said[0] == "handed"
    assert {int(number) for number in said[1:]} <= {0, 1, 2, 255, read}  # 255 is bash's own


def test_a_run_ends_of_a_closed_pipe_as_in_a_shell(tmp_path: Path) -> None:
    assert kept('yes | head -1; echo "${PIPESTATUS[0]}"', tmp_path).stdout == b"y\n141\n"


def test_a_run_stays_on_the_processors_of_its_slot(tmp_path: Path) -> None:
    allowed = os.sched_getaffinity(0)
    one = min(allowed)
    os.sched_setaffinity(0, {one})
    try:
        assert kept("taskset -cp $$ | sed 's/.*: //'", tmp_path).stdout.decode().strip() == str(one)
    finally:
        os.sched_setaffinity(0, allowed)


def test_a_program_that_is_not_there_did_not_start(tmp_path: Path) -> None:
    outcome = execute(_below_a_warden(Command(("no-such-program",), tmp_path, {"PATH": os.defpath}, 20.0)))
    assert outcome.ending is Ending.NOT_STARTED and "no-such-program" in outcome.detail


def test_where_somebody_kills_the_process_that_bears_wardens_another_one_does(tmp_path: Path) -> None:
    assert kept("echo one", tmp_path).stdout == b"one\n"
    before = nursery._nursery().process.pid
    os.kill(before, signal.SIGKILL)
    assert kept("echo two", tmp_path).stdout == b"two\n"
    assert nursery._nursery().process.pid != before


def test_a_process_that_is_no_longer_at_the_other_end_is_not_asked_again(tmp_path: Path) -> None:
    before = nursery._nursery()
    before.channel.shutdown(socket.SHUT_RDWR)  # as one that dies: it is there for a moment yet
    assert kept("echo one", tmp_path).stdout == b"one\n"
    assert nursery._nursery() is not before


def test_a_run_outlives_the_thread_that_began_the_first_one(tmp_path: Path) -> None:
    nursery._nursery().close()
    is_begun, may_end = threading.Event(), threading.Event()

    def begin() -> None:
        nursery._nursery()
        is_begun.set()
        may_end.wait()

    first = threading.Thread(target=begin)
    first.start()
    is_begun.wait()
    hold, go = os.pipe()
    heard: list[Outcome] = []
    script = f"trap 'echo hung up' HUP; touch begun; read -r <&{hold}; echo over"
    run = threading.Thread(target=lambda: heard.append(kept(script, tmp_path, pass_fds=(hold,))))
    run.start()
    while not (tmp_path / "begun").exists() and run.is_alive():
        time.sleep(0.01)
    may_end.set()
    first.join()
    os.close(hold)
    os.close(go)
    run.join()
    assert [(each.exit_code, each.stdout) for each in heard] == [(0, b"over\n")]


def test_where_the_number_of_the_call_is_not_known_a_warden_is_inherited(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = Path(warden.__file__).read_text()
    other = tmp_path / "warden.py"
    other.write_text(text.replace('{"x86_64": 56, "aarch64": 220}', "{}"))
    assert other.read_text() != text
    monkeypatch.setattr(nursery, "_WARDEN", other)
    nursery._nursery().close()
    assert kept("(setsid sleep 100 &) ; echo one", tmp_path).stdout == b"one\n"
    assert str(other).encode() in Path(f"/proc/{nursery._nursery().process.pid}/cmdline").read_bytes()
    nursery._nursery().close()


def test_many_runs_leave_no_file_and_no_process_behind(tmp_path: Path) -> None:
    for _ in range(2):  # the process that bears wardens is held by a descriptor once it is there
        kept("true", tmp_path)
    files, children = len(os.listdir("/proc/self/fd")), _children()
    for _ in range(5):
        kept("(setsid sleep 100 &) ; true", tmp_path)
    assert len(os.listdir("/proc/self/fd")) == files
    assert _children() == children


def _children() -> set[str]:
    return set(Path(f"/proc/self/task/{os.getpid()}/children").read_text().split())
