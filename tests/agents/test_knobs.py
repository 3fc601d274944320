"""Finding, moving and writing the knobs of Python files."""

from __future__ import annotations

import ast
import gc
import math
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_autoresearch.agents.search import finders
from pytest_autoresearch.agents.search.finders import Found, find_knobs, read_knobs
from pytest_autoresearch.agents.search.finders.choosing import choose
from pytest_autoresearch.agents.search.knob import (
    Knob,
    Rank,
    Scale,
    coordinate,
    relocated,
    shifted,
    splice,
    value_at,
    value_of,
)
from pytest_autoresearch.agents.search.literals import parse_bool, parse_number, render
from pytest_autoresearch.agents.search.strategies.prospects import steps
from pytest_autoresearch.errors import AgentError

TRAIN = b'''"""A docstring with 42 in it."""
import random

LEARNING_RATE = 3e-4
TOTAL_BATCH_SIZE = 2**19
DEPTH = 8
BATCH = 64
BETAS = (0.9, 0.95)
DROPOUT = 0.1
SEED = 1337
EVAL_INTERVAL = 250
FLAG = True
ZERO = 0.0
ONE = 1
SCHEDULE = "cosine"


class Config:
    n_layer: int = 12


def train(lr=0.02, *, seed=3, warmup=100):
    random.seed(42)
    x = [1.5 for _ in range(17)]
    y = x[5] * 0.25
    print(f"{y * 100:.2f}", 99)
    return y, Adam(x, eps=1e-8, dim=2)
'''


def knob_named(label: str, source: bytes = TRAIN, file: str = "train.py") -> Knob:
    return next(knob for knob in find_knobs(file, source) if knob.label == label)


def turned(source: bytes, label: str, factor: float, file: str = "train.py") -> bytes:
    knob = knob_named(label, source, file)
    value = shifted(knob, factor)
    assert value is not None
    return splice(source, [(knob, knob.holding(value))])


# ── what is a knob ────────────────────────────────────────────────────────────────────────────────────────────────


def test_constants_come_before_defaults_and_fields_before_the_rest() -> None:
    chosen = [(knob.label, knob.rank) for knob in choose(find_knobs("train.py", TRAIN))]
    assert [label for label, rank in chosen if rank is Rank.CONSTANT] == [
        "LEARNING_RATE",
        "TOTAL_BATCH_SIZE",
        "DEPTH",
        "BATCH",
        "BETAS[0]",
        "BETAS[1]",
        "DROPOUT",
        "FLAG",
        "ZERO",
        "ONE",
        "SCHEDULE",
    ]
    assert [label for label, rank in chosen if rank is Rank.DEFAULT] == ["Config.n_layer", "train.lr", "train.warmup"]
    assert [label for label, rank in chosen if rank > Rank.DEFAULT] == ["train.Adam.eps"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("a.py", "TABLE = {}\nLR = 0.5\nBETAS = (0.9, 0.95)\n"),
        ("a.json", '{{"TABLE": {}, "LR": 0.5, "BETAS": [0.9, 0.95]}}'),
    ],
)
def test_the_entries_of_a_table_are_data(file: str, text: str) -> None:
    table = [[index + 0.5, index + 2] for index in range(10)]
    knobs = choose(find_knobs(file, text.format(table).encode()))
    assert [knob.label for knob in knobs] == ["LR", "BETAS[0]", "BETAS[1]"]


def test_seeds_are_never_knobs_even_when_they_are_named() -> None:
    assert not [knob.label for knob in choose(find_knobs("train.py", TRAIN)) if "seed" in knob.label.lower()]
    with pytest.raises(AgentError, match=r"SEED is closed \(a seed: luck is no improvement\)"):
        choose(find_knobs("train.py", TRAIN), ["SEED"])


