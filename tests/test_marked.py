"""A marked test as a session: what its author writes, and what the real command line makes of it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.marked_project import DOUBLE, HALVE, Marked, marked_project


@pytest.fixture
def marked(tmp_path: Path) -> Marked:
    return marked_project(tmp_path)


@pytest.mark.slow
def test_experiments_are_the_test_parametrised(marked: Marked) -> None:
    done = marked.loop("test_loss.py", "-v", "--autoresearch-tag=a")
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_loss.py::test_loss[baseline]" in done.stdout and "test_loss.py::test_loss[0001]" in done.stdout
    assert "1 ordinary test" in done.stdout
    assert marked.outcomes() == {"a": [(37.0, "keep"), (5.0, "keep")]}
    assert marked.git("diff", "--name-only", "main", "autoresearch/a") == "model.py"
    changed = marked.git("status", "--porcelain", "--", ".", ":!*__pycache__*")  # any pytest leaves that
    assert changed == "" and "RATE = 8.0" in (marked.root / "model.py").read_text()
    records = marked.git("log", "--first-parent", "--format=%B", "refs/autoresearch/a/log")
    assert "METRIC loss=5.0" in records and not re.search(r"METRIC \S+ [0-9a-f]{32}", records)


@pytest.mark.slow
def test_the_metric_may_be_what_the_body_leaves_in_a_file(marked: Marked) -> None:
    marked.test(
        """
import json, pathlib

@pytest.mark.autoresearch(metric={"from": "out.json", "key": "eval.loss"}, direction="lower", targets=["model.py"])
def test_loss(experiment):
    pathlib.Path(__file__).with_name("out.json").write_text(json.dumps({"eval": {"loss": model.loss()}}))
    assert model.loss() < experiment.best
"""
    )
    done = marked.loop("test_loss.py", "--autoresearch-tag=a")
    assert done.returncode == 0, done.stdout + done.stderr
    assert marked.outcomes() == {"a": [(37.0, "keep"), (5.0, "keep")]}
    assert "eval.loss: start 37" in done.stdout


def test_without_the_switch_it_is_an_ordinary_test_without_a_best(marked: Marked) -> None:
    marked.test(
        """
import math

@MARK
def test_lower(experiment):
    assert experiment.best == math.inf and experiment.number == 0 and experiment.budget is None

@pytest.mark.autoresearch(metric="benchmark.ops", targets=["model.py"])
def test_higher_by_nature(experiment):
    assert experiment.best == -math.inf

@pytest.mark.autoresearch(metric="score", direction="maximize", targets=["model.py"])
def test_higher_in_other_words(experiment):
    assert experiment.best == -math.inf

def test_a_metric_is_a_finite_number(record_metric):
    with pytest.raises(ValueError, match="one finite number"):
        record_metric("loss", float("nan"))

def test_a_command_gives_its_numbers(experiment):
    run = experiment.run([sys.executable, "-c", "print('loss: 3.5')"])
    assert run.metrics == {"loss": 3.5}
    with pytest.raises(Exception, match="exit status 3: no data"):
        experiment.run([sys.executable, "-c", "print('no data'); raise SystemExit(3)"])
"""
    )
    done = marked.pytest("-q")
    assert "5 passed" in done.stdout, done.stdout
    assert marked.git("for-each-ref", "refs/autoresearch") == ""


@pytest.mark.parametrize(
    ("marker", "message"),
    [
        ('metric="loss", direction="lower", target=["model.py"]', "`target=`"),
        ('metrik="loss", targets=["model.py"]', "did you mean `metric`?"),
        ('metric="loss", direction="lower", targets=["missing.py"]', "`missing.py` is not in the start commit"),
    ],
)
def test_a_mistake_in_a_marker_is_exit_4_with_its_line(marked: Marked, marker: str, message: str) -> None:
    marked.test(f"\n@pytest.mark.autoresearch({marker})\ndef test_loss(record_metric):\n    pass\n")
    done = marked.loop("test_loss.py")
    assert done.returncode == 4 and message in done.stderr, done.stdout + done.stderr
    assert "test_loss.py:9: " in done.stderr or "missing.py" in message
    assert "Traceback" not in done.stderr and marked.git("for-each-ref", "refs/autoresearch") == ""


def test_a_failing_metric_assertion_is_worse_after_one_run(marked: Marked) -> None:
    done = marked.loop("test_loss.py", agent=DOUBLE)
    assert "worse" in done.stdout and "the metric assertion failed" in done.stdout, done.stdout
    assert list(marked.outcomes().values()) == [[(37.0, "keep"), (197.0, "discard")]]


@pytest.mark.slow
def test_any_other_failing_assertion_is_a_crash_that_says_what_failed(marked: Marked) -> None:
    marked.test(
        """
