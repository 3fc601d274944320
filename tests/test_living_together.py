"""Plugins that people have anyway: each with the loop, the real one. Skipped where a plugin is not installed."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.marked_project import HALVE, TEST, Marked, marked_project

pytestmark = pytest.mark.slow

RECORDED = """
@MARK
def test_loss(experiment, record_metric):
    record_metric("loss", model.loss())
    assert model.loss() < experiment.best
"""
FROM_37_TO_5 = [[(37.0, "keep"), (5.0, "keep")]]

SPIN = "import time\nRATE = 8.0\ndef spin():\n    time.sleep(RATE / 1000)\n"


@pytest.fixture
def marked(tmp_path: Path) -> Marked:
    return marked_project(tmp_path)


@pytest.mark.parametrize("metric", ["benchmark.median", "benchmark.ops"])
def test_pytest_benchmark_gives_the_metric(marked: Marked, metric: str) -> None:
    marked.use("pytest_benchmark.plugin")
    marked.write("model.py", SPIN)
    marked.write("pytest.ini", "[pytest]\npythonpath = .\naddopts = --benchmark-disable\n")
    marked.test(
        f"\n@pytest.mark.autoresearch(metric={metric!r}, targets=['model.py'])\n"
        "def test_spin(benchmark):\n    benchmark.pedantic(model.spin, rounds=20)\n"
    )
    done = marked.loop("test_loss.py", "--autoresearch-judge=classic")
    assert done.returncode == 0, done.stdout + done.stderr
    (rows,) = marked.outcomes().values()
    assert [status for _, status in rows] == ["keep", "keep"], done.stdout
    (before, _), (after, _) = rows
    if metric == "benchmark.ops":
        before, after = 1 / before, 1 / after
    assert 0.008 < before < 0.03 and 0.004 < after < before
    assert "1 passed" in marked.pytest("test_loss.py").stdout


def test_an_unmarked_benchmark_needs_no_more_than_its_targets(marked: Marked) -> None:
    marked.use("pytest_benchmark.plugin")
    marked.write("src/model.py", SPIN)
    marked.write("pytest.ini", "[pytest]\npythonpath = src\n")
    marked.test(
        "\ndef test_spin(benchmark):\n    benchmark.pedantic(model.spin, rounds=20)\n"
        "def test_other(benchmark):\n    benchmark(int)\n",
        head="import model\n",
        name="tests/test_speed.py",
    )
    unnamed = marked.loop("tests/test_speed.py::test_spin")
    assert unnamed.returncode == 4 and "--autoresearch-targets" in unnamed.stderr, unnamed.stdout

    agent = HALVE.replace("model.py", "../src/model.py")
    done = marked.loop(
        "tests/test_speed.py::test_spin",
        "--autoresearch-targets",
        "src/model.py",
        "--autoresearch-judge=classic",
        agent=agent,
    )
    assert "metric benchmark.median, lower is better" in done.stdout, done.stdout + done.stderr
    (rows,) = marked.outcomes().values()
    assert [status for _, status in rows] == ["keep", "keep"], done.stdout
    assert "pytest --autoresearch tests/test_speed.py::test_spin --autoresearch-targets src/model.py" in done.stdout
    assert "+++ b/src/model.py" in marked.cli("log", "--diff", "1").stdout


def test_the_body_may_be_async(marked: Marked) -> None:
    marked.use("pytest_asyncio.plugin")
    marked.write(
        "pytest.ini",
        "[pytest]\npythonpath = .\nasyncio_mode = auto\nasyncio_default_fixture_loop_scope = function\n",
    )
    marked.test(
        """
import asyncio

@pytest.fixture
async def offset():
    await asyncio.sleep(0)
    return 1.0

@MARK
async def test_loss(experiment, record_metric, offset):
    await asyncio.sleep(0)
    record_metric("loss", model.loss(offset))
    assert model.loss() < experiment.best
"""
    )
    done = marked.loop("test_loss.py")
    assert list(marked.outcomes().values()) == FROM_37_TO_5, done.stdout


def test_pytest_cov_neither_slows_the_runs_nor_fails_them(marked: Marked) -> None:
    marked.use("pytest_cov.plugin")
    marked.write("pytest.ini", "[pytest]\npythonpath = .\naddopts = --cov=model --cov-fail-under=100\n")
    marked.test(
        """
