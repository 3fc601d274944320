"""Metrics in files: the shapes that benchmark tools and trainers write, by key, by column, or by name alone."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_autoresearch.lab.documents import leaves, read_file, resolve
from pytest_autoresearch.protocol.experiment import Reason
from pytest_autoresearch.protocol.model import Direction, Metric, MetricFile

PYTEST_BENCHMARK = {
    "benchmarks": [{"name": "test_a", "stats": {"median": 2.5}}, {"name": "test_b", "stats": {"median": 4}}]
}
HYPERFINE = {"results": [{"command": "./a", "mean": 0.5, "times": [0.4, 0.6]}]}
GOOGLE = {"context": {"num_cpus": 8}, "benchmarks": [{"name": "BM_x/8", "real_time": 12.5, "time_unit": "ns"}]}
CRITERION = {"mean": {"point_estimate": 7.5}, "median": {"point_estimate": 7.25}}
ASV = {"results": {"bench.time_x": [[0.125], [], "v"]}, "version": 2}
WANDB = {"_step": 9, "val/loss": 0.41, "val.acc": 0.9, "_wandb": {"runtime": 3}}
TRAINER = {
    "best_metric": 0.4,
    "log_history": [{"loss": 1, "step": 1}, {"eval_loss": 0.5}, {"eval_loss": 0.41}, {"x": 1}],
}


@pytest.mark.parametrize(
    ("document", "key", "name", "value"),
    [
        (PYTEST_BENCHMARK, "benchmarks[0].stats.median", "m", 2.5),
        (PYTEST_BENCHMARK, "benchmarks[name=test_b].stats.median", "m", 4.0),
        (HYPERFINE, "results[0].mean", "m", 0.5),
        (HYPERFINE, "results.mean", "m", 0.5),
        (HYPERFINE, "results.0.times[-1]", "m", 0.6),
        (HYPERFINE, None, "mean", 0.5),
        (GOOGLE, None, "real_time", 12.5),
        (GOOGLE, "benchmarks[name=BM_x/8].real_time", "m", 12.5),
        (CRITERION, "mean.point_estimate", "m", 7.5),
        (CRITERION, None, "median.point_estimate", 7.25),
        (ASV, "results.bench.time_x[0][0]", "m", 0.125),
        (WANDB, None, "val/loss", 0.41),
        (WANDB, "val.acc", "m", 0.9),
        (WANDB, '"val/loss"', "m", 0.41),
        (TRAINER, "log_history[last].eval_loss", "m", 0.41),
        (TRAINER, None, "eval_loss", 0.41),
        (TRAINER, "best_metric", "m", 0.4),
        ({"a": {"b": "1.5"}}, "a.b", "m", 1.5),
    ],
)
def test_numbers_are_found_by_key_or_by_name(document: Any, key: str | None, name: str, value: float) -> None:
    reading = read_file(json.dumps(document).encode(), MetricFile("f.json", key), Metric(name, Direction.LOWER))
    assert reading.value == value


@pytest.mark.parametrize(
    ("document", "key", "words"),
    [
        (PYTEST_BENCHMARK, "benchmarks.stats.median", "2 entries have it: write `[last].stats.median`"),
        (PYTEST_BENCHMARK, "benchmarks[2].stats", "there are 2 entries"),
        (PYTEST_BENCHMARK, "benchmarks[name=test_c].stats.median", "0 entries have name = test_c"),
        (HYPERFINE, "results[0].meen", "results[0].mean"),
        (CRITERION, None, "mean.point_estimate"),
        ({"m": {"x": 1}}, "m", "it is not one number"),
        ({"m": True}, "m", "it is not one number"),
        ({"m": "fast"}, "m", "'fast' is not one finite number"),
        ({"a": {"m": 1}, "b": {"m": 2}}, None, "it stands there several times"),
        ({"m": 1.7976931348623157e308}, "m", "infinite"),
    ],
)
def test_what_can_not_be_meant_is_refused_and_names_what_is_there(document: Any, key: str | None, words: str) -> None:
    reading = read_file(json.dumps(document).encode(), MetricFile("f.json", key), Metric("m", Direction.LOWER))
    assert reading.value is None and words in reading.detail


def test_json_lines_and_documents_in_a_log_are_read_from_the_end() -> None:
    metric = Metric("loss", Direction.LOWER)
    lines = b'{"loss": 3}\n{"loss": 2}\n{"step": 9}\n'
    assert read_file(lines, MetricFile("log.jsonl", "loss"), metric).value == 2
    log = b'starting\n{\n "eval": {"loss": 1.5}\n}\nbye\n'
    assert read_file(log, MetricFile("run.log", "eval.loss"), metric).value == 1.5


CSV = b"epoch,step,train_loss,val_loss\n1,10,0.9,\n1,10,,0.5\n2,20,0.7,\n2,20,,0.41\n3,30,0.6,\n"


@pytest.mark.parametrize(
    ("column", "row", "value"),
    [
        (None, None, 0.41),
        ("val_loss", "last", 0.41),
        ("val_loss", "first", 0.5),
        ("val_loss", "epoch=1", 0.5),
        ("train_loss", "3", 0.7),
        ("train_loss", "-1", 0.6),
    ],
)
def test_a_table_is_read_by_column_and_row(column: str | None, row: str | None, value: float) -> None:
    file = MetricFile("lightning_logs/version_0/metrics.csv", column=column, row=row)
    assert read_file(CSV, file, Metric("val_loss", Direction.LOWER)).value == value


@pytest.mark.parametrize(
    ("file", "words"),
    [
        (MetricFile("m.csv", column="valloss"), "did you mean `val_loss`?"),
        (MetricFile("m.csv", column="val_loss", row="1"), "row 1 is not there or empty"),
        (MetricFile("m.csv", column="val_loss", row="epoch=9"), "no row has it"),
        (MetricFile("m.csv", column="val_loss", row="era=9"), "there is no column `era`"),
    ],
)
def test_a_cell_that_is_not_there_is_no_metric(file: MetricFile, words: str) -> None:
    reading = read_file(CSV, file, Metric("val_loss", Direction.LOWER))
    assert reading.failure is Reason.NO_METRIC and words in reading.detail


def test_other_separators_and_empty_files() -> None:
    metric = Metric("b", Direction.LOWER)
    assert read_file(b"a\tb\n1\t2\n", MetricFile("x.tsv"), metric).value == 2
    assert read_file(b"a;b\n1;2.5\n", MetricFile("x.csv"), metric).value == 2.5
    assert read_file(b"b: 7\n", MetricFile("score.txt"), metric).value == 7
    assert read_file(b" \n", MetricFile("x.json"), metric).failure is Reason.NO_METRIC


def test_every_key_that_is_named_is_one_that_finds_its_number() -> None:
    for document in (PYTEST_BENCHMARK, HYPERFINE, GOOGLE, CRITERION, WANDB, TRAINER):
        assert all(resolve(document, key) == value for key, value in leaves(document))


@pytest.mark.parametrize("key", [None, "loss"])
def test_a_last_document_whose_number_is_none_is_not_replaced_by_an_earlier_one(key: str | None) -> None:
    data = b'{"loss": 0.5}\n{"loss": "nan"}\n'
    reading = read_file(data, MetricFile("f.jsonl", key), Metric("loss", Direction.LOWER))
    assert reading.failure is Reason.BAD_METRIC, reading


def test_a_row_that_is_too_short_has_no_cell() -> None:
    reading = read_file(b"step,loss\n1,0.5\n2\n", MetricFile("f.csv", column="loss"), Metric("loss", Direction.LOWER))
    assert reading.value == 0.5


def test_entries_of_a_list_are_named_by_their_name_where_they_have_one() -> None:
    named = {"benchmarks": [{"name": "a", "s": 1}, {"name": "b", "s": 2}, {"command": "c", "s": 3}]}
    assert [key for key, _ in leaves(named)] == ["benchmarks[name=a].s", "benchmarks[name=b].s", "benchmarks[2].s"]
