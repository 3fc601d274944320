"""Publishing pushes what the ledger says and nothing else, and ends in one pull request or a clear message."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_autoresearch.cli import main
from pytest_autoresearch.errors import PublishError
from pytest_autoresearch.github import publish as publishing
from pytest_autoresearch.github.api import GitHubApi
from pytest_autoresearch.github.errands import MARKER
from pytest_autoresearch.github.own_part import END, framed
from pytest_autoresearch.github.publish import Published, plan, publish, read_checked
from pytest_autoresearch.github.remote import open_remote, send
from pytest_autoresearch.notebook.chain import Chain, read_history
from pytest_autoresearch.notebook.drop import drop_keep
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.sync import Overtaken
from pytest_autoresearch.protocol.experiment import Outcome
from tests.github.conftest import Work, verify
from tests.github.fake_github import TOKEN, FakeGitHub, Fault
from tests.notebook.diary import git

BRANCH = "autoresearch/demo"
TABLE = f"{BRANCH}/results.tsv"


def published(repository: Git, github: FakeGitHub, **options: Any) -> Published:
    remote = open_remote(repository, "origin", TOKEN)
    api = GitHubApi("o/r", TOKEN, url=github.url, read_timeout=2.0, pause=0.01)
    return publish(repository, plan(repository, read_checked(repository, "demo"), remote), remote, api, **options)


def test_branch_ledger_and_one_draft_arrive(repository: Git, github: FakeGitHub, origin: Path) -> None:
    done = published(repository, github)
    history = read_history(repository, "demo")
    assert done.pull is not None and done.pull.number == 1 and not done.remarks
    commits = git(origin, "rev-list", "--reverse", f"main..{BRANCH}").split()
    assert commits == [*(keep.commit for keep in history.keeps), done.sent.branch]
    assert git(origin, "rev-parse", "refs/autoresearch/demo/log") == repository.resolve("refs/autoresearch/demo/log")
    pull = github.pulls[0]
    assert pull["draft"] and pull["labels"] == ["autoresearch"] and "(2 keeps of 7 experiments)" in pull["title"]
    assert "set RATE to 6" in pull["body"]


def test_table_and_picture_are_one_commit_on_the_remote_only(
    repository: Git, github: FakeGitHub, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    published(repository, github)
    added = ["progress-dark.svg", "progress-light.svg", "results.tsv"]
    assert git(origin, "diff", "--name-only", f"{BRANCH}~", BRANCH).splitlines() == [f"{BRANCH}/{n}" for n in added]
    head = git(origin, "rev-parse", BRANCH)
    assert f"/blob/{head}/{BRANCH}/progress-light.svg?raw=true" in github.pulls[0]["body"]
    assert git(origin, "show", f"{BRANCH}:{BRANCH}/progress-dark.svg").startswith("<svg")
    table = git(origin, "show", f"{BRANCH}:{TABLE}")
    assert table == (repository.top / "results.tsv").read_text().rstrip("\n")
    local = repository.resolve(BRANCH)
    assert local is not None and git(origin, "rev-parse", f"{BRANCH}~") == local


def test_a_base_that_moved_on_is_said_with_the_state_of_the_merge(
    repository: Git, github: FakeGitHub, origin: Path, tmp_path: Path
) -> None:
    published(repository, github)
    assert "has moved on" not in github.pulls[0]["body"]
    git(tmp_path, "clone", "-q", str(origin), "other")
    for name, state in (("other.txt", "merge into it without a conflict"), ("train.py", "the keeps conflict with it")):
        (tmp_path / "other" / name).write_text("something else\n")
        git(tmp_path / "other", "add", "-A")
        git(tmp_path / "other", "commit", "-q", "-m", "moved")
        git(tmp_path / "other", "push", "-q")
        published(repository, github)
        assert "main has moved on by" in github.pulls[0]["body"] and state in github.pulls[0]["body"]
    assert "moved on by 2 commits" in github.pulls[0]["body"]


def rewrite_base(origin: Path, place: Path) -> None:
    """Put another commit in the place of the base's newest one."""
    git(place, "clone", "-q", str(origin), "other")
    git(place / "other", "commit", "-q", "--amend", "-m", "in other words")
    git(place / "other", "push", "-q", "-f", "origin", "main")


