"""What each keep is worth, through the real command."""

from __future__ import annotations

import hashlib
import json
from typing import TYPE_CHECKING

import pytest

from pytest_autoresearch.research.ablating import ABLATE_SEEDS
from tests.research.noisy import make_noisy, scripted

if TYPE_CHECKING:
    from tests.conftest import Project

LUCK = ("luck", "IDLE = ", "IDLE = NUMBER + ")


def contributions(project: Project, *args: str) -> tuple[int, dict[str, dict[str, object]]]:
    done = project.cli("ablate", "--json", *args)
    assert done.stdout and not done.stderr, done.stderr
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return done.returncode, {line["description"]: line for line in lines}


def session(project: Project, *edits: tuple[str, str, str], judge: str = "certified") -> None:
    done = project.pytest(
        "--autoresearch",
        f"--autoresearch-experiments={len(edits)}",
        f"--autoresearch-judge={judge}",
        scripted(project, *edits),
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.timeout(300)
@pytest.mark.slow
def test_each_keep_is_told_apart_and_what_is_useless_can_go(project: Project) -> None:
    make_noisy(project)
    session(
        project,
        ("steeper", "FAST = 10.0", "FAST = 4.0"),
        ("steeper still", "FAST = 4.0", "FAST = 0.0"),
        ("a bonus", "# between the knobs", "BONUS = 6.0\nFAST -= BONUS"),
        ("more of it", "+ luck", "+ luck - BONUS"),
        *[LUCK] * 6,
        judge="classic",
    )
    head = project.git("rev-parse", "autoresearch/demo")

    code, found = contributions(project)

    assert code == 1
    assert found["steeper"]["entangled"] and found["steeper"]["gain"] is None
    assert found["steeper still"]["gain"] == pytest.approx(4.0, abs=2.0) and not found["steeper still"]["useless"]
    assert found["a bonus"]["failed"] and not found["a bonus"]["useless"]
    assert found["more of it"]["gain"] == pytest.approx(6.0, abs=2.0)
    assert found["luck"]["useless"], "with this seed, luck is kept by one run and found out by more"
    assert project.git("rev-parse", "autoresearch/demo") == head, "a look moves nothing"

    done = project.cli("ablate", "--drop")

    assert done.returncode == 0, done.stdout + done.stderr
    for words in ("a later keep builds on it", "without it the run fails", "no certain contribution", "worth "):
        assert words in done.stdout
    kept = ["more of it", "a bonus", "steeper still", "steeper"]
    assert project.git("log", "--format=%s", "main..autoresearch/demo").split("\n") == kept
    resumed = project.pytest("--autoresearch", "--autoresearch-experiments=0")
    assert resumed.returncode == 0 and "verified gain" in resumed.stdout, "the new head is measured and verified"
    assert [row[3] for row in project.table()[2:] if row[2] == "keep"] == kept[::-1]


@pytest.mark.slow
def test_a_keep_for_its_shortness_stays(project: Project) -> None:
    project.write("train.py", "RATE = 8.0\nunused = 1\nprint('loss:', RATE)\n")
    project.commit("longer")
    session(project, ("shorter", "unused = 1\n", ""))
    assert project.table()[2][2] == "keep"

    done = project.cli("ablate", "--drop")
    assert done.returncode == 0 and "shorter, and no worse" in done.stdout, done
    assert project.git("log", "--format=%s", "main..autoresearch/demo") == "shorter"


@pytest.mark.slow
def test_a_session_without_keeps_says_so(project: Project) -> None:
    session(project, LUCK)
    done = project.cli("ablate")
    assert done.returncode == 0 and "no keep" in done.stdout, done
    assert project.cli("ablate", "--json").stdout == ""


@pytest.mark.slow
def test_a_head_that_fails_once_is_run_again(project: Project) -> None:
    number, first_of_head = 1, ABLATE_SEEDS + 2  # after two runs of the head without it, which are equal
    digest = hashlib.sha256(f"5:{number}:{first_of_head}".encode()).digest()
    unlucky = int.from_bytes(digest[:4], "big") >> 1
    project.write(
        "train.py",
        "import os\nRATE = 8.0\n"
        f"assert os.environ['AUTORESEARCH_SEED'] != '{unlucky}' or RATE == 8.0\nprint('loss:', RATE)\n",
    )
    project.commit("a program that fails now and then")
    done = project.pytest(
        "--autoresearch",
        "--autoresearch-experiments=1",
        "--autoresearch-seed=5",
        scripted(project, ("less", "8.0\n", "4.0\n")),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    code, found = contributions(project)
    assert code == 0 and found["less"]["gain"] == 4.0


@pytest.mark.slow
def test_where_the_head_itself_fails_no_keep_is_said_to_be_needed(project: Project) -> None:
    level = project.home / "level"
    level.write_text("1.0")
    config = (project.root / "autoresearch.config.md").read_text()
    project.write("autoresearch.config.md", f"---\ndata: {level}\n---\n{config}")
    project.write("train.py", f"RATE = 8.0\nprint('loss:', RATE + float(open({str(level)!r}).read()))\n")
    project.commit("data")
    session(project, ("less", "8.0", "4.0"))
    level.write_text("nonsense")

    done = project.cli("ablate")

    assert done.returncode == 4 and done.stdout == ""
    assert "the head itself gives no metric: ValueError" in done.stderr
