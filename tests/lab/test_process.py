"""The lab's process control: whatever a run does, it is answered in time and nothing of it stays."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_autoresearch.lab import tree
from pytest_autoresearch.lab.cgroup import Cgroup, find_home
from pytest_autoresearch.lab.command import Command, Ending
from pytest_autoresearch.lab.output import BoundedOutput
from pytest_autoresearch.lab.portable import PortableTree
from pytest_autoresearch.lab.process import execute


def python(code: str, cwd: Path, *, timeout: float = 20.0, grace: float = 0.2, memory: int | None = None) -> Command:
    argv = (sys.executable, "-S", "-I", "-c", textwrap.dedent(code))
    return Command(argv, cwd, {"PATH": os.environ["PATH"]}, timeout, grace=grace, memory=memory)


def shell(script: str, cwd: Path, *, timeout: float = 20.0, grace: float = 0.2, stdin: bytes = b"") -> Command:
    return Command(("bash", "-c", script), cwd, {"PATH": os.environ["PATH"]}, timeout, grace=grace, stdin=stdin)


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


DAEMON = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        open("daemon.pid", "w").write(str(os.getpid()))
        time.sleep(60)
    os._exit(0)
os.wait()
while not os.path.exists("daemon.pid") or not open("daemon.pid").read():
    time.sleep(0.005)
"""


def daemon_pid(cwd: Path) -> int:
    return int((cwd / "daemon.pid").read_text())


def test_a_command_gives_its_exit_code_output_and_cost(tmp_path: Path) -> None:
    outcome = execute(
        python("print('hello'); sum(range(4_000_000)); x = b'x' * 60_000_000; raise SystemExit(3)", tmp_path)
    )
    assert (outcome.ending, outcome.exit_code, outcome.signal) == (Ending.EXITED, 3, None)
    assert outcome.stdout == b"hello\n"
    assert outcome.total_bytes == 6
    assert outcome.cpu_time is not None and 0.02 < outcome.cpu_time < 5
    assert 0.02 < outcome.duration < 10


BUSY = """
import os, signal, time
def work():
    began = time.process_time()
    while time.process_time() - began < 0.6: pass
    open("done", "w").close()
"""


@pytest.mark.parametrize(
    "hides",
    [
        "signal.signal(signal.SIGCHLD, signal.SIG_IGN)\nif os.fork() == 0: work(); time.sleep(0.3); os._exit(0)",
        "if os.fork() == 0: work(); time.sleep(60)",
        "if os.fork() == 0:\n    os.setsid()\n    if os.fork() == 0: work(); time.sleep(60)\n    os._exit(0)",
    ],
    ids=["unwaited", "still there", "a daemon"],
)
def test_work_that_nobody_waits_for_is_counted(hides: str, tmp_path: Path) -> None:
    wait = "while not os.path.exists('done'): time.sleep(0.01)\ntime.sleep(0.5)"
    outcome = execute(python(f"{BUSY}\n{hides}\n{wait}", tmp_path))
    assert outcome.exit_code == 0
    assert outcome.cpu_time is not None and 0.55 < outcome.cpu_time < 1.5


def test_the_peak_memory_is_the_runs_own_and_not_the_supervisors(tmp_path: Path) -> None:
    ballast = b"x" * 300_000_000  # a child's rusage starts at the size of its parent
    outcome = execute(python("import time; x = b'x' * 80_000_000; time.sleep(0.3)", tmp_path))
    assert len(ballast) and outcome.peak_memory is not None
    assert 80_000_000 < outcome.peak_memory < 130_000_000


def test_a_signal_is_told_as_the_shell_tells_it(tmp_path: Path) -> None:
    outcome = execute(python("import os; os.kill(os.getpid(), 9)", tmp_path))
    assert (outcome.exit_code, outcome.signal) == (137, 9)


def test_what_can_not_be_started_is_an_outcome_not_an_exception(tmp_path: Path) -> None:
    outcome = execute(Command(("no-such-program-here",), tmp_path, {}, 5.0))
    assert outcome.ending is Ending.NOT_STARTED
    assert "no-such-program-here" in outcome.detail


def test_a_missing_directory_is_told(tmp_path: Path) -> None:
    outcome = execute(Command(("true",), tmp_path / "gone", {}, 5.0))
    assert outcome.ending is Ending.NOT_STARTED
    assert "gone" in outcome.detail


