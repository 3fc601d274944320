"""The loop as pytest's own features see it: reporters, selection, verbosity, exit codes."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from tests.research.noisy import on_terminal

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.conftest import Project

FEW = "--autoresearch-experiments=3"


def test_one_command_leaves_a_branch_a_table_and_an_untouched_checkout(project: Project) -> None:
    project.write("train.py", (project.root / "train.py").read_text() + "# not committed\n")
    project.write("notes.txt", "mine")
    before = (
        project.git("status", "--porcelain"),
        project.git("rev-parse", "HEAD"),
        project.git("branch", "--show-current"),
    )

    done = project.pytest("--autoresearch", FEW)

    assert done.returncode == 0, done.stdout + done.stderr
    assert before == (
        project.git("status", "--porcelain"),
        project.git("rev-parse", "HEAD"),
        project.git("branch", "--show-current"),
    )
    rows = project.table()
    assert rows[0] == ["commit", "loss", "status", "description"] and rows[1][0] == "baseline" and len(rows) == 5
    assert "uncommitted changes" in done.stdout and "start 37.32" in done.stdout
    kept = [row[0] for row in rows[2:] if row[2] == "keep"]
    assert kept and f"1 baseline, {len(kept)} kept, {3 - len(kept)} discarded" in done.stdout, done.stdout
    assert project.git("log", "--format=%h", "--abbrev=7", "--reverse", "main..autoresearch/demo").split() == kept


@pytest.mark.slow
def test_each_keep_on_the_branch_gives_its_recorded_value_when_run_by_hand(project: Project) -> None:
    project.pytest("--autoresearch", "--autoresearch-experiments=8")
    keeps = [row for row in project.table()[2:] if row[2] == "keep"]
    assert keeps
    for commit, value, *_ in keeps:
        project.git("checkout", "-q", commit)
        shown = project.run(sys.executable, "train.py").stdout
        assert float(shown.split()[1]) == pytest.approx(float(value), abs=1e-6)


@pytest.mark.slow
def test_a_discarded_experiment_leaves_no_trace_on_the_branch_but_its_diff_can_be_shown(project: Project) -> None:
    project.pytest("--autoresearch", "--autoresearch-experiments=8")
    discards = [(n, row) for n, row in enumerate(project.table()[1:]) if row[2] == "discard"]
    assert discards
    number, row = discards[0]
    assert row[0] not in project.git("log", "--format=%h", "--abbrev=7", "autoresearch/demo").split()
    shown = project.cli("log", "--diff", str(number))
    assert shown.returncode == 0 and "+++ b/train.py" in shown.stdout, shown.stdout + shown.stderr


@pytest.mark.slow
def test_a_second_run_resumes_with_the_next_number(project: Project) -> None:
    project.pytest("--autoresearch", FEW)
    done = project.pytest("--autoresearch", FEW, "-v")
    assert "experiment[0004]" in done.stdout and "experiment[baseline]" not in done.stdout
    assert len(project.table()) == 8


@pytest.mark.slow
def test_the_line_that_resumes_has_what_was_typed(project: Project) -> None:
    typed = ("--autoresearch-agent", "command:true; true", "--autoresearch-tag=me", FEW)
    done = project.pytest("--autoresearch", *typed)
    said = next(line for line in done.stdout.splitlines() if line.startswith("resume  "))
    assert said == (
        "resume  pytest --autoresearch autoresearch.config.md --autoresearch-tag me "
        "--autoresearch-agent 'command:true; true' --autoresearch-experiments 3"
    )


@pytest.mark.slow
def test_the_line_that_resumes_an_interrupted_session_asks_for_the_rest_only(project: Project) -> None:
    project.pytest("--autoresearch", "--autoresearch-experiments=1")
    done = project.pytest("--autoresearch", "--autoresearch-experiments=6", "-x", "--autoresearch-patience=2")
    said = next(line for line in done.stdout.splitlines() if line.startswith("resume  "))
    made = int(re.search(r"(\d+) experiments:", done.stdout)[1]) - 1  # type: ignore[index]
    assert f"--autoresearch-experiments {6 - made if made < 6 else 6} " in f"{said} "


@pytest.mark.slow
def test_ctrl_c_kills_the_run_prints_the_summary_and_loses_nothing(
    project: Project, wait_for: Callable[[Path], None]
) -> None:
    start = ("--autoresearch", "--autoresearch-isolation=none")
    project.pytest(*start, FEW)
    before = len(project.table())
    agent, go_on = project.home / "agent.py", project.home / "go on"
    waits = f"import os, time\nwhile not os.path.exists({str(go_on)!r}): time.sleep(0.02)\n"
    agent.write_text(f"open('train.py','a').write({waits!r}); print('wait')\n")
    with subprocess.Popen(
        [*project.pytest_command, *start, f"--autoresearch-agent=command:{sys.executable} {agent}"],
        cwd=project.root,
        env={**project.env, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as running:
        state = project.root / ".git" / "autoresearch" / "demo" / "pending" / "4.json"
        wait_for(state)
        os.kill(running.pid, signal.SIGINT)
        out = ""
        assert running.stdout is not None
        for line in running.stdout:
            out += line
            if "stopped:" not in out:
                os.kill(running.pid, signal.SIGINT)  # an impatient person presses again, while the summary is written
    assert running.returncode == 2, out
    assert "start 37.32" in out and "interrupted" in out
    assert len(project.table()) == before

    go_on.touch()
    resumed = project.pytest(*start, "--autoresearch-experiments=1", "-v", env={"AUTORESEARCH_AGENT": "sweep"})
    assert "experiment[0004]" in resumed.stdout and "wait" in resumed.stdout  # the same proposal, not asked for again


def test_reporters_see_one_test_per_experiment(project: Project) -> None:
    done = project.pytest("--autoresearch", FEW, "--junitxml=report.xml", "-v")
    cases = ET.parse(project.root / "report.xml").getroot().findall(".//testcase")
    assert [case.get("name") for case in cases] == [
        "experiment[baseline]",
        "experiment[0001]",
        "experiment[0002]",
        "experiment[0003]",
    ]
    properties = {p.get("name"): p.get("value") for p in cases[1].findall(".//property")}
    assert properties["autoresearch_number"] == "1" and properties["autoresearch_metric"] == "loss"
    assert properties["autoresearch_status"] in ("keep", "discard")
    skipped = [case for case in cases if case.find("skipped") is not None]
    assert len(skipped) == sum(row[2] != "keep" for row in project.table()[1:])
    assert "KEEP" in done.stdout and "autoresearch.config.md::experiment[0001]" in done.stdout


@pytest.mark.slow
def test_quiet_shows_the_header_a_line_a_keep_and_the_summary(project: Project) -> None:
    project.write("pytest.ini", "[pytest]\naddopts = -q\n")
    done = project.pytest("--autoresearch", FEW)
    lines = done.stdout.splitlines()
    assert done.returncode == 0 and "experiment[0001]" not in done.stdout
    assert lines[0].startswith("autoresearch: autoresearch.config.md on branch")
    kept = [
        f"{number:04d}" if number else "baseline" for number, row in enumerate(project.table()[1:]) if row[2] == "keep"
    ]
    assert [line.split()[0] for line in lines if " KEEP " in line] == kept
    assert " DISCARD " not in done.stdout and any(line.startswith("loss: start 37.32") for line in lines)


@pytest.mark.slow
def test_verbose_shows_more_and_not_less(project: Project) -> None:
    done = project.pytest("--autoresearch", FEW, "-v")
    rows = [line for line in done.stdout.splitlines() if line.startswith(("baseline ", "0001 ", "0002 ", "0003 "))]
    assert len(rows) == 4 and all(row.split()[1] in ("KEEP", "DISCARD") for row in rows)
    assert "autoresearch.config.md::experiment" in done.stdout
    assert sum(line.startswith(" " * 9) and " run" in line for line in done.stdout.splitlines()) == 4


@pytest.mark.slow
def test_no_terminal_and_no_timeout_plugin_are_fine(project: Project) -> None:
    silent = project.pytest("--autoresearch", FEW, "-p", "no:terminal")
    assert silent.returncode == 0 and silent.stdout == ""
    untimed = project.pytest("--autoresearch", FEW, "-p", "no:timeout", "--strict-markers")
    assert untimed.returncode == 0, untimed.stdout
    assert len(project.table()) == 8


def test_collect_only_lists_the_session_and_writes_nothing(project: Project) -> None:
    done = project.pytest("--autoresearch", "--collect-only", "-q")
    assert done.returncode == 0 and "autoresearch.config.md::experiment" in done.stdout
    assert project.git("for-each-ref", "refs/autoresearch", "refs/heads/autoresearch") == ""
    assert not (project.root / "results.tsv").exists()


def test_exit_first_does_not_stop_at_discards_and_crashes(project: Project) -> None:
    done = project.pytest("--autoresearch", "--autoresearch-experiments=6", "-x")
    assert done.returncode == 0 and len(project.table()) == 8


@pytest.mark.slow
def test_k_selects_and_what_selects_nothing_is_exit_5(project: Project) -> None:
    assert project.pytest("--autoresearch", FEW, "-k", "experiment").returncode == 0
    assert project.pytest("--autoresearch", FEW, "-k", "no_such_thing").returncode == 5


def test_where_there_is_nothing_to_optimise_it_says_what_to_do(project: Project) -> None:
    project.write("tests/test_ordinary.py", "def test_a(): pass\n")
    done = project.pytest("--autoresearch", "tests")
    assert done.returncode == 5 and "pytest-autoresearch init" in done.stdout
    assert "1 ordinary test deselected: mark one" in done.stdout


@pytest.mark.slow
def test_on_a_terminal_nothing_is_left_of_the_living_line(project: Project) -> None:
    code, shown, _ = on_terminal(project, *project.pytest_command, "--autoresearch", FEW)
    assert code == 0 and "verify, head" in shown, shown
    left = [line.rstrip("\r").rpartition("\r")[2] for line in shown.split("\n")]
    assert not [line for line in left if " s of " in line or "verify, " in line]


def test_xdist_is_refused_in_one_line(project: Project) -> None:
    pytest.importorskip("xdist")
    done = project.pytest("-p", "xdist", "--autoresearch", "-n", "2")
    assert done.returncode == 4 and "--autoresearch-workers" in done.stderr and "Traceback" not in done.stderr


def test_ordinary_tests_are_deselected_and_counted(project: Project) -> None:
    project.write("test_ordinary.py", "def test_a(): raise SystemExit\ndef test_b(): pass\n")
    done = project.pytest("--autoresearch", FEW, ".")
    assert done.returncode == 0 and "2 ordinary tests" in done.stdout


def test_without_the_switch_a_config_is_not_collected(project: Project) -> None:
    assert project.pytest(".").returncode == 5


def test_a_failing_baseline_is_exit_1_with_the_logs_tail_and_nothing_recorded(project: Project) -> None:
    project.write("train.py", "raise RuntimeError('no data found')\n")
    project.commit("broken")
    done = project.pytest("--autoresearch", FEW)
    assert done.returncode == 1 and "no data found" in done.stdout and "Traceback (most" not in done.stderr
    assert project.git("for-each-ref", "refs/autoresearch", "refs/heads/autoresearch") == ""
    assert not (project.root / "results.tsv").exists()


@pytest.mark.slow
def test_two_configs_are_two_sessions_one_after_the_other(project: Project) -> None:
    for name in ("a", "b"):
        for file in ("autoresearch.config.md", "train.py", "prepare.py"):
            text = (project.root / file).read_text().replace("autoresearch/demo", f"autoresearch/{name}")
            project.write(f"{name}/{file}", text)
    project.commit("two")
    done = project.pytest("--autoresearch", "--autoresearch-experiments=1", "a", "b")
    assert done.returncode == 0, done.stdout
    assert len(project.table("a/results.tsv")) == len(project.table("b/results.tsv")) == 3
    refused = project.pytest("--autoresearch", "--autoresearch-tag=x", "a", "b")
    assert refused.returncode == 4


@pytest.mark.parametrize(("fail_on", "code"), [("never", 0), ("no-keep", 1)])
def test_fail_on_no_keep(project: Project, fail_on: str, code: int) -> None:
    project.write("train.py", "print('loss: 1.0')\nRATE = 2.0\n")
    project.commit("flat")
    done = project.pytest("--autoresearch", FEW, f"--autoresearch-fail-on={fail_on}")
    assert done.returncode == code, done.stdout


KEEPER = """
class Keeper:
    def __init__(self):
        self.out = open("left.txt", "w")

    def pytest_unconfigure(self):
        self.out.write("all")

