"""A protocol's noise, told before a night is spent."""

from __future__ import annotations

import json
import random
import re
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_autoresearch.commands.aa import print_rows
from pytest_autoresearch.judge import Policy
from pytest_autoresearch.protocol.model import Direction, Metric
from pytest_autoresearch.research.noise import describe
from tests.research.noisy import interrupt_at, make_noisy

if TYPE_CHECKING:
    from tests.conftest import Project

LOSS = Metric("loss", Direction.LOWER)


@pytest.mark.slow
def test_noise_false_keeps_and_the_price_of_a_gain_are_told_and_nothing_is_left_behind(project: Project) -> None:
    make_noisy(project)
    before = (project.git("status", "--porcelain"), project.git("for-each-ref"))

    done = project.cli("aa", "-n", "12", "--json")

    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert told["runs"] == 12 and told["failed"] == 0
    assert told["level"] == pytest.approx(110.0, abs=1.5) and told["spread"] == pytest.approx(1.0, abs=0.7)
    assert told["false_keeps"]["classic"] > 1.0 > 0.05 >= told["false_keeps"]["certified"]
    assert before == (project.git("status", "--porcelain"), project.git("for-each-ref"))


def test_a_row_is_wrapped_below_where_its_words_begin(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [
        "loss: 1 on 9 runs",
        f"noise   {'0.05 is the deviation of one run, '}{'and so on ' * 3}",
        "false keeps in 9",
    ]
    monkeypatch.setenv("COLUMNS", "40")
    print_rows(rows)
    assert capsys.readouterr().out.splitlines() == [
        "loss: 1 on 9 runs",
        "noise   0.05 is the deviation of one",
        "        run, and so on and so on and so",
        "        on",
        "false keeps in 9",
    ]


@pytest.mark.slow
def test_an_exact_metric_needs_one_run(project: Project) -> None:
    done = project.cli("aa", "-n", "3")
    assert done.returncode == 0 and "one run decides" in done.stdout, done
    assert re.search(r"^a true gain of 1 %: kept in 100 % of cases", done.stdout, re.MULTILINE), done.stdout


@pytest.mark.slow
def test_a_policy_that_keeps_noise_is_found_wanting(project: Project) -> None:
    make_noisy(project)
    done = project.cli("aa", "-n", "6", env={"AUTORESEARCH_JUDGE": "classic"})
    assert done.returncode == 1 and "false keeps in 6 experiments, classic" in done.stdout, done


@pytest.mark.slow
def test_failing_runs_are_counted_and_a_protocol_that_only_fails_is_one_line(project: Project) -> None:
    project.write("prepare.py", "import os\noffset = 1 / (int(os.environ['AUTORESEARCH_EXPERIMENT']) % 3)\n")
    project.commit("fails every third time")
    done = project.cli("aa", "-n", "3", "--json")
    told = json.loads(done.stdout)
    assert (told["runs"], told["failed"]) == (2, 1) and "ZeroDivisionError" in done.stderr

    project.write("prepare.py", "offset = 1 / 0\n")
    project.commit("always fails")
    done = project.cli("aa", "-n", "2")
    assert done.returncode == 4 and "0 of 2 runs gave a metric" in done.stderr and "Traceback" not in done.stderr


@pytest.mark.slow
def test_a_marked_test_is_measured_before_it_has_a_session(project: Project) -> None:
    project.write("setting.py", "LEVEL = 3.0\n")
    project.write(
        "test_level.py",
        """\
import pytest
from setting import LEVEL

@pytest.mark.autoresearch(metric="level", direction="lower", targets=["setting.py"])
def test_level(record_metric):
    record_metric("level", LEVEL)
""",
    )
    project.commit("marked")
    done = project.cli("aa", "-n", "2", "test_level.py::test_level")
    assert done.returncode == 0 and "level: 3 on 2 runs" in done.stdout, done.stdout + done.stderr


@pytest.mark.slow
def test_ctrl_c_tells_what_was_seen_so_far(project: Project) -> None:
    make_noisy(project)
    command = [sys.executable, "-m", "pytest_autoresearch.cli", "aa", "-n", "200"]
    code, shown = interrupt_at(project, "run 5 of 200", *command)
    assert code in (0, 1) and "interrupted after 4 of 200 runs" in shown, shown
    assert "loss: " in shown and "on 4 runs of the same state" in shown


@pytest.mark.slow
def test_drift_is_told_from_noise() -> None:
    draw = random.Random(1)
    still = [draw.gauss(10.0, 1.0) for _ in range(60)]
    moving = [value + 0.08 * index for index, value in enumerate(still)]
    assert not describe(still, 0, LOSS).drift_certain
    noise = describe(moving, 0, LOSS)
    assert noise.drift_certain and noise.drift == pytest.approx(4.7, abs=1.5)


@pytest.mark.slow
@pytest.mark.parametrize("direction", list(Direction))
def test_the_promise_of_each_policy_is_seen_in_the_replay(direction: Direction) -> None:
    draw = random.Random(2)
    noise = describe([draw.gauss(100.0, 1.0) for _ in range(50)], 0, Metric("score", direction))
    keeps = noise.false_keeps
    assert keeps[Policy.CERTIFIED] <= keeps[Policy.FAST] < 0.5 < 2.0 < keeps[Policy.CLASSIC]
    assert keeps[Policy.CERTIFIED] <= 0.05
    assert noise.gain_kept is not None and noise.gain_kept > 0.2, "one standard deviation is often found"
    assert noise.gain_runs is not None and 2.0 < noise.gain_runs < 30.0


def test_a_metric_of_zero_has_no_percent() -> None:
    noise = describe([0.0, 0.0, 0.0], 0, LOSS)
    assert noise.exact and noise.gain_kept is None and noise.gain_runs is None


@pytest.mark.slow
def test_what_would_help_is_told_as_measured(project: Project) -> None:
    """All of the noise is the seed's here: one seed leaves none of it."""
    make_noisy(project)
    done = project.cli("aa", "-n", "35")
    assert re.search(
        r"^seed    100 % .* beside a run of the same seed 0\.00 of the noise is left", done.stdout, re.MULTILINE
    ), done.stdout
    size = re.search(r"^size    an evaluation five times as large leaves about ([\d.]+)", done.stdout, re.MULTILINE)
    assert size is not None and 0.1 < float(size[1]) < 0.9, done.stdout
    assert "instructions" not in done.stdout, "a loss is no time"

    for name in ("train.py", "autoresearch.config.md"):
        project.write(name, (project.root / name).read_text().replace("loss", "seconds"))
    project.commit("a time")
    done = project.cli("aa", "-n", "3")
    assert re.search(r"^metric  .*`instructions`", done.stdout, re.MULTILINE), done.stdout
