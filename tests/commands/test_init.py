from __future__ import annotations

import os
import pty
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_autoresearch.commands.questions import QUESTIONS
from pytest_autoresearch.protocol.markdown import load
from pytest_autoresearch.protocol.model import Direction

if TYPE_CHECKING:
    from tests.conftest import Project


@pytest.fixture
def bare(project: Project) -> Project:
    """The project before anybody wrote a config."""
    (project.root / "autoresearch.config.md").unlink()
    project.commit("without a config")
    return project


def test_init_suggests_writes_and_proves(bare: Project) -> None:
    done = bare.cli("init", "--yes", "--metric", "loss")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "It works: loss = 37.32 after" in done.stdout and "read from the log" in done.stdout
    protocol = load(bare.root / "autoresearch.config.md", top=bare.root)
    assert (protocol.metric.name, protocol.metric.direction.value, protocol.run) == ("loss", "lower", "python train.py")
    assert [rule.pattern for rule in protocol.targets] == ["train.py"]
    assert [rule.pattern for rule in protocol.readonly] == ["prepare.py"]
    assert bare.git("status", "--porcelain") == "?? autoresearch.config.md"
    assert bare.cli("show").returncode == 0


def test_every_answer_may_be_given_by_a_flag(bare: Project) -> None:
    done = bare.cli(
        *(
            "init",
            "--yes",
            "--goal",
            "Less loss.",
            "--metric",
            "loss",
            "--direction",
            "lower",
            "--run",
            "python train.py",
        ),
        *("--target", "train.py", "--readonly", "prepare.py", "--extract", "grep '^loss:' run.log", "--budget", "20s"),
        *("--tag", "first"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "read from the extract command" in done.stdout
    protocol = load(bare.root / "autoresearch.config.md", top=bare.root)
    assert (protocol.goal, protocol.tag, protocol.budget) == ("Less loss.", "first", 20)
    assert protocol.metric.extract == "grep '^loss:' run.log"


def test_a_config_in_a_directory_below_the_top_has_paths_of_its_own(bare: Project) -> None:
    bare.git("mv", "-k", "train.py", "prepare.py", ".")
    (bare.root / "sub").mkdir()
    bare.git("mv", "train.py", "prepare.py", "sub")
    bare.commit("below")
    done = bare.cli("init", "sub", "--yes", "--metric", "loss")
    assert done.returncode == 0, done.stdout + done.stderr
    assert [rule.pattern for rule in load(bare.root / "sub" / "autoresearch.config.md", top=bare.root).targets] == [
        "train.py"
    ]


def test_a_goal_is_a_sentence_whatever_it_begins_with(bare: Project) -> None:
    goal = "## Metric\n- Name: other"
    done = bare.cli("init", "--yes", "--metric", "loss", "--goal", goal)
    assert done.returncode == 0, done.stdout + done.stderr
    protocol = load(bare.root / "autoresearch.config.md", top=bare.root)
    assert (protocol.goal, protocol.metric.name) == ("\\## Metric - Name: other", "loss")


def test_a_second_init_goes_on_from_the_first_ones_answers(project: Project) -> None:
    config = project.root / "autoresearch.config.md"
    before = config.read_text()
    done = project.cli("init", "--yes")
    assert done.returncode == 0 and "autoresearch.config.md says so already" in done.stdout, done.stdout + done.stderr
    assert config.read_text() == before
    done = project.cli("init", "--yes", "--budget", "30s")
    assert done.returncode == 0, done.stdout + done.stderr
    again, first = (load(config, top=project.root), project.root / "autoresearch.config.md.before-1")
    assert again.budget == 30 and first.read_text() == before, "nothing is lost"
    config.write_text(before)
    assert replace(load(config, top=project.root), budget=30.0) == again


def test_a_metric_that_is_not_found_is_said_with_the_end_of_the_log(bare: Project) -> None:
    done = bare.cli(
        "init",
        "--yes",
        "--metric",
        "accuracy",
        "--direction",
        "higher",
        "--run",
        "python train.py",
        "--target",
        "train.py",
    )
    assert done.returncode == 1
    assert "does not give accuracy yet: no-metric" in done.stdout
    assert (bare.root / "autoresearch.config.md").exists()


def test_a_target_that_is_not_committed_is_refused_before_the_run(bare: Project) -> None:
    bare.write("new.py", "print('loss: 1')\n")
    done = bare.cli("init", "--yes", "--metric", "loss", "--run", "python new.py", "--target", "new.py")
    assert done.returncode == 4 and "the target `new.py` is not in the start commit" in done.stderr


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (("--metric", "a\tb"), "--metric: "),
        (("--metric", "loss", "--run", "run the training and look at the loss"), "--run: `run the training"),
        (("--metric", "loss", "--target", ""), "--target: no path is named"),
        (("--metric", "loss", "--budget", "soon"), "--budget: `soon` is not a duration"),
        (("--metric", "loss", "--tag", "a/b"), "--tag: `a/b` is no usable branch name"),
        (("--metric", "unheard_of"), "the repository does not tell the direction"),
    ],
)
def test_a_bad_flag_is_one_message_and_nothing_is_written(bare: Project, flags: tuple[str, ...], message: str) -> None:
    done = bare.cli("init", "--yes", *flags)
    assert done.returncode == 4 and message in done.stderr
    assert not (bare.root / "autoresearch.config.md").exists()


