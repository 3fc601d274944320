"""The agent that docs/extending.md shows, installed as a plugin: third parties need nothing else."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tests.conftest import Project

DOCS = Path(__file__).parents[2] / "docs" / "extending.md"


def example() -> str:
    """The first Python block of the page."""
    code, *_ = re.findall(r"^```python\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return str(code)


def test_the_documented_agent_has_twenty_lines() -> None:
    assert len([line for line in example().splitlines() if line.strip()]) <= 20


def test_an_installed_plugin_brings_its_agent(project: Project) -> None:
    site = project.home / "site-packages"
    metadata = site / "halving_agent-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "halving_agent.py").write_text(example())
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: halving-agent\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[pytest11]\nhalving = halving_agent\n")
    done = project.pytest(
        "--autoresearch", "--autoresearch-agent=halve", "--autoresearch-experiments=2", env={"PYTHONPATH": str(site)}
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row[2:] for row in project.table()[2:]] == [["keep", "halve 8.0 to 4.0"], ["keep", "halve 4.0 to 2.0"]]
    body = project.git("log", "-1", "--format=%B", "autoresearch/demo")
    assert "it is too large" in body


def test_a_conftest_brings_its_agent_too(project: Project) -> None:
    project.write("conftest.py", example())
    project.commit("an agent of our own")
    done = project.pytest("--autoresearch", "--autoresearch-agent=halve", "--autoresearch-experiments=1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.table()[2][3] == "halve 8.0 to 4.0"


def test_a_name_that_nobody_knows_is_an_error_that_lists_the_known_ones(project: Project) -> None:
    done = project.pytest("--autoresearch", "--autoresearch-agent=cluade")
    assert done.returncode == 4
    assert "did you mean claude?" in done.stdout + done.stderr
