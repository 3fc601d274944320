"""One config per dialect in configs/; the wording of each was seen in the wild."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_autoresearch.protocol.markdown import parse
from pytest_autoresearch.protocol.model import Amount, Direction, Limit, PathRule, Protocol
from tests.protocol.generated import CONFIGS


def read(name: str) -> Protocol:
    path = Path(__file__).parent / "configs" / f"{name}.md"
    return parse(path.read_text(encoding="utf-8"), file=path.name)


def test_the_plain_form() -> None:
    protocol = read("plain")
    assert protocol.goal.startswith("Lower the validation bits") and protocol.goal.count("\n") == 1
    metric = protocol.metric
    assert (metric.name, metric.direction, metric.target) == ("val_bpb", Direction.LOWER, 0.95)
    assert metric.extract == "grep \"^val_bpb:\" run.log | tail -1 | cut -d' ' -f2"
    assert (metric.min_delta, metric.bounds) == (Amount(0.0005, relative=True), (0.0, 8.0))
    assert protocol.targets == (
        PathRule("train.py", "architecture, optimiser, schedule"),
        PathRule("configs/*.yaml", "hyperparameters"),
    )
    assert protocol.readonly == (PathRule("prepare.py", "data and scoring"),)
    assert (protocol.run, protocol.budget, protocol.kill_timeout) == ("uv run train.py", 300, 600)
    assert protocol.constraints == ("No new packages", "Peak memory stays below 45 GB")
    assert protocol.tag == "mar17-lr"
    assert protocol.notes.startswith("The schedule") and protocol.extra_sections == ()


def test_every_value_knows_its_line() -> None:
    origins = read("plain").origins
    assert [origins[name] for name in ("goal", "metric.name", "metric.extract", "targets[1]", "run", "tag")] == [
        *(3, 8, 10, 17),
        *(24, 36),
    ]
    assert "env" not in origins and "goal" not in read("tables").origins


def test_capitals_a_measure_command_and_remarks_in_headings() -> None:
    protocol = read("capitals")
    assert protocol.metric.name == "Page reads per report"
    assert protocol.metric.direction is Direction.LOWER
    assert protocol.metric.extract == 'python3 tools/replay.py --count 2>/dev/null | grep -v "^warming" | wc -l'
    assert protocol.run.startswith("bash tools/replay.sh 2>&1 | tee")
    assert [section.title for section in protocol.extra_sections] == [
        "STATE (2025-03-22 21:27 UTC)",
        "Experiment Summary",
    ]
    assert "| 0 | Baseline | 31 |" in protocol.extra_sections[1].text


def test_chinese_headings_values_and_full_width_brackets() -> None:
    protocol = read("chinese")
    assert (protocol.metric.name, protocol.metric.direction) == ("排版耗时", Direction.LOWER)
    assert protocol.targets == (
        PathRule("layout/engine.py", "排版引擎（可修改，包括缓存、分段）"),
        PathRule("layout/params.toml", "参数"),
    )
    assert (protocol.budget, protocol.kill_timeout, protocol.tag) == (30, 120, "layout-v1")
    assert protocol.metric.extract is not None and protocol.metric.extract.startswith("python -c")
    assert [section.title for section in protocol.extra_sections] == ["Metric notes", "数据划分"]


def test_german_headings_and_decimal_commas() -> None:
    protocol = read("german")
    assert (protocol.metric.name, protocol.metric.target) == ("mae_minuten", 1.8)
    assert (protocol.run, protocol.budget, protocol.kill_timeout) == ("python modell.py --tage 30", 90, 300)
    assert protocol.readonly == () and protocol.constraints == ("Keine neuen Pakete",)


def test_bold_words_instead_of_headings() -> None:
    protocol = read("bold")
    assert protocol.goal == "Make the tokenizer faster without changing what it returns."
    assert (protocol.metric.name, protocol.metric.direction) == ("tokens_per_second", Direction.HIGHER)
    assert [rule.pattern for rule in protocol.targets] == ["src/tokenizer.rs", "src/tables.rs"]
    assert (protocol.run, protocol.budget) == ("cargo bench --bench tokenizer", 120)


def test_a_metric_as_a_sentence_bare_paths_numbered_headings_and_front_matter() -> None:
    protocol = read("sentence")
    assert (protocol.metric.name, protocol.metric.direction, protocol.metric.extract) == (
        "val_bpb",
        Direction.LOWER,
        None,
    )
    assert [rule.pattern for rule in protocol.targets] == ["train.py", "configs/small.yaml"]
    assert protocol.run == "cd /srv/models/small\nexport SEED=1\npython train.py --fast \\\n  --steps 200"
    assert protocol.constraints == ("Keep the vocabulary.", "Do not touch the validation split.")
    assert protocol.options.agents == ("command:python propose.py, then stop",)
    assert (protocol.options.duration, protocol.options.experiments) == (28_800, 100)
    assert protocol.guard == ("tests/", "ruff check .")
    assert protocol.limits == (Limit("peak_mb", at_most=512), Limit("steps", max_regression=0.02))
    assert (protocol.tag, protocol.budget, protocol.kill_timeout) == (None, None, None)


def test_sections_below_other_sections_and_headings_inside_of_code() -> None:
    protocol = read("nested")
    assert [rule.pattern for rule in protocol.readonly] == ["benchmark/evaluate.py", "benchmark/structure.json"]
    assert (protocol.run, protocol.kill_timeout) == ("bash benchmark/run.sh", 600)
    assert protocol.metric.direction is Direction.HIGHER
    assert "# Metric\n" in protocol.extra_sections[0].text


def test_tables_and_comments() -> None:
    protocol = read("tables")
    assert (protocol.metric.name, protocol.metric.bounds) == ("p99_ms", (0.0, None))
    assert protocol.targets == (PathRule("server/pool.go", "pool sizes"), PathRule("server/batch.go", "batching"))
    assert (protocol.budget, protocol.kill_timeout, protocol.tag) == (90, 180, "p99")
    assert (protocol.goal, protocol.run) == ("", "go run ./cmd/load -n 1000")


def test_every_config_here_has_a_test() -> None:
    source = Path(__file__).read_text(encoding="utf-8")
    assert [path.stem for path in CONFIGS if f'read("{path.stem}")' not in source] == []


METRIC = "## Target Files\n- a.py\n## Run Command\n`make`\n## Metric\n"


@pytest.mark.parametrize(
    ("text", "name", "direction"),
    [
        ("minimise val_bpb (lower is better)", "val_bpb", "lower"),
        ("`val_bpb` — lower is better", "val_bpb", "lower"),
        ("val_bpb: lower is better", "val_bpb", "lower"),
        ("lower val_bpb is better", "val_bpb", "lower"),
        ("Minimize the validation loss `val_loss`.", "val_loss", "lower"),
        ("validation bits per byte (`val_bpb`), lower is better", "val_bpb", "lower"),
        ("Validation loss, lower is better", "Validation loss", "lower"),
        ("maximise throughput, measured in tokens/s", "throughput", "higher"),
        ("Composite score (higher is better):", "Composite score", "higher"),
        ("最小化 val_bpb", "val_bpb", "lower"),
        ("- val_bpb (lower is better)", "val_bpb", "lower"),
        (
            "- **Primary Metric**: Sharpe ratio (per year)\n- **Direction**: higher Sharpe is better",
            "Sharpe ratio",
            "higher",
        ),
        ("- Name: val\\_bpb\n- Direction: lower_is_better", "val_bpb", "lower"),
        ("- **Name**: ops (more is better)", "ops", "higher"),
        ("- **Name**: x\n- **Direction**: lower (not higher)", "x", "lower"),
        ("Name = x\nDirection = Minimize", "x", "lower"),
    ],
)
def test_a_metric_may_be_written_as_fields_or_as_a_sentence(text: str, name: str, direction: str) -> None:
    metric = parse(METRIC + text, file="c.md").metric
    assert (metric.name, metric.direction.value) == (name, direction)


FILES = "## Metric\nlower x_y is better\n## Run Command\n`make`\n## Target Files\n"


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("- `train.py` (the model)", ["train.py"]),
        ("* prepare.py - data", ["prepare.py"]),
        ("1. src/**/*.ts — all of it", ["src/**/*.ts"]),
        ("- `A.md`, `B.md` and `C.md` - texts", ["A.md", "B.md", "C.md"]),
        ("- a.py, b.py", ["a.py", "b.py"]),
        ("- Primary focus: `app/src/`", ["app/src/"]),
        ("- **src/model.py**: the model", ["src/model.py"]),
        ("- train.py: the model", ["train.py"]),
        ("- [ ] `x.py`", ["x.py"]),
        ("- x[ ] y.py", ["x[ ] y.py"]),
        ("- ./x.py", ["x.py"]),
        ("- data/train\\_set.csv", ["data/train_set.csv"]),
        ("- `my file.py` (has a space)", ["my file.py"]),
        ("- `x.py`\n  - the learning rate\n  - `depth`", ["x.py"]),
        ("train.py\nmodel.py", ["train.py", "model.py"]),
        ("```\ntrain.py\n# not this\nmodel.py\n```", ["train.py", "model.py"]),
        ("- x.py\n- x.py (again)", ["x.py"]),
        ("### Model\n- a.py\n\n### Data\n- b.py", ["a.py", "b.py"]),
    ],
)
def test_paths_are_read_from_lists_lines_fences_and_prose(text: str, patterns: list[str]) -> None:
    assert [rule.pattern for rule in parse(FILES + text, file="c.md").targets] == patterns


@pytest.mark.parametrize(
    "text", ["none", "- None — full autonomy", "- All other files", "- everything else", "- keine", "- 无", ""]
)
def test_no_file_needs_to_be_read_only(text: str) -> None:
    assert parse(FILES + f"- a.py\n## Read-Only Files\n{text}", file="c.md").readonly == ()


@pytest.mark.parametrize(
    "heading",
    [
        "# time budget",
        "### TIME BUDGET",
        "## 6. Time Budget",
        "## 6) Time-Budget:",
        "**Time Budget**",
        "Time Budget\n---",
        "## ⏱ Time Budget (per run)",
    ],
)
def test_headings_have_any_level_case_and_number(heading: str) -> None:
    assert parse(f"{FILES}- a.py\n\n{heading}\n\n5 minutes\n", file="c.md").budget == 300


@pytest.mark.parametrize(
    ("text", "budget", "kill"),
    [
        ("- **Per experiment**: 5m\n- **Kill timeout**: 12m", 300, 720),
        ("5 minutes per experiment, killed after 12 minutes", 300, 720),
        ("5 minutes", 300, None),
        ("Per experiment: no limit", None, None),
        ("- Hard timeout: 90s", None, 90),
        ("- **Per experiment**: 5m\n- **Polling interval**: 60 s", 300, None),
    ],
)
def test_a_time_budget_may_be_written_as_fields_or_as_a_sentence(
    text: str, budget: float | None, kill: float | None
) -> None:
    protocol = parse(f"{FILES}- a.py\n## Time Budget\n{text}\n", file="c.md")
    assert (protocol.budget, protocol.kill_timeout) == (budget, kill)


def test_the_kill_timeout_is_twice_the_budget_unless_it_is_said() -> None:
    assert parse(f"{FILES}- a.py\n## Time Budget\n5m\n", file="c.md").deadline == 600
    assert read("sentence").deadline is None
