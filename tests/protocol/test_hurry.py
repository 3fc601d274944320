"""What people write in a hurry: read as they meant it, or refused with their words; never read as something else."""

from __future__ import annotations

import pytest

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol.markdown import parse
from pytest_autoresearch.protocol.model import Protocol

SECTIONS = {
    "Metric": "- Name: val_bpb\n- Direction: lower",
    "Target Files": "- train.py",
    "Run Command": "`python train.py`",
}


def read(**sections: str) -> Protocol:
    """A config with other text in some of its sections, `_` for the space in a title."""
    given = {**SECTIONS, **{title.replace("_", " "): text for title, text in sections.items()}}
    return parse("\n\n".join(f"## {title}\n{text}" for title, text in given.items()) + "\n", file="c.md")


def refused(**sections: str) -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        read(**sections)
    assert caught.value.line and caught.value.remedy
    return caught.value


@pytest.mark.parametrize(
    ("text", "budget", "kill"),
    [
        ("`5m`", 300, None),
        ("**5 minutes**", 300, None),
        ("300 seconds = 5 minutes", 300, None),
        ("00:05:00", 300, None),
        ("5-minute runs", 300, None),
        ("Fixed 5-minute wall clock", 300, None),
        ("Per experiment: 5-minute wall clock", 300, None),
        ("5 minutes (kill at 10m)", 300, 600),
        ("5 minutes (hard timeout 10 minutes)", 300, 600),
        ("- 5 minutes\n- kill after 10 minutes", 300, 600),
        ("5 minutes\n\nKilled after 10 minutes.", 300, 600),
        ("8h total, 5m per run", 300, None),
        ("Total 8 hours, 5 minutes each", 300, None),
        ("20 runs, 5 minutes each", 300, None),
        ("1 hour and 30 minutes per run", 5400, None),
        ("1 h, 30 min", 5400, None),
        ("- Per experiment: 1 hour and 30 minutes", 5400, None),
        ("5 minutes and killed after 10 minutes", 300, 600),
        ("- **Duration per experiment**: 5 minutes\n- **Kill timeout**: 10 minutes", 300, 600),
        ("- Experiment duration: 5 min", 300, None),
        ("- Per-experiment budget: 5 min", 300, None),
        ("- Duration: 5 min", 300, None),
        ("- Max: 5 min", 300, None),
        ("- Per experiment: 5 minutes\n- Kill timeout: 2x", 300, None),
        ("- Per experiment: 5 minutes\n- Kill timeout: twice the budget", 300, None),
        ("| Per experiment | Kill timeout |\n|---|---|\n| 5 min | 10 min |", 300, 600),
        ("- Total run time: 8 h\n- Per experiment: 5 min", 300, None),
        ("- Setup per run: 1 min", None, None),
        ("每次实验：5分钟，超时：10分钟", 300, 600),
        ("- Per experiment: 5 minutes, kill timeout: 10 minutes", 300, 600),
        ("- **Per experiment**: 5 minutes **Kill timeout**: 10 minutes", 300, 600),
        ("- Per experiment: 5 minutes (killed after 10 minutes)\n- Kill timeout: 12 minutes", 300, 720),
    ],
)
def test_a_time_budget(text: str, budget: float | None, kill: float | None) -> None:
    protocol = read(Time_Budget=text)
    assert (protocol.budget, protocol.kill_timeout) == (budget, kill)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("5:00", "`5:00` is not a duration"),
        ("5m / 10m", "`5m / 10m` is a range"),
        ("8 hours overnight", "`8 hours overnight` is the time of a whole session"),
        ("- Per experiment: 5:00", "`5:00` is not a duration"),
    ],
)
def test_a_time_budget_that_may_mean_two_things_is_refused(text: str, said: str) -> None:
    assert said in refused(Time_Budget=text).message


@pytest.mark.parametrize(
    "text",
    [
        "$ python train.py",
        "`$ python train.py`",
        "```\n$ python train.py\n```",
        "Command: python train.py",
        "**Command**: `python train.py`",
        "- **Run:** python train.py",
        "Command:\n\npython train.py",
        "**`python train.py`**",
        "*python train.py*",
        "✅ `python train.py`",
        '"python train.py"',
        "“python train.py”",
        "python train.py.",
        "| Command |\n|---|\n| `python train.py` |",
        "| Field | Value |\n|---|---|\n| Command | `python train.py` |",
        "| Run | `python train.py` |\n|---|---|",
        "| Command | Takes |\n|---|---|\n| `python train.py` | 5m |",
    ],
)
def test_a_run_command(text: str) -> None:
    assert read(Run_Command=text).run == "python train.py"