@MARK
def test_loss(experiment, record_metric):
    record_metric("loss", model.loss())
    assert model.RATE > 5, f"rate {model.RATE}"
    assert model.loss() < experiment.best
"""
    )
    done = marked.loop("test_loss.py")
    assert "AssertionError: rate 4.0" in done.stdout, done.stdout
    assert list(marked.outcomes().values()) == [[(37.0, "keep"), (0.0, "crash")]]


@pytest.mark.slow
def test_a_body_that_records_no_metric_is_told_what_it_did_record(marked: Marked) -> None:
    marked.test("\n@MARK\ndef test_loss(record_metric):\n    record_metric('los', 1)\n")
    done = marked.loop("test_loss.py")
    assert done.returncode == 1 and "no `loss` was recorded; there is:" in done.stdout and ", los" in done.stdout
    assert '  write in the marker: metric="duration"\n' in done.stdout and "write in Metric" not in done.stdout
    assert marked.outcomes() == {}


@pytest.mark.slow
def test_a_fixture_that_is_not_there_is_named(marked: Marked) -> None:
    marked.test("\n@MARK\ndef test_loss(benchmark):\n    benchmark(model.loss)\n")
    done = marked.loop("test_loss.py")
    assert done.returncode == 1 and "there is no fixture benchmark: pip install pytest-benchmark" in done.stdout


@pytest.mark.slow
def test_a_command_that_the_body_runs_gives_the_metric(marked: Marked) -> None:
    marked.test(
        """
@MARK
def test_loss(experiment):
    run = experiment.run([sys.executable, "-c", "import model; print('loss:', model.loss())"])
    assert run.metrics["loss"] < experiment.best
"""
    )
    marked.loop("test_loss.py")
    assert list(marked.outcomes().values()) == [[(37.0, "keep"), (5.0, "keep")]]


@pytest.mark.slow
@pytest.mark.parametrize("metric", ["duration", "peak_memory"])
def test_time_and_memory_need_no_fixture(marked: Marked, metric: str) -> None:
    marked.write(
        "model.py", "import time\nRATE = 8.0\ndef work(): time.sleep(RATE / 20); return b'x' * int(RATE * 2e7)\n"
    )
    marked.test(
        f"\n@pytest.mark.autoresearch(metric={metric!r}, targets=['model.py'])\ndef test_it():\n    model.work()\n"
    )
    done = marked.loop("test_loss.py", "--autoresearch-judge=classic")
    (rows,) = marked.outcomes().values()
    assert [status for _, status in rows] == ["keep", "keep"], done.stdout
    before, after = (value for value, _ in rows)
    if metric == "duration":
        assert before >= 0.4 and 0.2 <= after < before
    else:
        assert 8e7 * 0.9 < before - after < 8e7 * 1.5 and before > 1.6e8


@pytest.mark.slow
def test_methods_parameters_conftest_options_and_wider_fixtures_work(marked: Marked) -> None:
    marked.write(
        "conftest.py",
        "import pytest\n"
        "def pytest_addoption(parser): parser.addoption('--offset', type=float, default=1.0)\n"
        "@pytest.fixture(scope='session')\n"
        "def offset(request): return request.config.getoption('--offset')\n",
    )
    marked.test(
        """
class TestModel:
    @pytest.fixture(autouse=True)
    def prepared(self, offset):
        self.offset = offset

    @pytest.mark.parametrize("factor", [1, 2], ids=["one", "x y"])
    @pytest.mark.autoresearch(metric="loss", direction="lower", targets=["model.py"], tag="m")
    def test_loss(self, factor, record_metric):
        record_metric("loss", factor * model.loss(self.offset))