def test_standard_input_arrives_whole_and_may_be_ignored(tmp_path: Path) -> None:
    text = os.urandom(3_000_000)
    outcome = execute(shell("wc -c", tmp_path, stdin=text))
    assert outcome.stdout.split() == [b"3000000"]
    assert execute(shell("exit 0", tmp_path, stdin=text)).exit_code == 0


def test_streams_are_merged_unless_asked_apart(tmp_path: Path) -> None:
    script = "echo out; echo err >&2"
    assert execute(shell(script, tmp_path)).stdout == b"out\nerr\n"
    command = Command(("bash", "-c", script), tmp_path, {"PATH": os.environ["PATH"]}, 5.0, merge_output=False)
    outcome = execute(command)
    assert (outcome.stdout, outcome.stderr) == (b"out\n", b"err\n")


def test_the_environment_is_exactly_what_was_given_and_the_runs_mark(tmp_path: Path) -> None:
    command = Command(("/usr/bin/env",), tmp_path, {"ONLY": "this"}, 5.0)
    names = {line.split(b"=")[0].decode() for line in execute(command).stdout.splitlines()}
    assert names == {"ONLY", tree.MARK}


def test_nothing_the_supervisor_has_open_is_open_in_the_run(tmp_path: Path) -> None:
    with open(tmp_path / "secret", "w") as secret:
        os.set_inheritable(secret.fileno(), True)
        listing = execute(shell("ls -l /proc/self/fd", tmp_path)).stdout
    assert b"secret" not in listing


def test_the_run_has_no_controlling_terminal(tmp_path: Path) -> None:
    assert execute(python("open('/dev/tty')", tmp_path)).exit_code == 1


@pytest.mark.parametrize(
    "stubborn",
    [
        "import time; time.sleep(60)",
        "import signal, time; signal.signal(15, signal.SIG_IGN); time.sleep(60)",
        "import os\nwhile True: os.write(1, b'x' * 65536)",
        "import os, time\nos.close(1); os.close(2); time.sleep(60)",
        "while True: pass",
    ],
    ids=["sleeps", "ignores-sigterm", "floods", "closes-its-output", "spins"],
)
def test_a_timeout_is_answered_within_the_grace(stubborn: str, tmp_path: Path) -> None:
    began = time.monotonic()
    outcome = execute(python(stubborn, tmp_path, timeout=0.5, grace=0.3))
    assert time.monotonic() - began < 30  # the machine may be busy; none of them would end for a minute
    assert outcome.ending is Ending.TIMEOUT
    assert outcome.exit_code is None
    assert outcome.detail == "killed after 0.5 s"


def test_a_run_may_use_the_grace_to_finish(tmp_path: Path) -> None:
    code = """
    import signal, time
    def leave(*_):
        print("saved", flush=True)
        raise SystemExit
    signal.signal(15, leave)
    print("ready", flush=True)
    time.sleep(60)
    """
    outcome = execute(python(code, tmp_path, timeout=0.5, grace=5.0))
    assert outcome.stdout == b"ready\nsaved\n"
    assert outcome.ending is Ending.TIMEOUT
    assert outcome.duration < 2.0


def test_a_daemon_does_not_outlive_the_run(tmp_path: Path) -> None:
    outcome = execute(python(DAEMON, tmp_path))
    assert outcome.exit_code == 0
    assert not alive(daemon_pid(tmp_path))


def test_a_daemon_that_holds_the_output_open_does_not_delay_the_answer(tmp_path: Path) -> None:
    outcome = execute(shell("setsid sleep 60 & echo done", tmp_path))
    assert outcome.stdout == b"done\n"
    assert outcome.duration < 5


def test_the_sweep_leaves_the_supervisors_other_children_alone(tmp_path: Path) -> None:
    own = subprocess.Popen(["sleep", "60"], start_new_session=True)
    neighbour = ThreadPoolExecutor(1).submit(execute, shell("sleep 1; echo survived", tmp_path))
    try:
        for _ in range(5):
            execute(python(DAEMON, tmp_path))
            (tmp_path / "daemon.pid").unlink()
        assert alive(own.pid)
    finally:
        own.kill()
        own.wait()
    assert neighbour.result().stdout == b"survived\n"


def test_children_of_the_supervisor_keep_their_exit_status(tmp_path: Path) -> None:
    own = subprocess.Popen(["bash", "-c", "exit 7"])
    execute(shell("sleep 0.2", tmp_path))
    assert own.wait() == 7


