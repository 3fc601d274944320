"""No reader takes much longer than what it reads is long, and none ends a session: files, logs, documents of agents.

Each text is read at two lengths; what is asserted is how the time of the processor grows, never the time.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable

import pytest

from pytest_autoresearch.agents.search.finders import read_knobs
from pytest_autoresearch.lab.documents import documents_in
from pytest_autoresearch.lab.metrics import read_log, read_secondary
from pytest_autoresearch.protocol.model import Direction, Metric
from pytest_autoresearch.reading.door import read_source
from pytest_autoresearch.reading.seeds import only_moves_seeds
from pytest_autoresearch.reading.source import Unread
from tests.cost import seconds
from tests.expressions import STEEP

LOSS = Metric(name="loss", direction=Direction.LOWER)


def growth(read: Callable[[str], object], text: Callable[[int], str]) -> float:
    """The exponent with which the time of reading grows with the text; 0 where it is too short to matter."""
    took = []
    for length in (4_000, 32_000):
        written = text(length)
        took.append(seconds(lambda: read(written), tries=1))  # noqa: B023  # called at once
    return math.log(took[1] / took[0]) / math.log(8) if took[1] > 0.15 else 0.0


def assert_linear(read: Callable[[str], object], text: Callable[[int], str]) -> None:
    assert growth(read, text) < STEEP or growth(read, text) < STEEP  # never on one measurement


def many(unit: str, *, line: int = 0) -> Callable[[int], str]:
    """A text of one thing over and over, in lines of a length where one is given."""
    if line:
        return lambda n: (unit * (line // len(unit)) + "\n") * (n // line)
    return lambda n: unit * (n // len(unit))


@pytest.mark.parametrize("unit", ["foo loss=1 ", "foo loss=1 foo\n", "loss | ", '{"loss": ', "[1,\n", "rank 1 loss "])
@pytest.mark.parametrize("line", [0, 19_000], ids=["short", "long lines"])
def test_a_log_is_read_in_the_time_of_its_length(unit: str, line: int) -> None:
    def read(log: str) -> object:
        return read_log(log.encode(), LOSS), read_secondary(log.encode(), ["loss"], metric="m")

    assert_linear(read, many(unit, line=line))


@pytest.mark.parametrize("opening", ["[1,\n", '["' + "x" * 90 + '",\n', '{"a":\n', '[{"a": 1},\n', "[\n", '["\n'])
def test_what_begins_like_a_document_everywhere_is_none(opening: str) -> None:
    assert_linear(lambda text: documents_in(text.encode()), many(opening))
    before, after = opening * 400, "1,\n" * 400
    assert read_log(f'{before} "loss": 1\n{after}'.encode(), LOSS).value is None


@pytest.mark.parametrize("unit", ["'a' ", "1 < ", "a and ", "a = ", "a0, ", "f(1); ", "é = 1; ", "f(seed=1)\n"])
def test_a_line_of_python_is_read_in_the_time_of_its_length(unit: str) -> None:
    def text(n: int) -> str:
        start = "" if unit[0] in "xéasf" else "x = "
        return start + unit * (n // len(unit)) + ("b" if unit[0] == "a" else "1" if unit[-2:] in ("< ", "+ ") else "")

    assert_linear(lambda source: only_moves_seeds("a.py", source.encode(), f"{source}\nseed = 2\n".encode()), text)
    assert_linear(lambda source: read_knobs("a.py", source.encode(), "loss"), text)


def test_names_that_are_bound_together_are_followed_once() -> None:
    def text(n: int) -> str:
        names = ", ".join(f"a{at}" for at in range(n // 16))
        return f"{names} = ({names})\nprint('loss', a0)\n"

    assert_linear(lambda source: read_knobs("a.py", source.encode(), "loss"), text)


@pytest.mark.parametrize(("path", "unit"), [("a.rs", "x = "), ("a.js", "f(1,"), ("a.r", "f(1,"), ("a.go", "a.b")])
def test_what_stands_within_itself_is_read_once(path: str, unit: str) -> None:
    def text(n: int) -> str:
        times = n // len(unit) // 8
        return unit * times + ("1" + ")" * times if "(" in unit else "1")

    assert_linear(lambda source: read_knobs(path, source.encode(), "loss"), text)


@pytest.mark.slow
def test_a_grammar_that_finds_no_end_makes_a_file_unread() -> None:
    with pytest.raises(Unread, match="finds no end"):
        read_source("a.sh", b"a|" * 60_000)


SEEDS_IN_YAML = {
    "digits of base 60": "1" + ":1" * 40_000,
    "fraction of base 60": "1" + ":1" * 40_000 + ".5",
    "hexadecimal": "0x" + "f" * 20_000,
    "binary": "0b" + "1" * 20_000,
    "octal": "0" + "7" * 20_000,
    "no number": "!!int ''",
    "sign": "!!int '-'",
    "no date": "!!timestamp foo",
    "no truth": "!!bool foo",
    "odd key": "{? [1, 2] : 3, =: 4}",
    "itself": "&a [*a]",
}


@pytest.mark.parametrize("value", SEEDS_IN_YAML.values(), ids=SEEDS_IN_YAML)
def test_no_value_of_yaml_ends_a_session(value: str) -> None:
    text = f"a: {value}\nseed: 1\n"
    assert only_moves_seeds("a.yaml", text.encode(), text.replace("seed: 1", "seed: 2").encode())
    assert not only_moves_seeds("a.yaml", text.encode(), f"{text}b: 2\n".encode())


def test_what_merges_itself_over_and_over_is_read_once() -> None:
    levels = [f"l{n + 1}: &l{n + 1} {{<<: [*l{n}, *l{n}]}}\n" for n in range(40)]
    text = "l0: &l0 {k: 1, seed: 1}\n" + "".join(levels)
    assert only_moves_seeds("a.yaml", text.encode(), text.replace("seed: 1", "seed: 2").encode())


@pytest.mark.parametrize("base", ["0x" + "f" * 20_000, "0b" + "1" * 40_000, "0o" + "7" * 20_000])
def test_a_number_of_toml_may_be_longer_than_its_decimal_digits(base: str) -> None:
    assert only_moves_seeds("a.toml", f"seed = 1\nn = {base}".encode(), f"seed = 2\nn = {base}".encode())


def test_half_a_character_in_a_notebook_is_no_end() -> None:
    source = "seed = 1; name = '\ud800'"
    text = json.dumps({"cells": [{"cell_type": "code", "source": source}]})
    assert not only_moves_seeds("a.ipynb", text.encode(), text.replace("seed = 1", "seed = 2").encode())


LONG = "a" * 400_000
ITEMS = 20_000


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("a.toml", f"[{LONG}]\n" + "".join(f"b{n} = 2\n" for n in range(ITEMS))),
        ("a.ini", f"[{LONG}]\n" + "".join(f"b{n} = 2\n" for n in range(ITEMS))),
        ("a.yaml", f"? {LONG}\n: {{" + ", ".join(f"b{n}: 2" for n in range(ITEMS)) + "}"),
        ("a.json", json.dumps({LONG: {f"b{n}": 2 for n in range(ITEMS)}})),
        ("a.py", f"class {LONG}:\n" + "".join(f" b{n} = 2\n" for n in range(ITEMS))),
    ],
    ids=["toml", "ini", "yaml", "json", "py"],
)
def test_a_long_name_is_not_repeated_before_each_that_lies_below_it(path: str, text: str) -> None:
    knobs = read_knobs(path, text.encode()).knobs
    assert len(knobs) == ITEMS
    assert max(len(knob.label) for knob in knobs) < 1_000
