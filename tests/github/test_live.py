"""While a session runs: keeps are pushed, a job's page shows them, and no trouble of the network stops the loop."""

from __future__ import annotations

import base64
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import datetime, timezone
from pathlib import Path

import psutil
import pytest

from pytest_autoresearch.errors import PublishError
from pytest_autoresearch.github import errands
from pytest_autoresearch.github.api import GitHubApi
from pytest_autoresearch.github.errands import MARKER, Commenter, Pusher
from pytest_autoresearch.github.remote import environment, open_remote, tip
from pytest_autoresearch.lab.sandbox import choose
from pytest_autoresearch.notebook import hold, orders
from pytest_autoresearch.notebook.codec import encode
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.orders import Answer, Order, Outcome
from pytest_autoresearch.notebook.record import Note
from tests.conftest import Project
from tests.github.conftest import Work
from tests.github.fake_github import TOKEN, FakeGitHub, Fault, serving
from tests.notebook.diary import NOW, git

pytestmark = pytest.mark.slow  # every test is a session or two of a real pytest

LEDGER = "refs/autoresearch/demo/log"
FEW = "--autoresearch-experiments=2"
PUBLISH = ("--autoresearch", "--autoresearch-publish=yes")


@pytest.fixture
def github() -> Iterator[FakeGitHub]:
    with serving() as fake:
        yield fake


@pytest.fixture
def bare(project: Project) -> Path:
    """The project's origin."""
    path = project.root.parent / "o/r.git"
    git(project.root.parent, "clone", "-q", "--bare", str(project.root), str(path))
    project.git("remote", "add", "origin", str(path))
    for name in ("GITHUB_TOKEN", "GH_TOKEN", "GITHUB_ACTIONS", "GITHUB_REPOSITORY", "GITHUB_STEP_SUMMARY"):
        project.env.pop(name, None)
    return path


def at(repository: Path, ref: str) -> str:
    return git(repository, "rev-parse", ref)


def test_what_is_recorded_is_pushed_and_another_machine_goes_on_from_it(project: Project, bare: Path) -> None:
    done = project.pytest(*PUBLISH, FEW)
    assert done.returncode == 0, done.stdout
    assert at(bare, LEDGER) == at(project.root, LEDGER)
    assert at(bare, "autoresearch/demo") == at(project.root, "autoresearch/demo")
    git(project.root.parent, "clone", "-q", str(bare), "other")
    done = project.pytest(*PUBLISH, FEW, cwd=project.root.parent / "other")
    assert done.returncode == 0 and "resumed after 2 experiments" in done.stdout, done.stdout
    rows = (project.root.parent / "other/results.tsv").read_text().splitlines()
    assert len(rows) == 6 and at(bare, LEDGER) == at(project.root.parent / "other", LEDGER)


def test_a_remote_that_is_gone_costs_a_remark_and_no_experiment(project: Project, bare: Path) -> None:
    bare.rename(bare.with_name("gone.git"))
    done = project.pytest(*PUBLISH, FEW)
    assert done.returncode == 0 and len(project.table()) == 4, done.stdout
    assert "not pushed, will be tried again" in done.stdout


def test_without_a_remote_it_does_not_begin(project: Project) -> None:
    done = project.pytest(*PUBLISH, FEW)
    assert done.returncode == 4 and "there is no remote origin" in done.stderr and "Traceback" not in done.stderr


def test_a_push_that_failed_is_tried_again(repository: Git, origin: Path) -> None:
    hook = origin / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\n[ -e open ]\n")
    hook.chmod(0o755)
    remote = open_remote(repository, "origin", None)
    pusher = Pusher(repository.top, "demo", remote, first_pause=0.01)
    pusher.soon()
    deadline = time.monotonic() + 30
    remarks: list[str] = []
    while not remarks and time.monotonic() < deadline:
        remarks = pusher.remarks()
        time.sleep(0.01)
    assert remarks
    (origin / "open").touch()
    pusher.close(30)
    assert at(origin, LEDGER) == at(repository.top, LEDGER)