def test_zero_and_one_are_left_alone_unless_their_name_speaks_for_them_or_they_are_named_or_moved() -> None:
    knobs = find_knobs("train.py", b"ZERO = 0\ntau = 1.0\nzero = 0\ndef f(gamma=1.0, start=0): g(1, momentum=0.0)\n")
    assert [knob.label for knob in choose(knobs)] == ["ZERO", "tau", "f.gamma", "f.g.momentum"]
    assert [knob.label for knob in choose(knobs, ["zero: 0..5", "start"])] == ["zero", "f.start"]
    assert "zero" in {knob.label for knob in choose(knobs, moved={"zero"})}


@pytest.mark.parametrize(
    "source",
    [
        "x = a[3]",
        "for i in range(10, 100, 5): pass",
        "'''text 5'''",
        'x = f"{y * 3.5}"',
        "torch.manual_seed(1234)",
        "print0(f'{3}', 77)",
        "assert x < 30",
        "raise ValueError(17)",
        "match x:\n    case 5: pass",
        "def f(x: Literal[3]) -> Annotated[int, 7]: pass",
        "@retry(5)\ndef f(): pass",
        "return_value = 'lr=0.5'",
        "x = 5if y else z",
        "x = 3j",
        "rng = np.random.default_rng(seed=5)",
    ],
)
def test_structure_display_and_luck_are_no_knobs(source: str) -> None:
    assert choose(find_knobs("train.py", source.encode())) == ()


def test_an_option_goes_by_its_name() -> None:
    source = b'parser.add_argument("-l", "--lr", type=float, default=0.1, nargs=2)\n'
    assert [knob.label for knob in find_knobs("train.py", source)] == ["--lr"]


def test_an_option_of_a_decorator_goes_by_its_name() -> None:
    source = b'@click.command()\n@click.option("--lr", default=0.1, type=float)\n@retry(5)\ndef main(lr): pass\n'
    assert [(knob.label, knob.rank) for knob in find_knobs("train.py", source)] == [("--lr", Rank.DEFAULT)]


@pytest.mark.parametrize(
    "source",
    [
        'LR = float(os.environ.get("LR", 0.5))',
        'LR = float(os.getenv("LR", 0.5))',
        'LR = float(os.environ.get("LR") or 0.5)',
        'LR = config.get("LR", 0.5)',
        'LR = float(os.environ.get("LR", default=0.5))',
    ],
)
def test_a_default_of_a_lookup_goes_by_the_name_and_the_key_is_no_knob(source: str) -> None:
    assert [(knob.label, knob.value) for knob in find_knobs("train.py", source.encode())] == [("LR", 0.5)]


def test_an_editors_name_for_utf_8_is_understood() -> None:
    assert find_knobs("train.py", "# -*- coding: utf-8-unix -*-\nLR = 0.5  # ß\n".encode())


@pytest.mark.parametrize(
    "data", [b"x = ", b"LR = 0.1\0", b"\xff = 1", b"(" * 5000, b"# coding: latin-1\nA = '\xe9'\nB = 5"]
)
def test_a_file_that_does_not_parse_has_no_knobs(data: bytes) -> None:
    assert find_knobs("train.py", data) == ()


def test_a_file_of_unknown_kind_has_no_knobs() -> None:
    assert read_knobs("train.kt", b"LR = 0.1\n") == Found(unread="no reader of Kotlin is known")
    assert read_knobs("a.png", b"LR = 0.1\n") == Found(unread="a file ending in .png is of no kind that is read")


# ── how they move ─────────────────────────────────────────────────────────────────────────────────────────────────


@pytest.mark.parametrize(
    ("literal", "factor", "wanted"),
    [
        ("3e-4", 2, "6e-4"),
        ("3E-04", 0.5, "1.5E-04"),
        ("1.0e-3", 2, "2.0e-3"),
        ("0.1", 1.5, "0.15"),
        ("0.1", 2, "0.2"),
        ("0.0001", 0.5, "0.00005"),
        (".5", 0.5, ".25"),
        (".5", 2, "1.0"),
        ("5.", 2, "10."),
        ("1_000", 2, "2_000"),
        ("1_000.0", 4, "4_000.0"),
        ("-0.5", 2, "-1.0"),
        ("-6", 0.5, "-3"),
        ("12", 1.5, "18"),
        ("3", 1.1, "4"),
        ("0x30", 2, "0x60"),
        ("0xC0", 0.5, "0x60"),
        ("0b1100", 2, "0b11000"),
        ("64", 2, "128"),
        ("2**19", 2, "2**20"),
        ("2 ** 19", 0.25, "2 ** 17"),
        ("1 << 10", 0.5, "1 << 9"),
        ("10**-3", 0.5, "10**-4"),
    ],
)
def test_a_literal_keeps_its_notation(literal: str, factor: float, wanted: str) -> None:
    assert turned(f"A = {literal}  # why\n".encode(), "A", factor) == f"A = {wanted}  # why\n".encode()


