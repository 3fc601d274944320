"""The executor over ssh that docs/extending.md shows, against a server of ours on this machine."""

from __future__ import annotations

import getpass
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from pytest_autoresearch.notebook.chain import read_history
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.experiment import Reason
from tests.conftest import Project

DOCS = Path(__file__).parents[2] / "docs" / "extending.md"
SSHD = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
RUNNER = "pytest_autoresearch.lab.executors.remote.runner"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(SSHD is None or not shutil.which("ssh"), reason="there is no sshd: apt install openssh-server"),
]


@pytest.fixture
def host(tmp_path: Path, project: Project) -> Iterator[str]:
    """A name that `ssh` of this test leads to a server with keys of its own, on 127.0.0.1."""
    place = tmp_path / "ssh"
    place.mkdir(mode=0o700)
    for key in ("server", "own"):
        subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", place / key], check=True)
    (place / "authorized").write_bytes((place / "own.pub").read_bytes())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (place / "sshd").write_text(
        f"ListenAddress 127.0.0.1:{port}\nHostKey {place}/server\nAuthorizedKeysFile {place}/authorized\n"
        f"PidFile none\nStrictModes no\nUsePAM no\nPasswordAuthentication no\nPermitRootLogin yes\n"
        f"SetEnv XDG_CACHE_HOME={place}/cache\n"
    )
    (place / "config").write_text(
        f"Host node\nHostName 127.0.0.1\nPort {port}\nUser {getpass.getuser()}\nIdentityFile {place}/own\n"
        "IdentitiesOnly yes\nStrictHostKeyChecking no\nUserKnownHostsFile /dev/null\nLogLevel ERROR\n"
    )
    program = place / "bin" / "ssh"  # the client reads no other configuration than that of the user's real home
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {shutil.which("ssh")} -F {place}/config "$@"\n')
    program.chmod(0o755)
    project.env["PATH"] = f"{program.parent}:{os.environ['PATH']}"
    if os.getuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)
    server = subprocess.Popen([str(SSHD), "-D", "-e", "-f", place / "sshd"], stderr=subprocess.PIPE, text=True)
    try:
        reached = any(_reaches(program) for _ in range(50))
        if not reached:
            server.kill()
            pytest.skip(f"an sshd does not start here: {server.communicate()[1][-300:]}")
        yield "node"
    finally:
        for each in psutil.Process(server.pid).children(recursive=True):
            each.kill()
        server.kill()
        server.communicate()


def _reaches(ssh: Path) -> bool:
    done = subprocess.run([ssh, "-o", "BatchMode=yes", "node", "true"], stderr=subprocess.DEVNULL, check=False)
    if done.returncode:
        time.sleep(0.1)
    return done.returncode == 0


def runners(tmp_path: Path) -> list[int]:
    """What runs of the runner below the server of this test: other tests have theirs at the same time."""
    processes = [(each.pid, each.info) for each in psutil.process_iter(["cmdline", "environ"])]
    own = [pid for pid, info in processes if (info["environ"] or {}).get("XDG_CACHE_HOME") == f"{tmp_path}/ssh/cache"]
    return [pid for pid, info in processes if pid in own and (info["cmdline"] or [])[1:3] == ["-m", RUNNER]]


@pytest.fixture
def session(project: Project, host: str) -> list[str]:
    (shown,) = re.findall(r"```python\n(import os\nimport subprocess.*?)```", DOCS.read_text(), re.DOTALL)
    project.write("conftest.py", shown)
    project.write("agent.sh", 'echo "# $AUTORESEARCH_EXPERIMENT" >> train.py; echo number $AUTORESEARCH_EXPERIMENT\n')
    project.commit("an executor over ssh")
    project.env |= {"NIGHT_HOSTS": f"{host} {host}", "NIGHT_PYTHON": sys.executable}
    return [
        "--autoresearch",
        "--autoresearch-workers=2",
        "--autoresearch-executor=ssh",
        "--autoresearch-agent=command:bash agent.sh",
    ]


def test_the_shown_executor_measures_on_another_machine(project: Project, session: list[str], tmp_path: Path) -> None:
    done = project.pytest(*session, "--autoresearch-experiments=4")
    assert done.returncode == 0, done.stdout
    with Git.discover(project.root) as git:
        history = read_history(git, "demo")
    assert sorted(each.number for each in history.experiments) == [0, 1, 2, 3, 4]
    assert all(run.value is not None for each in history.experiments for run in each.measurements)
    assert {each.place.slot for each in history.experiments if each.place is not None} == {0, 1}
    assert not runners(tmp_path)


def test_a_connection_that_breaks_is_no_result(project: Project, session: list[str], tmp_path: Path) -> None:
    running = subprocess.Popen(
        [*project.pytest_command, *session, "--autoresearch-experiments=12"],
        cwd=project.root,
        env=project.env,
        text=True,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
    )
    until = time.monotonic() + 120
    while len(own := runners(tmp_path)) < 2:
        assert time.monotonic() < until and running.poll() is None
        time.sleep(0.05)
    while not (project.root / "results.tsv").exists() or len(project.table()) < 4:
        assert time.monotonic() < until and running.poll() is None
        time.sleep(0.05)
    os.kill(own[-1], signal.SIGKILL)
    said = running.communicate()[0]
    assert running.returncode == 0, said
    with Git.discover(project.root) as git:
        history = read_history(git, "demo")
    assert sorted(each.number for each in history.experiments) == [*range(13)]
    assert "the connection to node is gone; what it measured is measured again elsewhere" in said
    assert not {each.reason for each in history.experiments} & {Reason.ERROR, Reason.INTERRUPTED}
    assert not runners(tmp_path)