def test_what_is_asked_on_the_remote_comes_to_where_the_loop_looks_and_its_answer_goes_back(
    repository: Git, origin: Path, github: FakeGitHub
) -> None:
    opened(github)
    remote = open_remote(repository, "origin", None)
    api = GitHubApi("o/r", TOKEN, url=github.url)
    pusher = Pusher(repository.top, "demo", remote, every=0.05, api=lambda: api)
    order = Order("comment-7", "drop", "6", "reviewer", 1)
    orders.hand_over(repository, "origin", "demo", order)
    wait_until(lambda: orders.waiting(repository, "demo") == [order])
    wait_until(lambda: git(origin, "for-each-ref", hold.hold_ref("demo")) != "")
    with Work(repository.top) as work:
        note = orders.answer_note(Answer("comment-7", Outcome.DONE, "0006 is out"), NOW)
        work.notebook.note(note.kind, note.text)
    orders.settle(repository, "demo", order)
    wait_until(lambda: bool(github.comments))
    assert "✅ **done**: 0006 is out" in github.comments[0]["body"]
    pusher.close(30)
    left = git(origin, "for-each-ref", "--format=%(refname)", "refs/autoresearch").splitlines()
    assert left == [LEDGER] and orders.waiting(repository, "demo") == [], pusher.remarks()


