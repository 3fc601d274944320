"""A repository whose shipped workflows nektos/act runs on this machine, with doubles of GitHub's API and actions."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
import yaml

from pytest_autoresearch.github.setup import Setup, workflows
from pytest_autoresearch.lab.sandbox import choose
from tests.conftest import Project
from tests.github.fake_github import TOKEN, FakeGitHub, serving
from tests.notebook.diary import git

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]
ACT = shutil.which("act", path=f"{BIN}{os.pathsep}{os.environ.get('PATH', '')}")
BRANCH = "autoresearch/demo"

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
GH = """#!/bin/sh
echo "$*" >> {calls}
case "$*" in
  *permission*) echo {permission} ;;
  *"pr view"*) echo {is_fork} {branch} ;;
  *reactions*) ;;
esac
"""
STORING = {
    # Files that are not there cost a warning, as with the real one.
    "upload-artifact": (
        'if [ -e "$STORE.off" ]; then echo "::error::Artifact storage quota has been hit"; exit 1; fi; '
        'mkdir -p "$STORE/$NAME"; for path in $FILES; do [ ! -e "$path" ] || cp "$path" "$STORE/$NAME/"; done'
    ),
    "download-artifact": 'cp "$STORE/$NAME"/* .',
    # act knows it too, but not with a ref
    "checkout": 'git clone -q "$ORIGIN" new && git -C new checkout -q "${REF:-HEAD}" && cp -a new/. . && rm -r new',
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
                "env": {"NAME": "${{ inputs.name }}", "FILES": "${{ inputs.path }}", "REF": "${{ inputs.ref }}"},
            }
            inputs = {"name": {"default": ""}, "path": {"default": ""}, "ref": {"default": ""}}
            action = {"name": name, "inputs": inputs, "runs": {"using": "composite", "steps": [step]}}
            (self.place / name).mkdir()
            (self.place / name / "action.yml").write_text(yaml.safe_dump(action))

    def dispatch(self, *, experiments: int) -> subprocess.CompletedProcess[str]:
        """Run the workflow as GitHub would, to its end."""
        return self.project.run(*self.dispatching(experiments=experiments))

    def dispatching(self, *, experiments: int) -> list[str]:
        """The command that does that."""
        inputs = {"tag": "demo", "config": "autoresearch.config.md", "experiments": str(experiments)}
        return self.started("autoresearch.yml", inputs)

    def started(self, workflow: str, inputs: Mapping[str, str]) -> list[str]:
        """The command that runs a dispatched workflow."""
        given = [word for name, value in inputs.items() for word in ("--input", f"{name}={value}")]
        event = self.place / "dispatch.json"
        event.write_text(json.dumps({"inputs": inputs, "repository": {"default_branch": "main"}}))
        return self.command("workflow_dispatch", workflow, "-e", str(event), *given)

    def run_dispatched(self) -> subprocess.CompletedProcess[str]:
        """Run what was started through the API last."""
        last = self.github.dispatches[-1]
        assert last["ref"] == "main"
        return self.project.run(*self.started(last["workflow"], last["inputs"]))

    def answer(self) -> str:
        """What the newest answer to a command says."""
        said = [str(comment["body"]) for comment in self.github.comments]
        return [body for body in said if body.startswith("<!-- pytest-autoresearch: answer")][-1]

    def lose_artifacts(self) -> None:
        """From now on none can be stored."""
        (self.place / "store.off").touch()

    def comment(
        self, text: str, *, permission: str = "write", is_fork: bool = False, branch: str = BRANCH, number: int = 7
    ) -> subprocess.CompletedProcess[str]:
        """Somebody comments on the pull request; ``gh`` only says who they are and what it is, and notes its calls."""
        # The association is that of a member whose membership is private.
        comment = {"id": number, "body": text, "author_association": "CONTRIBUTOR", "user": {"login": "reviewer"}}
        event = {"action": "created", "comment": comment, "issue": {"number": 1, "pull_request": {"url": "x"}}}
        event |= {"repository": {"default_branch": "main"}}
        (self.place / "event.json").write_text(json.dumps(event))
        gh = self.place / "shim/gh"
        said = {"permission": permission, "is_fork": str(is_fork).lower(), "branch": branch}
        gh.write_text(GH.format(**said, calls=self.place / "gh.log"))
        gh.chmod(0o755)
        command = self.command("issue_comment", "commands.yml", "-e", str(self.place / "event.json"))
        return self.project.run(*command)

    def keeps(self) -> list[tuple[str, str, str]]:
        """Commit, description and number of the keeps on the remote branch."""
        form = "--format=%H%x09%s%x09%(trailers:key=Autoresearch-Experiment,valueonly,separator=)"
        rows = [row.split("\t") for row in git(self.origin, "log", "--reverse", form, f"main..{BRANCH}").splitlines()]
        return [(commit, description, number) for commit, description, number in rows if number]

    @property
    def asked(self) -> str:
        """What gh was called with."""
        return (self.place / "gh.log").read_text()

    def command(self, event: str, workflow: str, *args: str) -> list[str]:
        """What runs a workflow of the repository."""
        path = self.project.root / ".github/workflows" / workflow
        texts = path.read_text() + (ROOT / "action.yml").read_text()
        pins = [word for word in texts.split() if word.startswith("actions/")]
        local = [f"--local-repository={pin}={self.place / pin.split('@')[0].split('/')[1]}" for pin in set(pins)]
        labels = [word for label in ("self-hosted", "gpu", "ubuntu-latest") for word in ("-P", f"{label}=-self-hosted")]
        env = {
            "GITHUB_API_URL": self.github.url,
            "GITHUB_REPOSITORY": "o/r",
            "STORE": str(self.place / "store"),
            "ORIGIN": f"file://{self.origin}",
            "PATH": f"{self.place / 'shim'}{os.pathsep}{os.environ['PATH']}",
            "HOME": str(self.project.home),
        }
        return [
            *(str(ACT), event, "-W", str(path), *labels, *local),
            *("--no-cache-server", "--artifact-server-addr", "127.0.0.1", "-s", f"GITHUB_TOKEN={TOKEN}"),
            *(word for name, value in env.items() for word in ("--env", f"{name}={value}")),
            *args,
        ]


@pytest.fixture(params=[False, True], ids=["one job pushes", "two jobs"])
def runner(request: pytest.FixtureRequest, project: Project, tmp_path: Path) -> Iterator[Runner]:
    try:
        choose("strict", scratch=tmp_path)
    except Exception as error:
        pytest.skip(str(error))
    for name, text in workflows(Setup(two_jobs=request.param, pulls=True)).items():
        project.write(f".github/workflows/{name}", text)
    project.commit("workflows")
    with serving() as github:
        yield Runner(project, github)
