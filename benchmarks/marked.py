"""What measuring a marked test in the workspace costs over calling the same pytest by hand, in turns.

Run ``python benchmarks/marked.py``. Where other programs want the processor, its seconds tell more than the clock's.
"""

from __future__ import annotations

import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from pytest_autoresearch.lab.job import Job
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.experiment import Role
from pytest_autoresearch.protocol.marker import from_marker
from pytest_autoresearch.protocol.scope import resolve_paths
from pytest_autoresearch.protocol.settings import resolve
from pytest_autoresearch.research.equipping import NoPlugins, equipped

ROUNDS = 20
TEST = """\
import pytest
import model

@pytest.mark.autoresearch(metric="loss", direction="lower", targets=["model.py"])
def test_loss(record_metric):
    record_metric("loss", model.loss())
"""
COMMAND = "python -m pytest -q --autoresearch-measure loss test_loss.py::test_loss"


def project(top: Path) -> None:
    (top / "model.py").write_text("import time\n\ndef loss():\n    time.sleep(0.5)\n    return 1.0\n")
    (top / "test_loss.py").write_text(TEST)
    (top / "pytest.ini").write_text("[pytest]\npythonpath = .\n")
    for words in ("init -q", "add -A", "-c user.name=a -c user.email=a@example.invalid commit -qm start"):
        subprocess.run(["git", *words.split()], cwd=top, check=True)


def by_hand(top: Path) -> None:
    command = COMMAND.replace("python", sys.executable, 1)
    subprocess.run(["bash", "-c", command], cwd=top, check=True, capture_output=True)


def cost(of: Callable[[], None]) -> tuple[float, float]:
    """Seconds of the clock, and of the processor."""
    began, before = time.perf_counter(), processor()
    of()
    return time.perf_counter() - began, processor() - before


def processor() -> float:
    used = [resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(each.ru_utime + each.ru_stime for each in used)


def main() -> None:
    with tempfile.TemporaryDirectory() as directory:
        top = Path(directory).resolve()
        project(top)
        protocol = from_marker(
            {"metric": "loss", "direction": "lower", "targets": ["model.py"]},
            test_id="test_loss.py::test_loss",
            test_file="test_loss.py",
            run=COMMAND,
        )
        with Git.discover(top) as git:
            state = git.files(git.head())
            scope = resolve_paths(protocol, state.keys())
            settings = resolve({}, {}, protocol.options, {})
            with equipped(protocol, git, settings, tag="b", scope=scope, hook=NoPlugins()) as lab:
                job = Job(Role.INCUMBENT, 0, 0, state, timeout=60.0)
                hand, loop = [], []

                def ours() -> None:
                    assert lab.measure(job, lambda _: None).value == 1.0

                for _ in range(ROUNDS):
                    hand.append(cost(lambda: by_hand(top)))
                    loop.append(cost(ours))
                level = lab.isolation
        for column, what in enumerate(("clock", "processor")):
            plain, measured = (statistics.median(run[column] for run in runs) for runs in (hand, loop))
            change = f"{100 * (measured / plain - 1):+.1f} %"
            print(f"{what:10} by hand {plain:.3f} s   measured, level {level} {measured:.3f} s   {change}")


if __name__ == "__main__":
    main()
