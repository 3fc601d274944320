"""Finding and writing the knobs of settings files: comments and layout survive byte for byte."""

from __future__ import annotations

import configparser
import json
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autoresearch import toml
from pytest_autoresearch.agents.search.finders import find_knobs
from pytest_autoresearch.agents.search.finders.choosing import choose
from pytest_autoresearch.agents.search.knob import Rank, shifted, short, splice
from pytest_autoresearch.agents.search.strategies.prospects import steps

YAML = """\
# Größe → Lernrate
model: &m
  depth: 12        # layers
  "dropout": 0.1
  bias: no
optim:
  lr: 3e-4
  betas: [0.9, 0.95]
  name: adamw
  seed: 7
list:
  - width: 64
  - width: 96
copy: *m
text: |
  lr: 0.5
octal: 0777
time: 12:30:45
---
second: 2.5
"""
TOML = """\
title = "a = 5"  # lr = 3
lr = 3e-4
big = 1_000
on = true
text = '''
lr = 5
'''
when = 1979-05-27
[optim]  # comment
betas = [
  0.9, # first
  0.95,
]
"quoted".key = +0.5
inline = { lr = 0.25, nested = { "wd" = 0.5 } }
[[layer]]
width = 64
[[layer]]
width = 96
"""
JSON = '{\n\t"lr": 3e-4,\t"größe": [0.5, {"n": 12}],\n\t"bias": true, "s": "0.5", "esc\\u00e9": 2.5\n}\n'
INI = """\
; lr = 9
[train]
lr = 0.1   ; comment
depth: 12
batch size = 64
flag = yes
export WIDTH=96
name = "adamw"
a long line of prose, with 5 words
url = http://x.y/5
"""


def values(file: str, text: str) -> dict[str, object]:
    return {knob.label: knob.value for knob in find_knobs(file, text.encode()) if "seed" not in knob.closed}


def test_yaml_by_path() -> None:
    assert values("a.yaml", YAML) == {
        "model.depth": 12,
        "model.dropout": 0.1,
        "model.bias": False,
        "optim.lr": 3e-4,
        "optim.betas[0]": 0.9,
        "optim.betas[1]": 0.95,
        "optim.name": "adamw",
        "list[0].width": 64,
        "list[1].width": 96,
        "octal": "0777",
        "second": 2.5,
    }


def test_toml_by_path() -> None:
    assert values("a.toml", TOML) == {
        "title": "a = 5",
        "lr": 3e-4,
        "big": 1000,
        "on": True,
        "when": "1979-05-27",
        "optim.betas[0]": 0.9,
        "optim.betas[1]": 0.95,
        "optim.quoted.key": 0.5,
        "optim.inline.lr": 0.25,
        "optim.inline.nested.wd": 0.5,
        "layer.width": 64,
        "layer.width#2": 96,
    }


def test_json_by_path() -> None:
    assert values("a.json", JSON) == {
        "lr": 3e-4,
        "größe[0]": 0.5,
        "größe[1].n": 12,
        "bias": True,
        "s": "0.5",
        "escé": 2.5,
    }


@pytest.mark.parametrize("file", ["a.ini", "a.cfg", "settings.conf", ".env", "params"])
def test_plain_files_by_section(file: str) -> None:
    assert values(file, INI) == {
        "train.lr": 0.1,
        "train.depth": 12,
        "train.batch_size": 64,
        "train.flag": True,
        "train.WIDTH": 96,
        "train.name": "adamw",
    }


def test_every_setting_is_as_likely_as_a_constant() -> None:
    assert {knob.rank for knob in choose(find_knobs("a.yaml", YAML.encode()))} == {Rank.CONSTANT}