def test_an_answer_does_not_wait_for_the_minute_to_be_over(
    repository: Git, github: FakeGitHub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(errands, "ANSWER_EVERY", 0.05)
    opened(github)
    api = GitHubApi("o/r", TOKEN, url=github.url)
    order = Order("comment-7", "drop", "6", "reviewer", 1)
    orders.hand_over(repository, "origin", "demo", order)
    pusher = Pusher(repository.top, "demo", open_remote(repository, "origin", None), api=lambda: api, every=300.0)
    pusher.soon()
    wait_until(lambda: orders.waiting(repository, "demo") == [order])
    with Work(repository.top) as work:
        note = orders.answer_note(Answer("comment-7", Outcome.DONE, "0006 is out"), NOW)
        work.notebook.note(note.kind, note.text)
    wait_until(lambda: bool(github.comments))
    assert "0006 is out" in github.comments[0]["body"]
    pusher.close(30)


def test_a_hanging_push_holds_nobody_up(repository: Git, origin: Path) -> None:
    hook = origin / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexec sleep 30\n")
    hook.chmod(0o755)
    pusher = Pusher(repository.top, "demo", open_remote(repository, "origin", None))
    pusher.soon()
    began = time.monotonic()
    pusher.close(0.2)
    assert time.monotonic() - began < 20 and "did not get through in time" in pusher.remarks()[-1]


# A job's page


def test_the_jobs_summary_and_a_notice_per_keep(project: Project, bare: Path, tmp_path: Path) -> None:
    summary = tmp_path / "summary.md"
    job = {"GITHUB_ACTIONS": "true", "GITHUB_STEP_SUMMARY": str(summary), "GITHUB_REPOSITORY": "o/r"}
    done = project.pytest("--autoresearch", FEW, env=job)
    assert done.returncode == 0, done.stdout
    keeps = [row for row in project.table()[2:] if row[2] == "keep"]
    assert keeps and len(re.findall(r"^::notice title=keep \d{4} of demo::", done.stdout, re.MULTILINE)) == len(keeps)
    commands = [line for line in done.stdout.splitlines() if line.startswith("::")]
    assert commands[0].startswith("::stop-commands::") and commands[-1] == f"::{commands[-2].split('::')[2]}::"
    assert done.stdout.rindex("branch  autoresearch/demo") < done.stdout.rindex(commands[-1]), (
        "the summary is muted too"
    )
    text = summary.read_text("utf-8")
    assert "start 37.32" in text and "| 0002 |" in text and "verified gain" in text


# The comment


def test_the_comment_of_a_pull_request_follows_and_ends_with_the_session(
    project: Project, bare: Path, github: FakeGitHub, tmp_path: Path
) -> None:
    try:
        choose("strict", scratch=tmp_path)
    except Exception as error:
        pytest.skip(str(error))
    opened(github)
    env = {"GITHUB_TOKEN": TOKEN, "GITHUB_API_URL": github.url, "GITHUB_REPOSITORY": "o/r", "GITHUB_ACTIONS": "true"}
    done = project.pytest(*PUBLISH, FEW, "--autoresearch-isolation=strict", env=env)
    assert done.returncode == 0, done.stdout
    (comment,) = github.comments
    assert comment["issue"] == 1 and comment["body"].startswith(MARKER)
    for said in ("2 experiments: ", "it has ended: ", "verified gain", "| 0002 |"):
        assert said in comment["body"], comment["body"]


def opened(github: FakeGitHub) -> None:
    """A pull request of the tag."""
    GitHubApi("o/r", TOKEN, url=github.url).create(branch="autoresearch/demo", base="main", title="t", body="b")
    github.requests.clear()


@pytest.fixture
def commenter(github: FakeGitHub, monkeypatch: pytest.MonkeyPatch) -> Iterator[Commenter]:
    monkeypatch.setenv("GITHUB_API_URL", github.url)
    opened(github)
    found = Commenter("demo", "o/r", TOKEN, pause=0.01, first_pause=0.01)
    yield found
    found.close(30)


def test_one_comment_is_updated_at_every_keep_and_only_if_there_is_news(
    commenter: Commenter, github: FakeGitHub
) -> None:
    commenter.say("one")
    commenter.soon()
    wait_until(lambda: [c["body"] for c in github.comments] == [f"{MARKER}\none"])
    commenter.say("two")
    commenter.soon()
    wait_until(lambda: [c["body"] for c in github.comments] == [f"{MARKER}\ntwo"])
    before = len(github.requests)
    commenter.close(30)
    assert len(github.requests) == before and not commenter.remarks()


def test_keeps_that_come_fast_share_a_comment(github: FakeGitHub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_API_URL", github.url)
    opened(github)
    commenter = Commenter("demo", "o/r", TOKEN, pause=60)
    for number in range(50):
        commenter.say(f"keep {number}")
        commenter.soon()
    commenter.close(30)
    assert [c["body"] for c in github.comments] == [f"{MARKER}\nkeep 49"]
    assert sum(method in ("POST", "PATCH") and "comments" in path for method, path, _ in github.requests) == 1


def test_a_comment_that_failed_is_written_later_and_the_loop_hears_of_it_once(
    commenter: Commenter, github: FakeGitHub
) -> None:
    github.faults.append(Fault("POST", "/comments", 403, {"message": "Resource not accessible"}, times=3))
    commenter.say("one")
    commenter.soon()
    wait_until(lambda: bool(github.comments))
    (remark,) = commenter.remarks()
    assert "the comment was not written" in remark and "pull-requests: write" in remark and TOKEN not in remark


def test_a_pull_request_that_is_over_gets_no_comment(commenter: Commenter, github: FakeGitHub) -> None:
    github.pulls[0]["state"] = "closed"
    commenter.say("one")
    commenter.close(30)
    assert github.comments == [] and github.requests


def wait_until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.01)


# The token


def test_git_gets_the_token_as_a_header_and_says_nothing_of_it(
    repository: Git, github: FakeGitHub, capfd: pytest.CaptureFixture[str]
) -> None:
    git(repository.top, "remote", "set-url", "origin", f"{github.url}/o/r.git")
    remote = open_remote(repository, "origin", TOKEN)
    assert TOKEN not in repr(remote)
    with pytest.raises(PublishError, match="contents: write") as caught:
        tip(repository, remote, "main")
    secret = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    assert github.headers[0]["Authorization"] == f"basic {secret}"
    for said in (str(caught.value), *capfd.readouterr(), (repository.common_dir / "config").read_text()):
        assert TOKEN not in said and secret not in said


def test_a_header_that_another_tool_has_left_is_replaced(repository: Git, github: FakeGitHub) -> None:
    git(repository.top, "remote", "set-url", "origin", f"{github.url}/o/r.git")
    git(repository.top, "config", f"http.{github.url}/.extraheader", "AUTHORIZATION: basic old")
    with pytest.raises(PublishError):
        tip(repository, open_remote(repository, "origin", TOKEN), "main")
    assert "old" not in str(github.headers[0])


def test_settings_of_the_caller_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GIT_CONFIG_COUNT", "1")
    env = environment("https://github.com/o/r.git", "t")
    assert env["GIT_CONFIG_COUNT"] == "5" and "GIT_CONFIG_KEY_0" not in env
    assert env["GIT_CONFIG_KEY_3"] == env["GIT_CONFIG_KEY_4"] == "http.https://github.com/.extraheader"


def test_ssh_gets_no_header() -> None:
    assert "t0ken" not in str(environment("git@github.com:o/r.git", "t0ken"))


def test_with_a_token_a_weaker_isolation_is_refused(project: Project, bare: Path) -> None:
    done = project.pytest(*PUBLISH, FEW, env={"GITHUB_TOKEN": TOKEN})
    assert done.returncode == 4 and "--autoresearch-isolation strict" in done.stderr and TOKEN not in done.stderr
    assert not (project.root / "results.tsv").exists()


SPY = """
import base64, glob, os
found = [dict(os.environ)]
for path in glob.glob("/proc/[0-9]*/environ") + glob.glob("/proc/[0-9]*/cmdline"):
    try:
        found.append(open(path, "rb").read().decode("utf-8", "replace"))
    except OSError:
        pass
print("loss:", 1000.0 if "ghs_canary" in str(found) or "eC1hY2Nlc3MtdG9rZW46" in str(found) else loss)
"""


def test_no_run_no_file_and_no_record_ever_sees_the_token(
    project: Project, bare: Path, github: FakeGitHub, tmp_path: Path
) -> None:
    try:
        choose("strict", scratch=tmp_path)
    except Exception as error:
        pytest.skip(str(error))
    project.write("train.py", "RATE = 8.0\nloss = (RATE - 2.0) ** 2 + abs(RATE - 1.0) / 100\n" + SPY)
    project.commit("spy")
    project.git("push", "-q", "origin", "main")
    env = {"GITHUB_TOKEN": TOKEN, "GITHUB_API_URL": github.url, "GITHUB_REPOSITORY": "o/r"}
    some = "--autoresearch-experiments=8"  # until there is a keep, and so a pull request
    done = project.pytest(*PUBLISH, some, "--autoresearch-isolation=strict", env=env)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row[1] for row in project.table() if row[1].startswith("1000")] == []
    assert "pull request: https://github.com/o/r/pull/1" in done.stdout and not github.pulls[0]["draft"]
    secret = base64.b64encode(f"x-access-token:{TOKEN}".encode()).decode()
    records = project.git("log", "--format=%B", LEDGER)
    files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file() and not path.is_symlink()]
    for needle in (TOKEN, secret):
        assert needle not in done.stdout + done.stderr + records + str(github.pulls)
        assert not any(needle.encode() in data for data in files)
    assert os.environ.get("GITHUB_TOKEN") != TOKEN