def test_a_base_that_was_rewritten_holds_no_open_pull_request_up_and_is_said(
    repository: Git, github: FakeGitHub, origin: Path, tmp_path: Path
) -> None:
    published(repository, github)
    rewrite_base(origin, tmp_path)
    with Work(repository.top) as work:
        work.reach(11)
    published(repository, github)
    assert git(origin, "rev-parse", "refs/autoresearch/demo/log") == repository.resolve("refs/autoresearch/demo/log")
    body = github.pulls[0]["body"]
    assert "main was rewritten and has" in body.partition("## Kept")[0] and "has moved on" not in body


@pytest.mark.parametrize("knows", ["as it was", "both", "only since"])
def test_a_base_that_was_rewritten_during_the_first_night_is_said_where_this_clone_has_seen_that(
    repository: Git, github: FakeGitHub, origin: Path, tmp_path: Path, knows: str
) -> None:
    rewrite_base(origin, tmp_path)
    if knows == "both":
        git(repository.top, "fetch", "-q", "origin")
    if knows == "only since":
        git(repository.top, "update-ref", "-d", "refs/remotes/origin/main")
        git(repository.top, "fetch", "-q", "origin")
        with pytest.raises(PublishError, match="which main does not have"):
            published(repository, github)
        assert not github.pulls and git(origin, "for-each-ref", "refs/autoresearch") == ""
        return
    published(repository, github)
    (pull,) = github.pulls
    assert pull["draft"] and "main was rewritten and has" in pull["body"].partition("## Kept")[0]


def test_a_base_that_has_no_history_in_common_any_more_keeps_what_was_pushed(
    repository: Git, github: FakeGitHub, origin: Path, tmp_path: Path
) -> None:
    rewrite_base(origin, tmp_path)
    said = "The autoresearch/demo branch has no history in common with main"
    invalid = {"message": "Validation Failed", "errors": [{"resource": "PullRequest", "message": said}]}
    github.faults.append(Fault("POST", "/pulls", 422, invalid))
    with pytest.raises(PublishError, match=r"no history in common[\s\S]*begin a session on it"):
        published(repository, github)
    assert git(origin, "rev-parse", "refs/autoresearch/demo/log") == repository.resolve("refs/autoresearch/demo/log")


def test_what_a_person_writes_around_our_part_of_the_body_stays(repository: Git, github: FakeGitHub) -> None:
    published(repository, github)
    pull = github.pulls[0]
    pull["body"] = f"Closes #12\r\n\r\n{pull['body']}\r\n\r\n- [x] looked at 😀"
    with Work(repository.top) as work:
        work.reach(11)
    for _ in range(2):
        published(repository, github)
        assert pull["body"].startswith("Closes #12\r\n\r\n<!-- pytest-autoresearch")
        assert pull["body"].endswith("-->\r\n\r\n- [x] looked at 😀") and pull["body"].count("## Reproduce") == 1
        assert f"of {len(read_history(repository, 'demo').experiments) - 1} experiments" in pull["title"]
    pull["body"] = "mine alone" + "\n" * 50_000 + "x"
    published(repository, github)
    assert pull["body"].startswith("mine alone") and "start 1 → best" in pull["body"]
    pull["body"] = None
    published(repository, github)
    assert pull["body"].startswith("<!-- pytest-autoresearch")


def test_sessions_of_the_same_metric_that_were_merged_before_are_listed(repository: Git, github: FakeGitHub) -> None:
    api = GitHubApi("o/r", TOKEN, url=github.url)
    for number, (metric, merged) in enumerate(
        [("loss", "2026-02-03T00:00:00Z"), ("other", "2026-02-03T00:00:00Z"), ("loss", None)]
    ):
        title = f"autoresearch old{number}: {metric}: start 2 → best 1"
        api.create(branch=f"autoresearch/old{number}", base="main", title=title, body="b")
        github.pulls[-1].update(state="closed", merged_at=merged)
    published(repository, github)
    table = github.pulls[-1]["body"].partition("## Merged before")[2].partition("##")[0]
    assert "old0" in table and "old1" not in table and "old2" not in table


