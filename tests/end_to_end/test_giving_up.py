"""Early abandonment: off unless the protocol declares progress, and a hopeless run then costs little."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_autoresearch.notebook.chain import read_history
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.experiment import Reason, Status
from tests.research.noisy import scripted

if TYPE_CHECKING:
    from pytest_autoresearch.protocol.experiment import Experiment
    from tests.conftest import Project

pytestmark = pytest.mark.slow  # every test is a session or two of a real pytest

TRAIN = """\
import time

SPEED = 1.0
for step in range(30):
    loss = 1.0 + 1.0 / (1.0 + SPEED * step)
    print("step", step, "val_loss", loss, flush=True)
    time.sleep(0.05)
print("loss:", loss)
"""


def played(project: Project) -> tuple[Experiment, ...]:
    project.write("train.py", TRAIN)
    project.commit("progress")
    agent = scripted(
        project,
        ("stuck", "SPEED = 1.0", "SPEED = 0.0"),
        ("quicker", "SPEED = 1.0", "SPEED = 2.0"),
    )
    done = project.pytest("--autoresearch", "--autoresearch-experiments=2", agent)
    assert done.returncode == 0, done.stdout + done.stderr
    with Git.discover(project.root) as git:
        return read_history(git, "demo").experiments


@pytest.mark.parametrize("declared", [True, False])
def test_a_run_that_gets_nowhere_is_ended_where_progress_is_declared(project: Project, declared: bool) -> None:
    if declared:
        config = (project.root / "autoresearch.config.md").read_text()
        project.write("autoresearch.config.md", f"---\nprogress: val_loss\n---\n{config}")

    _, stuck, quicker = played(project)

    assert stuck.status is Status.DISCARD and stuck.reason is Reason.WORSE
    assert quicker.status is Status.KEEP
    (run,) = stuck.measurements
    if declared:
        assert run.duration < 1.2 and stuck.detail.startswith("given up after") and stuck.value is None
        assert project.table()[2][1:3] == ["0.000000", "discard"]
    else:
        assert run.duration > 1.4 and stuck.value == 2.0
