"""An ordinary run of a marked test as a regression check."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timezone
from pathlib import Path

import pytest

from pytest_autoresearch.checking import certified, compared
from pytest_autoresearch.judge import JudgeState, Standing
from pytest_autoresearch.judge.spread import Spread
from pytest_autoresearch.notebook.record import History, Session
from pytest_autoresearch.protocol.experiment import Experiment, Measurement, Place, Reason, Role, Status
from pytest_autoresearch.protocol.model import Direction, Metric
from tests.marked_project import marked_project

NOISY = JudgeState(Standing(calibrated=True, noisy=True, spread=Spread().pooled(9.0, 9, 100.0)))
BASELINE = Experiment(
    number=0,
    status=Status.KEEP,
    reason=Reason.IMPROVED,
    description="baseline run, no changes",
    commit="0" * 40,
    parent="0" * 40,
    tree="0" * 40,
    fingerprint="",
    value=100.0,
    interval=(99.3, 100.7),
    measurements=tuple(Measurement(Role.INCUMBENT, value=100.0) for _ in range(10)),
    machine="here",
    judge=NOISY.to_json(),
)
SESSION = Session("t", "test_a.py::test_a", "0" * 40, {}, {}, "here", {}, datetime.now(timezone.utc))


@pytest.mark.parametrize(
    ("direction", "value", "machine", "is_regression"),
    [
        (Direction.LOWER, 102.5, "here", False),
        (Direction.LOWER, 103.5, "here", True),
        (Direction.LOWER, 50.0, "here", False),
        (Direction.HIGHER, 97.5, "here", False),
        (Direction.HIGHER, 96.5, "here", True),
        (Direction.LOWER, 103.5, "elsewhere", False),
        (Direction.LOWER, None, "here", True),
    ],
)
def test_a_single_run_is_allowed_its_noise_and_no_more(
    direction: Direction, value: float | None, machine: str, is_regression: bool
) -> None:
    level = certified(History(SESSION, (BASELINE,)), direction)
    assert level is not None
    found, words = compared(value, Metric("m", direction), level, machine=machine)
    assert found is is_regression and "the certified 100 (95 % interval 99.3 to 100.7)" in words, words


def test_an_exact_metric_has_no_slack_on_any_machine() -> None:
    exact = replace(BASELINE, interval=None, judge=JudgeState(Standing(calibrated=True)).to_json())
    level = certified(History(SESSION, (exact,)), Direction.LOWER)
    assert level is not None
    assert [compared(v, Metric("m", Direction.LOWER), level, machine="x")[0] for v in (100.0, 100.01)] == [False, True]


@pytest.mark.parametrize(
    ("devices", "is_compared"), [(("GPU-1",), True), (("GPU-2",), False), (("GPU-1", "GPU-2"), False), ((), False)]
)
def test_a_level_of_one_device_is_not_compared_with_a_run_on_another(
    devices: tuple[str, ...], is_compared: bool
) -> None:
    on_a_device = replace(BASELINE, place=Place("here", isolation="bwrap", devices=("GPU-1",)))
    level = certified(History(SESSION, (on_a_device,)), Direction.LOWER)
    assert level is not None
    found, words = compared(200.0, Metric("m", Direction.LOWER), level, machine="here", devices=devices)
    assert found is is_compared and ("is of CUDA_VISIBLE_DEVICES=GPU-1" in words) is not is_compared


def test_an_ordinary_run_that_counts_no_instructions_is_not_a_regression() -> None:
    level = certified(History(SESSION, (BASELINE,)), Direction.LOWER)
    assert level is not None
    found, words = compared(None, Metric("instructions", Direction.LOWER), level, machine="here")
    assert not found and "not compared" in words


@pytest.mark.slow
def test_a_marked_test_fails_while_it_is_worse_than_its_session_has_certified(tmp_path: Path) -> None:
    project = marked_project(tmp_path)
    before = project.pytest("--autoresearch-check", "-q")
    assert before.returncode == 0 and "no session of it is in this repository" in before.stdout
    project.loop("test_loss.py", "--autoresearch-tag=a")

    behind = project.pytest("--autoresearch-check", "-q")
    assert behind.returncode == 1 and "1 failed, 1 passed" in behind.stdout, behind.stdout
    assert "loss 37 is worse than the certified 5 of experiment 0001 on autoresearch/a" in behind.stdout
    assert project.pytest("-q").returncode == 0

    project.git("merge", "-q", "autoresearch/a")
    merged = project.pytest("--autoresearch-check", "-q")
    assert merged.returncode == 0 and "loss 5 holds the certified 5" in merged.stdout, merged.stdout
    assert project.pytest("--autoresearch-check", "--autoresearch").returncode == 4


@pytest.mark.slow
def test_aggregated_parameter_sets_are_checked_as_one_and_only_when_all_of_them_have_passed(tmp_path: Path) -> None:
    project = marked_project(tmp_path)
    project.test(
        """
@pytest.mark.parametrize("factor", [1, 4])
@pytest.mark.autoresearch(metric="loss", direction="lower", targets=["model.py"], aggregate="geomean", tag="both")
def test_loss(factor, record_metric):
    record_metric("loss", factor * model.loss())
    assert factor < 4 or model.RATE > 0
"""
    )
    project.loop("test_loss.py")

    behind = project.pytest("--autoresearch-check", "-q", "-rA")
    assert behind.returncode == 1 and "1 failed, 1 passed" in behind.stdout, behind.stdout
    assert "FAILED test_loss.py::test_loss[4]" in behind.stdout
    assert "test_loss.py::test_loss: geometric mean of 2 parameter sets: loss 74 is worse than" in behind.stdout

    for words in (["test_loss.py::test_loss[1]"], ["-k", "not 4"]):
        one = project.pytest("--autoresearch-check", "-q", *words)
        assert one.returncode == 0 and "only 1 of 2 parameter sets passed" in one.stdout, one.stdout

    project.git("merge", "-q", "autoresearch/both")
    merged = project.pytest("--autoresearch-check", "-q")
    assert merged.returncode == 0 and "loss 10 holds the certified 10" in merged.stdout, merged.stdout

    project.write("model.py", "RATE = -1.0\ndef loss(): return 1.0\n")
    failing = project.pytest("--autoresearch-check", "-q")
    assert failing.returncode == 1 and "only 1 of 2 parameter sets passed" in failing.stdout, failing.stdout
