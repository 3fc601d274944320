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