@pytest.mark.parametrize(
    ("file", "text", "label", "line"),
    [
        ("a.yaml", YAML, "model.depth", "  depth: 24        # layers"),
        ("a.yaml", YAML, "model.bias", "  bias: yes"),
        ("a.yaml", YAML, "optim.betas[1]", "  betas: [0.9, 0.9744]"),
        ("a.toml", TOML, "big", "big = 2_000"),
        ("a.toml", TOML, "optim.quoted.key", '"quoted".key = +1.0'),
        ("a.toml", TOML, "optim.inline.nested.wd", 'inline = { lr = 0.25, nested = { "wd" = 1.0 } }'),
        ("a.json", JSON, "größe[1].n", '\t"lr": 3e-4,\t"größe": [0.5, {"n": 24}],'),
        ("a.json", JSON, "bias", '\t"bias": false, "s": "0.5", "esc\\u00e9": 2.5'),
        ("a.ini", INI, "train.lr", "lr = 0.2   ; comment"),
        ("a.ini", INI, "train.WIDTH", "export WIDTH=192"),
    ],
)
def test_one_value_changes_and_nothing_else(file: str, text: str, label: str, line: str) -> None:
    knob = next(knob for knob in find_knobs(file, text.encode()) if knob.label == label)
    wanted = steps(knob)[0].knob
    before, after = text.splitlines(), splice(text.encode(), [(knob, wanted)]).decode().splitlines()
    changed = [new for old, new in zip(before, after, strict=True) if old != new]
    assert changed == [line]


def test_a_number_of_yaml_stays_one_when_its_exponent_loses_its_minus() -> None:
    (knob,) = find_knobs("a.yaml", b"lr: 5.0e-1\n")
    assert steps(knob)[0].knob.text == "1.0e+0"
    assert all(isinstance(yaml.safe_load(step.knob.text), float) for step in steps(knob))


@pytest.mark.parametrize("file", ["a.json", "a.yaml", "a.ini"])
def test_a_byte_order_mark_stays_and_hides_nothing(file: str) -> None:
    text = {"a.json": '{"lr": 0.5}', "a.yaml": "lr: 0.5\nn:\n  - é: 7\n", "a.ini": "lr = 0.5\n"}[file]
    knob = find_knobs(file, text.encode("utf-8-sig"))[0]
    assert knob.label == "lr"
    wanted = text.replace("0.5", "1.0").encode("utf-8-sig")
    assert splice(text.encode("utf-8-sig"), [(knob, steps(knob)[0].knob)]) == wanted


def test_an_anchor_or_tag_before_a_value_stays() -> None:
    text = "a: &lr 0.5\nb: *lr\nc: !!float  7\nd: &x !!str '9'\ne: &n\n  5\n"
    assert values("a.yaml", text) == {"a": 0.5, "c": 7, "d": "9", "e": 5}
    knob = find_knobs("a.yaml", text.encode())[0]
    assert splice(text.encode(), [(knob, steps(knob)[0].knob)]) == text.replace("0.5", "1.0").encode()


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (json.dumps({"🙂": "🙂", "lr": 0.5}), {"lr": 0.5}),
        ('{"a": "\x7f\ufeff \\/ \\\\", "lr": 0.5}', {"lr": 0.5}),
        (json.dumps({"k" * 2000: 3, "lr": 0.5}), {short("k" * 2000): 3, "lr": 0.5}),
        (
            '{"a"\n:\n0.5, "b": [[], {}, [7]], "c": {"d": {"e": -9}}, "<<": {"f": 5}}',
            {"a": 0.5, "b[2][0]": 7, "c.d.e": -9, "<<.f": 5},
        ),
        ("[1.5, 2.5]", {"[0]": 1.5, "[1]": 2.5}),
        (" 7.5\n", {"": 7.5}),
    ],
)
def test_any_json_is_read(text: str, found: dict[str, object]) -> None:
    assert {label: value for label, value in values("a.json", text).items() if not isinstance(value, str)} == found


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("a.json", "{lr: 0.5}"),
        ("a.json", '{"lr": 0.5'),
        ("a.yaml", "a: [0.5"),
        ("a.yaml", "\ta: 0.5\n  b: }"),
        ("a.toml", "a = 'x"),
    ],
)
def test_a_file_that_does_not_parse_is_skipped(file: str, text: str) -> None:
    assert values(file, text) == {}


