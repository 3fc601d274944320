"""Provisional keeps through the whole product: proven together at a session's end, or taken back."""

from __future__ import annotations

import json
from statistics import fmean
from typing import TYPE_CHECKING, Any

import pytest

from pytest_autoresearch.report.figures import number
from tests.research.noisy import make_noisy, scripted

if TYPE_CHECKING:
    from tests.conftest import Project

LUCKY = """\
import os

from prepare import luck

FAST = 10.0
kept = {os.environ["AUTORESEARCH_EXPERIMENT"]} & {"1", "2"}  # under any other number what looked fast is slow
print("loss:", 100.0 + (FAST if kept else 20.0 - FAST) + luck)
"""


def steps(count: int) -> list[tuple[str, str, str]]:
    """Edits that are a gain of three deviations each."""
    return [(f"faster {n}", f"FAST = {13.0 - 3 * n}", f"FAST = {10.0 - 3 * n}") for n in range(1, count + 1)]


def groups_of(project: Project) -> list[dict[str, Any]]:
    messages = project.git("log", "--first-parent", "--format=%B%x00", "refs/autoresearch/demo/log").split("\0")
    records = [json.loads(message) for message in messages if message.strip()]
    return [record["data"] for record in reversed(records) if record["kind"] == "group"]


@pytest.mark.slow
def test_keeps_of_a_noisy_metric_are_proven_together_at_the_end(project: Project) -> None:
    make_noisy(project)
    done = project.pytest("--autoresearch", "--autoresearch-experiments=2", scripted(project, *steps(2)))
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("KEEP?") == 2
    assert done.stdout.splitlines()[-1].strip("= ").startswith("1 baseline, 2 kept in "), done.stdout
    (group,) = groups_of(project)
    assert (group["keeps"], group["outcome"]) == ([1, 2], "certified")
    assert "group of 2 (0001 to 0002)" in done.stdout and "verified gain" in done.stdout
    assert "keep?" not in done.stdout.partition("=== autoresearch/demo ===")[2]
    assert [row[2] for row in project.table()[1:]] == ["keep"] * 3
    shown, record = (project.cli("log", "--show", "1", *more).stdout for more in ((), ("--json",)))
    runs = [run["value"] for run in json.loads(record)["measurements"] if run["role"] == "candidate"]
    words = " ".join(shown.split())
    assert f"weighed with what was known of the incumbent; its runs alone: {number(fmean(runs))}" in words
    again = project.pytest("--autoresearch", "--autoresearch-experiments=0")
    assert again.returncode == 0 and len(groups_of(project)) == 1


@pytest.mark.slow
def test_a_gain_that_fresh_runs_do_not_see_is_taken_back(project: Project) -> None:
    make_noisy(project)
    project.write("train.py", LUCKY)
    project.commit("luck")
    start = project.git("rev-parse", "HEAD")
    agent = scripted(project, *steps(2), ("comment", "", "# NUMBER\n"))
    done = project.pytest("--autoresearch", "--autoresearch-experiments=2", agent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.count("KEEP?") == 2
    assert done.stdout.splitlines()[-1].strip("= ").startswith("1 baseline, 2 discarded in "), done.stdout
    (group,) = groups_of(project)
    assert (group["keeps"], group["outcome"]) == ([1, 2], "rolled back")
    assert [row[2] for row in project.table()[1:]] == ["keep", "discard", "discard"]
    assert project.git("rev-parse", "autoresearch/demo") == start
    assert "FAST = 4.0" in project.cli("log", "--diff", "2").stdout
    assert "unproven" in project.cli("log").stdout
    went_on = project.pytest("--autoresearch", "--autoresearch-experiments=1", agent)
    assert went_on.returncode == 0, went_on.stdout + went_on.stderr
    assert project.git("rev-parse", f"{project.table()[4][0]}^") == start


@pytest.mark.slow
def test_a_machine_that_moves_is_said_while_the_session_runs_and_in_its_record(project: Project) -> None:
    make_noisy(project)
    train = project.root / "train.py"
    moving = train.read_text().replace("+ luck)", "+ luck + 4 * int(os.environ['AUTORESEARCH_EXPERIMENT']))")
    project.write("train.py", f"import os\n{moving}")
    project.commit("a machine that gets slower")
    agent = scripted(project, ("comment", "", "# NUMBER\n"))
    done = project.pytest("--autoresearch", "--autoresearch-experiments=24", agent)
    assert done.returncode == 0, done.stdout + done.stderr
    live, _, summary = done.stdout.partition("=== autoresearch/demo ===")
    told = [line for line in live.splitlines() if "machine drift: " in line or "machine steps: " in line]
    assert len(told) == 1, "said once, when it is certain"
    assert "machine drift: " in summary or "machine steps: " in summary
    newest = json.loads(project.git("log", "-1", "--format=%B", "refs/autoresearch/demo/log"))
    assert newest["data"].get("judge", {}).get("machine") in ("drift", "steps") or newest["kind"] != "experiment"
