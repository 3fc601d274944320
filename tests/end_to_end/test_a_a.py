"""The promise of the judge, through pytest: edits that change nothing, on a run that is noisy."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from tests.research.noisy import make_noisy, scripted

if TYPE_CHECKING:
    from tests.conftest import Project

EXPERIMENTS = 100
KEEPS = {"certified": range(1), "fast": range(3), "classic": range(3, 12)}  # the expectation of classic is 4.2


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("policy", KEEPS)
def test_a_hundred_edits_that_change_nothing(project: Project, policy: str) -> None:
    make_noisy(project)
    done = project.run(
        *project.pytest_command,
        "--autoresearch",
        f"--autoresearch-experiments={EXPERIMENTS}",
        f"--autoresearch-judge={policy}",
        scripted(project, ("no-op", "", "# nothing NUMBER\n")),
        timeout=500,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    rows = project.table()[2:]
    assert len(rows) == EXPERIMENTS and {row[2] for row in rows} <= {"keep", "discard"}
    keeps = sum(row[2] == "keep" for row in rows)
    assert keeps in KEEPS[policy], done.stdout