@pytest.mark.parametrize("factor", [1.5, 0.8])
@pytest.mark.parametrize("literal", ["2**19", "64"])
def test_powers_of_two_stay_powers_of_two(literal: str, factor: float) -> None:
    assert shifted(knob_named("A", f"A = {literal}".encode()), factor) is None


@pytest.mark.parametrize("name", ["DROPOUT", "beta1", "MOMENTUM", "keep_prob", "WEIGHT_DECAY", "ema"])
def test_probabilities_move_by_their_odds(name: str) -> None:
    knob = knob_named(name, f"{name} = 0.9".encode())
    assert (shifted(knob, 2), shifted(knob, 0.5)) == (0.9474, 0.818)
    assert all(0 < float(step.knob.value) < 1 for step in steps(knob))


def test_an_integer_never_becomes_zero() -> None:
    assert [step.knob.value for step in steps(knob_named("A", b"A = 2"))] == [4, 1, 3, 8, 16]


@pytest.mark.parametrize("literal", ["-1e308", "1e308", "-1.7976931348623157e308"])
def test_a_number_at_the_end_of_the_floats_stays_a_number(literal: str) -> None:
    moved = [step.knob.value for step in steps(knob_named("A", f"A = {literal}".encode()))]
    assert moved
    assert all(math.isfinite(float(value)) for value in moved)


def test_a_shift_is_never_negative() -> None:
    assert [step.knob.shown for step in steps(knob_named("A", b"A = 1 << 1"))] == ["1<<2", "1<<0", "1<<3", "1<<4"]


def test_a_sign_that_stands_apart_belongs_to_the_value() -> None:
    knob = knob_named("A", b"A = - 0.5")
    assert value_of(knob, knob.shown) == -0.5


@settings(deadline=None)
@given(st.floats(1e-6, 1e6), st.sampled_from([2.0, 0.5, 1.5, 0.8, 4.0, 0.125]))
def test_a_step_there_and_back_is_no_step(value: float, factor: float) -> None:
    knob = knob_named("A", f"A = {value!r}".encode())
    there = shifted(knob, factor)
    assert there is not None
    back = shifted(knob.holding(there), 1 / factor)
    assert back is None or back == pytest.approx(value, rel=0.02)


@settings(deadline=None)
@given(st.floats(-20, 20))
def test_a_coordinate_names_its_value(place: float) -> None:
    for source in ("A = 2.5", "A = -2.5", "DROPOUT = 0.5", "A = 2**9"):
        knob = find_knobs("train.py", source.encode())[0]
        value = value_at(knob, place)
        assert value is not None
        there = coordinate(knob, value)
        assert there is None or there == pytest.approx(place, abs=0.4 if knob.scale is Scale.EXPONENT else 0.02)


# ── the protocol's knobs ──────────────────────────────────────────────────────────────────────────────────────────


def test_named_knobs_are_the_only_ones_and_come_in_the_order_given() -> None:
    chosen = choose(find_knobs("train.py", TRAIN), ["warmup", "train.py:DEPTH", "*_RATE"])
    assert [knob.label for knob in chosen] == ["train.warmup", "DEPTH", "LEARNING_RATE"]


def test_a_range_bounds_every_step() -> None:
    (knob,) = choose(find_knobs("train.py", TRAIN), ["LEARNING_RATE: 2e-4..5e-4"])
    assert sorted(float(step.knob.value) for step in steps(knob)) == [
        2e-4,
        2.4e-4,
        2.73e-4,
        2.86e-4,
        3.15e-4,
        3.3e-4,
        3.75e-4,
        4.5e-4,
        5e-4,
    ]