def test_a_cancelled_job_ends_in_time_though_the_network_hangs(
    project: Project, bare: Path, wait_for: Callable[[Path], None]
) -> None:
    hook = bare / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\ngrep -q /log || exit 0\ntouch reached\nexec sleep 20\n")
    hook.chmod(0o755)
    command = [*project.pytest_command, *PUBLISH, "--autoresearch-experiments=500"]
    job = subprocess.Popen(command, cwd=project.root, env=project.env, stdout=subprocess.PIPE, text=True)
    wait_for(bare / "reached")
    began = time.monotonic()
    job.send_signal(signal.SIGINT)
    out, _ = job.communicate(timeout=60)
    assert job.returncode == 2 and time.monotonic() - began < 7.0, "the runner asks again at 7.5 s, and kills at 10 s"
    left = [p for p in psutil.process_iter(["cwd", "cmdline"]) if f"{bare}" in " ".join(p.info["cmdline"] or [])]
    assert [(p.info, p.ppid()) for p in left] == [], "no git push is left behind"
    assert "`pytest-autoresearch publish` makes up for it" in out
    assert len(project.table()) >= 2


def test_following_a_session_does_not_load_the_client_of_the_api() -> None:
    code = "import sys, pytest_autoresearch.github.live; sys.exit('github3' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code]).returncode == 0