@pytest.mark.autoresearch(metric="loss", direction="lower", targets=["model.py"], guard=["test_guard.py"])
def test_loss(record_metric):
    assert sys.gettrace() is None
    record_metric("loss", model.loss())
"""
    )
    marked.test("def test_nothing(): pass\n", head="", name="test_guard.py")
    done = marked.loop("test_loss.py")
    assert list(marked.outcomes().values()) == FROM_37_TO_5, done.stdout
    assert marked.pytest("test_guard.py").returncode == 1  # by hand it is too little


def test_a_session_goes_on_where_pytest_cov_was_installed_meanwhile(marked: Marked) -> None:
    pytest.importorskip("pytest_cov")
    assert marked.loop("test_loss.py").returncode == 0
    marked.env["PYTEST_PLUGINS"] = "pytest_cov.plugin"
    done = marked.loop("test_loss.py")
    assert done.returncode == 0, done.stdout + done.stderr


def test_xdist_in_addopts_is_for_ordinary_tests(marked: Marked) -> None:
    marked.use("xdist.plugin")
    marked.write("pytest.ini", "[pytest]\npythonpath = .\naddopts = -n 2\n")
    marked.test(RECORDED)
    done = marked.loop("test_loss.py")
    assert list(marked.outcomes().values()) == FROM_37_TO_5, done.stdout + done.stderr
    assert marked.loop("test_loss.py", "-n", "2").returncode == 4
    assert "2 workers" in marked.pytest("-v").stdout


def test_a_timeout_of_pytest_timeout_is_the_kill_timeout(marked: Marked) -> None:
    marked.write("pytest.ini", "[pytest]\npythonpath = .\ntimeout = 1\n")
    marked.test(
        "import time\n@pytest.mark.timeout(20)\n" + RECORDED.replace("    assert", "    time.sleep(1.5)\n    assert")
    )
    done = marked.loop("test_loss.py")
    assert "budget 10 s" in done.stdout and list(marked.outcomes().values()) == FROM_37_TO_5, done.stdout


def test_randomly_shuffles_neither_sessions_nor_the_numbers_of_a_run(marked: Marked) -> None:
    marked.use("pytest_randomly")
    marked.test(
        """
