"""The example with honest seed noise, from the first run to the verified gain."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from tests.examples.test_examples_run import copy
from tests.research.noisy import scripted

if TYPE_CHECKING:
    from tests.conftest import Project


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_noisy_classifier_improves_by_a_gain_that_fresh_runs_confirm(project: Project) -> None:
    pytest.importorskip("sklearn")
    copy("noisy_classifier", project.root / "example")
    project.commit("example")
    agent = scripted(
        project,
        ("no-op", "", "# nothing NUMBER\n"),
        ("learn faster", "LEARNING_RATE = 0.003", "LEARNING_RATE = 0.01"),
        ("learn slowly", "LEARNING_RATE = 0.01", "LEARNING_RATE = 0.001"),
    )
    done = project.run(
        *project.pytest_command, "--autoresearch", "--autoresearch-experiments=3", agent, "example", timeout=800
    )  # three quarters of a minute on an idle machine

    assert done.returncode == 0, done.stdout + done.stderr
    rows = project.table("example/results.tsv")
    assert rows[0][1] == "val_log_loss"
    assert [(row[2], row[3]) for row in rows[2:]] == [
        ("discard", "no-op"),
        ("keep", "learn faster"),
        ("discard", "learn slowly"),
    ], done.stdout
    line = re.search(r"^verified gain .*\(95 %: (\S+) to \S+\), .* on 5 fresh runs each", done.stdout, re.MULTILINE)
    assert line and float(line[1]) > 0.0, done.stdout
