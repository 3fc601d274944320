"""What a night will bring: the arithmetic, and what doctor and the header say of real sessions."""

from __future__ import annotations

import json
import random
import re
from datetime import datetime, timedelta, timezone
from pathlib import Path

import pytest

from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Reason, Role, Usage
from pytest_autoresearch.research.estimating import (
    Estimate,
    Known,
    Noted,
    best_known,
    estimate,
    known_of,
    note,
    noted_for,
    total,
)
from tests.conftest import Project

NOON = datetime(2026, 11, 30, 12, tzinfo=timezone.utc)


def experiment(number: int, seconds: float, cost: float | None = None, agent: str = "claude") -> Experiment:
    run = Measurement(Role.INCUMBENT if number == 0 else Role.CANDIDATE, value=1.0 + number % 2 / 100, duration=5.0)
    return Experiment(
        number, Reason.WORSE.status if number else Reason.IMPROVED.status, Reason.WORSE if number else Reason.IMPROVED,
        "", "", "", "", "", value=1.0, measurements=(run, run), agent=agent, machine="here",
        usage=None if cost is None else Usage(cost=cost), started=NOON, ended=NOON + timedelta(seconds=seconds),
    )  # fmt: skip


def test_the_interval_of_a_sum_holds_what_comes() -> None:
    draw = random.Random(1)
    inside = 0
    for _ in range(400):
        known = [draw.lognormvariate(4, 0.4) for _ in range(12)]
        _, low, high = total(known, 50)
        inside += low <= sum(draw.lognormvariate(4, 0.4) for _ in range(50)) <= high
    assert 0.92 < inside / 400 < 0.99


def test_a_sessions_own_experiments_tell_time_dollars_and_noise() -> None:
    history = [experiment(0, 60), *(experiment(n, 300 + n % 3, 0.1) for n in range(1, 21))]
    known = known_of(history, ("claude",), "here")
    assert known is not None and len(known.seconds) == 20 and known.dollars == (0.1,) * 20
    told = estimate(known, 96, "grouped", is_paid=True, prices={})
    assert told.per_hour == pytest.approx(12, rel=0.01)
    assert told.hours is not None and told.hours[1] < told.hours[0] < told.hours[2]
    assert told.dollars is not None and list(told.dollars) == [pytest.approx(9.6)] * 3
    assert told.gain == 0.0, "two equal runs of each state"
    assert told.line.startswith("about 12 experiments an hour; 96 in 8 h (8 to 8); 9.60 USD (9.60 to 9.60); no noise")
    assert not told.unknown


def test_a_rate_and_a_time_are_told_without_exponents_and_in_a_unit_that_fits() -> None:
    quick = Estimate(10, per_hour=6092.0, hours=(0.00165, 0.0004, 0.0029))
    assert quick.line == "about 6090 experiments an hour; 10 in 5.9 s (1.4 to 10)"
    long = Estimate(3000, per_hour=245.3, hours=(12.2, 12.2, 12.2))
    assert long.line == "about 245 experiments an hour; 3000 in 12 h"
    assert Estimate(9000, per_hour=50.0, hours=(180.0, 96.0, 271.0)).line.endswith("9000 in 180 h (96 to 270)")


def test_other_agents_and_machines_tell_nothing() -> None:
    history = [experiment(n, 300, 0.1) for n in range(9)]
    assert known_of(history, ("codex",), "here") is None
    assert known_of(history, ("claude",), "there") is None
    assert known_of(history[:3], ("claude",), "here") is None
    assert best_known(history, ("codex",), "there", None) == Known()


def test_one_run_tells_a_range_by_the_policy_and_what_is_not_known() -> None:
    told = estimate(Known(run=10.0, source="one run"), 100, "grouped", is_paid=True, prices={})
    assert told.hours is not None
    assert [round(3600 * each / 100, 2) for each in told.hours] == [12.7, 11.7, 13.7]
    assert told.dollars is None and told.gain is None
    assert [each.split(":")[0] for each in told.unknown] == [
        "how long the agent's turns take",
        "dollars",
        "the noise",
    ]
    assert estimate(Known(), 5, "grouped", is_paid=False, prices={}).line == ""
    assert Estimate(5).line == ""


def test_noise_comes_from_aa_where_a_baseline_has_none() -> None:
    known = Noted({"run": "a"}, "here", 0.01, 2.0, 200, 4.0).known
    assert best_known([], ("auto",), "here", known) is known
    lonely = experiment(0, 60)
    lonely = Experiment(
        **{**{f: getattr(lonely, f) for f in lonely.__slots__}, "measurements": lonely.measurements[:1]}
    )
    found = best_known([lonely], ("auto",), "here", known)
    assert (found.run, found.spread) == (5.0, 0.01)
    told = estimate(known, 100, "certified", is_paid=False, prices={})
    assert told.gain is not None and told.gain == pytest.approx(2.8 * 0.01 * (1 + 1 / 6) ** 0.5)
    assert told.percent == pytest.approx(100 * told.gain / 2.0)


def test_a_noise_that_is_larger_than_the_metric_is_another_state_s() -> None:
    told = estimate(Known(run=1.0, spread=0.05, level=0.0025), 5, "grouped", is_paid=False, prices={})
    assert told.gain is None and told.unknown[-1].startswith("the noise where the metric stands now")


def test_what_aa_found_is_kept_for_the_same_protocol_and_machine(tmp_path: Path) -> None:
    noted = Noted({"run": "a"}, "here", 0.01, 2.0, 200, 4.0)
    note(tmp_path, noted)
    assert noted_for(tmp_path, {"run": "a"}, "here") == noted.known
    assert noted_for(tmp_path, {"run": "b"}, "here") is None
    assert noted_for(tmp_path, {"run": "a"}, "there") is None
    (tmp_path / "autoresearch" / "aa.json").write_text('{"digests": 5')
    assert noted_for(tmp_path, {"run": "a"}, "here") is None


@pytest.mark.slow
def test_doctor_and_the_header_say_it(project: Project) -> None:
    first = project.cli("doctor", "--estimate", "--json")
    found = {each["topic"]: each for each in json.loads(first.stdout)["findings"]}
    assert re.search(r"about [\d.e+]+ experiments an hour; 100 in .* \(from one run\)", found["estimate"]["text"])
    assert "`pytest-autoresearch aa` measures it" in found["estimate"]["remedy"]
    assert "estimate" not in {each["topic"] for each in json.loads(project.cli("doctor", "--json").stdout)["findings"]}

    assert project.cli("aa", "-n", "5").returncode in (0, 1)
    after = project.cli("doctor", "--estimate", "--no-run")
    assert re.search(r"estimate .*no noise: any gain shows \(from 5 runs of `aa`\)", after.stdout)

    began = project.pytest("--autoresearch", "--autoresearch-experiments=4", "--autoresearch-agent=random")
    assert "estimate: about" in began.stdout and "4 in" in began.stdout
    went_on = project.pytest("--autoresearch", "--autoresearch-experiments=7", "--autoresearch-agent=random")
    assert re.search(r"estimate: about [\d.e+]+ experiments an hour; 7 in .* \(.* to .*\); no noise", went_on.stdout)