def test_publishing_again_changes_nothing(repository: Git, github: FakeGitHub, origin: Path) -> None:
    published(repository, github)
    before = git(origin, "for-each-ref")
    published(repository, github)
    assert git(origin, "for-each-ref") == before and len(github.pulls) == 1


def test_going_on_replaces_the_table_and_updates_the_same_pull_request(
    repository: Git, github: FakeGitHub, origin: Path
) -> None:
    published(repository, github)
    with Work(repository.top) as work:
        work.reach(14)
    published(repository, github)
    keeps = read_history(repository, "demo").keeps
    assert len(github.pulls) == 1 and "(4 keeps of 13 experiments)" in github.pulls[0]["title"]
    assert git(origin, "rev-list", "--reverse", f"main..{BRANCH}").split()[:-1] == [keep.commit for keep in keeps]
    assert git(origin, "show", f"{BRANCH}:{TABLE}").count("\n") == 14


def test_a_drop_rewrites_the_published_branch(repository: Git, github: FakeGitHub, origin: Path) -> None:
    with Work(repository.top) as work:
        work.experiment("OTHER = 1\n", keep=True, file="prepare.py")
    with Work(repository.top) as work:
        drop_keep(work.notebook, len(work.experiments) - 1)
    published(repository, github)
    assert [k.number for k in read_history(repository, "demo").keeps] == [3, 6]
    assert git(origin, "show", f"{BRANCH}:prepare.py") == "offset = 1.0"


def test_a_drop_that_takes_the_last_proof_leaves_no_keep_on_the_published_branch(
    clone: Path, github: FakeGitHub, origin: Path
) -> None:
    with Work(clone) as work:
        work.reach(1)
        work.experiment("RATE = 5\n", keep=True, provisional=True)
        work.experiment("RATE = 6\n", keep=True, provisional=True)
        work.group(Outcome.CERTIFIED)
    with Git.discover(clone) as repository:
        published(repository, github)
        assert git(origin, "show", f"{BRANCH}:train.py") == "RATE = 6"
        with Work(clone) as work:
            assert drop_keep(work.notebook, 2).unproven == (1,)
        published(repository, github)
        assert git(origin, "show", f"{BRANCH}:train.py") == "RATE = 0"
        assert git(origin, "rev-list", "--count", f"main..{BRANCH}") == "1", "or GitHub would close the pull request"
        assert len(github.pulls) == 1 and "**Nothing proven yet**: 1 provisional keep" in github.pulls[0]["body"]
        with Work(clone) as work:
            work.group(Outcome.CERTIFIED)
        published(repository, github)
        assert git(origin, "show", f"{BRANCH}:train.py") == "RATE = 5"


def test_a_remote_branch_with_commits_of_others_is_left_alone_and_the_reviewer_is_told(
    repository: Git, github: FakeGitHub, origin: Path, tmp_path: Path
) -> None:
    published(repository, github)
    git(tmp_path, "clone", "-q", "-b", BRANCH, str(origin), "reviewer")
    (tmp_path / "reviewer/train.py").write_text("RATE = 99\n")
    git(tmp_path / "reviewer", "commit", "-q", "-a", "-m", "mine")
    git(tmp_path / "reviewer", "push", "-q")
    with Work(repository.top) as work:
        work.reach(11)
    done = published(repository, github)
    assert done.sent.branch is None and git(origin, "show", f"{BRANCH}:train.py") == "RATE = 99"
    assert git(origin, "rev-parse", "refs/autoresearch/demo/log") == repository.resolve("refs/autoresearch/demo/log")
    assert "left alone" in github.pulls[0]["body"].partition("## Kept")[0]


def test_a_ledger_the_remote_refuses_does_not_hold_back_the_branch(
    repository: Git, github: FakeGitHub, origin: Path
) -> None:
    hook = origin / "hooks/update"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text('#!/bin/sh\ncase "$1" in refs/heads/*) exit 0;; *) echo "no custom refs"; exit 1;; esac\n')
    hook.chmod(0o755)
    done = published(repository, github)
    assert done.sent.ledger is None and done.sent.branch and "the ledger was not taken" in done.remarks[0]


