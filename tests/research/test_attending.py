"""What people ask of a running session is carried out between experiments, once, and answered in the ledger."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from pytest_autoresearch.notebook import orders
from pytest_autoresearch.notebook.chain import read_history
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.orders import Order, Outcome
from pytest_autoresearch.protocol.experiment import Outcome as Grouped
from tests.conftest import Project
from tests.research.noisy import make_noisy, scripted

ALL_NIGHT = ("--autoresearch", "--autoresearch-experiments=6")


def asked(project: Project, *wanted: Order, during: tuple[str, ...] = ALL_NIGHT) -> dict[str, orders.Answer]:
    """Run six more experiments while these orders wait; the answers by id."""
    with Git.discover(project.root) as git:
        for order in wanted:
            orders.place(git, "demo", order)
    done = project.pytest(*during)
    assert done.returncode == 0, done.stdout
    with Git.discover(project.root) as git:
        assert orders.waiting(git, "demo") == []
        return orders.answers(read_history(git, "demo"))


@pytest.mark.slow
def test_a_keep_is_dropped_while_the_session_runs_and_stays_out(project: Project) -> None:
    assert project.pytest(*ALL_NIGHT).returncode == 0
    with Git.discover(project.root) as git:
        dropped = read_history(git, "demo").keeps[-1].number
    found = asked(project, Order("a", "drop", str(dropped), by="reviewer"), Order("b", "drop", "99"))
    assert found["a"].outcome is Outcome.DONE and f"{dropped:04d} is out" in found["a"].text
    assert found["b"].outcome is Outcome.REFUSED and "no experiment 99" in found["b"].text
    with Git.discover(project.root) as git:
        history = read_history(git, "demo")
        assert dropped not in [keep.number for keep in history.keeps]
        assert [e.number for e in history.experiments] == list(range(13))
        assert git.resolve("autoresearch/demo") == (history.incumbent.commit if history.incumbent else None)


@pytest.mark.slow
def test_what_was_proven_with_a_dropped_keep_is_proven_again_at_once(project: Project) -> None:
    make_noisy(project)
    edits = [("steeper", "FAST = 10.0", "FAST = 2.0"), ("a bonus", "# between the knobs", "FAST -= 8.0")]
    agent = scripted(project, *edits, ("a comment", "IDLE = 10.0", "IDLE = 10.0  # NUMBER"))
    assert project.pytest("--autoresearch", "--autoresearch-experiments=2", agent).returncode == 0
    with Git.discover(project.root) as git:
        (group,) = read_history(git, "demo").groups
    assert (group.keeps, group.outcome) == ((1, 2), Grouped.CERTIFIED)

    found = asked(project, Order("a", "drop", "1"), during=("--autoresearch", "--autoresearch-experiments=1", agent))
    assert "0001 is out" in found["a"].text and "group of 1 (0002), measured on" in found["a"].text, found["a"].text
    with Git.discover(project.root) as git:
        history = read_history(git, "demo")
    again = history.groups[-1]
    assert (again.keeps, again.outcome, again.base) == ((2,), Grouped.CERTIFIED, 0)
    assert [keep.number for keep in history.keeps] == [2] and not history.provisional
    next_one = history.experiments[-1]
    assert next_one.number == 3 and next_one.ended is not None and again.when < next_one.ended


@pytest.mark.slow
def test_more_experiments_a_verification_and_a_stop(project: Project) -> None:
    found = asked(project, Order("a", "continue", "3"), Order("b", "verify"))
    assert found["a"].text == "3 experiments more, 9 to go"
    assert found["b"].outcome is Outcome.REFUSED and "nothing was kept" in found["b"].text
    with Git.discover(project.root) as git:
        assert len(read_history(git, "demo").experiments) == 1 + 6 + 3
    found = asked(project, Order("c", "verify"), Order("d", "stop", by="reviewer"))
    assert found["c"].outcome is Outcome.DONE and "verified gain" in found["c"].text
    with Git.discover(project.root) as git:
        history = read_history(git, "demo")
    assert len(history.experiments) == 10 and history.ending is not None
    assert history.ending.text == "reviewer asked for it"


@pytest.mark.slow
def test_the_commands_hand_over_to_the_session_that_runs_and_wait_for_its_answer(
    project: Project, wait_for: Callable[[Path], None]
) -> None:
    slow = "import time\ntime.sleep(0.2)\n" + (project.root / "train.py").read_text()
    project.write("train.py", slow)
    project.commit("slower")
    command = [*project.pytest_command, "--autoresearch", "--autoresearch-experiments=500"]
    job = subprocess.Popen(command, cwd=project.root, env=project.env, stdout=subprocess.DEVNULL)
    try:
        with Git.discover(project.root) as git:
            keep = first_keep(git)
        done = project.cli("drop", str(keep), "--tag", "demo")
        said = done.stdout + done.stderr
        assert "demo is running" in done.stderr
        assert f"{keep:04d} is out" in said or ("drop" in said and done.returncode == 1), said
        with Git.discover(project.root) as git:
            first_keep(git, after=keep)  # the one that is out may have been the only one
        verified = project.cli("verify", "--tag", "demo")
        assert verified.returncode == 0 and "verified gain" in verified.stdout, verified.stdout + verified.stderr
        refused = project.cli("drop", "0", "--tag", "demo")
        assert refused.returncode == 1 and "is no keep" in refused.stdout
    finally:
        job.send_signal(signal.SIGINT)
        job.wait(60)
    assert job.returncode == 2


def first_keep(git: Git, after: int = 0) -> int:
    """The number of the first keep that stands, of those after this one."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if git.resolve("refs/autoresearch/demo/log") is not None:
            for keep in read_history(git, "demo").keeps:
                if keep.number > after:
                    return keep.number
        time.sleep(0.05)
    raise AssertionError(os.listdir(git.top))