def test_a_file_that_refers_to_itself_ends() -> None:
    bomb = "a: &a [0.5]\n" + "".join(
        f"{b}: &{b} [*{a}, *{a}, *{a}]\n" for a, b in zip("abcdefghijklm", "bcdefghijklmn", strict=True)
    )
    assert values("a.yaml", "x: &x\n  y: *x\n  z: 2.5\n") == {"x.z": 2.5}
    assert values("a.yaml", bomb) == {"a[0]": 0.5}


NUMBERS = st.one_of(st.integers(2, 10**6), st.floats(1e-3, 1e3))
TREES = st.dictionaries(
    st.text("abcß_", min_size=1, max_size=4),
    st.recursive(
        st.one_of(NUMBERS, st.booleans(), st.text("ab# :,'\"0.5", max_size=6)),
        lambda children: st.one_of(
            st.lists(children, max_size=3),
            st.dictionaries(st.text("abc", min_size=1, max_size=3), children, max_size=3),
        ),
        max_leaves=8,
    ),
    max_size=5,
)


@settings(max_examples=40, deadline=None)
@given(TREES, st.sampled_from([None, 2, "\t"]), st.data())
def test_json_with_one_number_turned_is_the_same_tree_but_there(tree: Any, indent: Any, data: st.DataObject) -> None:
    text = json.dumps(tree, indent=indent, ensure_ascii=False)
    found = [knob for knob in find_knobs("a.json", text.encode()) if not isinstance(knob.value, (str, bool))]
    assert len(found) == len(_numbers(tree))
    if found:
        knob = data.draw(st.sampled_from(found))
        value = shifted(knob, 2)
        assert isinstance(value, (int, float))
        after = json.loads(splice(text.encode(), [(knob, knob.holding(value))]))
        numbers = _numbers(tree)
        numbers[found.index(knob)] = value
        assert _numbers(after) == numbers


@settings(max_examples=40, deadline=None)
@given(TREES, st.booleans(), st.data())
def test_yaml_with_one_number_turned_is_the_same_tree_but_there(tree: Any, flow: bool, data: st.DataObject) -> None:
    text = yaml.safe_dump(tree, default_flow_style=flow, allow_unicode=True, sort_keys=False)
    found = [knob for knob in find_knobs("a.yaml", text.encode()) if knob.label and type(knob.value) in (int, float)]
    plain = [knob for knob in found if knob.text[0] not in "'\""]
    assert len(plain) >= len(_numbers(tree))
    if plain:
        knob = data.draw(st.sampled_from(plain))
        value = shifted(knob, 2)
        assert isinstance(value, (int, float))
        after = splice(text.encode(), [(knob, knob.holding(value))])
        assert {k.label: k.value for k in find_knobs("a.yaml", after)} == {
            **{k.label: k.value for k in find_knobs("a.yaml", text.encode())},
            knob.label: value,
        }


def _numbers(tree: Any) -> list[float]:
    if isinstance(tree, dict):
        return [number for value in tree.values() for number in _numbers(value)]
    if isinstance(tree, list):
        return [number for value in tree for number in _numbers(value)]
    return [tree] if type(tree) in (int, float) else []


def test_toml_with_every_number_turned_still_parses() -> None:
    found = [knob for knob in find_knobs("a.toml", TOML.encode()) if steps(knob)]
    after = splice(TOML.encode(), [(knob, steps(knob)[0].knob) for knob in found])
    document = toml.loads(after.decode())
    assert document["optim"] == {
        "betas": [0.9474, 0.9744],
        "quoted": {"key": 1.0},
        "inline": {"lr": 0.5, "nested": {"wd": 1.0}},
    }
    assert [layer["width"] for layer in document["layer"]] == [128, 192]
    assert document["text"] == "lr = 5\n"


@settings(max_examples=40, deadline=None)
@given(st.dictionaries(st.text("abc", min_size=1, max_size=3), NUMBERS, min_size=1, max_size=4))
def test_an_ini_file_reads_as_its_own_parser_reads_it(settings: dict[str, float]) -> None:
    text = "[one]\n" + "".join(f"{key} = {value!r}\n" for key, value in settings.items())
    parser = configparser.ConfigParser()
    parser.read_string(text)
    assert values("a.ini", text) == {f"one.{key}": type(v)(parser["one"][key]) for key, v in settings.items()}