def test_a_prompt_before_a_command_of_several_lines() -> None:
    assert read(Run_Command="```\n$ python train.py \\\n    --lr 3\n```").run == "python train.py \\\n    --lr 3"
    assert read(Run_Command="run=3 python train.py").run == "run=3 python train.py"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("First `make build`, then `python train.py`", "`make build` and `python train.py` are two commands"),
        ("`make build` then `python train.py`", "are two commands"),
        ("`./run.sh` or `make run`", "are two commands"),
        ("python train.py or make train", "is prose"),
        ("uv run train.py, which takes about 5 minutes", "is prose"),
        ("```console\n$ python train.py\nloss: 3\n```", "begins with a prompt"),
        ("```python\nimport train\ntrain.main()\n```", "is Python"),
        ("| Step | Do |\n|---|---|\n| 1 | `make` |\n| 2 | `python train.py` |", "is a table"),
    ],
)
def test_what_is_not_one_run_command_is_refused(text: str, said: str) -> None:
    assert said in refused(Run_Command=text).message


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("train.py and model.py", ["train.py", "model.py"]),
        ("- `a.py`, `b.py`, and `c.py`", ["a.py", "b.py", "c.py"]),
        ("- **`a.py`**, **`b.py`**", ["a.py", "b.py"]),
        ("You may edit `a.py` or `b.py`.", ["a.py", "b.py"]),
        ("- a.py,b.py;c.py", ["a.py", "b.py", "c.py"]),
        ("train.py，model.py、data.py", ["train.py", "model.py", "data.py"]),
        ("- configs/train.yaml, learning rate only", ["configs/train.yaml"]),
        ("- [train.py](train.py)", ["train.py"]),
        ("- [the model](src/train.py) — all of it", ["src/train.py"]),
        ("- [`src/train.py`](https://example.org/x)", ["src/train.py"]),
        ('- "train.py"', ["train.py"]),
        ("- train.py -- the model", ["train.py"]),
        ("- train.py -> the model", ["train.py"]),
        ("- ✅ train.py", ["train.py"]),
        ("- train.py ✅", ["train.py"]),
        ("- Source:\n  - train.py\n  - model.py", ["train.py", "model.py"]),
        ("- src/\n  - train.py (model)\n  - src/data.py", ["src/train.py", "src/data.py"]),
        ("- src/\n  - the optimiser\n  - train.py", ["src/"]),
        ("| train.py | model |\n|---|---|\n| data.py | data |", ["train.py", "data.py"]),
        ("| # | File | Why |\n|---|---|---|\n| 1 | train.py | model |", ["train.py"]),
        ("- x[ab].py", ["x[ab].py"]),
        ("- black and white.py", ["black and white.py"]),
    ],
)
def test_target_files(text: str, patterns: list[str]) -> None:
    assert [rule.pattern for rule in read(Target_Files=text).targets] == patterns


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("### Model\n- train.py\n### It cannot change\n- prepare.py", "`It cannot change` names what must not change"),
        ("May change:\n- train.py\n\nMust not change:\n- prepare.py", "`Must not change:` names what must not change"),
        ("- train.py\n- Never touch:\n  - prepare.py", "`Never touch:` names what must not change"),
        ("- train.py\n- prepare.py (do not modify)", "`prepare.py` is no target: `do not modify`"),
        ("- train.py\n- prepare.py - read-only", "`prepare.py` is no target: `read-only`"),
        ("- src/*.py (not src/eval.py)", "`src/*.py` has an exception: `not src/eval.py`"),
        ("- `src/*.py`, but not `src/eval.py`", "`src/*.py` has an exception"),
        ("- src/*.py except src/eval.py", "`src/*.py` has an exception"),
        ("- everything", "`everything` is not a path"),
    ],
)  # fmt: skip
def test_what_must_not_change_is_never_taken_for_a_target(text: str, said: str) -> None:
    assert said in refused(Target_Files=text).message


def test_a_remark_on_what_must_stay_inside_of_a_target_is_a_remark() -> None:
    assert read(Target_Files="- train.py (do not change the seed)").targets[0].note == "do not change the seed"


def test_a_scope_that_has_both_lists() -> None:
    text = "## Metric\nlower x_y\n## Run\n`make`\n## Scope\n### Can modify\n- a.py\n### Cannot modify\n- b.py\n"
    protocol = parse(text, file="c.md")
    assert [rule.pattern for rule in protocol.targets] == ["a.py"]
    assert [rule.pattern for rule in protocol.readonly] == ["b.py"]


@pytest.mark.parametrize(
    ("text", "patterns"),
    [
        ("Nothing", []),
        ("The rest", []),
        ("rest of the repo", []),
        ("all files not listed above", []),
        ("- anything not in Target Files", []),
        ("alle übrigen Dateien", []),
        ("Everything except train.py", []),
        ("- everything but `train.py`", []),
        ("- 除 train.py 以外的所有文件", []),
        ("- never change eval.py", ["never change eval.py"]),  # it is refused by name where files are looked up
        ("- tests/ and prepare.py", ["tests/", "prepare.py"]),
        ("Do not touch `prepare.py` or `tests/`.", ["prepare.py", "tests/"]),
        ("- All tests (`tests/`)", ["tests/"]),
    ],
)
def test_read_only_files(text: str, patterns: list[str]) -> None:
    assert [rule.pattern for rule in read(**{"Read-Only_Files": text}).readonly] == patterns


