"""The agent that docs/extending.md shows, installed as a plugin: third parties need nothing else."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

if TYPE_CHECKING:
    from tests.conftest import Project

DOCS = Path(__file__).parents[2] / "docs" / "extending.md"


def example(name: str = "Halve") -> str:
    """The Python block of the page that has this class."""
    blocks = re.findall(r"^```python\n(.*?)^```", DOCS.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    return next(str(block) for block in blocks if f"class {name}" in block)


def test_the_documented_agent_has_twenty_lines() -> None:
    assert len([line for line in example().splitlines() if line.strip()]) <= 20


@pytest.mark.slow
def test_an_installed_plugin_brings_its_agent(project: Project) -> None:
    site = project.home / "site-packages"
    metadata = site / "halving_agent-1.0.dist-info"
    metadata.mkdir(parents=True)
    (site / "halving_agent.py").write_text(example())
    (metadata / "METADATA").write_text("Metadata-Version: 2.1\nName: halving-agent\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text("[pytest11]\nhalving = halving_agent\n")
    done = project.run(  # with whatever is installed: that is what is tested
        *(sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-p", "no:benchmark", "-p", "no:asyncio"),
        *("--autoresearch", "--autoresearch-agent=halve", "--autoresearch-experiments=2"),
        env={"PYTHONPATH": str(site)},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [row[2:] for row in project.table()[2:]] == [["keep", "halve 8.0 to 4.0"], ["keep", "halve 4.0 to 2.0"]]
    body = project.git("log", "-1", "--format=%B", "autoresearch/demo")
    assert "it is too large" in body


@pytest.mark.slow
def test_a_conftest_brings_its_agent_too(project: Project) -> None:
    project.write("conftest.py", example())
    project.commit("an agent of our own")
    done = project.pytest("--autoresearch", "--autoresearch-agent=halve", "--autoresearch-experiments=1")
    assert done.returncode == 0, done.stdout + done.stderr
    assert project.table()[2][3] == "halve 8.0 to 4.0"


@pytest.mark.slow
def test_the_documented_executor_measures_each_state_on_its_second_run(project: Project) -> None:
    counter = project.root.parent / "runs"
    project.write("conftest.py", example("Warm"))
    config = (project.root / "autoresearch.config.md").read_text("utf-8")
    project.write("autoresearch.config.md", f"---\ncaches: [{counter}]\n---\n{config}")
    project.write("train.py", f"open('{counter}/' + 'runs', 'a').write('x')\n{(project.root / 'train.py').read_text()}")
    project.commit("an executor of our own")
    done = project.pytest(
        *("--autoresearch", "--autoresearch-executor=warm", "--autoresearch-judge=classic"),
        *("--autoresearch-experiments=2", "--autoresearch-isolation=none"),
    )
    assert done.returncode == 0, done.stdout + done.stderr
    runs = len((counter / "runs").read_text())
    assert runs % 2 == 0 and runs >= 2 * len(project.table()[1:])


def test_an_executor_that_isolates_too_little_is_refused(project: Project) -> None:
    project.write("conftest.py", example("Warm").replace("site.isolation", '"none"'))
    project.commit("an executor of our own")
    done = project.pytest("--autoresearch", "--autoresearch-executor=warm", "--autoresearch-isolation=strict")
    assert done.returncode == 4 and "the executor 'warm' gives process" in done.stdout + done.stderr


def test_an_executor_that_nobody_knows_is_an_error(project: Project) -> None:
    done = project.pytest("--autoresearch", "--autoresearch-executor=cold")
    assert done.returncode == 4 and "executor 'cold' is unknown" in done.stdout + done.stderr


TWO = """
from pytest_autoresearch.agents.base import Proposal

class Done:
    name = "done"
    def propose(self, briefing, desk):
        return Proposal("nothing left to try", exhausted=True)

class Counter:
    name = "counter"
    def propose(self, briefing, desk):
        if briefing.number == 5:
            return Proposal("nothing left to try", exhausted=True)
        desk.write("train.py", desk.read("train.py") + b"# %d\\n" % briefing.number)
        return Proposal(f"count to {briefing.number}")

def pytest_autoresearch_agent(settings):
    return {"done": Done, "counter": Counter}.get(settings.name, lambda: None)()
"""


def test_a_session_goes_on_until_no_agent_has_anything_left(project: Project) -> None:
    project.write("conftest.py", TWO)
    project.commit("two agents")
    done = project.pytest("--autoresearch", "--autoresearch-agent=done,counter", "--autoresearch-experiments=20")
    assert done.returncode == 0, done.stdout + done.stderr
    told = ["nothing left to try", *(f"count to {n}" for n in (2, 3, 4)), "nothing left to try"]
    assert [row[3] for row in project.table()[2:]] == told
    assert "the agent has nothing left to propose: nothing left to try" in done.stdout


@pytest.mark.slow
def test_a_name_that_nobody_knows_is_an_error_that_lists_the_known_ones(project: Project) -> None:
    done = project.pytest("--autoresearch", "--autoresearch-agent=cluade")
    assert done.returncode == 4
    assert "did you mean claude?" in done.stdout + done.stderr
