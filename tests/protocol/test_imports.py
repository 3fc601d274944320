"""Set-ups of other tools become a protocol, and what could not be mapped is said."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.protocol.importing import PLACEHOLDER, import_session
from pytest_autoresearch.protocol.markdown import parse
from pytest_autoresearch.protocol.model import Direction, PathRule
from pytest_autoresearch.protocol.render import render

PROMPT = """\
# Autoresearch: quicker tests

## Objective
Make the suite run in less time.

## Metrics
- **Primary**: test_seconds (s, lower is better) — what is optimised
- **Secondary**: memory_mb, compile_seconds — watched

## How to Run
`./autoresearch.sh` — prints `METRIC name=number` lines.

## Files in Scope
- `src/runner.ts` — the runner
- `vitest.config.ts`
- whatever else slows the fixtures down

## Off Limits
- `package.json`
- The public interface stays.

## Constraints
- All tests pass.
- No new dependency.

## What's Been Tried
- a pool of threads: no gain
"""

PROGRAM = """\
# tinytrain

## Setup
1. **Agree on a tag**: by date.
2. Read these files:
   - `README.md` — what this is.
   - `prepare.py` — data and evaluation. Do not modify.
   - `train.py` — the file you modify. The model.
3. **Verify the data**: `~/.cache/tinytrain/` must hold it.

## Experimentation
Every experiment has a **fixed time budget of 5 minutes**. You launch it simply as: `uv run train.py`.

**What you CAN do:**
- Modify `train.py`: everything in it.

**What you CANNOT do:**
- Modify `prepare.py`. It is read-only.
- Install packages.

**The goal is simple: get the lowest val_loss.** All else is open.

**Memory** is a soft constraint.

**The first run**: is the baseline.

## Output
```
val_loss: 0.99
```
Read it with:
```
grep "^val_loss:" run.log
```

## The loop
1. Run the experiment: `uv run train.py > run.log 2>&1`
2. `git reset` what did not help.

**Timeout**: If a run exceeds 10 minutes, kill it.

