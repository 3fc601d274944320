"""A real repository and the real command line, for tests that drive the whole product."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import hypothesis
import pytest
from hypothesis import HealthCheck, settings

CONFIG = """\
# Config

## Goal
Make the loss small.

## Metric
- Name: loss
- Direction: lower

## Target Files
- `train.py`

## Read-Only Files
- `prepare.py`

## Run Command
    python train.py

## Time Budget
- Per experiment: 20s

## Branch
autoresearch/demo
"""

TRAIN = """\
from prepare import offset

RATE = 8.0
WIDTH = 64
print("loss:", (RATE - 2.0) ** 2 + abs(WIDTH - 32) / 100 + offset)
"""


# How long an example takes is what the machine has left for it; what is too slow has a test of its own.
settings.register_profile("shared", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("shared")

# Children may keep their bytecode: where the environment forbids it each of them compiles pytest and the product anew.
os.environ.pop("PYTHONDONTWRITEBYTECODE", None)

# What an example of a property takes is no property of the code: others use the machine too.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

# Where tests are started in the background SIGINT is ignored, and children inherit that; here Ctrl-C is tested.
signal.signal(signal.SIGINT, signal.default_int_handler)


class Project:
    """A git repository with a protocol in it, and ways to act on it as its owner would.

    Of pytest's plugins there are only those named are used: to load whatever is installed is half of each start.
    """

    python = sys.executable
    plugins: tuple[str, ...] = ("pytest_autoresearch.plugin", "pytest_timeout")

    def __init__(self, root: Path, home: Path) -> None:
        self.root, self.home = root, home
        self.env = {
            **{name: value for name, value in os.environ.items() if not name.startswith(("AUTORESEARCH_", "PYTEST_"))},
            "HOME": str(home),
            "XDG_CACHE_HOME": str(home / ".cache"),
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_NOSYSTEM": "1",
            "COLUMNS": "140",
            "AUTORESEARCH_LOOK_AHEAD": "no",  # on a busy machine any turn takes long, and who looks ahead knows less
        }
        root.mkdir(parents=True)
        home.mkdir(parents=True, exist_ok=True)
        self.git("init", "-q", "-b", "main")

    @property
    def pytest_command(self) -> list[str]:
        named = [word for name in self.plugins for word in ("-p", name)]
        return [self.python, "-m", "pytest", "--disable-plugin-autoload", "-p", "no:cacheprovider", *named]

    def write(self, name: str, text: str) -> Path:
        path = self.root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        return path

    def git(self, *args: str) -> str:
        """Run git and return what it prints, without the last newline."""
        identity = ("-c", "user.name=Owner", "-c", "user.email=owner@example.invalid")
        done = subprocess.run(
            ["git", *identity, *args], cwd=self.root, env=self.env, capture_output=True, text=True, check=True
        )
        return done.stdout.rstrip("\n")

    def commit(self, message: str = "start") -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--no-verify", "-m", message)
        return self.git("rev-parse", "HEAD")

    def pytest(self, *args: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
        """``pytest ARGS`` in the repository, as a process of its own."""
        return self.run(*self.pytest_command, *args, **kwargs)

    def cli(self, *args: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
        """``pytest-autoresearch ARGS`` in the repository."""
        return self.run(sys.executable, "-m", "pytest_autoresearch.cli", *args, **kwargs)

    def run(self, *command: str, **kwargs: Any) -> subprocess.CompletedProcess[str]:
        env = {**self.env, **kwargs.pop("env", {})}
        return subprocess.run(
            command,
            cwd=kwargs.pop("cwd", self.root),
            env=env,
            capture_output=True,
            text=True,
            timeout=kwargs.pop("timeout", 110),
            **kwargs,
        )

    def table(self, name: str = "results.tsv") -> list[list[str]]:
        """The rows of a results.tsv, the header first."""
        return [line.split("\t") for line in (self.root / name).read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A committed project whose loss has its optimum at RATE = 2 and WIDTH = 32."""
    project = Project(tmp_path / "project", tmp_path / "home")
    project.write("autoresearch.config.md", CONFIG)
    project.write("train.py", TRAIN)
    project.write("prepare.py", "offset = 1.0\n")
    project.commit()
    return project


@pytest.fixture
def wait_for() -> Callable[[Path], None]:
    """Wait until a path exists; fails after a minute."""

    def wait(path: Path) -> None:
        deadline = time.monotonic() + 60
        while not path.exists():
            assert time.monotonic() < deadline, f"{path} did not come"
            time.sleep(0.02)

    return wait
