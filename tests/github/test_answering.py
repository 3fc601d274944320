"""What a reviewer asks for is carried out, handed to whoever writes the ledger, or refused, and always answered."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from pytest_autoresearch.cli import main
from pytest_autoresearch.github import answering
from pytest_autoresearch.github.api import GitHubApi
from pytest_autoresearch.github.remote import open_remote
from pytest_autoresearch.notebook import hold, orders
from pytest_autoresearch.notebook.chain import read_history
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.orders import Answer, Order, Outcome
from pytest_autoresearch.protocol.experiment import Usage
from pytest_autoresearch.research.attending import TOLD
from tests.github.conftest import Work
from tests.github.fake_github import TOKEN, FakeGitHub, Fault
from tests.notebook.diary import NOW, git

LEDGER = "refs/autoresearch/demo/log"
ASKED = "refs/autoresearch/demo/asked"

Ask = Callable[..., int]


@pytest.fixture
def published(repository: Git, github: FakeGitHub, monkeypatch: pytest.MonkeyPatch) -> Git:
    """The session, pushed and with its pull request."""
    monkeypatch.setenv("GITHUB_API_URL", github.url)
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)
    monkeypatch.setenv("GITHUB_SERVER_URL", "https://github.com")
    assert main(["publish", str(repository.top), "--tag", "demo"]) == 0
    return repository


@pytest.fixture
def ask(published: Git, clone: Path) -> Ask:
    """A reviewer's comment, carried out in a fresh clone."""

    def call(text: str, number: int = 7) -> int:
        about = ("--pull", "1", "--id", f"comment-{number}", "--by", "reviewer")
        return main(["answer", text, str(clone), "--tag", "demo", *about])

    return call


def said(github: FakeGitHub) -> str:
    """The one answer."""
    (comment,) = github.comments
    return str(comment["body"])


def keeps(origin: Path) -> list[int]:
    form = "--format=%(trailers:key=Autoresearch-Experiment,valueonly)"
    return [int(n) for n in git(origin, "log", "--reverse", form, "main..autoresearch/demo").split()]


@pytest.mark.parametrize("text", ["drop 6", "verify", "continue 5"])
def test_a_session_that_was_merged_is_asked_for_nothing_more(
    ask: Ask, github: FakeGitHub, origin: Path, text: str
) -> None:
    github.pulls[0].update(state="closed", merged_at="2026-03-01T00:00:00Z")
    before = git(origin, "for-each-ref")
    assert ask(text) == 1 and not github.dispatches and git(origin, "for-each-ref") == before
    assert "**refused**: the pull request of autoresearch/demo was merged" in said(github).replace("\\", "")
    assert "new tag" in said(github)


def test_a_job_that_is_started_again_gives_the_answer_that_was_given(
    ask: Ask, github: FakeGitHub, origin: Path
) -> None:
    assert ask("drop 6") == 0
    first = said(github)
    assert ask("drop 6") == 0 and said(github) == first and keeps(origin) == [3]
    assert ask("drop 6", 8) == 1, "another comment is another wish"


def test_no_experiments_and_the_baseline_are_nothing_to_ask_for(ask: Ask, github: FakeGitHub) -> None:
    assert ask("continue 0") == 1 and ask("drop 0") == 1 and not github.dispatches


def test_going_on_is_refused_where_the_config_is_another_one_now(
    ask: Ask, github: FakeGitHub, origin: Path, tmp_path: Path
) -> None:
    """The job would end before its first experiment, and nobody who asked would hear of it."""
    other, text = tmp_path / "other", (origin.parent / "clone/autoresearch.config.md").read_text()
    git(tmp_path, "clone", "-q", str(origin), "other")

    def push(config: str | None) -> None:
        path = other / "autoresearch.config.md"
        path.unlink(missing_ok=True) if config is None else path.write_text(config)
        git(other, "add", "-A")
        git(other, "commit", "-q", "-m", "config")
        git(other, "push", "-q")

    push(f"{text}\n## Notes\nTry smaller steps.\n")
    assert ask("continue 5", 7) == 0 and len(github.dispatches) == 1, "what may change within a session"
    assert "lower" in text
    push(text.replace("lower", "higher"))
    assert ask("continue 5", 8) == 1 and len(github.dispatches) == 1
    answer = github.comments[-1]["body"].replace("\\", "")
    assert "**refused**" in answer and "direction changed since the session demo began" in answer
    push(None)
    assert ask("continue 5", 9) == 1 and "main has it no more" in github.comments[-1]["body"].replace("\\", "")


def test_a_title_that_a_person_has_given_is_kept(ask: Ask, github: FakeGitHub) -> None:
    github.pulls[0]["title"] = "Faster training"
    assert ask("drop 6") == 0
    assert github.pulls[0]["title"] == "Faster training" and "1 keep" in github.checks[-1]["output"]["summary"] + str(
        github.pulls[0]["body"]
    )