**NEVER STOP**: go on.
"""


HERE = ("src/runner.ts", "vitest.config.ts", "package.json", "prepare.py", "train.py")


def write(root: Path, files: dict[str, str]) -> Path:
    files = {**dict.fromkeys(HERE, ""), **files}
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    return root


@pytest.mark.parametrize(
    "names",
    [
        (
            "autoresearch.md",
            "autoresearch.sh",
            "autoresearch.checks.sh",
            "autoresearch.config.json",
            "autoresearch.jsonl",
        ),
        (".auto/prompt.md", ".auto/measure.sh", ".auto/checks.sh", ".auto/config.json", ".auto/log.jsonl"),
        (
            ".auto/autoresearch.md",
            ".auto/autoresearch.sh",
            ".auto/autoresearch.checks.sh",
            ".auto/autoresearch.config.json",
            ".auto/autoresearch.jsonl",
        ),
    ],
)
def test_a_pi_session_becomes_a_protocol(tmp_path: Path, names: tuple[str, ...]) -> None:
    prompt, measure, checks, config, log = names
    write(
        tmp_path,
        {
            prompt: PROMPT,
            measure: 'time npm test\necho "METRIC test_seconds=$t"\n',
            checks: "npm run types\n",
            config: '{"maxIterations": 50, "workingDir": "/elsewhere"}',
            log: "{}\n",
        },
    )
    imported = import_session(tmp_path)
    protocol = imported.protocol
    assert imported.source == tmp_path / prompt
    assert protocol.goal == "Make the suite run in less time."
    assert (protocol.metric.name, protocol.metric.direction) == ("test_seconds", Direction.LOWER)
    assert protocol.metric.extract is None, "METRIC lines are read from the log"
    assert protocol.run == f"bash {measure}"
    assert protocol.guard == (f"bash {checks}",)
    assert protocol.targets == (PathRule("src/runner.ts", "the runner"), PathRule("vitest.config.ts"))
    assert [rule.pattern for rule in protocol.readonly] == ["package.json", measure, checks]
    assert protocol.constraints == (
        "Files in Scope: whatever else slows the fixtures down",
        "Off Limits: The public interface stays.",
        "All tests pass.",
        "No new dependency.",
    )
    assert "memory_mb" in protocol.notes
    assert protocol.extra_sections[0].title == "What's Been Tried"
    assert protocol.options.experiments == 50
    told = "\n".join(imported.unmapped)
    assert "Secondary metrics" in told and "workingDir has no counterpart" in told
    assert "earlier results are not taken over" in told and "Time Budget" in told


def test_a_script_alone_names_its_metric_and_the_rest_is_asked_for(tmp_path: Path) -> None:
    write(tmp_path, {"autoresearch.sh": "echo METRIC total_µs=3\necho METRIC other=4\n"})
    imported = import_session(tmp_path)
    assert imported.protocol.metric.name == "total_µs"
    told = "\n".join(imported.unmapped)
    assert "Target Files: no list of files was found" in told and "neither lower nor higher" in told


def test_a_program_becomes_a_protocol(tmp_path: Path) -> None:
    write(tmp_path, {"program.md": PROGRAM})
    imported = import_session(tmp_path)
    protocol = imported.protocol
    assert (protocol.metric.name, protocol.metric.direction) == ("val_loss", Direction.LOWER)
    assert protocol.metric.extract == "grep '^val_loss:' run.log | tail -n 1"
    assert protocol.run == "uv run train.py"
    assert (protocol.budget, protocol.kill_timeout) == (300.0, 600.0)
    assert protocol.targets == (PathRule("train.py", "the file you modify. The model."),)
    assert [rule.pattern for rule in protocol.readonly] == ["prepare.py"]
    assert protocol.data == ("~/.cache/tinytrain",)
    assert protocol.constraints[1] == "Do not: Install packages."
    assert protocol.notes == "**Memory** is a soft constraint."
    assert "the loop is the supervisor's work now" in "\n".join(imported.unmapped)


@pytest.mark.parametrize(
    ("sentence", "name", "direction"),
    [
        ("The goal is simple: get the highest score. The score is a ratio.", "score", Direction.HIGHER),
        ("**The goal is simple: get the best `acc`.** Higher is better.", "acc", Direction.HIGHER),
        ("Have fun.", PLACEHOLDER, Direction.LOWER),
    ],
)
def test_the_goal_of_a_program_names_metric_and_direction(
    tmp_path: Path, sentence: str, name: str, direction: Direction
) -> None:
    write(tmp_path, {"program.md": f"# x\n\n{sentence}\n\nLaunch it as:\n```bash\ntorchrun train.py  # one GPU\n```\n"})
    protocol = import_session(tmp_path / "program.md").protocol
    assert (protocol.metric.name, protocol.metric.direction) == (name, direction)
    assert protocol.run == "torchrun train.py"


@pytest.mark.parametrize("files", [{"program.md": PROGRAM}, {"autoresearch.md": PROMPT, "autoresearch.sh": "x"}])
def test_what_is_imported_is_a_config_that_reads_back(tmp_path: Path, files: dict[str, str]) -> None:
    protocol = import_session(write(tmp_path, files)).protocol
    assert parse(render(protocol), file="autoresearch.config.md") == protocol


def test_a_prompt_inside_dot_auto_may_be_named_itself(tmp_path: Path) -> None:
    write(tmp_path, {".auto/prompt.md": PROMPT, ".auto/measure.sh": "x"})
    assert import_session(tmp_path / ".auto" / "prompt.md").protocol.run == "bash .auto/measure.sh"


def test_where_there_is_nothing_to_import_the_known_names_are_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"nothing to import\n  known are .*program\.md"):
        import_session(tmp_path)
