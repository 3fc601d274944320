"""A desk without a sandbox: a directory and real processes, for tests of one agent's turn."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from pytest_autoresearch.agents.base import Briefing, Turn
from pytest_autoresearch.protocol.experiment import Experiment, Reason, Status
from pytest_autoresearch.protocol.model import Direction, Metric, PathRule, Protocol

PROTOCOL = Protocol(goal="", metric=Metric("loss", Direction.LOWER), targets=(PathRule("train.py"),), run="true")
BASELINE = Experiment(0, Status.KEEP, Reason.IMPROVED, "baseline", "", "", "", "", value=1.0)


def briefing(text: str = "# Experiment 0001\n\nHalve it.\n") -> Briefing:
    return Briefing(1, PROTOCOL, BASELINE, [BASELINE], text)


class LooseDesk:
    """Implements :class:`pytest_autoresearch.agents.base.Desk`; remembers how it was last used."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.targets: Sequence[str] = ("train.py",)
        self.network: bool | None = None
        self.hosts: Sequence[str] | None = None
        (directory / "train.py").write_text("LR = 0.5\nprint(LR)\n")

    def read(self, target: str) -> bytes:
        return (self.directory / target).read_bytes()

    def write(self, target: str, data: bytes) -> None:
        (self.directory / target).write_bytes(data)

    def tried(self, edits: Mapping[str, bytes]) -> bool:
        return False

    @property
    def files(self) -> dict[str, str]:
        """Everything the directory holds."""
        return {
            path.relative_to(self.directory).as_posix(): path.read_text()
            for path in sorted(self.directory.rglob("*"))
            if path.is_file()
        }

    def run(
        self,
        command: str | Sequence[str],
        *,
        stdin: bytes = b"",
        env: Mapping[str, str] | None = None,
        pass_env: Sequence[str] = (),
        network: bool = False,
        hosts: Sequence[str] | None = None,
        timeout: float | None = None,
        home: Mapping[str, bytes] | None = None,
    ) -> Turn:
        self.network, self.hosts = network, hosts
        with tempfile.TemporaryDirectory(dir=self.directory.parent) as fresh:
            for path, data in (home or {}).items():
                (Path(fresh) / path).parent.mkdir(parents=True, exist_ok=True)
                (Path(fresh) / path).write_bytes(data)
            path = f"{Path(sys.executable).parent}:{os.environ.get('PATH', '/usr/bin:/bin')}"
            passed = {name: os.environ[name] for name in pass_env}
            began = time.monotonic()
            process = subprocess.Popen(
                ["bash", "-c", command] if isinstance(command, str) else command,
                cwd=self.directory,
                env={"PATH": path, "HOME": fresh, "TERM": "dumb", **(env or {}), **passed},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
            try:
                stdout, stderr = process.communicate(stdin, timeout)
                timed_out = False
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
                stdout, stderr = process.communicate()
                timed_out = True
            return Turn(process.returncode, stdout, stderr, timed_out, time.monotonic() - began)