def test_a_remote_that_takes_nothing_is_an_error_with_or_without_a_keep(clone: Path, origin: Path) -> None:
    origin.rename(origin.with_name("gone.git"))
    for count in (2, 5):
        with Work(clone) as work:
            work.reach(count)
        with Git.discover(clone) as repository, pytest.raises(PublishError, match=r"nothing is lost|not taken"):
            remote = open_remote(repository, "origin", None)
            send(repository, remote, read_checked(repository, "demo"), with_results=False)


def test_a_protected_branch_is_named_with_the_rule_to_change(repository: Git, origin: Path) -> None:
    hook = origin / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(PublishError, match=r"declined[\s\S]*exempt autoresearch/\* from the rule"):
        send(repository, open_remote(repository, "origin", None), read_checked(repository, "demo"), with_results=False)


@pytest.mark.parametrize(("merged_at", "word"), [(None, "closed"), ("2026-03-01T00:00:00Z", "merged")])
def test_a_pull_request_that_is_over_asks_for_a_new_tag(
    repository: Git, github: FakeGitHub, origin: Path, merged_at: str | None, word: str
) -> None:
    published(repository, github)
    before = git(origin, "for-each-ref")
    github.pulls[0].update(state="closed", merged_at=merged_at)
    with Work(repository.top) as work:
        work.reach(11)
    with pytest.raises(PublishError, match=f"was {word}.*\n.*new tag") as caught:
        published(repository, github)
    assert caught.value.exit_code == 4 and git(origin, "for-each-ref") == before


@pytest.mark.parametrize(
    "fault",
    [
        Fault("POST", "/pulls", loses_answer=True),
        Fault("POST", "/pulls", 502, times=2),
        Fault("POST", "/pulls", 403, {"message": "secondary rate limit"}, {"Retry-After": "0"}),
        Fault("GET", "/pulls", 200, body=[]),  # type: ignore[arg-type]
    ],
    ids=["lost answer", "bad gateway", "secondary limit", "not found at first"],
)
def test_a_bad_day_ends_in_one_pull_request(repository: Git, github: FakeGitHub, fault: Fault) -> None:
    github.faults.append(fault)
    published(repository, github)
    assert len(github.pulls) == 1 and "2 keeps" in github.pulls[0]["title"]


@pytest.mark.parametrize(("method", "path"), [("GET", "/pulls"), ("POST", "/pulls"), ("PATCH", "/pulls/1")])
def test_a_token_that_expires_on_the_way_is_said_and_the_next_one_goes_on(
    repository: Git, github: FakeGitHub, method: str, path: str
) -> None:
    github.faults.append(Fault(method, path, 401, {"message": "Bad credentials"}))
    with pytest.raises(PublishError, match=r"has expired.*publish again with a new one"):
        published(repository, github)
    done = published(repository, github)
    assert done.pull is not None and not done.remarks and len(github.pulls) == 1


def test_labels_are_no_reason_to_fail(repository: Git, github: FakeGitHub) -> None:
    github.faults.append(Fault("POST", "/labels", 403, {"message": "no"}))
    done = published(repository, github)
    assert done.pull is not None and "not labelled" in done.remarks[0]


def test_it_is_ready_for_review_once_it_has_ended_and_was_verified(repository: Git, github: FakeGitHub) -> None:
    verify(repository, gain=0.1)
    assert not published(repository, github).is_ready
    with Work(repository.top) as work:
        work.notebook.note("stop", "10 experiments")
    assert not published(repository, github, keep_draft=True).is_ready
    assert published(repository, github).is_ready and not github.pulls[0]["draft"]
    assert "verified 10" in github.pulls[0]["title"]


def test_a_gain_that_fresh_runs_do_not_confirm_stays_a_draft(repository: Git, github: FakeGitHub) -> None:
    verify(repository, gain=-0.1)
    with Work(repository.top) as work:
        work.notebook.note("stop", "10 experiments")
    assert not published(repository, github).is_ready and github.pulls[0]["draft"]


