"""Rewrites without a model: each is Python, leaves every other byte, and does what its words say."""

from __future__ import annotations

from dataclasses import replace
from importlib.util import find_spec
from pathlib import Path

import pytest

from pytest_autoresearch.agents.base import Turn
from pytest_autoresearch.agents.search.agent import create
from pytest_autoresearch.agents.search.rewriting import Source
from pytest_autoresearch.agents.search.rewriting.linted import linted
from pytest_autoresearch.agents.search.rewriting.simpler import simpler
from pytest_autoresearch.agents.search.rewriting.speed import faster, is_time
from pytest_autoresearch.agents.search.rewriting.turns import SIMPLER_TURN
from pytest_autoresearch.protocol.model import Direction, Metric
from tests.agents.greedy import Session
from tests.agents.loose_desk import LooseDesk

EXAMPLES = Path(__file__).parents[2] / "examples"
CODE = b'''"""Words."""
from __future__ import annotations
import math
import re
import os, json

LIMIT = 3  # kept as it is


def area(radius, debug=False):
    return math.pi * radius ** 2


def noisy(x):
    print(x)
    return x


def several(x):
    return [x]


def total(lines, scale):
    unused = 5
    result = 0
    for line in lines:
        if re.match("a+", line):
            result += area(2) * len(scale) * len(line)
            continue
            result = None
    if False:
        result = 1
    return result + noisy(several(0)[0])
'''


def names(source: bytes, *, guarded: bool = False) -> tuple[list[str], list[str]]:
    found = Source("m.py", source)
    return [r.what for r in faster(found)], [r.what for r in simpler(found, guarded=guarded)]


def test_what_may_be_faster_and_what_may_go() -> None:
    speed, less = names(CODE)
    assert speed == [
        "compile the pattern of total once",
        "cache area",
        "take len(scale) out of a loop of total",
    ]
    assert less == [
        "remove the unused import of os",
        "remove the unused import of json",
        "remove what is never reached",
        "remove a branch that is never taken",
        "remove unused in total",
        "remove the unused argument debug of area",
    ]


def test_a_statement_that_does_something_needs_tests_to_go() -> None:
    _, less = names(CODE, guarded=True)
    assert "remove `result += area(2) * len(scale) * len(line)` in total" in less
    assert not [what for what in less if "print" in what or "return" in what]


@pytest.mark.parametrize("newline", [b"\n", b"\r\n"])
def test_every_rewrite_gives_the_same_result_and_leaves_the_rest(newline: bytes, capsys: object) -> None:
    data = CODE.replace(b"\n", newline)
    source = Source("m.py", data)
    rewrites = [*faster(source), *simpler(source, guarded=False)]
    assert len(rewrites) == 9
    for rewrite in rewrites:
        space: dict[str, object] = {}
        exec(compile(rewrite.data, "m.py", "exec"), space)
        total = space["total"]
        assert callable(total) and total(["aa", "b"], "xyz") == pytest.approx(75.398, abs=1e-3), rewrite.what
        assert b"LIMIT = 3  # kept as it is" in rewrite.data
        assert rewrite.data.count(b"\n") == rewrite.data.count(newline)
        kept = set(data.splitlines())
        assert sum(line not in kept for line in rewrite.data.splitlines()) <= 3, rewrite.what


@pytest.mark.parametrize(
    "source",
    [
        b"def f(x: list):\n    return len(x)\n\nf([1])\n",
        b"def f(x):\n    return [x]\n\nf(1)\n",
        b"def f(x):\n    global n\n    n = x\n    return 1\n\nf(1)\n",
        b"def f(x):\n    x.seen = 1\n    return 1\n\nf(1)\n",
        b"import random\ndef f(x):\n    return random.random() * x\n\nf(1)\n",
        b"from datetime import datetime\ndef f(x):\n    return (datetime.now(), x)\n\nf(1)\n",
        b"def f(x):\n    yield x\n\nf(1)\n",
        b"def f(items, n):\n    for i in range(n):\n        items.append(len(items))\n",
        b"def f(items, n):\n    for n in items:\n        print(len(str(n)))\n",
    ],
)
def test_what_is_not_pure_is_not_cached_and_what_changes_not_hoisted(source: bytes) -> None:
    assert names(source)[0] == []