def test_without_a_terminal_it_does_not_wait_for_answers(bare: Project) -> None:
    done = bare.cli("init", stdin=subprocess.DEVNULL)
    assert done.returncode == 4 and "--yes" in done.stderr


def typed(bare: Project, *answers: str, end: str = "") -> tuple[int, str]:
    """`init` on a terminal with these answers; its exit status, and what it says."""
    here, there = pty.openpty()
    with subprocess.Popen(
        [sys.executable, "-m", "pytest_autoresearch.cli", "init"],
        cwd=bare.root, env=bare.env, stdin=there, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True,
    ) as child:  # fmt: skip
        os.close(there)
        os.write(here, ("".join(f"{answer}\n" for answer in answers) + end).encode())
        said = child.communicate(timeout=100)[0]
    os.close(here)
    return child.returncode, said


def test_on_a_terminal_it_asks_until_it_understands(bare: Project) -> None:
    code, said = typed(bare, "", "loss", "sideways", "lower", "run the training and look", "", "")
    assert code == 0, said
    assert "`sideways` is neither lower nor higher" in said and "is prose, not a command" in said
    assert sum(said.count(question) for question in QUESTIONS.values()) == 5 + 2, "five, and two of them again"
    protocol = load(Path(bare.root) / "autoresearch.config.md", top=bare.root)
    assert (protocol.metric.name, protocol.run, protocol.goal) == (
        *("loss", "python train.py"),
        "Lower `loss`, as `python train.py` prints it.",
    )


def test_answers_survive_an_interruption(bare: Project) -> None:
    code, said = typed(
        bare, "Faster. Smaller.", "val_loss", "higher", end="\x04"
    )  # Ctrl-D where the command is asked for
    assert code != 0 and not (bare.root / "autoresearch.config.md").exists()
    code, said = typed(bare, "", "", "", "python train.py", "train.py")
    assert "[Faster. Smaller.]" in said and "[val_loss]" in said and "[higher]" in said
    protocol = load(Path(bare.root) / "autoresearch.config.md", top=bare.root)
    assert (protocol.goal, protocol.metric.name) == ("Faster. Smaller.", "val_loss")
    assert (
        protocol.metric.direction.value == "higher" and bare.git("status", "--porcelain") == "?? autoresearch.config.md"
    )
    assert not (bare.root / ".git/autoresearch/init.json").exists()


def test_all_that_is_not_told_is_said_at_once(bare: Project) -> None:
    bare.git("rm", "-q", "-r", ".")
    bare.write("README.md", "nothing\n")
    bare.commit()
    done = bare.cli("init", "--yes", "--metric", "x")
    assert done.returncode == 4 and "does not tell the direction, the run and the target" in done.stderr
    assert "give --direction … --run … --target …" in done.stderr


def test_benchmarks_for_pytest_need_no_config(bare: Project) -> None:
    bare.write("train.py", "def f(): return 1\n")
    bare.write("test_fast.py", "from train import f\ndef test_f(benchmark):\n    benchmark(f)\n")
    bare.commit()
    done = bare.cli("init", "--yes")
    assert done.returncode == 4 and "pytest --autoresearch test_fast.py --autoresearch-targets FILES" in done.stderr
    code, said = typed(bare, "", "", end="\x04")
    assert code != 0 and "There are benchmarks for pytest, which need no config:\n    pytest --autoresearch" in said
    assert "so please type one" in said


def test_outside_of_a_repository_it_says_what_is_missing(bare: Project) -> None:
    done = bare.cli("init", str(bare.home), "--yes")
    assert done.returncode == 4 and "Traceback" not in done.stderr


def test_a_session_of_another_tool_is_taken_over_and_what_is_not_mapped_is_said(project: Project) -> None:
    (project.root / "autoresearch.config.md").unlink()
    project.write(
        "autoresearch.md", "# Goal\nMake parsing fast.\n\n## Metrics\n- **Primary**: parse_ms (ms, lower is better)\n"
    )
    project.write("autoresearch.sh", "#!/bin/bash\npython train.py\necho METRIC parse_ms=12\n")
    project.write("autoresearch.ideas.md", "- try a trie\n")
    project.commit("theirs")

    done = project.cli("init", "--from", ".")

    assert "is written from" in done.stdout and "Traceback" not in done.stderr, done.stdout + done.stderr
    config = (project.root / "autoresearch.config.md").read_text()
    assert "parse_ms" in config and "lower" in config
    assert project.cli("init", "--from", ".").returncode == 4  # never over what is there


