from __future__ import annotations

from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol.marker import from_marker
from pytest_autoresearch.protocol.model import Amount, Direction, Limit, MetricFile, PathRule, Protocol

GOOD: dict[str, Any] = {"metric": "val_bpb", "direction": "lower", "targets": ["train.py"]}


def marked(timeout: float | None = None, **arguments: Any) -> Protocol:
    return from_marker(
        {**GOOD, **arguments},
        test_id="tests/test_train.py::test_val_bpb",
        test_file="tests/test_train.py",
        run="python -m pytest",
        timeout=timeout,
        line=12,
    )


def test_the_marker_of_the_manual() -> None:
    protocol = marked(timeout=600, readonly=["prepare.py"])
    assert (protocol.metric.name, protocol.metric.direction) == ("val_bpb", Direction.LOWER)
    assert (protocol.targets, protocol.readonly) == ((PathRule("train.py"),), (PathRule("prepare.py"),))
    assert (protocol.source, protocol.directory) == ("tests/test_train.py::test_val_bpb", PurePosixPath("tests"))
    assert (protocol.run, protocol.goal) == ("python -m pytest", "")
    assert protocol.origins["targets[0]"] == protocol.origins["metric.name"] == 12


def test_the_timeout_is_the_kill_timeout_and_half_of_it_the_budget() -> None:
    assert (marked(timeout=600).budget, marked(timeout=600).kill_timeout) == (300, 600)
    assert (marked(timeout=600, budget=100).budget, marked(budget="2m").budget) == (100, 120)
    assert (marked().budget, marked().kill_timeout) == (None, None)
    with pytest.raises(ConfigError, match="the budget of 700 s is longer than the timeout of 600 s"):
        marked(timeout=600, budget=700)


def test_a_metric_may_stand_in_a_file() -> None:
    metric = marked(metric={"from": "out/eval.json", "key": "eval.loss"}).metric
    assert (metric.name, metric.file) == ("eval.loss", MetricFile("out/eval.json", key="eval.loss"))
    metric = marked(metric={"name": "loss", "from": "m.csv", "column": "val loss", "row": -1}).metric
    assert (metric.name, metric.file) == ("loss", MetricFile("m.csv", column="val loss", row="-1"))


@pytest.mark.parametrize(
    ("metric", "complaint"),
    [
        ({"key": "a"}, "`key` needs the file"),
        ({"from": "a.json", "kye": "a"}, "`kye` is not known; known are name, from, key, column, row"),
        ({"from": "a.json", "key": "a", "row": 1}, "`key` is for JSON"),
        ({"from": "../a.json", "key": "a"}, "no file below"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(metric: dict[str, Any], complaint: str) -> None:
    with pytest.raises(ConfigError, match=complaint):
        marked(metric=metric)
    with pytest.raises(ConfigError, match="two ways to read it"):
        marked(metric={"from": "a.json", "key": "a"}, extract="tail -1 x")


def test_arguments_may_be_python_values() -> None:
    protocol = marked(
        targets=(Path("src") / "a.py", "./b.py"),
        min_delta=0.01,
        bounds=(0, None),
        target=1,
        guard="tests/",
        limits={"peak_mb": 512},
        network=True,
        env={"N": 3, "EMPTY": None},
        memory="2 GB",
        experiments=100,
        duration=3600,
        agent="claude",
        workers=2,
    )
    assert protocol.targets == (PathRule("src/a.py"), PathRule("b.py"))
    assert (protocol.metric.min_delta, protocol.metric.bounds, protocol.metric.target) == (
        Amount(0.01),
        (0.0, None),
        1.0,
    )
    assert (protocol.guard, protocol.limits) == (("tests/",), (Limit("peak_mb", at_most=512),))
    assert (protocol.network, protocol.env, protocol.memory_mb) == (True, {"N": "3", "EMPTY": ""}, 2000)
    options = protocol.options
    assert (options.experiments, options.duration, options.agents, options.workers) == (100, 3600, ("claude",), 2)


def test_one_path_or_guard_needs_no_list() -> None:
    protocol = marked(targets="train.py", guard=["tests/", "ruff check ."])
    assert (protocol.targets, protocol.guard) == ((PathRule("train.py"),), ("tests/", "ruff check ."))


@pytest.mark.parametrize(
    ("metric", "direction"),
    [
        ("benchmark.median", Direction.LOWER),
        ("benchmark.ops", Direction.HIGHER),
        ("duration", Direction.LOWER),
        ("peak_memory", Direction.LOWER),
    ],
)
def test_metrics_with_one_sensible_direction_need_none(metric: str, direction: Direction) -> None:
    assert marked(metric=metric, direction=None).metric.direction is direction


def test_parameter_sets_may_be_aggregated() -> None:
    assert marked(aggregate="geomean").aggregate == "geomean"


@pytest.mark.parametrize(
    ("arguments", "message", "remedy"),
    [
        ({"metrik": "x"}, "there is no argument `metrik`", "did you mean `metric`?"),
        ({"target_files": "x"}, "there is no argument `target_files`", "did you mean `targets`?"),
        ({"metric": None}, "`metric=` is missing", '@pytest.mark.autoresearch(metric="val_bpb"'),
        ({"targets": []}, "`targets=` is missing", "targets="),
        ({"direction": None}, "`direction=` is missing", ""),
        ({"direction": "sideways"}, "`direction=`: `sideways` is neither lower nor higher", ""),
        ({"metric": "a\tb"}, "`metric=`", ""),
        ({"targets": [["a"]]}, "`targets=`: a list stands where one value is expected", ""),
        ({"targets": [3.5, {}]}, "`targets=`: a mapping stands where one value is expected", ""),
        ({"bounds": (1, 0)}, "`bounds=`: bounds: the lower one is not below", ""),
        ({"bounds": (1, 2, 3)}, "`bounds=`: bounds are a pair", ""),
        ({"min_delta": "-1%"}, "`min_delta=`: `-1%` is negative", ""),
        ({"budget": float("nan")}, "`budget=`: `nan` is not a duration", ""),
        ({"aggregate": "mean"}, "`aggregate=`: `mean` is not known", ""),
        ({"tag": "a/b"}, "`tag=`: `a/b` is no usable branch name", ""),
        ({"patience": 0}, "`patience`: `0` is not a whole number of 1 or more", ""),
        ({"limits": object()}, "`limits`: a object stands where one value is expected", ""),
    ],
)
def test_a_mistake_in_a_marker_names_the_test_and_the_argument(arguments: Any, message: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as caught:
        marked(**arguments)
    error = caught.value
    assert str(error).startswith(f"tests/test_train.py:12: autoresearch marker: {message}")
    assert remedy in error.remedy and error.remedy


def test_arguments_without_a_name_are_refused() -> None:
    with pytest.raises(ConfigError, match="'val_bpb' has no name"):
        from_marker(GOOD, positional=("val_bpb",), test_id="t.py::t", test_file="t.py", run="x")