@pytest.mark.parametrize(
    ("gain", "conclusion", "said"),
    [
        (None, "neutral", "not verified yet"),
        (0.1, "success", "verified gain 0.1 (10.00 %)"),
        (-0.1, "failure", "verified gain -0.1 (-10.00 %)"),
    ],
)
def test_the_head_of_the_branch_has_a_check_with_the_verdict(
    repository: Git, github: FakeGitHub, origin: Path, gain: float | None, conclusion: str, said: str
) -> None:
    if gain is not None:
        verify(repository, gain=gain)
    published(repository, github)
    (check,) = github.checks
    assert check["head_sha"] == git(origin, "rev-parse", BRANCH) and check["conclusion"] == conclusion
    assert check["output"]["title"].startswith(said)
    assert github.pulls[0]["body"].startswith(framed(check["output"]["summary"]).removesuffix(f"\n\n{END}"))


def test_a_token_that_may_set_no_check_costs_a_line(repository: Git, github: FakeGitHub) -> None:
    no_app = {"message": "You must authenticate via a GitHub App."}
    github.faults.append(Fault("POST", "/check-runs", 403, no_app, times=2))
    assert not published(repository, github).remarks
    head = github.statuses[0]["commit"]
    assert github.statuses[0]["state"] == "pending" and not github.checks
    github.faults.append(Fault("POST", f"/statuses/{head}", 403, no_app))
    (remark,) = published(repository, github).remarks
    assert remark.startswith("no check was set") and "checks: write or statuses: write" in remark
    assert "\n" not in remark and len(github.pulls) == 1


def test_publishing_ends_the_comment_of_a_job_that_was_lost(repository: Git, github: FakeGitHub) -> None:
    done = published(repository, github)
    assert github.comments == [] and done.pull is not None, "the body says it all"
    GitHubApi("o/r", TOKEN, url=github.url).comment(done.pull.number, MARKER, "it runs")
    published(repository, github)
    (comment,) = github.comments
    assert "it was killed, or runs elsewhere" in comment["body"] and "7 experiments" in comment["body"]


def test_a_session_without_a_keep_pushes_its_ledger_and_opens_nothing(
    clone: Path, github: FakeGitHub, origin: Path
) -> None:
    with Work(clone) as work:
        work.reach(3)
    with Git.discover(clone) as repository:
        done = published(repository, github)
    assert done.pull is None and done.sent.ledger and not github.pulls
    assert git(origin, "for-each-ref", "refs/heads/autoresearch") == ""


# What a machine that ran foreign code might hand over


def forged(work: Work, path: str, data: bytes, kind: str = "100644") -> None:
    """A keep that changes ``path``."""
    from pytest_autoresearch.protocol.experiment import Change

    incumbent = work.notebook.history.incumbent
    assert incumbent is not None
    tree = work.git.write_tree(incumbent.commit, [Change(path, "file", mode=kind, data=data)])
    number = len(work.experiments)
    work.notebook.begin(number, tree=tree, parent=incumbent.commit, description="x", hypothesis="")
    work.record(number, tree, incumbent.commit, keep=True, description="x")


@pytest.mark.parametrize(
    ("path", "mode", "why"),
    [
        (".github/workflows/ci.yml", "100644", "never a target"),
        ("prepare.py", "100644", "read-only"),
        ("other.py", "100644", "no target"),
        ("train.py", "120000", "symbolic link"),
    ],
)
def test_a_keep_that_changes_more_than_targets_is_not_published(
    repository: Git, github: FakeGitHub, origin: Path, path: str, mode: str, why: str
) -> None:
    with Work(repository.top) as work:
        forged(work, path, b"/etc/passwd", mode)
    before = git(origin, "for-each-ref")
    with pytest.raises(PublishError, match=f"keep 0008 .*{why}"):
        published(repository, github)
    assert git(origin, "for-each-ref") == before and not github.pulls


def test_a_ledger_that_does_not_hold_what_it_speaks_of_is_not_published(repository: Git, github: FakeGitHub) -> None:
    ledger = "refs/autoresearch/demo/log"
    head = repository.resolve(ledger)
    assert head is not None
    previous, candidate = repository.parents(head)
    message = repository.message(head).replace(candidate, previous)
    repository.move_ref(ledger, repository.commit(repository.tree(head), [previous, candidate], message), head)
    with pytest.raises(PublishError, match="record 7 speaks of"):
        published(repository, github)


