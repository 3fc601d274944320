"""A gain that the metric's own arithmetic or reading explains is found out, and nothing else is called one."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_autoresearch.protocol.experiment import Measurement, Role
from pytest_autoresearch.protocol.model import Direction, Metric
from pytest_autoresearch.research.artefacts import (
    Turned,
    explained,
    is_unsaid_default,
    power,
    second_value,
    turned_number,
    value_alone,
)

if TYPE_CHECKING:
    from tests.conftest import Project

LOWER = Metric("seconds", Direction.LOWER)


def turned(before: str, after: str, path: str = "a.py") -> Turned | None:
    return turned_number({path: before.encode()}, {path: after.encode()})


@pytest.mark.parametrize(
    ("metric", "value", "before", "is_artefact"),
    [
        (LOWER, 0.0, 10.0, True),
        (LOWER, 1e-9, 10.0, False),
        (LOWER, 0.0, 0.0, False),
        (LOWER, None, 10.0, False),
        (Metric("s", Direction.LOWER, bounds=(0.0, None)), 0.0, 10.0, False),
        (Metric("s", Direction.LOWER, bounds=(None, 100.0)), 0.0, 10.0, False),
        (Metric("s", Direction.LOWER, bounds=(0.5, None)), 0.0, 10.0, True),
        (Metric("s", Direction.LOWER, target=0.0), 0.0, 10.0, False),
        (Metric("s", Direction.HIGHER), 0.0, 10.0, False),
        (Metric("s", Direction.HIGHER), 0.0, -10.0, True),
        (LOWER, -1.0, 10.0, True),
        (LOWER, -1.0, -0.5, False),
        (LOWER, -2.0, 10.0, False),
        (Metric("s", Direction.LOWER, bounds=(-1.0, None)), -1.0, 10.0, False),
        (LOWER, -999.0, 10.0, True),
        (Metric("s", Direction.HIGHER), 999999.0, 10.0, True),
        (Metric("s", Direction.HIGHER), 1e9 - 1, 10.0, True),
        (Metric("s", Direction.HIGHER), 99.0, 98.0, False),
        (Metric("s", Direction.HIGHER), 999.5, 998.0, False),
        (Metric("s", Direction.HIGHER, target=9999.0), 9999.0, 10.0, False),
    ],
)
def test_a_value_for_no_number_is_believed_where_somebody_said_that_it_may_be(
    metric: Metric, value: float | None, before: float, is_artefact: bool
) -> None:
    assert is_unsaid_default(metric, value, before) is is_artefact


def test_a_default_is_seen_in_the_runs_where_the_judged_value_is_weighed() -> None:
    zeros = [Measurement(Role.CANDIDATE, seed=n, duration=1.0, value=0.0) for n in range(2)]
    beside = Measurement(Role.INCUMBENT, seed=3, duration=1.0, value=10.0)
    assert value_alone([*zeros, beside], 8.5) == 0.0
    assert value_alone([*zeros, replace(zeros[0], value=9.0)], 8.5) == 8.5
    assert value_alone([], 8.5) == 8.5


def test_the_one_number_that_an_edit_turned_is_found() -> None:
    found = turned("LR = 0.1\nx = y / 100  # scale\n", "LR = 0.1\nx = y / 150  # scale\n")
    assert found is not None
    assert (found.old, found.new) == (100, 150)
    assert found.at(b"LR = 0.1\nx = y / 100  # scale\n", 120) == b"LR = 0.1\nx = y / 120  # scale\n"
    assert turned("LR = 0.1\nM = 2\n", "LR = 0.2\nM = 3\n") is None
    assert turned("LR = 0.1\n", "LR = 0.2\nx = f()\n") is None
    assert turned("LR = 0.1\n", "LR = -0.2\n") is None
    assert turned("OPT = 'adam'\n", "OPT = 'sgd'\n") is None
    assert turned("fn f() { let x = 4.0; }", "fn f() { let x = 8.0; }", "a.rs") is not None


def told(turned: Turned, before: float, after: float, deviation: float, metric: Callable[[float], float | None]) -> str:
    """How the literal explains the gain, where the metric is so of it."""
    value = second_value(turned, before, after, deviation)
    return "" if value is None else explained(turned, before, after, deviation, value, metric(value))


@pytest.mark.parametrize("exponent", [0.5, 1.0, 2.0, -0.5, -1.0, -2.0])
def test_a_factor_of_the_metric_is_explained_at_two_values(exponent: float) -> None:
    found = turned("x = 100.0\n", "x = 150.0\n")
    assert found is not None

    def metric(value: float) -> float:
        return float(7 * value**exponent)

    assert told(found, metric(100), metric(150), 0.0, metric)
    assert told(found, metric(100), metric(150), 0.01, lambda value: metric(value) * 1.005)


def test_what_follows_a_power_at_one_value_only_is_a_gain() -> None:
    found = turned("x = 100.0\n", "x = 150.0\n")
    assert found is not None
    asked: list[float] = []

    def other(value: float) -> float:
        asked.append(value)
        return 0.9

    assert told(found, 1.5, 1.0, 0.0, other) == ""
    assert len(asked) == 1
    assert told(found, 1.5, 1.1, 0.0, other) == ""
    assert told(found, 1.5, 1.0, 0.2, other) == ""  # within the noise
    assert told(found, 1.5, 1.0, 0.0, lambda _: None) == ""
    assert len(asked) == 1  # no run where the first does not fit


def test_learned_losses_are_not_taken_for_factors() -> None:
    lots = random.Random(3)
    alarms = 0
    for _ in range(400):
        best, width, floor = lots.uniform(-2, 2), lots.uniform(0.5, 3), lots.uniform(0.1, 2)
        old, new = math.exp(lots.uniform(-3, 3)), math.exp(lots.uniform(-3, 3))

        def loss(value: float, best: float = best, width: float = width, floor: float = floor) -> float:
            return floor + ((math.log(value) - best) / width) ** 2

        found = turned(f"x = {old!r}\n", f"x = {new!r}\n")
        assert found is not None
        alarms += bool(told(found, loss(old), loss(new), 0.0, loss))
    assert alarms <= 4


def trapezoids(steps: float) -> float:
    """The error of the integral of exp from 0 to 1 by so many steps: it falls as 1/n², nearly."""
    total = sum(math.exp(n / steps) for n in range(1, int(steps))) + (1 + math.e) / 2
    return total / steps - (math.e - 1)


def test_a_method_that_converges_is_not_taken_for_a_factor() -> None:
    found = turned("STEPS = 10\n", "STEPS = 20\n")
    assert found is not None
    assert told(found, trapezoids(10), trapezoids(20), 0.0, trapezoids) == ""
    assert told(found, 14.0, 7.0, 0.0, lambda steps: float(f"{140 / steps:.3g}")), "a factor, told with few digits"


def test_no_power_is_seen_in_no_change() -> None:
    assert power(1.0, 1.0, 1.5, 0.0) is None
    assert power(1.0, 1.0000001, 1.5, 0.0) is None
    assert power(1.0, 2.0, 1.0, 0.0) is None


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "status", "words"),
    [
        ((), "discard", "suspicious"),
        (("--autoresearch-suspicious", "keep"), "keep", "[suspicious: look twice]"),
        (("--autoresearch-suspicious", "ask"), "keep", "the metric moves with WIDTH"),
        (("--autoresearch-suspicious", "stop"), "discard", "stopped: 0001 is suspicious"),
    ],
)
def test_a_factor_of_the_metric_is_refused_asked_about_or_kept(
    project: Project, options: tuple[str, ...], status: str, words: str
) -> None:
    project.write("train.py", "WIDTH = 100\n")
    project.write("measure.py", "import train\nprint('loss:', 5000 / train.WIDTH)\n")
    config = (project.root / "autoresearch.config.md").read_text()
    project.write("autoresearch.config.md", config.replace("python train.py", "python measure.py"))
    project.commit("a factor")
    done = project.pytest("--autoresearch", "--autoresearch-experiments", "2", *options)
    assert words in done.stdout
    rows = [line.split("\t") for line in (project.root / "results.tsv").read_text().splitlines()]
    assert rows[2][2:] == [status, "WIDTH 100 -> 200"]
    assert not [row for row in rows[3:] if status == "discard" and row[3].startswith("WIDTH")]  # the knob is closed


def test_a_value_for_no_number_is_found_out_on_a_noisy_metric(project: Project) -> None:
    """What is judged there is weighed with the incumbent's runs, and no exact 0 any more."""
    project.write("train.py", "SIZE = 200\n")
    project.write(
        "measure.py",
        "import random\nfrom train import SIZE\nprint('loss:', random.gauss(10, 3) if SIZE >= 100 else 0)\n",
    )
    config = (project.root / "autoresearch.config.md").read_text()
    project.write("autoresearch.config.md", config.replace("python train.py", "python measure.py"))
    project.write("turn.sh", "echo SIZE = 18 > train.py; echo DESCRIPTION: smaller\n")
    project.commit("a default")
    options = ("--autoresearch-experiments", "1", "--autoresearch-suspicious", "discard")
    done = project.pytest("--autoresearch", *options, "--autoresearch-agent", "command:bash turn.sh")
    assert "loss is exactly 0, as a script prints that found no number" in done.stdout, done.stdout + done.stderr
    rows = [line.split("\t") for line in (project.root / "results.tsv").read_text().splitlines()]
    assert rows[2][2:] == ["discard", "smaller"]
