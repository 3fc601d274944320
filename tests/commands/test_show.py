from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

import pytest

from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.ledger import sessions

if TYPE_CHECKING:
    from tests.conftest import Project


def test_show_gives_every_value_its_line_and_marks_what_was_filled_in(project: Project) -> None:
    done = project.cli("show", env={"COLUMNS": "80"})
    assert done.returncode == 0 and done.stderr == ""
    lines = done.stdout.splitlines()
    assert max(map(len, lines)) <= 80
    rows = {" ".join(line[:19].split()): line for line in lines}
    assert rows["metric"].endswith("line 6") and "loss, lower is better" in rows["metric"]
    assert rows["run"].endswith("line 17") and "python train.py" in rows["run"]
    assert rows["budget"].endswith("line 20") and "20s" in rows["budget"]
    assert rows["kill timeout"].endswith("default") and "2 x the budget, 40s" in rows["kill timeout"]
    assert rows["extract"].endswith("default") and "`loss: N`" in rows["extract"]
    assert rows["agent"].endswith("default") and "auto" in rows["agent"]
    assert "train.py" in rows["may change"] and "prepare.py" in rows["read-only"]


def test_what_the_front_matter_says_of_search_and_judge_has_a_row_with_its_line(project: Project) -> None:
    config = project.root / "autoresearch.config.md"
    said = "---\nseeds: paired\nattribute: auto\none_variable: yes\nobservers: [report]\n---\n"
    config.write_text(said + config.read_text())
    lines = project.cli("show", env={"COLUMNS": "80"}).stdout.splitlines()
    rows = {" ".join(line[:19].split()): line.split() for line in lines}
    for number, (name, value) in enumerate([("seeds", "paired"), ("attribute", "auto"), ("one variable", "yes")], 2):
        assert rows[name][-2:] == ["line", str(number)] and value in rows[name]
    assert rows["observers"][-2:] == ["line", "5"]
    assert [line[:19].split() for line in lines].count(["observers"]) == 1
    config.write_text(config.read_text().replace("seeds: paired", "seeds: own"))
    assert "a new one for each run" in project.cli("show", env={"COLUMNS": "80"}).stdout


@pytest.mark.slow
def test_show_says_which_variable_of_the_environment_counts(project: Project) -> None:
    done = project.cli("show", env={"AUTORESEARCH_PATIENCE": "7"})
    assert "from AUTORESEARCH_PATIENCE" in done.stdout
    bad = project.cli("show", env={"AUTORESEARCH_PATIENCE": "many"})
    assert bad.returncode == 4 and "AUTORESEARCH_PATIENCE: `many`" in bad.stderr


def test_show_json_is_the_documented_form_with_lines_and_defaults(project: Project) -> None:
    done = project.cli("show", "--json", ".")
    form = json.loads(done.stdout)
    assert (form["metric"]["name"], form["targets"], form["readonly"]) == ("loss", ["train.py"], ["prepare.py"])
    assert (form["run"], form["budget"], form["branch"]) == ("python train.py", 20.0, "autoresearch/demo")
    assert form["lines"]["run"] == 17 and form["lines"]["targets[0]"] == 11
    assert {"kill_timeout", "metric.extract", "guard", "agent"} <= set(form["defaults"]) and "run" not in form[
        "defaults"
    ]
    assert form["files"] == {"targets": ["train.py"], "readonly": ["prepare.py"]} and form["problem"] is None
    assert form["settings"]["agents"] == ["auto"]


@pytest.mark.slow
def test_show_finds_wanting_what_the_commit_does_not_hold(project: Project) -> None:
    project.write(
        "autoresearch.config.md", (project.root / "autoresearch.config.md").read_text().replace("`train.py`", "new.py")
    )
    done = project.cli("show")
    assert done.returncode == 1
    assert "autoresearch.config.md:11: the target `new.py` is not in the start commit" in done.stdout
    assert json.loads(project.cli("show", "--json").stdout)["problem"]


def test_show_works_outside_of_a_repository_and_says_so(project: Project) -> None:
    place = project.home / "elsewhere"
    place.mkdir()
    (place / "autoresearch.config.md").write_text((project.root / "autoresearch.config.md").read_text())
    done = project.cli("show", str(place))
    assert done.returncode == 1 and "loss, lower is better" in done.stdout and "Problem" in done.stdout


def test_show_of_a_bad_config_is_one_message_and_exit_code_4(project: Project) -> None:
    project.write("autoresearch.config.md", "# Nothing\n")
    done = project.cli("show")
    assert (done.returncode, done.stdout) == (4, "")
    assert done.stderr.startswith("pytest-autoresearch: autoresearch.config.md: there are no sections Metric")
    missing = project.cli("show", "nowhere")
    assert missing.returncode == 4 and "there is no such file" in missing.stderr