def test_a_range_of_powers_is_given_in_what_the_power_is() -> None:
    (knob,) = choose(find_knobs("train.py", TRAIN), ["TOTAL_BATCH_SIZE: 131072..600000"])
    assert [step.knob.shown for step in steps(knob)] == ["2**18", "2**17"]


def test_a_range_with_zero_in_it_moves_evenly() -> None:
    (knob,) = choose(find_knobs("train.py", TRAIN), ["ZERO: 0..0.4"])
    assert [step.knob.text for step in steps(knob)][:4] == ["0.1", "0.0585", "0.0322", "0.0138"]


def test_choices_keep_the_quotes() -> None:
    (knob,) = choose(find_knobs("train.py", TRAIN), ["SCHEDULE: cosine|linear|step"])
    assert [step.knob.text for step in steps(knob)] == ['"linear"', '"step"']


def test_a_choice_that_means_the_same_is_no_move() -> None:
    (knob,) = choose(find_knobs("train.py", b"A = 0.10\n"), ["A: 0.1|0.2|1e-1"])
    assert [step.knob.text for step in steps(knob)] == ["0.2"]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("LERNING_RATE", "did you mean LEARNING_RATE"),
        ("DEPTH: 9..3", "the lower bound first"),
        ("DEPTH: 1..", "is no range"),
        ("DEPTH: a|b", "is a number"),
        ("SCHEDULE: 1..3", "has no range"),
        ("SCHEDULE: a||b", "a choice that is empty"),
        ('SCHEDULE: a"|b', "needs quoting"),
        ("", "an entry is empty"),
    ],
)
def test_a_wrong_entry_says_what_to_write(entry: str, message: str) -> None:
    with pytest.raises(AgentError, match=message):
        choose(find_knobs("train.py", TRAIN), [entry])


# ── properties of splicing ────────────────────────────────────────────────────────────────────────────────────────

NUMBERS = st.one_of(
    st.integers(-(10**6), 10**6).map(str),
    st.integers(2, 10**9).map("{:_}".format),
    st.floats(1e-12, 1e12).map(repr),
    st.floats(1e-9, 1e9).map("{:e}".format),
    st.floats(1e-9, 1e9).map("-{:.3E}".format),
    st.integers(1, 10**6).map(hex),
    st.integers(1, 40).map("2**{}".format),
    st.sampled_from(["True", "False", ".5", "5.", "1_0.5", "- 3", "'näme'", "1 << 4", "0", "1.0"]),
)
LINES = st.one_of(
    NUMBERS.map("A = {}".format),
    NUMBERS.map("ünïcode = '→', {}  # Kommentar ß 0.5".format),
    NUMBERS.map("def f(x=\n  {},\n  y=[(0.5), 2.5]): return x".format),
    NUMBERS.map("g(lr={}, *z)".format),
    NUMBERS.map('s = f"{{x:.3f}} {{5 * 3}} ß"; B_PROB = {}'.format),
    NUMBERS.map("D = {{'lr': {}, 'ß': [0.5, (0.25,)]}}".format),
    NUMBERS.map("t = '''\n  mehr\n  Zeilen 0.5\n''', {}".format),
    NUMBERS.map("u = x * {} + y[7] ** 2 if x else 3".format),
)


@settings(deadline=None)
@given(st.lists(LINES, min_size=1, max_size=6), st.sampled_from(["\n", "\r\n", "\r"]), st.booleans(), st.data())
def test_turning_knobs_changes_their_bytes_and_no_others(
    lines: list[str], end: str, bom: bool, data: st.DataObject
) -> None:
    source = (b"\xef\xbb\xbf" if bom else b"") + (end.join(lines) + end).encode()
    found = find_knobs("train.py", source)
    opened = [knob for knob in found if not knob.closed]
    chosen = data.draw(st.sets(st.sampled_from(opened), max_size=3)) if opened else set()
    changes = [(knob, data.draw(st.sampled_from(options)).knob) for knob in chosen if (options := steps(knob))]
    result = splice(source, changes)

    ast.parse(result)
    again = find_knobs("train.py", result)
    assert [knob._replace(closed="") for knob in again] == [
        knob._replace(closed="") for knob in relocated(found, changes)
    ]
    wanted = {old.label: new.value for old, new in changes}
    assert {k.label: k.value for k in again} == {k.label: k.value for k in found} | wanted
    assert _without(source, list(found)) == _without(result, list(again))


