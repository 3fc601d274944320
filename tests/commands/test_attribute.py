"""What each keep is worth by itself, through the real command."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from pytest_autoresearch.notebook.chain import read_history
from pytest_autoresearch.notebook.git import Git
from tests.research.noisy import make_noisy, scripted

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


@pytest.mark.slow
def test_a_session_without_a_keep_has_nothing_to_attribute(project: Project) -> None:
    project.pytest("--autoresearch", "--autoresearch-experiments=0")
    done = project.cli("attribute")
    assert (
        done.returncode == 4
        and done.stderr == "pytest-autoresearch: demo has no keep yet, so there is nothing to attribute\n"
    )
