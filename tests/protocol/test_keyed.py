"""Keys of the front matter as sections: every spelling is read like the key, or is an error, and never a mere note."""

from __future__ import annotations

import re
from typing import Any

import pytest

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol.markdown import parse
from pytest_autoresearch.protocol.model import Direction, Holdout, Limit, Metric, MetricFile, Protocol
from pytest_autoresearch.protocol.render import render
from pytest_autoresearch.protocol.serialise import from_json, to_json

BASE = "## Metric\n- Name: x\n- Direction: lower\n\n## Target Files\n- t.py\n\n## Run Command\n`python t.py`\n\n"


def read(section: str) -> Protocol:
    opens_the_file = section.startswith(("**", "---"))
    return parse(f"{section}\n\n{BASE}" if opens_the_file else f"{BASE}{section}\n", file="c.md")


@pytest.mark.parametrize(
    ("section", "guard"),
    [
        ("## Guard Command\n```bash\nbash check.sh\n```", ("bash check.sh",)),
        ("## Guards\n- tests/\n- `ruff check .` and `mypy`\n- bash check.sh — must pass",
         ("tests/", "ruff check .", "mypy", "bash check.sh")),
        ("## Guard: pytest -q tests", ("pytest -q tests",)),
        ("**Guard**: `pytest -q`", ("pytest -q",)),
        ("##Guard\npytest -q", ("pytest -q",)),
        ("Guard\n-----\npytest -q", ("pytest -q",)),
        ("## 5. GUARDS (must pass):\n`pytest -q`", ("pytest -q",)),
        ("## Tests\n\nRun `pytest -q` first.", ("pytest -q",)),
        ("## Guard tests\n\n    pytest -q\n", ("pytest -q",)),
        ("## Guard\n- tests/test_c.py, tests/test_d.py::test_x", ("tests/test_c.py", "tests/test_d.py::test_x")),
        ("## Guard\n```\ntests/a.py\ntests/b.py\n```", ("tests/a.py", "tests/b.py")),
        ("## Guard\n```yaml\n- tests/\n- ruff check .\n```", ("tests/", "ruff check .")),
        ("## Guard\n```\nmake\n./check\n```", ("set -e\nmake\n./check",)),
        ("## Constraints\n- No new packages\n- **Guard**: `pytest -q`", ("pytest -q",)),
        ("## Safety Checks\n- pytest tests/ -q\n- ruff check .", ("pytest tests/ -q", "ruff check .")),
        ("## Must Pass\n- `mypy src`\n- `pylint-mine src`", ("mypy src", "pylint-mine src")),
        ("## Verification\npytest tests/", ("pytest tests/",)),
        ("## Tests must pass\n```bash\npytest -x\n```", ("pytest -x",)),
        ("## Acceptance Criteria\n- `pytest -q`", ("pytest -q",)),
        ("## Regression Guard\n```bash\npytest -x\n```", ("pytest -x",)),
        ("## Pre-merge guards (all must pass)\n- `bash check.sh`\n- `pytest -q`", ("bash check.sh", "pytest -q")),
        ("## Guard\nnone", ()),
    ],
)  # fmt: skip
def test_a_guard_is_the_guard_however_its_heading_is_written(section: str, guard: tuple[str, ...]) -> None:
    protocol = read(section)
    assert protocol.guard == guard
    assert protocol.extra_sections == () and not any("pytest" in rule for rule in protocol.constraints)