def test_an_interrupt_kills_the_tree_and_passes_through(tmp_path: Path) -> None:
    def interrupt(seconds: float) -> None:
        if (tmp_path / "daemon.pid").exists() and (tmp_path / "daemon.pid").read_text():
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        execute(python(DAEMON + "\ntime.sleep(60)", tmp_path), tick=interrupt)
    assert not alive(daemon_pid(tmp_path))


def test_ctrl_c_at_the_supervisor_leaves_nothing_behind(tmp_path: Path) -> None:
    code = f"""
    from pathlib import Path
    from tests.lab.test_process import DAEMON, python, execute
    execute(python(DAEMON + "\\ntime.sleep(60)", Path({str(tmp_path)!r})))
    """
    supervisor = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(code)], stderr=subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    _wait_for(lambda: (tmp_path / "daemon.pid").exists() and bool((tmp_path / "daemon.pid").read_text()))
    supervisor.send_signal(signal.SIGINT)
    assert b"KeyboardInterrupt" in supervisor.communicate(timeout=10)[1]
    assert not alive(daemon_pid(tmp_path))


def test_the_tick_tells_the_time_that_has_passed(tmp_path: Path) -> None:
    ticks: list[float] = []
    execute(shell("sleep 0.7", tmp_path), tick=ticks.append)
    assert ticks == sorted(ticks)
    assert len(ticks) > 1 and ticks[-1] > 0.3


def test_a_memory_limit_ends_the_run(tmp_path: Path) -> None:
    code = "x = []\nwhile True: x.append(b'x' * 10_000_000)"
    outcome = execute(python(code, tmp_path, memory=200_000_000))
    assert outcome.ending is Ending.MEMORY
    assert "200 MB" in outcome.detail
    assert outcome.peak_memory is not None and outcome.peak_memory < 1_500_000_000


def test_memory_shared_after_a_fork_counts_once(tmp_path: Path) -> None:
    code = """
    import os, time
    x = b"x" * 120_000_000
    for _ in range(4):
        if os.fork() == 0: break
    time.sleep(0.5)
    """
    outcome = execute(python(code, tmp_path, memory=250_000_000))
    assert outcome.ending is Ending.EXITED


def test_a_fork_bomb_is_ended(tmp_path: Path) -> None:
    code = "import os, time\nfor _ in range(9): os.fork()\ntime.sleep(60)"
    outcome = execute(replace(python(code, tmp_path, timeout=60), processes=50))
    assert outcome.ending is Ending.MEMORY and "50 processes" in outcome.detail


@pytest.mark.skipif(sys.platform != "linux", reason="threads are counted by /proc")
def test_a_run_with_too_many_threads_is_ended(tmp_path: Path) -> None:
    code = "import threading, time\nfor _ in range(150): threading.Thread(target=time.sleep, args=(60,)).start()"
    outcome = execute(replace(python(code, tmp_path, timeout=10), processes=10))
    assert outcome.ending is Ending.MEMORY and "100 threads" in outcome.detail


def test_a_flood_is_kept_as_head_and_tail(tmp_path: Path) -> None:
    outcome = execute(
        python(
            "import os\nos.write(1, b'first')\nfor _ in range(300): os.write(1, b'x' * 65536)\nos.write(1, b'last')",
            tmp_path,
        )
    )
    assert outcome.total_bytes == 300 * 65536 + 9
    assert outcome.stdout.startswith(b"first") and outcome.stdout.endswith(b"last")
    assert b"\n[... 19136521 bytes left out ...]\n" in outcome.stdout
    assert len(outcome.stdout) < 600_000


def test_output_that_fits_is_kept_whole() -> None:
    output = BoundedOutput(keep=10)
    for piece in (b"0123456", b"789abc", b"defghij"):
        output.feed(piece)
    assert output.value() == b"0123456789abcdefghij"
    output.feed(b"k")
    assert output.value() == b"0123456789\n[... 1 bytes left out ...]\nbcdefghijk"


def test_a_process_table_entry_of_another_start_time_is_never_signalled() -> None:
    child = subprocess.Popen(["sleep", "60"])
    process = tree.Process(child.pid, os.getpid(), 0, start=1, zombie=False)
    tree.send(process, signal.SIGKILL)
    assert child.poll() is None
    child.kill()
    child.wait()