def _without(source: bytes, knobs: list[Knob]) -> list[bytes]:
    """What stands between the knobs."""
    ends = [0, *(knob.end for knob in knobs)]
    return [source[a:b] for a, b in zip(ends, [*(knob.start for knob in knobs), len(source)], strict=True)]


@settings(deadline=None)
@given(st.one_of(st.floats(allow_nan=False, allow_infinity=False), st.integers(-(10**30), 10**30)), NUMBERS)
def test_a_rendered_number_reads_back(value: float, like: str) -> None:
    number = parse_number(like)
    if number is not None:
        text = render(value, like)
        assert parse_number(text) == value
        assert type(parse_number(text)) is type(value)


@pytest.mark.parametrize(
    ("like", "value", "wanted"), [("yes", False, "no"), ("ON", False, "OFF"), ("False", True, "True")]
)
def test_a_truth_keeps_its_word(like: str, value: bool, wanted: str) -> None:
    assert render(value, like) == wanted
    assert parse_bool(wanted) is value


@settings(deadline=None)
@given(st.binary(max_size=200))
def test_no_bytes_give_a_traceback(data: bytes) -> None:
    for name in ("a.py", "a.json", "a.yaml", "a.toml", "a.ini", "a"):
        for knob in find_knobs(name, data):
            assert data[knob.start : knob.end].decode() == knob.text


def test_our_own_source_is_read_without_a_mistake() -> None:
    for path in sorted((Path(__file__).parents[2] / "pytest_autoresearch" / "agents").glob("*.py")):
        data = path.read_bytes()
        knobs = find_knobs(path.name, data)
        assert len({knob.label for knob in knobs}) == len(knobs)
        assert all(math.isfinite(float(knob.value)) for knob in knobs if not isinstance(knob.value, str))
        changes = [(knob, options[0].knob) for knob in knobs if (options := steps(knob))]
        ast.parse(splice(data, changes))


def test_a_range_without_a_power_of_two_is_about_whole_numbers() -> None:
    (knob,) = choose(find_knobs("a.py", b"WIDTH = 32"), ["WIDTH: 20..30"])
    assert (knob.low, knob.high) == (20.0, 30.0)
    assert all(20 <= float(step.knob.value) <= 30 for step in steps(knob))
    with pytest.raises(AgentError, match=r"DEPTH is a whole number, and none is in 0\.2\.\.0\.8"):
        choose(find_knobs("a.py", b"DEPTH = 3"), ["DEPTH: 0.2..0.8"])


def test_a_text_is_turned_only_where_its_choices_are_said() -> None:
    source = b"SHAPE = 'oval'\nRATE = 0.5\n"
    with pytest.raises(AgentError, match=r"FORM is the text 'oval'; say what it may be: `FORM: a\|b\|c`"):
        choose(find_knobs("a.py", source.replace(b"SHAPE", b"FORM")), ["FORM"])
    assert [knob.label for knob in choose(find_knobs("a.py", source), ["*"])] == ["RATE"]


def test_a_reader_that_another_thread_overtakes_leaves_the_collector_on(monkeypatch: pytest.MonkeyPatch) -> None:
    first, asked = finders._no_collection(), gc.isenabled

    def is_enabled() -> bool:
        answer = asked()
        first.__exit__(None, None, None)  # the other one is ready just then
        return answer

    try:
        first.__enter__()
        monkeypatch.setattr(gc, "isenabled", is_enabled)
        second = finders._no_collection()
        second.__enter__()
        monkeypatch.undo()
        second.__exit__(None, None, None)
        assert gc.isenabled()
    finally:
        gc.enable()