@pytest.mark.parametrize(
    ("section", "said"),
    [
        ("## Limits\n- peak_mb <= 512\n- `acc`: at least 0.9",
         {"limits": (Limit("peak_mb", at_most=512.0), Limit("acc", at_least=0.9))}),
        ("## Limits\n| Name | Bound |\n|---|---|\n| peak_mb | <= 512 |",
         {"limits": (Limit("peak_mb", at_most=512.0),)}),
        ("## Limits\npeak_mb must stay below 512", {"limits": (Limit("peak_mb", at_most=512.0),)}),
        ("## Limits\n- latency_ms: max regression 2%", {"limits": (Limit("latency_ms", max_regression=0.02),)}),
        ("## Limits\n```yaml\npeak_mb: 512\n```", {"limits": (Limit("peak_mb", at_most=512.0),)}),
        ("## Guardrails\n- acc must stay above 0.9\n- `peak_mb` <= 512",
         {"limits": (Limit("acc", at_least=0.9), Limit("peak_mb", at_most=512.0)), "guard": ()}),
        ("## Data\n- data/\n- `~/.cache/x` (shards)", {"data": ("data/", "~/.cache/x")}),
        ("## Data Files: data/", {"data": ("data/",)}),
        ("## Holdout\n- run: `python final.py`\n- extract: tail -1 x\n- files: a.py, b.py",
         {"holdout": Holdout("python final.py", "tail -1 x", ("a.py", "b.py"))}),
        ("## Hold-out\n`python final.py`", {"holdout": Holdout("python final.py")}),
        ("## Environment\n- OMP_NUM_THREADS=1", {"env": {"OMP_NUM_THREADS": "1"}}),
        ("## Environment Variables\n```\nexport A=1\nB=\"x y\"\n```", {"env": {"A": "1", "B": "x y"}}),
        ("## Network\nyes", {"network": True}),
        ("## Memory Limit\n8 GB", {"memory_mb": 8000.0}),
        ("## Build\n`make -j2`", {"build": "make -j2"}),
        ("## Knobs\n- LR\n- `DEPTH`, WIDTH", {"knobs": ("LR", "DEPTH", "WIDTH")}),
        ("## Knobs\n- LR: 1e-4 to 1e-1 log\n- opt: adam, sgd", {"knobs": ("LR: 0.0001..0.1 log", "opt: adam|sgd")}),
        ("## Guard\nnone\n\n## Caches\n- .cache/torch", {"caches": (".cache/torch",)}),
    ],
)  # fmt: skip
def test_other_keys_are_read_from_sections_too(section: str, said: dict[str, Any]) -> None:
    protocol = read(section)
    assert {name: getattr(protocol, name) for name in said} == said and protocol.extra_sections == ()


def test_options_are_read_from_sections_too() -> None:
    options = read("## Agent\nclaude\n\n## Max Cost\n$5\n\n## Patience\n10\n\n## Isolation\nstrict").options
    assert (options.agents, options.max_cost, options.patience, options.isolation) == (("claude",), 5.0, 10, "strict")


AT_A_KEY = MetricFile("bench.json", key="results[0].mean")
REST = "\n\n## Target Files\n- t.py\n\n## Run Command\n`python t.py`\n"


@pytest.mark.parametrize(
    ("text", "file"),
    [
        ("## Metric\n- Name: x\n- Direction: lower\n- From: bench.json\n- Key: `results[0].mean`", AT_A_KEY),
        ("---\nmetric: {from: bench.json, key: 'results[0].mean'}\n---\n## Metric\n- Name: x\n- Direction: lower",
         AT_A_KEY),
        ("---\nmetric:\n  name: x\n  direction: lower\n  from: ./out/m.csv\n  column: val loss\n  row: last\n---",
         MetricFile("out/m.csv", column="val loss", row="last")),
        ("## Metric\n| Name | x |\n|--|--|\n| Direction | lower |\n| From | m.csv |\n| Column | v |\n| Row | epoch=3 |",
         MetricFile("m.csv", column="v", row="epoch=3")),
    ],
)  # fmt: skip
def test_a_metric_in_a_file_is_declared_in_the_section_or_the_front_matter(text: str, file: MetricFile) -> None:
    protocol = parse(text + REST, file="c.md")
    assert protocol.metric == Metric("x", Direction.LOWER, file=file)
    assert parse(render(protocol), file="c.md") == protocol and from_json(to_json(protocol)) == protocol


@pytest.mark.parametrize(
    ("fields", "complaint"),
    [
        ("- Key: a.b", "`key` needs the file"),
        ("- From: a.json\n- Extract command: `tail -1 x`", "two ways to read it"),
        ("- From: a.json\n- Key: a\n- Column: b", "`key` is for JSON"),
        ("- From: /tmp/a.json", "no file below the config's directory"),
        ("- From: ../a.json", "no file below the config's directory"),
        ("- From: a.csv\n- Row: best", "`best` is no row"),
    ],
)
def test_a_file_that_makes_no_sense_is_refused(fields: str, complaint: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(complaint)):
        parse(f"## Metric\n- Name: x\n- Direction: lower\n{fields}{REST}", file="c.md")


