from __future__ import annotations

import json
from dataclasses import replace

import pytest

from pytest_autoresearch.protocol.markdown import parse
from pytest_autoresearch.protocol.model import Direction, PathRule, Protocol
from pytest_autoresearch.protocol.serialise import digests, from_json, to_json
from tests.protocol.generated import CONFIGS


@pytest.fixture
def plain() -> Protocol:
    path = next(path for path in CONFIGS if path.stem == "plain")
    return parse(path.read_text(encoding="utf-8"), file="ex/c.md")


def test_the_documented_form(plain: Protocol) -> None:
    form = to_json(plain)
    assert form["metric"] == {
        "name": "val_bpb",
        "direction": "lower",
        "extract": "grep \"^val_bpb:\" run.log | tail -1 | cut -d' ' -f2",
        "target": 0.95,
        "min_delta": "0.05%",
        "bounds": [0.0, 8.0],
        "file": None,
    }
    assert form["targets"] == ["train.py", "configs/*.yaml"]
    assert form["target_notes"]["configs/*.yaml"] == "hyperparameters"
    assert (form["readonly"], form["run"]) == (["prepare.py"], "uv run train.py")
    assert (form["budget"], form["kill_timeout"]) == (300.0, 600.0)
    assert (form["branch"], form["directory"], form["source"]) == ("autoresearch/mar17-lr", "ex", "ex/c.md")
    assert form["constraints"] == ["No new packages", "Peak memory stays below 45 GB"]
    assert form["extra_sections"] == [] and form["options"] == {} and form["holdout"] is None


def test_the_form_is_plain_json_and_reads_back(plain: Protocol) -> None:
    assert from_json(json.loads(json.dumps(to_json(plain)))) == plain


def test_an_older_form_without_newer_fields_is_read() -> None:
    form = {"goal": "", "metric": {"name": "x", "direction": "higher"}, "targets": ["a"], "run": "b"}
    protocol = from_json(form)
    assert (protocol.metric.direction, protocol.targets, protocol.readonly) == (Direction.HIGHER, (PathRule("a"),), ())


@pytest.mark.parametrize(
    ("name", "changed"),
    [
        ("metric", lambda p: replace(p, metric=replace(p.metric, name="other"))),
        ("direction", lambda p: replace(p, metric=replace(p.metric, direction=Direction.HIGHER))),
        ("extract", lambda p: replace(p, metric=replace(p.metric, extract=None))),
        ("run", lambda p: replace(p, run="other")),
        ("budget", lambda p: replace(p, budget=1.0)),
        ("targets", lambda p: replace(p, targets=(PathRule("other"),))),
        ("readonly", lambda p: replace(p, readonly=())),
        ("data", lambda p: replace(p, data=("d",))),
        ("env", lambda p: replace(p, env={"A": "1"})),
    ],
)
def test_a_change_that_makes_results_incomparable_changes_one_digest(
    plain: Protocol, name: str, changed: object
) -> None:
    before, after = digests(plain), digests(changed(plain))  # type: ignore[operator]
    assert {key for key in before if before[key] != after[key]} == {name}


def test_everything_else_changes_no_digest(plain: Protocol) -> None:
    notes = tuple(PathRule(rule.pattern, "other") for rule in reversed(plain.targets))
    other = replace(plain, goal="x", notes="y", kill_timeout=1e6, constraints=(), guard=("t",), tag="z", targets=notes)
    assert digests(other) == digests(plain)
