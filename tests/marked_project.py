"""A project with marked tests, and ways to act on it as its owner would."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.conftest import Project

MODEL = """\
RATE = 8.0


def loss(offset=1.0):
    return (RATE - 2.0) ** 2 + offset
"""

HEAD = """\
import sys

import pytest

import model

MARK = pytest.mark.autoresearch(metric="loss", direction="lower", targets=["model.py"])
"""

TEST = """

@MARK
def test_loss(experiment, record_metric):
    record_metric("loss", model.loss())
    assert model.loss() < experiment.best


def test_ordinary():
    assert model.RATE
"""

HALVE = "s = open('model.py').read(); open('model.py', 'w').write(s.replace('8.0', '4.0')); print('halve the rate')"
DOUBLE = HALVE.replace("4.0", "16.0")


class Marked(Project):
    """A project with marked tests and a scripted agent."""

    def use(self, plugin: str) -> None:
        """Use one more plugin, or skip the test where it is not installed."""
        pytest.importorskip(plugin.partition(".")[0])
        self.plugins = (*self.plugins, plugin)

    def test(self, text: str, *, head: str = HEAD, name: str = "test_loss.py") -> None:
        """Commit this test file."""
        self.write(name, head + text)
        self.commit()

    def loop(
        self, *args: str, agent: str = HALVE, experiments: int = 1, timeout: float = 110
    ) -> subprocess.CompletedProcess[str]:
        """``pytest --autoresearch ARGS``, where the agent does the same in each experiment."""
        script = self.home / "agent.py"
        script.write_text(agent, encoding="utf-8")
        return self.pytest(
            "--autoresearch",
            f"--autoresearch-experiments={experiments}",
            f"--autoresearch-agent=command:{sys.executable} {script}",
            *args,
            timeout=timeout,
        )

    def outcomes(self) -> dict[str, list[tuple[float, str]]]:
        """(metric, status) of every experiment, by the tag of its session."""
        return {
            table.name.removeprefix("results.").removesuffix(".tsv"): [
                (float(row[1]), row[2]) for row in self.table(str(table.relative_to(self.root)))[1:]
            ]
            for table in sorted(self.root.rglob("results.*.tsv"))
        }


def marked_project(directory: Path) -> Marked:
    """A committed project whose test_loss.py is marked; the loss is best at RATE = 2."""
    project = Marked(directory / "project", directory / "home")
    project.write("model.py", MODEL)
    project.write("pytest.ini", "[pytest]\npythonpath = .\n")
    project.test(TEST)
    return project