@pytest.mark.parametrize(
    ("section", "line", "complaint", "remedy"),
    [
        ("## Guard\nAll tests must pass", 12, "Guard: `All tests must pass` is prose", "name tests or a command"),
        ("## Guard Command\n", 11, "Guard Command: is empty", "bash check.sh"),
        ("## Limits\nno new deps", 12, "`no new deps` is no limit", "peak_mb <= 512"),
        ("## Limits\n- latency <= 30 ms", 12, "no limit; write `latency <= 30`, in the unit", ""),
        ("## Limits\n- rate >= 2e3req/s", 12, "no limit; write `rate >= 2e3`, in the unit", ""),
        (
            "## Checks\n- `ruff check .`\n- No secrets in the code at all",
            13,
            "is prose",
            "name tests or a command",
        ),
        (
            "## Guardrails\n- acc must stay above 0.9\n- do not touch the prepare script",
            13,
            "is prose",
            "below `## Limits`: `acc must stay above 0.9`",
        ),
        ("## Network\nmaybe", 12, "`maybe` is neither `yes` nor `no`", "`yes` or `no`"),
        ("## Gaurd\npytest", 11, "the section `Gaurd` has no meaning", "did you mean `Guard`?"),
        ("## Holdout\n- files: `x.csv`", 12, "a holdout needs `run`", "python final.py"),
        ("## Guard\ny/\n\n## Patience\n5\n\n## Patience\n6", 17, "`patience` stands twice", "keep one"),
        ("---\nguard: x/\n---\n## Guard\ny/", 4, "`guard` stands twice, in the front matter", "keep one"),
    ],
)
def test_what_can_not_be_read_is_an_error_that_shows_how(section: str, line: int, complaint: str, remedy: str) -> None:
    with pytest.raises(ConfigError) as refused:
        read(section)
    assert refused.value.line == line and complaint in refused.value.message and remedy in refused.value.remedy


@pytest.mark.parametrize(
    "section",
    [
        "## Data\nThe corpus is a dump of the web with one million pages.",
        "## Model\nA decoder of four layers and two heads, with learned positions.",
        "## Experiments\n| n | result |\n|---|---|\n| 1 | worse |",
        "## Tests\nAll tests must stay green at all times",
        "## Environment\nPython 3.11, CUDA 12",
        "## Validation\nA random split of 20 % of `data/train.csv`, the same for every run.",
        "## Acceptance Criteria\n- the loss is lower\n- `pytest -q` is green",
        "## Git\nOne commit for each idea, please, and never force-push.",
    ],
)
def test_prose_below_a_heading_with_another_use_stays_a_note(section: str) -> None:
    protocol = read(section)
    assert [f"## {found.title}" for found in protocol.extra_sections] == [section.partition("\n")[0]]


@pytest.mark.parametrize("above", ["Branch\ncase", "Run Command\n`python t.py`", "Time Budget\n5m"])
@pytest.mark.parametrize("said", ["`./check.sh`", "```\n./check.sh\n```"])
def test_a_guard_below_a_section_of_one_value_is_the_guard(above: str, said: str) -> None:
    rest = "" if above.startswith("Run") else "## Run Command\n`python t.py`\n\n"
    text = f"## Metric\n- Name: a\n- Direction: lower\n\n## Target Files\n- t.py\n\n{rest}## {above}\n\n"
    protocol = parse(f"{text}### Correctness check\n\n{said}\n", file="x.md")
    assert (protocol.run, protocol.guard) == ("python t.py", ("./check.sh",))


def test_what_stands_below_a_branch_is_shown_to_the_agent() -> None:
    text = "## Metric\n- Name: a\n- Direction: lower\n\n## Target Files\n- t.py\n\n## Run Command\n`x`\n\n"
    protocol = parse(f"{text}## Branch\ncase\n\n### Hardware\n\nThink twice.\n", file="x.md")
    assert [(section.title, section.text) for section in protocol.extra_sections] == [("Hardware", "Think twice.")]