"""
    )
    done = marked.loop("test_loss.py", "--offset", "3", "-v", "--junitxml", str(marked.home / "report.xml"))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "test_loss.py::TestModel::test_loss[one][0001]" in done.stdout
    assert re.search(r"^resume  .*::test_loss\[one\]' .*--offset 3$", done.stdout, re.MULTILINE), done.stdout
    outcomes = marked.outcomes()
    assert outcomes.pop("m-one") == [(39.0, "keep"), (7.0, "keep")]
    (other,) = outcomes
    assert other.startswith("m-x-y-") and outcomes[other] == [(78.0, "keep"), (14.0, "keep")]


@pytest.mark.slow
def test_parameter_sets_can_make_one_metric(marked: Marked) -> None:
    marked.test(
        """
@pytest.mark.parametrize("factor", [1, 4])
@pytest.mark.autoresearch(metric="loss", direction="lower", targets=["model.py"], aggregate="geomean", tag="both")
def test_loss(factor, record_metric, experiment):
    record_metric("loss", factor * model.loss())
    assert factor * model.loss() < experiment.best
"""
    )
    done = marked.loop("test_loss.py", "-v")
    assert "test_loss.py::test_loss[0001]" in done.stdout, done.stdout
    (rows,) = marked.outcomes().values()
    assert [status for _, status in rows] == ["keep", "keep"]
    assert [value for value, _ in rows] == pytest.approx([74.0, 10.0])


def test_one_tag_for_two_tests_is_refused_before_anything_runs(marked: Marked) -> None:
    marked.test(
        """
pytestmark = pytest.mark.autoresearch(metric="loss", direction="lower", targets=["model.py"], tag="same")
def test_a(record_metric): pass
def test_b(record_metric): pass
"""
    )
    done = marked.loop("test_loss.py")
    assert done.returncode == 4 and "the tag same names one session" in done.stderr, done.stderr
    assert marked.git("for-each-ref", "refs/autoresearch") == ""


SEVERAL = """
pytestmark = pytest.mark.autoresearch(metric="loss", direction="lower", targets=["model.py"])

@pytest.mark.quick
def test_a(record_metric): record_metric("loss", 100 + model.loss())

def test_b(record_metric): record_metric("loss", 200 + model.loss())
"""


@pytest.mark.parametrize(
    ("words", "levels"),
    [
        ([], {137.0, 237.0}),
        (["test_loss.py::test_b"], {237.0}),
        (["-k", "test_b", "."], {237.0}),
        pytest.param(["-m", "quick", "."], {137.0}, marks=pytest.mark.slow),
    ],
)
def test_what_pytest_selects_is_run(marked: Marked, words: list[str], levels: set[float]) -> None:
    marked.write("pytest.ini", "[pytest]\npythonpath = .\nmarkers = quick\n")
    marked.test(SEVERAL)
    done = marked.loop(*words, experiments=0)
    assert done.returncode == 0, done.stdout + done.stderr
    assert {rows[0][0] for rows in marked.outcomes().values()} == levels


@pytest.mark.slow
def test_the_budgets_timeout_ends_the_run_and_not_the_session(marked: Marked) -> None:
    marked.test("\n@pytest.mark.timeout(6)\n@MARK\ndef test_loss(record_metric): record_metric('loss', model.loss())\n")
    done = marked.loop("test_loss.py", agent="open('model.py', 'a').write('import time; time.sleep(60)\\n')")
    assert done.returncode == 0 and "timeout" in done.stdout and "killed after 6" in done.stdout, done.stdout


@pytest.mark.slow
def test_the_test_file_of_the_candidate_can_not_matter(marked: Marked) -> None:
    cheat = "open('test_loss.py', 'a').write('\\nmodel.loss = lambda: 0.0\\n'); open('conftest.py', 'w').write('')"
    done = marked.loop("test_loss.py", agent=f"{HALVE}\n{cheat}")
    assert "out-of-scope" in done.stdout, done.stdout
    assert list(marked.outcomes().values()) == [[(37.0, "keep"), (0.0, "discard")]]


@pytest.mark.slow
def test_the_example_of_the_documentation_runs_as_it_stands(marked: Marked) -> None:
    top = Path(__file__).parents[1]
    page = (top / "docs" / "pytest.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```python\n(import .*?)```", page, re.DOTALL)  # the others are only parts of a test
    for name in ("slugs.py", "test_slugs.py"):
        marked.write(name, (top / "examples" / "fast_function" / name).read_text(encoding="utf-8"))
    marked.test(example, head="", name="test_speed.py")
    assert marked.pytest("test_speed.py").returncode == 0
    done = marked.loop("test_speed.py", experiments=0)
    assert done.returncode == 0 and "baseline" in done.stdout, done.stdout + done.stderr