@pytest.mark.parametrize(("began", "is_it"), [("2026-03-05T22:00:00Z", True), ("2026-03-07T22:00:00Z", False)])
def test_a_session_that_began_by_schedule_is_known_by_its_day(
    ask: Ask, published: Git, github: FakeGitHub, origin: Path, began: str, is_it: bool
) -> None:
    """It has no tag as an input that its run could be named for, and two jobs can not say that they are at work."""
    office = answering.Office(published, open_remote(published, "origin", None), api(github), "mar05", "main")
    github.runs.append({**run(3, "autoresearch 3", "in_progress"), "created_at": began})
    assert (office.at_work("drop") is not None) == is_it
    assert answering.Office(office.git, office.remote, office.api, "demo", "main").at_work("drop") is None


def api(github: FakeGitHub) -> GitHubApi:
    return GitHubApi("o/r", TOKEN, url=github.url)


def test_a_keep_is_dropped_where_nothing_runs_and_the_answer_has_the_numbers(
    ask: Ask, github: FakeGitHub, origin: Path
) -> None:
    assert ask("drop 6") == 0
    assert keeps(origin) == [3] and "1 keep of 7 experiments" in github.pulls[0]["title"]
    assert "> reviewer: `/autoresearch drop 6`" in said(github) and "✅ **done**: 0006 is out; 1 keep left" in said(
        github
    )
    assert github.checks[-1]["head_sha"] == git(origin, "rev-parse", "autoresearch/demo")


def test_what_a_later_keep_builds_on_is_refused_with_what_to_do(ask: Ask, github: FakeGitHub, origin: Path) -> None:
    before = git(origin, "for-each-ref")
    assert ask("drop 3") == 1
    assert "❌ **refused**" in said(github) and "drop 6 first" in said(github).replace("\\", "")
    assert git(origin, "for-each-ref") == before
    assert ask("drop 99") == 1 and ask("drop 2") == 1
    assert "the keeps are: 3, 6" in said(github)