@pytest.mark.slow
def test_nothing_in_a_config_reaches_the_terminal_as_a_command(project: Project) -> None:
    project.write(
        "autoresearch.config.md",
        (project.root / "autoresearch.config.md").read_text()
        + "\n## Notes\n\x1b]0;title\x07 \x1b[31mred\n\n## \x1b[2J\nx\n",
    )
    assert "\x1b" not in project.cli("show").stdout


SPEED = """\
import pytest


@pytest.mark.timeout(20)
@pytest.mark.autoresearch(
    metric="seconds", direction="lower", targets=["train.py"], guard=["-m smoke"], min_delta="1%", experiments=5
)
def test_speed(record_metric):
    record_metric("seconds", 1.0)
"""


@pytest.mark.slow
def test_show_says_what_a_marker_means(project: Project) -> None:
    project.write("tests/test_speed.py", SPEED.replace('"train.py"', '"../train.py"'))
    project.write("pytest.ini", "[pytest]\nautoresearch_patience = 7\n")
    project.commit("a marked test")
    done = project.cli("show", "tests/test_speed.py::test_speed", env={"COLUMNS": "90"})
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.startswith("tests/test_speed.py::test_speed\n")
    rows = {" ".join(line[:19].split()): line for line in done.stdout.splitlines()}
    for name, value in {
        "metric": "seconds, lower is better", "min delta": "1%", "targets": "../train.py", "guard": "-m smoke",
        "budget": "10s", "kill timeout": "20s", "experiments": "5",
    }.items():  # fmt: skip
        assert value in rows[name] and rows[name].endswith("line 4"), rows[name]
    assert "python -m pytest" in rows["run"] and rows["run"].endswith("default")
    assert "train.py" in rows["may change"] and "ini option autoresearch_patience" in done.stdout


@pytest.mark.slow
def test_show_of_a_marked_test_is_what_its_session_will_have(project: Project) -> None:
    project.write("test_speed.py", SPEED.replace(' guard=["-m smoke"],', ""))
    project.write("pytest.ini", "[pytest]\n")
    project.commit("a marked test")
    form = json.loads(project.cli("show", "--json", "test_speed.py").stdout)
    project.run(sys.executable, "-m", "pytest", "--autoresearch", "--autoresearch-experiments=0", "test_speed.py")
    with Git.discover(project.root) as git:
        [session] = sessions(git)
    assert {name: form[name] for name in session.protocol} == session.protocol


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("nowhere.py::test_x", "nowhere.py: there is no such file"),
        ("test_speed.py::test_x", "not found"),
        ("test_plain.py", "no test here is marked"),
        ("test_two.py", "2 tests here are marked"),
        ("test_wrong.py", "there is no argument `metrik`"),
        ("test_broken.py", "No module named 'nothing_of_this_name'"),
    ],
)
def test_show_of_what_is_no_marked_test_says_why(project: Project, path: str, said: str) -> None:
    project.write("test_speed.py", SPEED)
    project.write("test_plain.py", "def test_x(): pass\n")
    project.write("test_two.py", SPEED + SPEED.partition("\n\n\n")[2].replace("test_speed", "test_other"))
    project.write("test_wrong.py", SPEED.replace("metric=", "metrik="))
    project.write("test_broken.py", "import nothing_of_this_name\n")
    for command in ("show", "doctor"):
        done = project.cli(command, path)
        assert (done.returncode, "Traceback" in done.stderr) == (1 if command == "doctor" else 4, False)
        assert said in done.stdout + done.stderr


def test_show_reads_the_ini_file_as_the_loop_does(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\nautoresearch_experiments = 12\naddopts = --no-such-option\n")
    assert json.loads(project.cli("show", "--json").stdout)["settings"]["experiments"] == 12


@pytest.mark.slow
def test_show_lists_every_literal_with_its_range_and_why_it_is_closed(project: Project) -> None:
    project.write("train.py", 'LR = 0.1  # 0.01..0.5\nSEED = 3\nprint("loss:", 2 * 3)\n')
    project.write("main.kt", "val x = 1\n")
    config = (project.root / "autoresearch.config.md").read_text()
    project.write("autoresearch.config.md", config.replace("- `train.py`", "- `train.py`\n- `main.kt`"))
    project.commit("literals")
    shown = project.cli("show", env={"COLUMNS": "100"}).stdout
    assert "  LR = 0.1, log, 0.01 .. 0.5 (declared in the source)  line 1\n" in shown
    assert "    SEED = 3: a seed: luck is no improvement  line 2\n" in shown
    assert "  main.kt is not read, neither for knobs nor for seeds: no reader of Kotlin is known" in shown
    narrow = project.cli("show", env={"COLUMNS": "50"}).stdout
    assert "  LR = 0.1, log, 0.01 .. 0.5 (declared in the\n      source)  line 1\n" in narrow
    project.write("autoresearch.config.md", f"---\nknobs: {{LEARN: 1..2, exclude: [SEED]}}\n---\n{config}")
    misnamed = project.cli("show")
    assert misnamed.returncode == 4
    assert "autoresearch.config.md:2: knobs: no literal is named 'LEARN'" in misnamed.stderr