def test_a_second_session_of_a_tag_is_refused_while_the_first_one_runs(project: Project, bare: Path) -> None:
    with Git.discover(project.root) as git_:
        hold.take(git_, "origin", "demo", hold.Holder("elsewhere", 1, "https://github.com/o/r/actions/runs/5"))
    done = project.pytest(*PUBLISH, FEW)
    assert done.returncode == 4 and "is being run by process 1 on elsewhere" in done.stderr, done.stderr
    assert "counts as lost" in done.stderr and "Traceback" not in done.stderr
    assert git(bare, "for-each-ref", "refs/heads/autoresearch") == ""


def test_of_two_that_begin_at_the_same_time_one_goes_on_and_the_other_is_told_at_once(
    project: Project, bare: Path
) -> None:
    """Neither has a record yet, so only the hold can tell them apart."""
    project.write("train.py", "import time\ntime.sleep(1)\n" + (project.root / "train.py").read_text())
    project.commit("slower")
    project.git("push", "-q", "origin", "main")
    clones = [project.root.parent / name for name in ("one", "two")]
    for clone in clones:
        git(clone.parent, "clone", "-q", str(bare), clone.name)
    command = [*project.pytest_command, *PUBLISH, FEW]
    jobs = [
        subprocess.Popen(
            command, cwd=clone, env=project.env, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        for clone in clones
    ]
    said = [job.communicate(timeout=100)[0] for job in jobs]
    assert sorted(job.returncode for job in jobs) == [0, 4], said
    refused = next(index for index, job in enumerate(jobs) if job.returncode == 4)
    assert "the session demo is being run by process" in said[refused] and "Traceback" not in said[refused]
    assert git(clones[refused], "for-each-ref", "refs/autoresearch", "refs/heads/autoresearch") == ""
    left = git(bare, "for-each-ref", "--format=%(refname)", "refs/autoresearch").splitlines()
    assert left == [LEDGER] and at(bare, LEDGER) == at(clones[1 - refused], LEDGER)


def test_a_tag_in_another_spelling_is_refused_before_anything_is_pushed(project: Project, bare: Path) -> None:
    assert project.pytest(*PUBLISH, FEW).returncode == 0
    git(project.root.parent, "clone", "-q", str(bare), "other")
    before = git(bare, "for-each-ref")
    done = project.pytest(*PUBLISH, FEW, "--autoresearch-tag=DEMO", cwd=project.root.parent / "other")
    assert done.returncode == 4 and "go on with demo, or choose another tag" in done.stderr, done.stderr
    assert git(bare, "for-each-ref") == before


def test_what_is_overtaken_ends_and_is_kept_under_a_tag_of_its_own(
    project: Project, bare: Path, tmp_path: Path
) -> None:
    assert project.pytest(*PUBLISH, FEW).returncode == 0
    git(project.root.parent, "clone", "-q", str(bare), "other")
    other = project.root.parent / "other"
    assert project.cli("fetch", "--tag", "demo", cwd=other).returncode == 0
    project.write("train.py", "import time\ntime.sleep(0.3)\n" + (project.root / "train.py").read_text())
    command = [*project.pytest_command, *PUBLISH, "--autoresearch-experiments=500"]
    job = subprocess.Popen(command, cwd=project.root, env=project.env, stdout=subprocess.PIPE, text=True)
    try:
        wait_until(lambda: git(bare, "rev-list", "--count", LEDGER) != git(other, "rev-list", "--count", LEDGER))
        with Git.discover(other) as theirs:  # a clone that does not ask who is at work
            note = encode(Note("hint", "from the other machine", datetime.now(timezone.utc)))
            head = at(bare, LEDGER)
            git(other, "fetch", "-q", "origin", f"+{LEDGER}:refs/theirs")
            mine = theirs.commit(theirs.empty_tree, [head], note)
            theirs.objects.flush()
        git(other, "push", "-q", "-f", "origin", f"{mine}:{LEDGER}")
        out, _ = job.communicate(timeout=100)
    finally:
        job.kill()
    assert job.returncode == 0, out
    assert "stopped: somebody else went on with it" in out and "kept as demo-2" in out, out
    assert at(bare, LEDGER) == mine, "nothing was pushed over it"
    assert at(bare, "refs/autoresearch/demo-2/log") == at(project.root, "refs/autoresearch/demo-2/log")
    assert at(bare, "autoresearch/demo-2") == at(project.root, "autoresearch/demo-2")
    assert at(project.root, LEDGER) == mine