def test_an_exception_that_is_no_target_is_refused() -> None:
    error = refused(**{"Read-Only_Files": "Everything except model.py"})
    assert "`Everything except model.py`" in error.message and "`none`" in error.remedy


@pytest.mark.parametrize(
    ("text", "name", "direction"),
    [
        ("We want to maximize throughput (tokens/s).", "throughput", "higher"),
        ("Our goal is to minimize the validation loss.", "validation loss", "lower"),
        ("- val_bpb\n- lower is better", "val_bpb", "lower"),
        ("| Name | Direction |\n|---|---|\n| val_bpb | lower |", "val_bpb", "lower"),
        ("- 📊 **Name:** val_bpb\n- ⬆️ **Direction:** higher", "val_bpb", "higher"),
        ("Name: val_bpb\\\nDirection: lower", "val_bpb", "lower"),
        ("val\\_bpb, lower is better", "val_bpb", "lower"),
        ("- Name: [val_bpb](docs/m.md)\n- Direction: lower", "val_bpb", "lower"),
        ('- Name: "val_bpb"\n- Direction: lower', "val_bpb", "lower"),
        ("- Name: loss\n- Direction: higher is worse", "loss", "lower"),
        ("- Name: acc\n- Direction: less is bad", "acc", "higher"),
        ("- Name: loss\n- Direction: not higher, lower", "loss", "lower"),
        ("reduce max_latency_ms", "max_latency_ms", "lower"),
        ("- Name: max latency\n- Direction: lower", "max latency", "lower"),
        ("- Name: minimum margin (higher is better)", "minimum margin", "higher"),
        ("Minimize max latency (ms)", "max latency", "lower"),
        ("Reduce the runtime of `bench.py` (seconds)", "runtime", "lower"),
        ("- Name: val_bpb (min)", "val_bpb", "lower"),
        ("- Name: lower_bound\n- Higher is better", "lower_bound", "higher"),
    ],
)
def test_a_metric(text: str, name: str, direction: str) -> None:
    metric = read(Metric=text).metric
    assert (metric.name, metric.direction.value) == (name, direction)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("- Name: time_up", "the metric has no direction"),
        ("- Name: max_latency_ms", "the metric has no direction"),
        ("- Name: max latency", "the metric has no direction"),
        ("minimizar val_bpb", "the metric has no direction: `minimizar val_bpb` says neither lower nor higher"),
    ],
)
def test_a_name_is_no_direction(text: str, said: str) -> None:
    assert said in refused(Metric=text).message


@pytest.mark.parametrize("label", ["Measure command", "Extractor", "Metric command"])
def test_an_extract_command(label: str) -> None:
    text = f"- Name: val_bpb\n- Direction: lower\n- {label}: `cat score.txt`"
    assert read(Metric=text).metric.extract == "cat score.txt"


@pytest.mark.parametrize(
    ("text", "tag"),
    [
        ("none", None),
        ("None.", None),
        ("n/a", None),
        ("Branch: autoresearch/x", "x"),
        ("Name: `autoresearch/x`", "x"),
        ("create `autoresearch/x`", "x"),
        ("Use autoresearch/x.", "x"),
        ("`git checkout -b autoresearch/x`", "x"),
        ("[autoresearch/x](https://example.org)", "x"),
        ('"autoresearch/x"', "x"),
    ],
)
def test_a_branch(text: str, tag: str | None) -> None:
    assert read(Branch=text).tag == tag


@pytest.mark.parametrize("text", ["autoresearch/mar 5", "use autoresearch/<tag>", "origin/autoresearch/x", "TBD"])
def test_a_branch_that_can_not_be_meant_is_refused(text: str) -> None:
    assert text in refused(Branch=text).message


@pytest.mark.parametrize(
    ("text", "constraints"),
    [
        ("none", ()),
        ("- None.", ()),
        ("- no new packages", ("no new packages",)),
        ("#### Hard\n- a\n#### Soft\n- b", ("Hard", "a", "Soft", "b")),
    ],
)
def test_constraints(text: str, constraints: tuple[str, ...]) -> None:
    assert read(Constraints=text).constraints == constraints


BODIES = ("val_bpb, lower is better", "train.py", "python train.py", "5 min")


