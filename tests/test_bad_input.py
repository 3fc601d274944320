"""What people get wrong ends with exit 4, one message that says what and where, and nothing written."""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project

pytestmark = pytest.mark.slow  # every test is a session or two of a real pytest

Edit = Callable[[str], str]


def swap(old: str, new: str) -> Edit:
    return lambda text: text.replace(old, new)


MISTAKES: dict[str, tuple[Edit, str]] = {
    "missing target": (swap("`train.py`", "`missing.py`"), "missing.py"),
    "glob that matches nothing": (swap("`train.py`", "`models/*.py`"), "models/*.py"),
    "target that is read-only": (swap("`prepare.py`", "`train.py`"), "train.py"),
    "absolute path outside": (swap("`train.py`", "`/etc/passwd`"), "/etc/passwd"),
    "path that climbs out": (swap("`train.py`", "`../train.py`"), "../train.py"),
    "tag that is no ref": (swap("autoresearch/demo", "autoresearch/de..mo"), "de..mo"),
    "tag with a slash": (swap("autoresearch/demo", "autoresearch/a/b"), "a/b"),
    "metric name with a tab": (swap("Name: loss", "Name: lo\tss"), "lo"),
    "direction that is none": (swap("Direction: lower", "Direction: sideways"), "sideways"),
    "no metric": (swap("## Metric", "## Other"), "Metric"),
    "prose for a command": (
        swap("    python train.py", "Run the training script and look at the loss."),
        "look at the loss",
    ),
    "budget that is none": (swap("20s", "soon"), "soon"),
    "unknown front matter key": (lambda text: f"---\npatince: 3\n---\n{text}", "patience"),
    "front matter that is no YAML": (lambda text: f"---\na: [1\n---\n{text}", "autoresearch.config.md"),
    "empty file": (lambda text: "", "autoresearch.config.md"),
}


def assert_refused(project: Project, *args: str, mentions: str) -> None:
    before = project.git("for-each-ref"), sorted(os.listdir(project.root))
    done = project.pytest("--autoresearch", "--autoresearch-experiments=1", *args)
    assert done.returncode == 4, done.stdout + done.stderr
    assert mentions in done.stderr and "Traceback" not in done.stderr + done.stdout, done.stderr
    assert (project.git("for-each-ref"), sorted(os.listdir(project.root))) == before


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_mistake_in_the_config_is_exit_4_and_named(project: Project, mistake: str) -> None:
    edit, mentions = MISTAKES[mistake]
    config = project.root / "autoresearch.config.md"
    config.write_text(edit(config.read_text()))
    project.commit("mistake")

    assert_refused(project, mentions=mentions)


@pytest.mark.parametrize("content", [b"\xff\xfe\x00bad", b"# a\n" * 3_000_000, b"\x00" * 100])
def test_a_config_that_is_no_text_or_far_too_long_is_exit_4(project: Project, content: bytes) -> None:
    (project.root / "autoresearch.config.md").write_bytes(content)

    assert_refused(project, mentions="autoresearch.config.md")


def test_a_config_that_is_a_directory_is_exit_4(project: Project) -> None:
    (project.root / "autoresearch.config.md").unlink()
    (project.root / "autoresearch.config.md").mkdir()

    assert_refused(project, mentions="autoresearch.config.md")


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_config_that_may_not_be_read_is_exit_4(project: Project) -> None:
    (project.root / "autoresearch.config.md").chmod(0)

    assert_refused(project, mentions="autoresearch.config.md")


def test_an_untracked_target_is_exit_4_with_the_remedy(project: Project) -> None:
    project.write("new.py", "X = 1\n")
    config = project.root / "autoresearch.config.md"
    config.write_text(config.read_text().replace("`train.py`", "`new.py`"))

    assert_refused(project, mentions="commit it first")


