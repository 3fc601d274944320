"""What a session claims at its end is measured on fresh runs."""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

import pytest

from pytest_autoresearch.notebook.chain import read_history
from pytest_autoresearch.notebook.git import Git
from tests.research.noisy import interrupt_at, make_noisy, scripted

if TYPE_CHECKING:
    from pytest_autoresearch.notebook.record import Verification
    from tests.conftest import Project

pytestmark = pytest.mark.slow  # every test is a session or two of a real pytest

BETTER = ("faster", "FAST = 10.0", "FAST = 4.0")
NOTHING = ("a comment", "", "# nothing NUMBER\n")


def verifications(project: Project) -> tuple[Verification, ...]:
    with Git.discover(project.root) as git:
        return read_history(git, "demo").verifications


def test_a_session_ends_with_the_verified_gain_its_interval_and_what_the_best_single_run_promised(
    project: Project,
) -> None:
    make_noisy(project)
    done = project.pytest("--autoresearch", "--autoresearch-experiments=2", scripted(project, BETTER, NOTHING))

    line = re.search(
        r"^verified gain (\S+) \(95 %: (\S+) to (\S+)\), \S+ % \(\S+ to \S+ %\), on 5 fresh runs each;"
        r" the best single run promised (\S+)$",
        done.stdout,
        re.MULTILINE,
    )
    assert line, done.stdout + done.stderr
    gain, low, high, promised = map(float, line.groups())
    assert low < 6.0 < high and low < gain < high and promised != gain
    (verification,) = verifications(project)
    assert verification.start == project.git("rev-parse", "main")
    assert verification.head == project.git("rev-parse", "autoresearch/demo")
    with Git.discover(project.root) as git:
        used = {m.seed for e in read_history(git, "demo").experiments for m in e.measurements}
    fresh = {m.seed for m in (*verification.start_runs, *verification.head_runs)}
    assert len(fresh) == 10 and not fresh & used


def test_a_head_is_verified_once_and_again_when_it_moves(project: Project) -> None:
    make_noisy(project)
    agent = scripted(project, BETTER, NOTHING, ("faster still", "FAST = 4.0", "FAST = -4.0"))
    for experiments, expected in ((1, 1), (1, 1), (1, 2)):
        project.pytest("--autoresearch", f"--autoresearch-experiments={experiments}", agent)
        assert len(verifications(project)) == expected


def test_an_exact_metric_takes_one_pair_of_runs_and_has_no_interval(project: Project) -> None:
    done = project.pytest(
        "--autoresearch", "--autoresearch-experiments=1", scripted(project, ("slower", "RATE = 8.0", "RATE = 4.0"))
    )
    assert "verified gain 32 (85.74 %) on 1 fresh run each; the best single run promised 32" in done.stdout, done.stdout


def test_a_gain_that_is_there_under_its_own_number_only_is_not_confirmed(project: Project) -> None:
    own = "(8.0 if os.environ['AUTORESEARCH_EXPERIMENT'] != 'NUMBER' else 2.0)"
    agent = scripted(project, ("cheat", "RATE = 8.0", f"import os\nRATE = {own}"))
    done = project.pytest("--autoresearch", "--autoresearch-experiments=1", agent)
    assert "-96.46 %" in done.stdout and "verified gain 0 (0.00 %)" in done.stdout, done.stdout


def test_a_session_without_a_keep_has_nothing_to_verify(project: Project) -> None:
    done = project.pytest("--autoresearch", "--autoresearch-experiments=1", scripted(project, NOTHING))
    assert "no keep yet" in done.stdout and "verified" not in done.stdout, done.stdout
    assert verifications(project) == ()


def test_luck_that_classic_has_kept_is_found_out(project: Project) -> None:
    make_noisy(project)
    done = project.pytest(
        "--autoresearch", "--autoresearch-experiments=12", "--autoresearch-judge=classic", scripted(project, NOTHING)
    )
    assert "KEEP" in done.stdout.split("0001")[1], "with this seed, luck is kept"
    (verification,) = verifications(project)
    assert len(verification.start_runs) == 5 and verification.interval is not None
    assert verification.interval[0] < 0.0
    promised = re.search(r"the best single run promised (\S+)", done.stdout)
    assert promised and float(promised[1]) > max(1.0, verification.gain or 0.0)
    assert project.cli("verify").returncode == 1


def test_ctrl_c_while_verifying_loses_nothing_and_the_next_start_makes_up_for_it(project: Project) -> None:
    make_noisy(project)
    agent = scripted(project, BETTER)
    command = [*project.pytest_command, "--autoresearch", "--autoresearch-experiments=1", agent]
    code, shown = interrupt_at(project, "verify, ", *command)
    assert code == 2 and "no keep yet" not in shown, shown
    assert [row[2] for row in project.table()[1:]] == ["keep", "keep"]
    assert project.git("log", "--format=%s", "main..autoresearch/demo") == "faster"
    assert verifications(project) == ()

    done = project.pytest("--autoresearch", "--autoresearch-experiments=0")
    assert done.returncode == 0 and "verified gain" in done.stdout, done.stdout
    assert len(project.table()) == 3


def test_the_command_takes_more_pairs_prints_json_and_finds_a_failing_run_wanting(project: Project) -> None:
    level = project.home / "level"
    level.write_text("1.0")
    config = (project.root / "autoresearch.config.md").read_text()
    project.write("autoresearch.config.md", f"---\ndata: {level}\n---\n{config}")
    project.write("train.py", f"RATE = 8.0\nprint('loss:', RATE + float(open({str(level)!r}).read()))\n")
    project.commit("data")
    project.pytest("--autoresearch", "--autoresearch-experiments=1", scripted(project, ("less", "8.0", "4.0")))

    done = project.cli("verify", "-n", "2", "--json")
    assert done.returncode == 0, done.stderr
    verified = json.loads(done.stdout)
    assert verified["gain"] == 4.0 and len(verified["start_runs"]) == len(verified["head_runs"]) == 2

    level.write_text("nonsense")
    done = project.cli("verify")
    assert done.returncode == 1 and "a fresh run of start or head gave no metric" in done.stdout, done
    assert len(verifications(project)) == 3
    failed = verifications(project)[-1]
    assert len(failed.start_runs + failed.head_runs) == 1, "the first failed run tells enough"

    level.write_text("1.0")
    project.pytest("--autoresearch", "--autoresearch-experiments=0")
    assert [v.gain for v in verifications(project)][2:] == [None, 4.0], "the next start tries again"


def test_verify_without_a_session_is_one_line(project: Project) -> None:
    done = project.cli("verify")
    assert done.returncode == 4 and len(done.stderr.splitlines()) <= 2 and "Traceback" not in done.stderr