def test_a_drop_that_loses_the_race_for_the_ledger_is_made_again(
    ask: Ask, published: Git, github: FakeGitHub, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, times = answering.published_again, list[int]()

    def somebody_pushes_first(*args: Any) -> Any:
        if not times:
            times.append(1)
            with Work(published.top) as work:
                work.reach(9)
            git(published.top, "push", "-q", "origin", f"{LEDGER}:{LEDGER}")
        return real(*args)

    monkeypatch.setattr(answering, "published_again", somebody_pushes_first)
    assert ask("drop 6") == 0
    assert keeps(origin) == [3] and "8 experiments" in github.pulls[0]["title"] and "**done**" in said(github)


def test_while_a_session_runs_it_is_the_one_that_carries_it_out(
    ask: Ask, published: Git, github: FakeGitHub, origin: Path
) -> None:
    assert hold.take(published, "origin", "demo", hold.myself("https://github.com/o/r/actions/runs/5")) is None
    before = git(origin, "rev-parse", LEDGER, "autoresearch/demo")
    assert ask("drop 6") == 0
    assert git(origin, "rev-parse", LEDGER, "autoresearch/demo") == before
    assert "⏳ **accepted**" in said(github) and "[workflow run](https://github.com/o/r/actions/runs/5)" in said(github)
    assert orders.bring(published, "origin", "demo") == ["comment-7"]
    assert orders.waiting(published, "demo") == [Order("comment-7", "drop", "6", "reviewer", 1)]


@pytest.mark.parametrize("workflow", ["autoresearch.yml", "verify.yml"])
def test_a_run_of_the_workflow_that_has_no_token_to_say_so_counts_as_one_too(
    ask: Ask, github: FakeGitHub, origin: Path, workflow: str
) -> None:
    title = f"{workflow.removesuffix('.yml')} demo"
    github.runs.append(run(3, title, "in_progress", workflow))
    assert ask("drop 6") == 0 and "**accepted**" in said(github)
    assert git(origin, "for-each-ref", ASKED)


def test_the_hold_of_a_session_that_was_lost_holds_nobody_up(
    ask: Ask, published: Git, github: FakeGitHub, origin: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gone = hold.Holder("elsewhere", 1)
    with monkeypatch.context() as patched:
        patched.setattr(hold, "LASTS", -hold.LASTS)
        hold.take(published, "origin", "demo", gone)
    assert ask("drop 6") == 0 and keeps(origin) == [3]


def test_what_the_ledger_answers_is_said_where_it_was_asked(ask: Ask, published: Git, github: FakeGitHub) -> None:
    github.runs.append(run(3, "autoresearch demo", "in_progress"))
    assert ask("verify") == 0
    with Work(published.top) as work:
        note = orders.answer_note(Answer("comment-7", Outcome.DONE, "verified gain 0.1"), NOW)
        work.notebook.note(note.kind, note.text)
    assert main(["publish", str(published.top), "--tag", "demo", "--answer"]) == 0
    assert "✅ **done**: verified gain 0.1" in said(github)
    assert orders.bring(published, "origin", "demo") == [] and orders.waiting(published, "demo") == []


def test_what_a_session_that_ended_did_not_see_is_not_lost(
    ask: Ask, published: Git, github: FakeGitHub, origin: Path
) -> None:
    github.runs.append(run(3, "autoresearch demo", "in_progress"))
    for number, text in enumerate(("drop 6", "continue 5", "verify", "stop-not")):
        assert ask(text, number) == (4 if text == "stop-not" else 0)
    assert main(["publish", str(published.top), "--tag", "demo", "--answer"]) == 0
    assert [keep.number for keep in read_history(published, "demo").keeps] == [3] == keeps(origin)
    bodies = [comment["body"] for comment in github.comments]
    assert "0006 is out" in bodies[0] and "**refused**: the session ended before" in bodies[1]
    assert "**failed**: no measurement has come of it" in bodies[2]
    assert git(origin, "for-each-ref", ASKED) == ""


def test_a_verification_is_started_and_its_answer_is_waited_for(ask: Ask, github: FakeGitHub, origin: Path) -> None:
    assert ask("verify") == 0
    (started,) = github.dispatches
    assert (started["workflow"], started["ref"], started["inputs"]) == ("verify.yml", "main", {"tag": "demo"})
    assert "⏳ **accepted**: [workflow run](https://github.com/o/r/actions/runs/101) was started" in said(github)
    assert git(origin, "for-each-ref", ASKED)


def run(number: int, title: str, status: str, workflow: str = "autoresearch.yml") -> dict[str, Any]:
    address = f"https://github.com/o/r/actions/runs/{number}"
    path = f".github/workflows/{workflow}"
    return {"id": number, "display_title": title, "status": status, "path": path, "html_url": address}


def test_stop_cancels_what_runs_or_waits_for_this_tag_and_nothing_else(ask: Ask, github: FakeGitHub) -> None:
    github.runs += [
        run(7, "autoresearch demo", "pending"),
        run(6, "autoresearch demo", "in_progress"),
        run(5, "autoresearch demo2", "in_progress"),
        run(4, "autoresearch demo", "completed"),
        run(3, "autoresearch demo", "queued"),
        run(2, "autoresearch demo", "in_progress", "other.yml"),
    ]
    assert ask("stop") == 0
    cancelled = [path for method, path, _ in github.requests if method == "POST" and path.endswith("/cancel")]
    assert cancelled == [f"/repos/o/r/actions/runs/{number}/cancel" for number in (7, 6, 3)]
    assert [run["id"] for run in github.runs if run["status"] == "in_progress"] == [5, 2]
    assert "**done**: cancelled" in said(github)
    assert ask("stop") == 1 and "no session of this tag is running" in said(github)


def test_what_failed_is_said_too(ask: Ask, github: FakeGitHub) -> None:
    github.faults.append(Fault("GET", "/runs", 403, {"message": "Resource not accessible by integration"}))
    assert ask("stop") == 4
    assert "❌ **failed**" in said(github) and "actions: read" in said(github)


# Going on


def told(repository: Git, **settings: str) -> None:
    """An invocation that was told this, and one experiment after it that cost a dollar."""
    with Work(repository.top) as work:
        work.notebook.note(TOLD, json.dumps(settings))
        newest = work.experiments[-1]
        number = len(work.experiments)
        work.notebook.begin(number, tree=newest.tree, parent=newest.parent, description="x")
        now = datetime.now(timezone.utc)
        usage = Usage(1000, 500, cost=1.0)
        work.notebook.record(replace(newest, number=number, commit="", usage=usage, ended=now, judge={}))


def test_it_goes_on_as_the_session_was_with_what_is_left_of_its_budget(
    ask: Ask, published: Git, github: FakeGitHub
) -> None:
    told(published, agent="claude", model="m", max_cost="2.5", max_tokens="2000", patience="9", duration="28800")
    git(published.top, "push", "-q", "origin", f"{LEDGER}:{LEDGER}")
    assert ask("continue 50") == 0
    (started,) = github.dispatches
    assert started["workflow"] == "autoresearch.yml" and started["inputs"] == {
        "tag": "demo",
        "config": "autoresearch.config.md",
        "experiments": "50",
        "agent": "claude",
        "model": "m",
        "max-cost": "1.50",
        "max-tokens": "500",
        "patience": "9",
        "duration": "28800",
    }
    assert "max-cost 1.50" in said(github).replace("\\", "")


def test_a_budget_that_is_spent_is_said(ask: Ask, published: Git, github: FakeGitHub) -> None:
    told(published, max_cost="1")
    git(published.top, "push", "-q", "origin", f"{LEDGER}:{LEDGER}")
    assert ask("continue 50") == 1 and not github.dispatches
    assert "**refused**: its budget is spent: 1 of max" in said(github)