@pytest.mark.parametrize(
    "headings",
    [
        ("## Metric <!-- one number -->", "## Target Files", "## Run Command", "## Time Budget"),
        ("##Metric", "##Target files", "##Run", "##Time budget"),
        ("## 一、指标", "## 二、目标文件", "## 三、运行命令", "## （四）时间预算"),
        ("## A. Metric", "## B. Target Files", "## C. Run Command", "## IV. Time Budget"),
        ("## 📊 Metric", "## ✏️ Files in scope:", "## 🚀 RUN", "## ⏱️ BUDGET"),
        ("## **Metric**", "## `Target Files`", "## _Run Command_", "## __Time Budget__"),
    ],
)
def test_headings(headings: tuple[str, ...]) -> None:
    protocol = parse("".join(f"{h}\n{body}\n" for h, body in zip(headings, BODIES, strict=True)), file="c.md")
    assert (protocol.metric.name, protocol.run, protocol.budget) == ("val_bpb", "python train.py", 300)
    assert [rule.pattern for rule in protocol.targets] == ["train.py"]
    assert protocol.origins["run"] == 6 and protocol.origins["targets[0]"] == 4


def test_a_list_with_lists_in_it() -> None:
    text = (
        "# Config\n1. Goal: Fast\n2. Metric: val_bpb (lower is better)\n   - Extraction command: `grep x run.log`\n"
        "3. Target files:\n   - train.py\n   - model.py\n     - the net\n4. Run command: uv run train.py\n"
        "5. Constraints:\n   - no new packages\n   - keep the API\n"
    )
    protocol = parse(text, file="c.md")
    assert (protocol.metric.extract, protocol.run) == ("grep x run.log", "uv run train.py")
    assert [rule.pattern for rule in protocol.targets] == ["train.py", "model.py"]
    assert protocol.constraints == ("no new packages", "keep the API")
    assert protocol.origins["targets[1]"] == 7


def test_a_section_right_after_a_list_is_no_part_of_its_last_entry() -> None:
    for text in (
        "**1. Metric**\nval_bpb, lower\n**2. Target Files**\n- a.py\n**3. Read-only**\n- b.py\n"
        "**4. Run Command**\nmake\n**5. Time budget**\n5m\n",
        "Metric: val_bpb, lower\nTarget files:\n- a.py\nRead-only:\n- b.py\nRun: make\nTime budget: 5m\n",
    ):
        protocol = parse(text, file="c.md")
        assert [rule.pattern for rule in (*protocol.targets, *protocol.readonly)] == ["a.py", "b.py"]
        assert (protocol.run, protocol.budget) == ("make", 300)


def test_fields_in_a_fence_and_a_list_that_is_indented_too_far() -> None:
    protocol = read(Metric="```yaml\nname: val_bpb\ndirection: lower\n```", Target_Files="    * a.py\n    * b.py")
    assert (protocol.metric.name, protocol.origins["metric.direction"]) == ("val_bpb", 4)
    assert [rule.pattern for rule in protocol.targets] == ["a.py", "b.py"]


def test_front_matter_may_have_blank_lines_before_it() -> None:
    body = "## Metric\nx_y lower\n## Targets\na.py\n## Run\nmake\n"
    protocol = parse(f"\n\n---\n# how\nagent: claude\n---\n{body}", file="c.md")
    assert (protocol.options.agents, protocol.origins["agents"], protocol.origins["run"]) == (("claude",), 5, 12)
    assert parse(f"\n---\n\nSome words.\n\n---\n{body}", file="c.md").options.agents is None
    with pytest.raises(ConfigError, match=r"c.md:2: `metric` does not belong into the front matter"):
        parse("---\nmetric: x_y\nrun: make\n---\n", file="c.md")


def test_a_table_that_speaks_of_the_sections_below_opens_none() -> None:
    body = "## Metric\nx_y lower\n## Targets\na.py\n## Run\nmake\n"
    protocol = parse(
        f"# Summary\n\n| What | How |\n|---|---|\n| Metric | y_z |\n| Run | often |\n\n{body}", file="c.md"
    )
    assert (protocol.metric.name, protocol.run) == ("x_y", "make")
    assert "| Metric | y_z |" in protocol.extra_sections[0].text


def test_one_table_for_everything() -> None:
    rows = "".join(
        f"| {title} | {text} |\n"
        for title, text in (
            ("Goal", "Fast"), ("Metric", "val_bpb"), ("Direction", "lower"), ("Target files", "`a.py`, `b.py`"),
            ("Run command", "`make`"), ("Time budget", "5m"), ("Branch", "x"),
        )
    )  # fmt: skip
    protocol = parse(f"# Autoresearch\n\n| Field | Value |\n|---|---|\n{rows}", file="c.md")
    assert (protocol.goal, protocol.metric.name, protocol.run) == ("Fast", "val_bpb", "make")
    assert [rule.pattern for rule in protocol.targets] == ["a.py", "b.py"]
    assert (protocol.budget, protocol.tag, protocol.origins["run"]) == (300, "x", 9)