def test_a_child_is_no_earlier_one_of_its_pid(monkeypatch: pytest.MonkeyPatch) -> None:
    held = tree._Held()
    first, second = (subprocess.Popen(["sleep", "60"]) for _ in range(2))
    ends = [os.pidfd_open(each.pid) for each in (first, second)]
    monkeypatch.setattr(tree, "open_handle", lambda pid: ends.pop(0))
    before = held.hold([7])
    assert held.living(before) == {7}
    first.kill()
    first.wait()
    after = held.hold([7])
    assert (held.living(before), held.living(after)) == (set(), {7})
    second.kill()
    second.wait()
    assert held.living(after) == set()


def test_many_children_do_not_take_all_files_that_we_may_open(monkeypatch: pytest.MonkeyPatch) -> None:
    held, (read, write) = tree._Held(), os.pipe()
    monkeypatch.setattr(tree, "open_handle", lambda pid: os.dup(read))
    assert len(held.hold(range(5000))) < 100
    os.close(write)  # all of them tell of their end
    assert held.hold([]) == frozenset()
    os.close(read)


def test_an_old_kernel_without_pidfds_does_as_well(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delattr(os, "pidfd_open")
    assert execute(shell("echo hello", tmp_path)).stdout == b"hello\n"
    outcome = execute(shell("trap 'echo saved; exit' TERM; sleep 60 & wait", tmp_path, timeout=0.5, grace=5.0))
    assert outcome.stdout == b"saved\n"
    execute(python(DAEMON, tmp_path))
    assert not alive(daemon_pid(tmp_path))


def test_a_cgroup_is_used_only_where_limits_are_handed_out(tmp_path: Path) -> None:
    for name, controllers in {"": "cpu", "a": "cpu memory pids", "a/b": ""}.items():
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "cgroup.subtree_control").write_text(controllers)
        (tmp_path / name / "cgroup.procs").touch()
    assert find_home(tmp_path, "/a/b") == tmp_path / "a"
    assert find_home(tmp_path, "/") is None
    assert find_home(tmp_path, None) is None


def test_a_cgroup_is_given_the_limits_and_tells_what_happened(tmp_path: Path) -> None:
    group = Cgroup(tmp_path)
    group.limit(memory=1000, threads=5)
    limits = {name: (tmp_path / name).read_text() for name in ("memory.max", "memory.swap.max", "pids.max")}
    assert limits == {"memory.max": "1000", "memory.swap.max": "0", "pids.max": "5"}
    assert (group.peak_memory(), group.ran_out_of_memory()) == (None, False)
    (tmp_path / "memory.peak").write_text("999\n")
    (tmp_path / "memory.events").write_text("oom 1\noom_kill 1\n")
    assert (group.peak_memory(), group.ran_out_of_memory()) == (999, True)


def test_a_run_enters_its_cgroup_before_it_starts() -> None:
    places = (Path("/sys/fs/cgroup"), Path("/sys/fs/cgroup/unified"))
    # Only a mounted hierarchy has this one: on a machine of v1 a plain `cgroup.procs` may lie on the tmpfs there.
    root = next((path for path in places if (path / "cgroup.controllers").exists()), None)
    if root is None or not os.access(root / "cgroup.procs", os.W_OK):
        pytest.skip("no cgroup v2 that this user may write")
    group = Cgroup(root / f"pytest-autoresearch-test-{os.getpid()}")
    group.path.mkdir()
    try:
        child = subprocess.Popen(group.entering(["sleep", "60"]), start_new_session=True)
        _wait_for(lambda: str(child.pid) in (group.path / "cgroup.procs").read_text().split())
        group.kill()
        assert child.wait(5) == -signal.SIGKILL
    finally:
        group.remove()
    assert not group.path.exists()


def test_without_proc_the_group_and_its_descendants_are_ended() -> None:
    root = subprocess.Popen(["bash", "-c", "sleep 60 & setsid sleep 60 & wait"], start_new_session=True)
    portable = PortableTree(root.pid, "")
    _wait_for(lambda: len(portable.members()) == 3)
    members = [*portable.members()]
    assert portable.usage(100).memory > 0
    assert portable.sweep(5.0) == []
    root.wait()
    assert not any(map(alive, members))


def _wait_for(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not condition():
        assert time.monotonic() < deadline, "waited a minute in vain"
        time.sleep(0.005)


def test_a_run_that_fills_the_disk_is_ended(tmp_path: Path) -> None:
    free = shutil.disk_usage(tmp_path).free
    outcome = execute(replace(shell("sleep 20", tmp_path), disk_floor=free + 10**12))
    assert outcome.ending is Ending.MEMORY
    assert "of disk left" in outcome.detail