@pytest.mark.parametrize(
    "value", ["--autoresearch-duration=soon", "--autoresearch-experiments=-1", "--autoresearch-tag=a b"]
)
def test_a_bad_option_names_itself(project: Project, value: str) -> None:
    assert_refused(project, value, mentions=value.partition("=")[0])


def test_more_workers_than_there_can_be_are_refused_and_not_ignored(project: Project) -> None:
    assert_refused(project, "--autoresearch-workers=gpus", mentions="no GPU is visible")
    assert_refused(project, "--autoresearch-workers=many", mentions="neither `gpus` nor `auto`")
    assert_refused(project, "--autoresearch-workers=auto", mentions="pytest-autoresearch aa --workers N")


def test_an_unknown_agent_is_exit_4_with_the_known_ones(project: Project) -> None:
    assert_refused(project, "--autoresearch-agent=swep", mentions="sweep")


@pytest.mark.parametrize(
    ("train", "extract", "says"),
    [
        ("", "", "no line 'loss"),
        ("print('loss: nan')", "", "nan"),
        ("print('loss: 1.0')", "    printf '1.0 2.0'", "1.0 2.0"),
        ("import sys; sys.stdout.buffer.write(bytes(range(256)) * 50)", "", "no line 'loss"),
        ("print('loss: 1.0')", "    no_such_program run.log", "no_such_program"),
    ],
    ids=["empty log", "nan", "two numbers", "binary log", "extract that does not exist"],
)
def test_a_baseline_without_a_metric_is_exit_1_and_says_why(
    project: Project, train: str, extract: str, says: str
) -> None:
    project.write("train.py", train + "\n")
    if extract:
        config = project.root / "autoresearch.config.md"
        config.write_text(config.read_text() + f"\n## Extract Command\n{extract}\n")
    project.commit("no metric")

    done = project.pytest("--autoresearch", "--autoresearch-experiments=1")

    assert done.returncode == 1 and says in done.stdout, done.stdout + done.stderr
    assert "autoresearch/demo" not in project.git("for-each-ref")
    assert not (project.root / "results.tsv").exists()


def test_a_run_command_that_does_not_exist_is_named(project: Project) -> None:
    config = project.root / "autoresearch.config.md"
    config.write_text(config.read_text().replace("python train.py", "no_such_program train.py"))
    project.commit("no program")

    done = project.pytest("--autoresearch", "--autoresearch-experiments=1")

    assert done.returncode == 1 and "no_such_program" in done.stdout, done.stdout + done.stderr


def test_a_script_that_no_turn_would_see_is_named_before_the_first_one(project: Project) -> None:
    project.write("tools/agent.sh", "echo '# more' >> train.py; echo more")
    said = "a turn does not see"
    assert_refused(project, "--autoresearch-agent=command:bash tools/agent.sh", mentions=f"{said} tools/agent.sh")
    script = project.root / "tools/agent.sh"
    assert_refused(project, f"--autoresearch-agent=command:bash '{script}' 1", mentions=f"{said} {script}")
    project.commit("the agent")
    project.write("mine.txt", "not committed, and none of its business")
    for command in ("bash tools/agent.sh mine.txt", "no 'quote ends here"):
        done = project.pytest(
            "--autoresearch", "--autoresearch-experiments=1", f"--autoresearch-agent=command:{command}"
        )
        assert done.returncode == 0, done.stdout + done.stderr
    assert [row[2] for row in project.table()[2:]] == ["discard", "crash"]


def test_a_change_of_what_is_measured_needs_a_new_tag(project: Project) -> None:
    project.pytest("--autoresearch", "--autoresearch-experiments=1")
    config = project.root / "autoresearch.config.md"
    config.write_text(config.read_text().replace("Direction: lower", "Direction: higher"))

    assert_refused(project, mentions="direction was:    lower\n    direction is now: higher\n")
    done = project.pytest("--autoresearch", "--autoresearch-experiments=1", "--autoresearch-tag=other")
    assert done.returncode == 0, done.stdout + done.stderr