def test_a_session_that_began_elsewhere_is_not_published(clone: Path, github: FakeGitHub, origin: Path) -> None:
    (clone / "train.py").write_text("import os\nRATE = 0\n")
    git(clone, "commit", "-q", "-a", "-m", "not on the base")
    with Work(clone) as work:
        work.reach(5)
    with Git.discover(clone) as repository, pytest.raises(PublishError, match="which main does not have"):
        published(repository, github)
    assert git(origin, "for-each-ref", "refs/heads/autoresearch") == ""


# The command


@pytest.fixture
def command(
    repository: Git, github: FakeGitHub, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., tuple[int, str, str]]:
    monkeypatch.setenv("GITHUB_API_URL", github.url)

    def call(*args: str, token: str | None = TOKEN) -> tuple[int, str, str]:
        if token:
            monkeypatch.setenv("GITHUB_TOKEN", token)
        code = main(["publish", str(repository.top), *args])
        said = capsys.readouterr()
        return code, said.out, said.err

    return call


def test_the_command_says_what_it_did(command: Callable[..., tuple[int, str, str]]) -> None:
    code, out, err = command()
    assert (code, err) == (0, "")
    assert "https://github.com/o/r/pull/1 (draft)" in out and "refs/autoresearch/demo/log" in out
    code, out, _ = command("--json")
    said = json.loads(out)
    assert code == 0 and said["pull_request"] == 1 and said["ready"] is False


def test_a_dry_run_needs_neither_token_nor_network(
    command: Callable[..., tuple[int, str, str]], github: FakeGitHub, origin: Path
) -> None:
    before = git(origin, "for-each-ref")
    code, out, _ = command("--dry-run", token=None)
    assert code == 0 and "would push autoresearch/demo with 2 commits and its table" in out and "## Kept" in out
    assert json.loads(command("--dry-run", "--json", token=None)[1])["keeps"] == 2
    assert git(origin, "for-each-ref") == before and not github.requests


def test_a_dry_run_to_a_remote_that_is_not_there_says_how_to_make_it_first(
    command: Callable[..., tuple[int, str, str]],
) -> None:
    code, out, _ = command("--dry-run", "--remote", "fork", token=None)
    assert code == 0
    assert out.startswith("there is no remote named fork: `git remote add fork URL` makes it; then:\nwould push ")


def test_without_a_token_it_says_which_one_it_needs(command: Callable[..., tuple[int, str, str]]) -> None:
    code, _, err = command(token=None)
    assert code == 4 and "contents: write and pull-requests: write" in err and "Traceback" not in err


def test_a_bundle_of_another_machine_is_checked_and_published(
    command: Callable[..., tuple[int, str, str]],
    repository: Git,
    origin: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    github: FakeGitHub,
    capsys: pytest.CaptureFixture[str],
) -> None:
    bundle = tmp_path / "session.bundle"
    git(repository.top, "bundle", "create", "-q", str(bundle), "refs/autoresearch/demo/log", "^origin/main")
    git(tmp_path, "clone", "-q", str(origin), "hosted")
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    assert main(["publish", str(tmp_path / "hosted"), "--tag", "demo", "--from", str(bundle)]) == 0
    assert len(github.pulls) == 1 and "2 keeps" in github.pulls[0]["title"]
    assert git(origin, "rev-list", "--count", f"main..{BRANCH}") == "3"


def test_a_session_that_was_not_pushed_yet_is_no_error(repository: Git, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["fetch", str(repository.top), "--tag", "new"]) == 0
    assert "no session of that name was pushed yet" in capsys.readouterr().out


def test_a_job_that_was_handed_nothing_says_where_it_may_be(command: Callable[..., tuple[int, str, str]]) -> None:
    code, _, err = command("--tag", "new", "--from", "origin")
    assert code == 4 and "origin has no session new: whoever ran it began none, or handed nothing over" in err
    assert "in that runner's clone" in err and "Traceback" not in err


