"""``pytest-autoresearch benchmarks`` on real processes: what is slower is found, and what is not is not."""

from __future__ import annotations

import json

import pytest

from tests.conftest import Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]

WORK = "def level(loops={loops}):\n    total = 0\n    for i in range(loops):\n        total += i\n    return total\n"
BENCH = """
import time

import pytest

import same
import work

MARK = pytest.mark.autoresearch(metric="cpu", direction="lower", targets=["work.py", "same.py"])


@MARK
@pytest.mark.timeout(60)
def test_work(record_metric):
    began = time.process_time()
    work.level()
    record_metric("cpu", time.process_time() - began)


@MARK
@pytest.mark.timeout(60)
def test_same(record_metric):
    began = time.process_time()
    same.level()
    record_metric("cpu", time.process_time() - began)
"""


def test_more_work_is_found_beside_what_did_not_change(project: Project) -> None:
    project.write("work.py", WORK.format(loops=3_000_000))
    project.write("same.py", WORK.format(loops=3_000_000))
    project.write("test_work.py", BENCH)
    project.commit("benchmarks")
    project.write("work.py", WORK.format(loops=6_000_000))
    project.commit("slower")
    done = project.cli("benchmarks", "HEAD~", "--time", "2m", "--output", "out.json", timeout=280)
    assert done.returncode == 1, done.stdout + done.stderr
    told = {each["name"]: each["result"] for each in json.loads((project.root / "out.json").read_text())["benchmarks"]}
    worse, same = told["test_work.py::test_work"], told["test_work.py::test_same"]
    assert worse["outcome"] == "worse" and worse["interval"][0] > 0.3, told
    assert same["outcome"] == "no difference", told
