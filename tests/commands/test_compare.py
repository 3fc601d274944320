"""`pytest-autoresearch compare`: sessions of its own, a table with intervals, and a picture."""

from __future__ import annotations

import json
from datetime import datetime, timezone
from typing import TYPE_CHECKING

import pytest

from pytest_autoresearch.commands.compare import _half_width, _tag
from pytest_autoresearch.notebook.record import History, Session
from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Reason, Role
from pytest_autoresearch.report.comparison import chart, gains_by_run, row_of, table

if TYPE_CHECKING:
    from tests.conftest import Project

PROTOCOL = {"metric": {"name": "loss", "direction": "lower"}}


def history(*ends: tuple[Reason, float | None, int]) -> History:
    """A session from 10.0 on: reason, value and number of runs of each experiment."""
    when = datetime(2026, 1, 1, tzinfo=timezone.utc)
    found = [Experiment(0, Reason.IMPROVED.status, Reason.IMPROVED, "", "c0", "", "", "", value=10.0)]
    for number, (reason, value, runs) in enumerate(ends, 1):
        measured = (Measurement(Role.CANDIDATE, value=value),) * runs
        found.append(
            Experiment(number, reason.status, reason, "", f"c{number}", "", "", "", value, measurements=measured)
        )
    return History(Session("t", "c", "s", PROTOCOL, {}, "", {}, when), tuple(found))


def test_a_gain_counts_from_the_last_run_that_proved_it() -> None:
    told = history(
        (Reason.PROBE, 7.0, 1), (Reason.IMPROVED, 8.0, 3), (Reason.DUPLICATE, None, 0), (Reason.WORSE, 9.0, 1)
    )
    assert gains_by_run(told) == [0.0, 0.0, 0.0, 0.0, 20.0, 20.0]


def test_a_row_has_means_with_intervals_over_the_sessions() -> None:
    two = [history((Reason.IMPROVED, 8.0, 1)), history((Reason.IMPROVED, 6.0, 1), (Reason.WORSE, 9.0, 1))]
    row = row_of("auto", two, [1, 50], _half_width)
    assert row.at[1].mean == row.at[50].mean == pytest.approx(30.0)
    assert row.at[1].half == pytest.approx(12.706 * 10 * 2**0.5 / 2**0.5, rel=1e-3)
    assert row.trajectory == [0.0, pytest.approx(30.0), pytest.approx(30.0)]
    head, _, line = table([row], [1, 50])
    assert head.startswith("| agent | gain at 1 runs |") and line.startswith("| auto | 30.00 ±127.06 % |")
    assert "auto" in chart([row], "a <loss>") and "a &lt;loss&gt;" in chart([row], "a <loss>")


@pytest.mark.parametrize("agent", ["auto", "claude:opus", "command:python propose.py --of a,b"])
def test_every_agent_has_a_tag_that_git_takes(agent: str) -> None:
    tag = _tag("compare", agent, 3)
    assert tag.startswith("compare-") and tag.endswith("-3") and tag.replace("-", "").isalnum() and len(tag) <= 60


@pytest.mark.slow
def test_agents_are_compared_on_one_protocol_and_nothing_is_run_twice(project: Project) -> None:
    command = ["compare", "--agents", "sweep,random", "--experiments", "3", "--repeats", "1"]
    done = project.cli(*command, "--chart", "chart.svg")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "| sweep |" in done.stdout and "| random |" in done.stdout and "| gain | verified gain |" in done.stdout
    assert (project.root / "chart.svg").read_text().startswith("<svg")
    assert "compare-sweep-1" in (project.root / "compare.html").read_text() and "compare.html" in done.stderr
    again = project.cli(*command, "--json")
    assert again.returncode == 0 and "experiments by" not in again.stderr
    assert {row["agent"]: row["sessions"] for row in json.loads(again.stdout)} == {"sweep": 1, "random": 1}
    assert {"compare-sweep-1", "compare-random-1"} <= set(
        project.git("for-each-ref", "--format=%(refname:lstrip=3)").split()
    )

    project.write("notes.txt", "later")
    project.commit("another start")
    moved = project.cli(*command)
    assert moved.returncode != 0 and "do not compare" in moved.stderr


def test_an_agent_that_is_named_twice_is_an_error(project: Project) -> None:
    done = project.cli("compare", "--agents", "auto,auto")
    assert done.returncode == 4 and "named twice" in done.stderr