@pytest.fixture
def overtaken(repository: Git, github: FakeGitHub, origin: Path) -> Path:
    """Another clone has published an experiment more than the session's, which then went on too."""
    published(repository, github)
    git(origin.parent, "clone", "-q", str(origin), "other")
    other = origin.parent / "other"
    assert main(["fetch", str(other), "--tag", "demo"]) == 0
    with Work(other) as work:
        work.notebook.note("hint", "from the other machine")  # or both would write the same records in one second
        work.reach(10)
    with Git.discover(other) as theirs:
        published(theirs, github)
    with Work(repository.top) as work:
        work.reach(9)
    return other


def test_a_clone_that_lacks_records_of_the_remote_publishes_nothing(
    repository: Git, github: FakeGitHub, origin: Path, overtaken: Path
) -> None:
    before, said = git(origin, "for-each-ref"), json.dumps([github.pulls, github.comments, github.checks])
    with pytest.raises(Overtaken, match=r"records that are not here[\s\S]*fetch --tag demo"):
        published(repository, github)
    assert git(origin, "for-each-ref") == before
    assert json.dumps([github.pulls, github.comments, github.checks]) == said


def test_what_it_has_recorded_is_published_under_a_tag_of_its_own(
    command: Callable[..., tuple[int, str, str]], repository: Git, github: FakeGitHub, origin: Path, overtaken: Path
) -> None:
    code, _, err = command("--tag", "demo", "--from", "origin")
    assert code == 0 and "is demo-2 now" in err
    assert command("--tag", "demo-2")[0] == 0
    assert [pull["head"]["ref"] for pull in github.pulls] == [BRANCH, f"{BRANCH}-2"]
    assert "9 experiments" in github.pulls[0]["title"] and "8 experiments" in github.pulls[1]["title"]
    assert (
        "went its own way" in github.pulls[1]["body"] and "went its own way" in github.checks[-1]["output"]["summary"]
    )


def test_a_body_is_not_written_over_what_somebody_has_published_since(
    repository: Git, github: FakeGitHub, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    published(repository, github)
    body = github.pulls[0]["body"]
    with Work(repository.top) as work:
        work.reach(9)

    def then_somebody_pushes(*args: Any, **options: Any) -> Any:
        sent = send(*args, **options)
        git(origin, "update-ref", "refs/autoresearch/demo/log", "main")
        return sent

    monkeypatch.setattr(publishing, "send", then_somebody_pushes)
    with pytest.raises(Overtaken):
        published(repository, github)
    assert github.pulls[0]["body"] == body


def test_a_session_that_allows_itself_more_than_the_config_is_not_trusted(repository: Git, github: FakeGitHub) -> None:
    chain = read_checked(repository, "demo")
    protocol = {**chain.history.session.protocol, "targets": ["train.py", "prepare.py"], "readonly": []}
    forged = Chain(chain.head, (replace(chain.history.session, protocol=protocol), *chain.records[1:]))
    remote = open_remote(repository, "origin", TOKEN)
    with pytest.raises(PublishError, match=r"targets and readonly differ from autoresearch\.config\.md"):
        plan(repository, forged, remote, is_trusted=False)
    assert not plan(repository, chain, remote, is_trusted=False).remarks
    marked = Chain(chain.head, (replace(chain.history.session, source="test_a.py::test_b"), *chain.records[1:]))
    assert "look at the changed files" in plan(repository, marked, remote, is_trusted=False).text.body


@pytest.mark.parametrize(
    ("address", "web"),
    [
        ("https://user:secret@ghe.example:8443/o/r.git", "https://ghe.example:8443/o/r"),
        ("git@github.com:o/r.git", "https://github.com/o/r"),
        ("ssh://git@github.com/o/r", "https://github.com/o/r"),
        ("/srv/git/o/r.git", ""),
    ],
)
def test_the_repository_is_read_from_the_remotes_address(
    repository: Git, monkeypatch: pytest.MonkeyPatch, address: str, web: str
) -> None:
    monkeypatch.delenv("GITHUB_REPOSITORY")
    git(repository.top, "remote", "set-url", "origin", address)
    remote = open_remote(repository, "origin", None)
    assert remote.web == web and "secret" not in repr(remote)