@pytest.mark.parametrize("source", [b"x = ", b"\xff\xfe", b"a\0b", b"\xef\xbb\xbfx = 1\n"])
def test_what_can_not_be_read_is_left_alone(source: bytes) -> None:
    with pytest.raises((ValueError, SyntaxError)):
        Source("m.py", source)


@pytest.mark.parametrize("name", ["seconds", "time_ms", "benchmark.median", "p99 latency", "wall_time"])
def test_a_time_is_known_by_its_name(name: str) -> None:
    assert is_time(name)


@pytest.mark.parametrize("name", ["loss", "val_bpb", "accuracy", "sometimes", "classes"])
def test_another_metric_is_no_time(name: str) -> None:
    assert not is_time(name)


# ── the agent ─────────────────────────────────────────────────────────────────────────────────────────────────────


def told(path: Path, source: bytes, metric: str, guard: tuple[str, ...], experiments: int) -> list[str]:
    """What the default agent proposes where nothing ever is a gain."""
    done = Session(path, {"m.py": source}, lambda files: 1.0)
    done.protocol = replace(done.protocol, metric=Metric(metric, Direction.LOWER), guard=guard)
    agent = create("auto")
    assert agent is not None
    return [experiment.description for experiment in done.run(agent, experiments).history[1:]]


def test_a_guarded_time_is_made_faster_first_and_each_rewrite_is_tried_once(tmp_path: Path) -> None:
    said = told(tmp_path, CODE, "seconds", ("test_m.py",), 12)
    assert said[:3] == ["compile the pattern of total once", "cache area", "take len(scale) out of a loop of total"]
    assert len(set(said)) == len(said)


@pytest.mark.parametrize(("metric", "guard"), [("loss", ("test_m.py",)), ("seconds", ())])
def test_without_a_time_or_without_tests_nothing_is_rewritten_for_speed(
    tmp_path: Path, metric: str, guard: tuple[str, ...]
) -> None:
    assert not {"cache area", "compile the pattern of total once"} & set(told(tmp_path, CODE, metric, guard, 12))


def test_code_becomes_simpler_every_fifteenth_turn(tmp_path: Path) -> None:
    said = told(tmp_path, CODE, "loss", (), 2 * SIMPLER_TURN)
    assert said[SIMPLER_TURN - 1] == "remove the unused import of os"
    assert said[-1] == "remove the unused import of json"


def test_code_becomes_simpler_where_the_search_has_nothing_left(tmp_path: Path) -> None:
    said = told(tmp_path, b"import os\n\nprint('hello')\n", "loss", (), 5)
    assert said == ["remove the unused import of os"]


def test_what_computes_the_metric_is_never_shortened(tmp_path: Path) -> None:
    source = b"def f(x):\n    total = 1\n    total += x\n    return total\n\nprint('loss:', f(2))\n"
    assert not [text for text in told(tmp_path, source, "loss", ("test_m.py",), 60) if text.startswith("remove `")]


LINTED = b"""\
# \xc3\xa4\xc3\xb6\xc3\xbc
import os


def found(table: dict, key):
    value = table.get(key, None)
    if value:
        return value
    else:
        return 0
"""


@pytest.mark.skipif(find_spec("ruff") is None, reason="ruff is not installed")
def test_ruffs_safe_fixes_are_one_rewrite_for_each_rule(tmp_path: Path) -> None:
    (tmp_path / "pyproject.toml").write_text('[tool.ruff.lint]\nignore = ["ALL"]\n')
    rewrites = {
        rewrite.what.split()[4].rstrip(":"): rewrite.data
        for rewrite in linted(Source("m.py", LINTED), LooseDesk(tmp_path))
    }
    assert rewrites["F401"] == LINTED.replace(b"import os\n", b"")
    assert "SIM910" not in rewrites, "get(key) is as many lines as get(key, None): such a state is equal, not simpler"
    assert b"else" not in rewrites["RET505"]
    assert all(len(data) < len(LINTED) for data in rewrites.values())


@pytest.mark.parametrize("said", [b"", b"[", b"{}", b'[{"fix": null}]', b"[1]"])
def test_what_ruff_says_is_not_believed_blindly(tmp_path: Path, said: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(LooseDesk, "run", lambda *_, **__: Turn(0, said, b"", timed_out=False, duration=0.0))
    assert not list(linted(Source("m.py", LINTED), LooseDesk(tmp_path)))
