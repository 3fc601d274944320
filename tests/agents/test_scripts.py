"""What a search turns in sixteen scripts, in more languages and in large files: knobs, and never the metric."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pytest_autoresearch.agents.search.agent import create
from pytest_autoresearch.agents.search.finders import find_knobs, read_knobs
from pytest_autoresearch.agents.search.finders.choosing import choose, judged
from pytest_autoresearch.agents.search.knob import Knob, Scale, splice
from pytest_autoresearch.agents.search.strategies.prospects import steps
from pytest_autoresearch.reading.seeds import only_moves_seeds
from tests.agents.greedy import Session
from tests.agents.scripts_others import SCRIPTS
from tests.agents.scripts_python import Script
from tests.cost import seconds

EARLY = 20  # what stands later is turned late


def chosen(script: Script) -> tuple[Knob, ...]:
    return choose(find_knobs(script.file, script.text.encode(), script.metric))


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.file)
def test_no_seed_no_split_and_nothing_of_the_metric_is_turned(script: Script) -> None:
    data = script.text.encode()
    knobs = chosen(script)
    for line in script.never:
        assert script.text.count(line) >= 1, line
        start = data.index(line.encode())
        assert not [knob.label for knob in knobs if start <= knob.start < start + len(line.encode())], line


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.file)
@pytest.mark.parametrize(("name", "most"), [("sweep", 120), ("random", 30), ("auto", 60)])
def test_no_proposal_changes_the_metric_a_split_or_a_seed(script: Script, name: str, most: int, tmp_path: Path) -> None:
    agent, file = create(name), Path(script.file).name
    assert agent is not None
    proposed = []

    def measure(files: Mapping[str, bytes]) -> float:
        text = files[file].decode()
        proposed.append(text)
        return zlib.crc32(text.encode()) / 2**32  # one state of two is a gain, whatever it is

    Session(tmp_path, {file: script.text.encode()}, measure, metric=script.metric).run(agent, most)
    assert len(set(proposed)) > 10
    for line in script.never:
        assert all(text.count(line) == script.text.count(line) for text in proposed), line


def test_the_knobs_that_were_written_down_are_found_early() -> None:
    wanted = [(script, label) for script in SCRIPTS for label in script.wanted.split()]
    early = {script.file: [knob.label for knob in chosen(script)[:EARLY]] for script in SCRIPTS}
    missed = [(script.file, label) for script, label in wanted if label not in early[script.file]]
    assert len(missed) <= 0.05 * len(wanted), missed


@pytest.mark.parametrize("script", SCRIPTS, ids=lambda script: script.file)
def test_every_literal_says_why_it_is_open_or_closed_and_stands_where_it_says(script: Script) -> None:
    data = script.text.encode()
    found = read_knobs(script.file, data, script.metric)
    assert found.unread == ""
    for knob in judged(found.knobs):
        assert data[knob.start : knob.end].decode() == knob.text
        assert not knob.closed or len(knob.closed.split()) >= 2


# ── languages and formats ─────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("file", "text", "label", "shown", "turned"),
    [
        ("a.c", "int main(void) { const double omega = -1.5f; }", "omega", "-1.5", "-3.0f"),
        ("a.c", "#define TILE 32 // cells\r\nint x;\r\n", "TILE", "32", "64 // cells\r\n"),
        ("a.cpp", "void f(int depth = 8);", "depth", "8", "16"),
        ("a.rs", "fn f() { let rate: f64 = -0.5; }", "rate", "-0.5", "-1.0;"),
        ("a.rs", "const N: usize = 1_000usize;", "N", "1_000", "2_000usize"),
        ("a.go", "package m\n\nvar rate = -0.5\n", "rate", "-0.5", "-1.0"),
        ("a.go", "package m\n\nvar c = Config{Depth: 8}\n", "Depth", "8", "16}"),
        ("a.js", "const c = { 'depth': 8, rate: 0.5 };", "depth", "8", "16,"),
        ("a.ts", "class A { private rate: number = 0.5; }", "rate", "0.5", "1.0;"),
        ("a.tsx", "const depth: number = 8;", "depth", "8", "16;"),
        ("a.jl", "const RATE = -0.5\n", "RATE", "-0.5", "-1.0"),
        ("a.jl", "f(x; depth=8) = x\n", "depth", "8", "16)"),
        ("a.java", "class A { static final int DEPTH = 8; }", "DEPTH", "8", "16;"),
        ("a.java", "class A { long big = 800L; }", "big", "800", "1600L"),
        ("a.sh", "export DEPTH=8\n", "DEPTH", "8", "16\n"),
        ("a.R", "depth <- 8L\nset.seed(1)\n", "depth", "8", "16L"),
        ("a.toml", "[a]\nb = { # 1.1\n  depth = 8,\n}\n", "a.b.depth", "8", "16,"),
        ("a.jsonc", '{\n  // how deep\n  "depth": 8, /* layers */\n}\n', "depth", "8", "16,"),
        ("a.gin", "train/Model.depth = 8\n", "train/Model.depth", "8", "16"),
        (".env", "DEPTH=8 # layers\n", "DEPTH", "8", "16 #"),
        ("a.ini", "[net]\ndepth = 8 ; layers\n", "net.depth", "8", "16 ;"),
    ],
)
def test_a_knob_of_each_kind_of_file_moves_and_nothing_else(
    file: str, text: str, label: str, shown: str, turned: str
) -> None:
    knob = next(knob for knob in choose(find_knobs(file, text.encode())) if knob.label == label)
    assert knob.shown == shown
    moved = splice(text.encode(), [(knob, steps(knob)[0].knob)]).decode()
    assert turned in moved
    assert moved.replace(steps(knob)[0].knob.text, knob.text, 1) == text


def test_a_knob_in_a_notebook_moves_and_no_other_byte() -> None:
    script = next(script for script in SCRIPTS if script.file.endswith(".ipynb"))
    knob = next(knob for knob in chosen(script) if knob.label == "momentum")
    moved = splice(script.text.encode(), [(knob, knob.holding(0.5))]).decode()
    assert moved == script.text.replace("momentum = 0.9", "momentum = 0.5")
    assert json.loads(moved)["cells"][1]["source"][2] == 'name = "ü"; momentum = 0.5\n'


@pytest.mark.parametrize(
    ("file", "data", "reason"),
    [
        ("a.py", b"def f(:", "no Python that this interpreter parses"),
        ("a.py", b"x = " + b"(" * 5000, "no Python|too deeply"),
        ("a.json", b"{'a': 1}", "it does not parse"),
        ("a.toml", b"a = = 5", "it does not parse"),
        ("a.ipynb", b"[]", "no notebook of version 4"),
        ("a.py", b"x = 1\0", "zero bytes"),
        ("a.txt", b"x = 1\n" * 200_000, "over 1 MB"),
        ("a.f90", b"x = 1", "no reader of Fortran"),
        ("a.R", b"f(1", "brackets that do not match|brackets do not match"),
    ],
)
def test_a_file_without_readable_knobs_says_why(file: str, data: bytes, reason: str) -> None:
    found = read_knobs(file, data)
    assert not found.knobs
    assert any(part in found.unread for part in reason.split("|")), found.unread


@pytest.mark.parametrize(
    ("remark", "choices"),
    [
        ("# adam | sgd", ("adam", "sgd")),
        ("# one of: sgd, adam, lion", ("sgd", "adam", "lion")),
        ('# "sgd", "adam" or "lion"', ("sgd", "adam", "lion")),
        ("# choices: adam/sgd", ("adam", "sgd")),
        ("# adam is good, sgd is not", ()),
        ("# adam", ()),
    ],
)
def test_choices_are_read_from_a_remark(remark: str, choices: tuple[str, ...]) -> None:
    (knob,) = find_knobs("a.py", f'FORM = "adam"  {remark}\n'.encode())
    assert (knob.scale, knob.choices) == (Scale.CHOICE, choices)


# ── cost ──────────────────────────────────────────────────────────────────────────────────────────────────────────


def table(size: int) -> bytes:
    return ("LR = 0.5\nTABLE = [" + "0.25, " * (size // 6) + "]\n").encode()


def code(size: int) -> bytes:
    line = "def f{0}(rate=0.5, depth={0}):\n    value{0} = model(rate * 2, width=64) + {0}\n    return value{0}\n"
    return "".join(line.format(at) for at in range(size // 90)).encode()


def json_table(size: int) -> bytes:
    return ('{"lr": 0.5, "table": [' + "0.25, " * (size // 6) + "1]}").encode()


@pytest.mark.parametrize(("file", "make"), [("a.py", table), ("a.py", code), ("a.json", json_table)])
def test_a_large_file_costs_no_more_than_its_size(file: str, make: Callable[[int], bytes]) -> None:
    def cost(size: int) -> float:
        data = make(size)
        assert choose(find_knobs(file, data, "loss"))[0].value == 0.5
        return seconds(lambda: choose(find_knobs(file, data, "loss")))

    assert cost(60_000) < 4 * 2.5 * cost(15_000)


@pytest.mark.parametrize(
    "text", ["LR = 0.5\nx = " + " + ".join(["1"] * 500), "LR = 0.5\n" + "if x: pass\n" + "elif x: pass\n" * 300]
)
def test_a_long_sum_and_many_branches_hide_no_knob(text: str) -> None:
    assert choose(find_knobs("a.py", text.encode(), "loss"))[0].label == "LR"


@pytest.mark.parametrize("call", ["seed(", "evaluate(", "{seed: ", "score = ("])
def test_what_stands_within_itself_costs_no_more_than_its_size(call: str) -> None:
    def cost(depth: int) -> float:
        closing = {"{": "}"}.get(call[0], ")")
        text = f"x = {call * depth}1{closing * depth};".encode()
        return seconds(lambda: (only_moves_seeds("a.js", text, text + b"\nz = 1;"), find_knobs("a.js", text, "loss")))

    assert cost(1600) < 4 * 3 * cost(400)
