from __future__ import annotations

import pytest

from pytest_autoresearch.protocol.shell import command_in, not_a_command, without_prompts


@pytest.mark.parametrize(
    "text",
    [
        "Spawn an isolated agent with the problem. Measure its output. Log the result.",
        "Calculate from the timestamps in memory/*.md files; count unique ones per hour",
        "Count implemented features from the checklist, divide by total",
        "manual review + structured self-eval: [SOLVED / PARTIAL / NEITHER]",
        "Manual feedback from a reader",
        "run the training script and look at the loss",
        "make sure the tests pass",
        "find the last loss in the log",
        "python train.py and then read the loss from the log",
        "Run train.py and read the loss",
        "look at the plot",
        "the benchmark",
        "检查所有页面是否正常工作，功能是否完整",
        "从评分脚本输出中提取总分 (0-100分)",
        "Skript starten und die Ausgabe prüfen",
    ],
)
def test_prose_is_not_a_command(text: str) -> None:
    assert not_a_command(text) == "is prose, not a command"


@pytest.mark.parametrize(
    "text",
    [
        "python train.py",
        "uv run train.py --lr 0.1 > run.log 2>&1",
        "make bench",
        "make all",
        "./gradlew assembleDebug --no-daemon 2>&1 | tee build.log",
        'npx tsc --noEmit 2>&1 | tail -1 && echo "BUILD_OK"',
        "cd /srv/models && npm run build",
        "CUDA_VISIBLE_DEVICES=0 python train.py",
        "python -c 'print(\"the value of the loss is from the model\")'",
        "python3 - <<'PY'\nprint('this is the end')\nPY",
        "for seed in 1 2 3; do python train.py $seed; done",
        "if [ -f data.bin ]; then python train.py; fi",
        "# the setup of the machine\npython train.py",
        "(cd src; make)",
        "Rscript bench.R",
        "MyBench --fast all cases",
        "mybench small",
        "true",
        "echo this is the end",
        "time python train.py",
        "find . -name '*.log' -newer a",
        "中文/训练.sh",
    ],
)
def test_commands_are_not_prose(text: str) -> None:
    assert not_a_command(text) == ""


def test_placeholders_and_comments_run_nothing() -> None:
    assert not_a_command("<the command>") == "is still the template's placeholder"
    for open_end in (
        "{config}",
        "<model_name>",
        "[MODEL_NAME]",
        "...",
        "path/to/run.yaml",
        "/path/to/data",
        "YOUR_FILE.py",
    ):
        for command in (f"python train.py --with {open_end}", f"cd a\npython train.py --with={open_end} -v"):
            assert not_a_command(command) == f"is unfinished: put a value for {open_end}"
    for command in (
        *(
            "echo ${HOME}/a",
            "cp a{1,2} b",
            "find . -exec touch {} +",
            "awk '{print}' a",
            "go test ./...",
            "git show @{1}",
        ),
        *("[ -f A ] && ls [A-Z]*", "cat <<X\n{name} ...\nX", "echo $YOUR_NAME", "python your.py", "ls xpath/to/a"),
    ):
        assert not_a_command(command) == "", command
    assert not_a_command("# one experiment = one book\n# wait for feedback") == "has only comments"


@pytest.mark.parametrize(
    ("text", "command"),
    [
        ("`python train.py` (takes the GPU)", "python train.py"),
        ("Run `python train.py` in the root", "python train.py"),
        ("python train.py (3 seeds)", "python train.py"),
        ("python train.py — one epoch", "python train.py"),
        ("python score.py → prints the score", "python score.py"),
        ("a && (b)", "a && (b)"),
        ("echo `date` done", "echo `date` done"),
        ("x=`cat a`; echo $x", "x=`cat a`; echo $x"),
        ("echo 'a — b'", "echo 'a — b'"),
        ("awk '{print (1)}' run.log", "awk '{print (1)}' run.log"),
    ],
)
def test_a_command_is_taken_without_what_was_written_beside_it(text: str, command: str) -> None:
    assert command_in(text) == command


def test_prompts_are_taken_off() -> None:
    assert without_prompts("$ make\n$ ./bench\n") == "make\n./bench"
    assert without_prompts("$HOME/bench\n") == "$HOME/bench"