def pytest_configure(config):
    config.pluginmanager.register(Keeper())
"""


def test_what_a_plugin_has_left_open_is_written_at_the_end(project: Project) -> None:
    project.write("conftest.py", KEEPER)

    assert project.pytest("--autoresearch", "--autoresearch-experiments=0").returncode == 0
    assert (project.root / "left.txt").read_text() == "all"


@pytest.mark.slow
def test_an_observer_that_fails_does_not_stop_the_loop(project: Project) -> None:
    project.write(
        "conftest.py",
        "def pytest_autoresearch_recorded(experiment):\n    assert experiment.number != 2, 'observer'\n",
    )
    project.commit("observer")
    done = project.pytest("--autoresearch", FEW)
    assert done.returncode == 0 and len(project.table()) == 5, done.stdout


@pytest.mark.slow
def test_a_ledger_that_can_not_be_written_is_exit_1_with_the_summary_and_the_remedy(project: Project) -> None:
    lock = project.root / ".git/refs/autoresearch/demo/log.lock"
    agent = project.home / "agent.py"
    agent.write_text(
        "import os, pathlib\n"
        "number = int(os.environ['AUTORESEARCH_EXPERIMENT'])\n"
        "pathlib.Path('train.py').write_text(f\"print('loss:', {9 - number})\")\n"
        f"if number == 2: pathlib.Path({str(lock)!r}).touch()\n"
    )
    arguments = ("--autoresearch", "--autoresearch-isolation=none", f"--autoresearch-agent=command:python {agent}")

    done = project.pytest(*arguments, "--autoresearch-experiments=3")

    assert done.returncode == 1, done.stdout + done.stderr
    assert f"Unable to create '{lock}': File exists" in done.stdout
    assert "delete that file" in done.stdout
    assert "stopped: the harness failed" in done.stdout
    assert "1 keep, 0 discard" in done.stdout
    assert [row[2] for row in project.table()[1:]] == ["keep", "keep"]


@pytest.mark.slow
def test_a_live_page_follows_the_session_and_a_path_behind_the_option_is_a_path(project: Project) -> None:
    seen = project.home / "seen"
    project.write(
        "conftest.py",
        "import re, urllib.request\n"
        "def pytest_autoresearch_recorded(experiment, history):\n"
        f"    port, token = open('{project.root}/.git/autoresearch/demo/live').read().split()\n"
        "    page = urllib.request.urlopen(f'http://127.0.0.1:{port}/{token}/', timeout=20).read().decode()\n"
        f"    open('{seen}', 'a').write('page\\n' if 'data-stream' in page or 'baseline' in page else 'none\\n')\n",
    )
    project.commit("an observer")
    done = project.pytest("--autoresearch", FEW, "--autoresearch-live", "autoresearch.config.md")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "live    http://127.0.0.1:" in done.stdout
    assert set(seen.read_text().split()) == {"page"}
    assert project.pytest("--autoresearch", FEW, "--autoresearch-live=99999").returncode == 4