import random
pytestmark = pytest.mark.autoresearch(metric="loss", direction="lower", targets=["model.py"])
def test_a(record_metric): record_metric("loss", 1 + random.random())
def test_b(record_metric): record_metric("loss", 2 + random.random())
def test_c(record_metric): record_metric("loss", 3 + random.random())
"""
    )
    done = marked.loop("test_loss.py", "-v", experiments=0)
    shown = [line for line in done.stdout.splitlines() if "[baseline]" in line]
    assert [name in line for name, line in zip(("test_a", "test_b", "test_c"), shown, strict=True)] == [True] * 3


def test_rerunfailures_reruns_no_experiment(marked: Marked) -> None:
    marked.use("pytest_rerunfailures")
    marked.write("pytest.ini", "[pytest]\npythonpath = .\naddopts = --reruns 2\n")
    marked.test(RECORDED)
    done = marked.loop("test_loss.py", experiments=2)
    (rows,) = marked.outcomes().values()
    assert rows[:2] == FROM_37_TO_5[0] and rows[2][1] == "discard", done.stdout
    marked.test("\n@MARK\ndef test_loss():\n    raise OSError('gone')\n")
    failed = marked.loop("test_loss.py", "--autoresearch-tag=b")
    assert failed.returncode == 1 and failed.stdout.count("the baseline failed: error: OSError: gone") <= 2


def test_reportlog_and_html_have_every_experiment(marked: Marked) -> None:
    marked.use("pytest_reportlog.plugin")
    marked.use("pytest_metadata.plugin")
    marked.use("pytest_html.plugin")
    done = marked.loop("test_loss.py", "--report-log=log.json", "--html=report.html", experiments=2)
    assert next(iter(marked.outcomes().values()))[:2] == FROM_37_TO_5[0], done.stdout + done.stderr
    records = [json.loads(line) for line in (marked.root / "log.json").read_text().splitlines()]
    calls = [r for r in records if r.get("$report_type") == "TestReport" and r["when"] == "call"]
    assert [(r["nodeid"], r["outcome"]) for r in calls] == [
        ("test_loss.py::test_loss[baseline]", "passed"),
        ("test_loss.py::test_loss[0001]", "passed"),
        ("test_loss.py::test_loss[0002]", "skipped"),
    ]
    page = (marked.root / "report.html").read_text()
    assert "test_loss[0001]" in page and "test_loss[0002]" in page


def test_a_guard_may_be_a_hypothesis_test(marked: Marked) -> None:
    pytest.importorskip("hypothesis")
    marked.plugins = (*marked.plugins, "_hypothesis_pytestplugin")
    marked.write(
        "test_properties.py",
        "import model\n"
        "from hypothesis import given, strategies as st\n"
        "@given(st.floats(0, 10))\n"
        "def test_loss(offset): assert model.loss(offset) >= offset and model.RATE > 5\n",
    )
    marked.test(
        "\nmark = pytest.mark.autoresearch\n"
        "@mark(metric='loss', direction='lower', targets=['model.py'], guard='test_properties.py')\n"
        "def test_loss(record_metric):\n    record_metric('loss', model.loss())\n"
    )
    done = marked.loop("test_loss.py", "--hypothesis-seed=1")
    assert list(marked.outcomes().values()) == [[(37.0, "keep"), (5.0, "discard")]], done.stdout
    assert "FAILED test_properties.py::test_loss" in done.stdout


def test_github_annotations_are_for_failures_only(marked: Marked) -> None:
    marked.use("pytest_github_actions_annotate_failures.plugin")
    done = marked.pytest(
        "--autoresearch", "--autoresearch-experiments=2", "test_loss.py", env={"GITHUB_ACTIONS": "true"}
    )
    (rows,) = marked.outcomes().values()
    assert len(rows) == 3 and "::error" not in done.stdout + done.stderr, done.stdout + done.stderr


def test_what_repeats_tests_and_reports_outside_do_not_reach_a_run(marked: Marked, tmp_path: Path) -> None:
    marked.use("pytest_repeat")
    marked.use("pytest_benchmark.plugin")
    outside = tmp_path / "reports"
    marked.write("pytest.ini", f"[pytest]\npythonpath = .\naddopts = --count 3 --junitxml={outside}/addopts.xml\n")
    marked.test(TEST + "\ndef test_more():\n    assert model.RATE\n")
    done = marked.loop(
        "test_loss.py", f"--junitxml={outside}/typed.xml", "--autoresearch-guard", "test_loss.py::test_more"
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert [*marked.outcomes().values()] == FROM_37_TO_5
    assert "guard: test_loss.py::test_more" in done.stdout
    assert (outside / "typed.xml").is_file()


def test_a_test_that_says_it_is_a_benchmark_needs_no_fixture(marked: Marked) -> None:
    marked.write("model.py", SPIN)
    marked.test(
        "\npytestmark = pytest.mark.benchmark\n\ndef test_spin():\n    [model.spin() for _ in range(20)]\n",
        head="import pytest\nimport model\n",
    )
    done = marked.loop("test_loss.py", "--autoresearch-targets=model.py", "--autoresearch-judge=classic")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "metric duration, lower is better" in done.stdout
    assert "guard: none" in done.stdout
    (rows,) = marked.outcomes().values()
    assert [status for _, status in rows] == ["keep", "keep"], done.stdout


def test_guards_run_each_benchmark_once(marked: Marked) -> None:
    marked.use("pytest_benchmark.plugin")
    marked.test(
        TEST
        + "\ndef test_speed(benchmark):\n    calls = []\n    benchmark(calls.append, 1)\n    assert len(calls) == 1\n"
    )
    done = marked.loop("test_loss.py::test_loss", "--autoresearch-guard=test_loss.py::test_speed")
    assert [*marked.outcomes().values()] == FROM_37_TO_5, done.stdout + done.stderr


def test_the_check_says_when_nothing_was_compared(marked: Marked) -> None:
    done = marked.pytest("--autoresearch-check", "test_loss.py::test_ordinary")
    assert "nothing was compared: no marked test has passed" in done.stdout
    done = marked.pytest("--autoresearch-check", "test_loss.py")
    assert "no session of it is in this repository" in done.stdout and "nothing was compared: see above" in done.stdout