def test_what_a_session_of_another_tool_lacks_is_needed_first(bare: Project) -> None:
    bare.write("autoresearch.md", "# Goal\nMake parsing fast.\n\n## Metrics\n- **Primary**: parse_ms (lower)\n")
    bare.write("autoresearch.config.json", '{"maxIterations": true}')
    done = bare.cli("init", "--from", ".")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "Fill in the target files and the run command in autoresearch.config.md first" in done.stdout
    assert "experiments" not in (bare.root / "autoresearch.config.md").read_text()


@pytest.mark.slow
def test_a_guess_is_never_written_with_exit_status_0(bare: Project) -> None:
    """Neither the direction nor the command may be wrong without somebody having said so."""
    bare.write("w.py", "print('wobble: 2')\n")
    bare.write("program.md", "# w\n\nMetric: `wobble`\n\nLaunch it: `python w.py`\n\nOnly modify `w.py`.\n")
    bare.commit("theirs")
    done = bare.cli("init", "--from", ".", "--yes")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "guessed: direction is `lower`: the prompt says neither lower nor higher" in done.stdout
    assert "--direction …, or --accept-guesses" in done.stdout
    config = bare.root / "autoresearch.config.md"
    config.unlink()
    done = bare.cli("init", "--from", ".", "--yes", "--direction", "higher")
    assert done.returncode == 0 and "It works: wobble = 2" in done.stdout, done.stdout + done.stderr
    assert load(config, top=bare.root).metric.direction is Direction.HIGHER
    config.unlink()
    assert bare.cli("init", "--from", ".", "--yes", "--accept-guesses").returncode == 0


def test_what_is_taken_over_and_does_not_run_is_found_wanting(bare: Project) -> None:
    bare.write("w.py", "print('other: 2')\n")
    bare.write("program.md", "# w\n\nGet the lowest `loss`.\n\nLaunch it: `python w.py`\n\nOnly modify `w.py`.\n")
    bare.commit("theirs")
    done = bare.cli("init", "--from", ".", "--yes")
    assert done.returncode == 1 and "The run does not give loss yet" in done.stdout
    assert "the log reports `other`" in done.stdout


@pytest.mark.slow
def test_init_github_writes_the_workflows_for_the_config(project: Project) -> None:
    done = project.cli("init", "--github", "two-jobs")
    assert done.returncode == 0, done.stderr
    written = {path.name for path in (project.root / ".github/workflows").iterdir()}
    assert written == {"autoresearch.yml", "verify.yml", "commands.yml"}
    assert "contents: read # the publish job" in (project.root / ".github/workflows/autoresearch.yml").read_text()
    (project.root / "autoresearch.config.md").unlink()
    refused = project.cli("init", "--github")
    assert refused.returncode == 4 and "pytest-autoresearch init" in refused.stderr


@pytest.mark.slow
def test_tests_that_are_green_guard_what_is_optimised_and_red_ones_are_named(bare: Project) -> None:
    bare.write("tests/test_train.py", "def test_train():\n    assert 'loss' in open('train.py').read()\n")
    bare.commit("tests")
    done = bare.cli("init", "--yes", "--metric", "loss")
    assert done.returncode == 0, done.stdout + done.stderr
    assert load(bare.root / "autoresearch.config.md", top=bare.root).guard == ("tests/",)
    assert "Guard: tests/." in done.stdout
    (bare.root / "autoresearch.config.md").unlink()
    bare.write("tests/test_train.py", "def test_train():\n    assert False\n")
    bare.commit("red")
    done = bare.cli("init", "--yes", "--metric", "loss")
    assert done.returncode == 0, done.stdout + done.stderr
    assert load(bare.root / "autoresearch.config.md", top=bare.root).guard == ()
    assert "It guards nothing yet" in done.stdout and "`guard: [tests/]`" in done.stdout


@pytest.mark.parametrize(
    ("files", "guard"),
    [
        (["a.py", "tests/test_a.py", "tests/data.py"], ("tests/",)),
        (["a.py", "test_a.py", "b_test.py"], ("b_test.py", "test_a.py")),
        (["a.py", "tests/conftest.py", "contest.py"], ()),
        (["test_speed.py"], ()),
    ],
)
def test_what_is_measured_is_no_guard(files: list[str], guard: tuple[str, ...]) -> None:
    from pytest_autoresearch.commands.init import tests_among

    assert tests_among(files, ["a.py"], "python test_speed.py") == guard
