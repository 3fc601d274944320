"""What measuring a marked test in the workspace costs over calling the same pytest by hand, in turns.

Run ``python benchmarks/marked.py``. The quickest of each counts.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from pathlib import Path

from pytest_autoresearch.lab.job import Job
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.protocol.experiment import Role
from pytest_autoresearch.protocol.marker import from_marker
from pytest_autoresearch.protocol.scope import resolve_paths
from pytest_autoresearch.protocol.settings import resolve
from pytest_autoresearch.research.opening import NoPlugins, equipped

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


def by_hand(top: Path) -> float:
    began = time.perf_counter()
    command = COMMAND.replace("python", sys.executable, 1)
    subprocess.run(["bash", "-c", command], cwd=top, check=True, capture_output=True)
    return time.perf_counter() - began


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
                for _ in range(ROUNDS):
                    hand.append(by_hand(top))
                    began = time.perf_counter()
                    measured = lab.measure(job, lambda _: None)
                    loop.append(time.perf_counter() - began)
                    assert measured.value == 1.0, measured
                level = lab.isolation
        plain, ours = min(hand), min(loop)  # whatever else the machine does only adds time
        print(f"pytest by hand          {plain:.3f} s")
        print(f"measured, level {level:7} {ours:.3f} s   {100 * (ours / plain - 1):+.1f} %")


if __name__ == "__main__":
    main()
