"""``knobs`` as people write it: one canonical entry for each name, and a plain refusal of the rest."""

from __future__ import annotations

import pytest
import yaml

from pytest_autoresearch.protocol.knobs import knob_entries, rule_of


@pytest.mark.parametrize(
    ("written", "entries"),
    [
        ("[LR, depth]", ("LR", "depth")),
        ("LR", ("LR",)),
        ("LR, depth", ("LR", "depth")),
        ("{LR: 1e-4..1e-1 log}", ("LR: 0.0001..0.1 log",)),
        ("['LR: 1e-4..1e-1 log']", ("LR: 0.0001..0.1 log",)),
        ("- LR: 1e-4..1e-1", ("LR: 0.0001..0.1",)),
        ("{LR: 1e-4 to 1e-1}", ("LR: 0.0001..0.1",)),
        ("{LR: between 0.1 and 0.5}", ("LR: 0.1..0.5",)),
        ("{LR: '[1e-4, 1e-1]'}", ("LR: 0.0001..0.1",)),
        ("{LR: [1e-4, 1e-1]}", ("LR: 0.0001..0.1",)),
        ("{LR: {low: 1e-4, high: 1e-1, log: true}}", ("LR: 0.0001..0.1 log",)),
        ("{LR: {min: 0, max: 1, scale: linear}}", ("LR: 0.0..1.0 linear",)),
        ("{LR: {range: 1e-4..1e-1}}", ("LR: 0.0001..0.1",)),
        ("{LR: {range: [1e-4, 1e-1], scale: log}}", ("LR: 0.0001..0.1 log",)),
        ("{LR: {low: 1, range: [0, 5]}}", ("LR: 1.0..5.0",)),
        ("{LR: {range: [1, 5], high: 4}}", ("LR: 1.0..4.0",)),
        ("{LR: 'loguniform(1e-4, 1e-1)'}", ("LR: 0.0001..0.1 log",)),
        ("{width: [16, 32, 64]}", ("width: 16|32|64",)),
        ("{width: '16, 32, 64'}", ("width: 16|32|64",)),
        ("{opt: adam|sgd}", ("opt: adam|sgd",)),
        ("{opt: [adam, sgd]}", ("opt: adam|sgd",)),
        ("{opt: {choices: [adam, sgd]}}", ("opt: adam|sgd",)),
        ("{sched: linear|cosine}", ("sched: linear|cosine",)),
        ("{LR: null, depth: yes, width: no}", ("LR", "depth", "!width")),
        ("{exclude: [a, 'b*']}", ("!a", "!b*")),
        ("{LR: 1..2, exclude: a}", ("LR: 1.0..2.0", "!a")),
        ("['train.py:LR', '!depth']", ("train.py:LR", "!depth")),
        ("['train.py:LR: 1..2']", ("train.py:LR: 1.0..2.0",)),
        ("['LR = 1..2']", ("LR: 1.0..2.0",)),
    ],
)
def test_what_people_write(written: str, entries: tuple[str, ...]) -> None:
    assert knob_entries(yaml.safe_load(written)) == entries
    assert tuple(str(rule_of(entry)) for entry in entries) == entries


@pytest.mark.parametrize(
    ("written", "message"),
    [
        ("{LR: 5..2}", "the lower bound first"),
        ("{LR: fast}", "neither a range nor choices"),
        ("{LR: {low: 1}}", "needs `low` and `high`"),
        ("{LR: {range: [1, 2, 3]}}", "needs `low` and `high`"),
        ("{opt: [a, 'b\"']}", "needs quoting"),
        ("[5]", "no name"),
        ("['']", "an entry is empty"),
    ],
)
def test_what_is_refused_says_what_to_write(written: str, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        knob_entries(yaml.safe_load(written))
