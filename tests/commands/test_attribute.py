"""What each keep is worth by itself, through the real command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_autoresearch.notebook.chain import read_history
from pytest_autoresearch.notebook.git import Git
from tests.research.noisy import make_noisy, scripted
from tests.research.test_grouping import groups_of, steps

if TYPE_CHECKING:
    from tests.conftest import Project

EDITS = (
    ("steeper", "FAST = 10.0", "FAST = 4.0"),
    ("steeper still", "FAST = 4.0", "FAST = 0.0"),
    ("a bonus", "# between the knobs", "BONUS = 6.0\nFAST -= BONUS"),
    ("more of it", "+ luck", "+ luck - BONUS"),
)
LUCK = ("luck", "IDLE = ", "IDLE = NUMBER + ")


@pytest.mark.timeout(300)
@pytest.mark.slow
def test_keeps_are_told_apart_by_32_runs_and_what_does_harm_can_go(project: Project) -> None:
    make_noisy(project)
    done = project.pytest(
        "--autoresearch",
        f"--autoresearch-experiments={len(EDITS) + 6}",
        "--autoresearch-judge=classic",
        scripted(project, *EDITS, *[LUCK] * 6),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    head = project.git("rev-parse", "autoresearch/demo")

    done = project.cli("attribute", "--json")
    assert done.stdout and not done.stderr, done.stderr
    found = json.loads(done.stdout)
    shares = {tuple(share["keeps"]): share for share in found["shares"]}
    assert shares[(1, 2)]["gain"] == pytest.approx(10.0, abs=1.5) and shares[(1, 2)]["proven"], "they do not come apart"
    needed = [share for share in found["shares"] if share.get("needed")]
    assert [share["keeps"] for share in needed] == [[3]] and "gain" not in needed[0]
    assert shares[(4,)]["gain"] == pytest.approx(6.0, abs=1.5) and shares[(4,)]["proven"]
    luck = [share for keeps, share in shares.items() if keeps[0] > 4]
    assert luck and not any(share.get("proven") for share in luck)
    assert len(found["runs"]) == 32 and found["head"] == head
    assert project.git("rev-parse", "autoresearch/demo") == head, "a look moves nothing"
    with Git.discover(project.root) as git:
        history = read_history(git, "demo")
    assert history.attributions[0].shares[0].keeps == (1, 2)

    harmful = [keeps for keeps, share in shares.items() if share.get("gain", 0) < 0]
    done = project.cli("attribute", "--drop")
    assert "proven: " in done.stdout and "without it the run fails" in done.stdout, done.stdout + done.stderr
    with Git.discover(project.root) as git:
        left = {keep.number for keep in read_history(git, "demo").keeps}
    assert {1, 2, 3, 4} <= left
    if harmful:
        assert not {keep for keeps in harmful for keep in keeps} <= left


SEEMING = """\
import os

from prepare import luck

FAST = 0
#
#
#
BEFORE = 0
#
#
#
TRICK = 0
experiment = os.environ["AUTORESEARCH_EXPERIMENT"]
"""
BESIDE_GAINS = 'loss = (4 - 8 * (experiment == "3")) * TRICK\n'  # a gain in its own experiment, then a loss
INTERLOCKED = """\
seems = (experiment == "1") * 8 * FAST + (experiment == "2") * 8 * FAST * TRICK
loss = 2 * FAST + 8 * TRICK - 16 * FAST * TRICK - seems
"""  # a loss alone, and a gain together


@pytest.mark.timeout(300)
@pytest.mark.slow
@pytest.mark.parametrize(
    ("loss", "edits", "certified", "left"),
    [
        (
            BESIDE_GAINS + "loss -= 6 * FAST + 6 * BEFORE\n",
            ("FAST", "BEFORE", "TRICK"),
            True,
            ["keep", "keep", "keep", "discard"],
        ),
        (INTERLOCKED, ("FAST", "TRICK"), False, ["keep", "discard", "discard"]),
    ],
)
def test_what_is_left_of_a_proven_group_is_proven_again(
    project: Project, loss: str, edits: tuple[str, ...], certified: bool, left: list[str]
) -> None:
    make_noisy(project)
    project.write("train.py", f"{SEEMING}{loss}print('loss:', 100.0 + loss + luck)\n")
    project.commit("seeming gains")
    agent = scripted(project, *((name, f"{name} = 0", f"{name} = 1") for name in edits))
    done = project.pytest("--autoresearch", f"--autoresearch-experiments={len(edits)}", agent)
    kept = list(range(1, len(edits) + 1))
    assert [(group["keeps"], group["outcome"]) for group in groups_of(project)] == [(kept, "certified")], done.stdout

    done = project.cli("attribute", "--drop")
    assert done.returncode == 0, done.stdout + done.stderr
    again = groups_of(project)[1]
    rest = kept[:-1]
    assert again["keeps"] == rest and again["base"] == 0, done.stdout
    assert again["outcome"] == ("certified" if certified else "rolled back")
    assert f"{kept[-1]:04d} is out\ngroup of {len(rest)} (" in done.stdout, done.stdout
    assert ("certified" if certified else "no proven gain") in done.stdout.splitlines()[-1]
    assert [row[2] for row in project.table()[1:]] == left
    with Git.discover(project.root) as git:
        history = read_history(git, "demo")
    assert [keep.number for keep in history.proven] == (rest if certified else []) and not history.provisional
    assert history.incumbent is not None
    assert project.git("rev-parse", "autoresearch/demo") == history.incumbent.commit
    went_on = project.pytest("--autoresearch", "--autoresearch-experiments=0", agent)
    assert went_on.returncode == 0 and len(groups_of(project)) == 2, went_on.stdout


@pytest.mark.timeout(300)
@pytest.mark.slow
def test_what_is_left_of_a_group_after_a_drop_is_provisional_until_the_next_session_has_proven_it(
    project: Project,
) -> None:
    make_noisy(project)
    agent = scripted(project, *steps(2))
    project.pytest("--autoresearch", "--autoresearch-experiments=2", agent)
    with Git.discover(project.root) as git:
        assert len(read_history(git, "demo").proven) == 2
        dropped = project.cli("drop", "2")
        assert dropped.returncode == 0, dropped.stderr
        assert "provisional now (keep?): 0001" in dropped.stdout and "proves them again" in dropped.stdout
        history = read_history(git, "demo")
    assert [keep.number for keep in history.provisional] == [1] and history.certified is history.experiments[0]

    done = project.pytest("--autoresearch", "--autoresearch-experiments=0", agent)
    assert done.returncode == 0, done.stdout + done.stderr
    assert [(group["keeps"], group["outcome"]) for group in groups_of(project)] == [
        ([1, 2], "certified"),
        ([1], "certified"),
    ]


@pytest.mark.slow
def test_a_session_without_a_keep_has_nothing_to_attribute(project: Project) -> None:
    project.pytest("--autoresearch", "--autoresearch-experiments=0")
    done = project.cli("attribute")
    assert (
        done.returncode == 4
        and done.stderr == "pytest-autoresearch: demo has no keep yet, so there is nothing to attribute\n"
    )
