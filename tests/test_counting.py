"""Instructions as the metric: the real valgrind and the real pytest-codspeed, in the sandbox."""

from __future__ import annotations

import json
import shutil
from importlib.util import find_spec
from pathlib import Path

import pytest

from tests.marked_project import HALVE, Marked, marked_project

WORK = """\
RATE = 8.0


def work():
    return [str(number) for number in range(int(RATE * 1000))]
"""
MARKER = "@pytest.mark.autoresearch(metric='instructions', targets=['model.py'])"
BODIES = {
    "the benchmark fixture": f"\n{MARKER}\ndef test_work(benchmark):\n    benchmark(model.work)\n",
    "a whole test": f"\n{MARKER}\ndef test_work():\n    assert model.work()\n",
}


@pytest.fixture
def marked(tmp_path: Path) -> Marked:
    project = marked_project(tmp_path)
    project.write("model.py", WORK)
    return project


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("body", BODIES)
def test_runs_of_the_same_code_have_nearly_the_same_count(marked: Marked, body: str) -> None:
    if shutil.which("valgrind") is None:
        pytest.skip("valgrind is not installed")
    marked.use("pytest_codspeed.plugin")
    marked.test(BODIES[body])
    done = marked.loop("test_loss.py", "--autoresearch-tag=a", agent=HALVE, timeout=580)
    assert done.returncode == 0, done.stdout + done.stderr
    records = marked.git("log", "--first-parent", "--reverse", "--format=%B", "refs/autoresearch/a/log").splitlines()
    told = [json.loads(line) for line in records if line]
    experiments = [record["data"] for record in told if record["kind"] == "experiment"]
    assert [experiment["status"] for experiment in experiments] == ["keep", "keep"], done.stdout
    runs = [(run["role"], run["value"]) for experiment in experiments for run in experiment["measurements"]]
    before, after = ([value for role, value in runs if role == wanted] for wanted in ("incumbent", "candidate"))
    assert 8_000 * 20 < min(before) <= max(before) < 1.01 * min(before) < 8_000 * 10_000
    assert 0.4 < min(after) / min(before) < 0.6


def test_it_is_said_what_to_install(marked: Marked) -> None:
    marked.test(BODIES["a whole test"])
    marked.env["PATH"] = str(marked.home)
    (marked.home / "git").symlink_to(shutil.which("git") or "")
    done = marked.loop("test_loss.py")
    assert done.returncode == 4 and "test_loss.py:9: instructions can not be counted" in done.stderr, done.stderr
    assert "install valgrind (on Debian: apt install valgrind)" in done.stderr
    assert ("pip install pytest-codspeed" in done.stderr) is (find_spec("pytest_codspeed") is None)
