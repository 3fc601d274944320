"""A session that is killed decides as one that ran through: the same seeds, the same values, the same end."""

from __future__ import annotations

import json
import os
import signal
import statistics
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from pytest_autoresearch.notebook.chain import read_history
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.experiment import Reason, Role, Status
from tests.conftest import CONFIG, Project
from tests.research.noisy import make_noisy, scripted

if TYPE_CHECKING:
    from pytest_autoresearch.notebook.record import History

EDITS = (
    ("a little", "FAST = 10.0", "FAST = 8.5"),
    ("nothing", "", "# nothing NUMBER\n"),
    ("much", "FAST = 8.5", "FAST = 3.0"),
    ("worse", "IDLE = 10.0", "IDLE = 10.0; FAST += 2.0"),
    ("slightly", "FAST = 3.0", "FAST = 2.0"),
    ("crash", "IDLE = 10.0", "IDLE = 1 / 0"),
)


class Life:
    """A session that is started again and again."""

    def __init__(self, root: Path, policy: str = "certified") -> None:
        self.project = Project(root / "project", root / "home")
        self.project.write("autoresearch.config.md", CONFIG)
        make_noisy(self.project)
        self.options = (scripted(self.project, *EDITS), f"--autoresearch-judge={policy}")

    @property
    def history(self) -> History | None:
        with Git.discover(self.project.root) as git:
            return read_history(git, "demo")

    def live_to(self, experiments: int) -> None:
        """Let it run until it has so many experiments."""
        done = self.project.pytest(
            "--autoresearch", f"--autoresearch-experiments={experiments - self.age}", *self.options
        )
        assert done.returncode == 0, done.stdout + done.stderr

    def die_when(self, reached: Callable[[], bool], by: signal.Signals = signal.SIGKILL) -> None:
        """Start it, and signal it and all in its process group as soon as a point is reached."""
        with subprocess.Popen(
            [*self.project.pytest_command, "--autoresearch", "--autoresearch-experiments=99", *self.options],
            cwd=self.project.root,
            env=self.project.env,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        ) as running:
            try:
                deadline = time.monotonic() + 90
                while not reached():
                    assert running.poll() is None and time.monotonic() < deadline, "it never came to that point"
                    time.sleep(0.002)
            finally:
                os.killpg(running.pid, by)

    @property
    def age(self) -> int:
        table = self.project.root / "results.tsv"
        return len(self.project.table()) - 2 if table.exists() else 0

    @property
    def _states(self) -> Iterator[Path]:
        return (self.project.root / ".git/autoresearch/demo/pending").glob("*.json")

    @property
    def pending(self) -> tuple[int, int]:
        """The experiment under way and how many of its runs are over."""
        try:
            state = json.loads(next(self._states).read_bytes())
        except (FileNotFoundError, StopIteration):
            return self.age, 0
        return state["number"], len(state.get("measurements", ()))

    @property
    def attempts(self) -> int:
        """How many sessions have measured the experiment under way."""
        state = json.loads(next(self._states).read_bytes())
        return int(state.get("attempts", 1))

    def measures(self) -> bool:
        """Whether there is a workspace: the first thing that is run in it is the baseline."""
        return any((self.project.home / ".cache" / "pytest-autoresearch").glob("*/workspace"))

    @property
    def decisions(self) -> Sequence[Any]:
        """All that was decided, and the numbers it was decided on."""
        history = self.history
        assert history is not None
        return [
            *(
                (e.number, e.reason, e.value, e.interval, e.against, e.evidence, e.threshold, e.description)
                for e in history.experiments
            ),
            *((m.role, m.seed, m.value) for e in history.experiments for m in e.measurements),
            *((v.gain, v.interval) for v in history.verifications),
        ]


@pytest.mark.slow
def test_a_session_that_dies_in_the_middle_of_a_certification_goes_on_there(tmp_path: Path) -> None:
    through, killed = Life(tmp_path / "through"), Life(tmp_path / "killed")
    through.live_to(1)
    killed.die_when(lambda: killed.pending >= (1, 3))
    number, runs = killed.pending
    killed.live_to(1)

    assert killed.decisions == through.decisions
    history = killed.history
    assert history is not None
    assert number == 1 and 3 <= runs < len(history.experiments[1].measurements), "it died in the middle"


@pytest.mark.slow
def test_an_experiment_that_is_interrupted_by_ctrl_c_again_and_again_is_measured_all_the_same(tmp_path: Path) -> None:
    stopped = Life(tmp_path / "stopped")
    stopped.die_when(lambda: stopped.pending >= (1, 1), by=signal.SIGINT)
    stopped.die_when(lambda: stopped.pending >= (1, 2), by=signal.SIGINT)
    stopped.die_when(lambda: stopped.pending >= (1, 3), by=signal.SIGINT)
    stopped.live_to(1)

    history = stopped.history
    assert history is not None and history.experiments[1].reason is not Reason.INTERRUPTED


@pytest.mark.slow
def test_a_session_that_dies_twice_in_a_certification_gives_it_up_and_the_next_candidate_starts_clean(
    tmp_path: Path,
) -> None:
    killed = Life(tmp_path / "killed")
    killed.die_when(lambda: killed.pending >= (1, 3))
    killed.die_when(lambda: killed.attempts == 2)
    killed.live_to(2)

    history = killed.history
    assert history is not None
    given_up, following = history.experiments[1:]
    assert given_up.reason is Reason.INTERRUPTED
    own = [m.value for m in following.measurements if m.role is Role.CANDIDATE and m.value is not None]
    assert following.reason.status is Status.DISCARD
    assert following.value == pytest.approx(statistics.fmean(own))


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("policy", ["grouped", "certified"])
def test_a_session_killed_ten_times_makes_the_decisions_of_one_that_ran_through(tmp_path: Path, policy: str) -> None:
    through, killed = Life(tmp_path / "through", policy), Life(tmp_path / "killed", policy)
    through.live_to(12)
    killed.die_when(killed.measures)
    died_in = 0  # a proposal in which a session dies twice is a crash of its own, so each death has another one
    for number, runs in ((1, 4), (2, 0), (3, 3), (4, 0), (5, 2), (6, 0), (8, 0), (9, 0), (10, 0)):
        point = (max(number, died_in + 1), runs)
        killed.die_when(lambda: killed.pending >= point)  # noqa: B023
        died_in, _ = killed.pending
    killed.live_to(12)

    assert killed.decisions == through.decisions
    history = through.history
    assert history is not None
    reasons = {experiment.reason for experiment in history.experiments}
    assert len(reasons) >= 4, f"a session worth the name: {reasons}"
