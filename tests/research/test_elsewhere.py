"""A session that goes on where every number is another: what is to be beaten is what was measured here."""

from __future__ import annotations

import json
import os
import sys

import pytest

from tests.conftest import Project

pytestmark = pytest.mark.slow  # the second session measures its noise, and every run is a pytest

TEST = """\
import sys

import pytest


@pytest.mark.autoresearch(metric="loss", direction="lower", targets=["model.py"], data=["LEVEL"], tag="demo")
def test_loss(experiment):
    run = experiment.run([sys.executable, "-c", "import model; print('loss:', model.loss())"])
    assert run.metrics["loss"] < experiment.best
"""
MODEL = "from prepare import level\n\ndef loss():\n    return {} * level()\n"
AGENT = f"""\
import os
from pathlib import Path

Path("model.py").write_text({MODEL!r}.format(8 - int(os.environ["AUTORESEARCH_EXPERIMENT"])))
print("less")
"""


def test_on_a_slower_machine_a_gain_is_one_over_the_level_measured_there(project: Project) -> None:
    level = project.home / "level"
    project.write("prepare.py", f"def level():\n    return float(open({str(level)!r}).read())\n")
    project.write("model.py", MODEL.format(8))
    project.write("test_model.py", TEST.replace("LEVEL", str(level)))
    project.commit()
    (project.home / "agent.py").write_text(AGENT)
    (project.home / "elsewhere.py").write_text(
        "from pytest_autoresearch.research import equipping\nequipping.machine_fingerprint = lambda: 'another'\n"
    )
    moved = {
        "PYTHONPATH": os.pathsep.join([str(project.home), os.environ.get("PYTHONPATH", "")]),
        "PYTEST_PLUGINS": "elsewhere",
    }
    agent = f"--autoresearch-agent=command:{sys.executable} {project.home}/agent.py"
    for speed, env in (("1.0", {}), ("10.0", moved)):
        level.write_text(speed)
        done = project.pytest("test_model.py", "--autoresearch", "--autoresearch-experiments=1", agent, env=env)
        assert done.returncode == 0, done.stdout + done.stderr

    record = json.loads(project.cli("log", "--json").stdout)["experiments"][2]
    assert (record["reason"], record["against"], record["value"]) == ("improved", 70.0, 60.0)
    assert "-14.29 %" in done.stdout
