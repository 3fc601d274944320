"""Guards: what has to stay green. Nothing is kept that breaks them, whatever the metric says."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_autoresearch.research.contexts import touching_tests
from pytest_autoresearch.research.guards import PYTEST as PYTEST_START
from pytest_autoresearch.research.guards import Suite, blamed, failed_tests, failure_words, has_summary, start_fails
from tests.marked_project import HALVE, Marked, marked_project

LOGS = "refs/autoresearch/**/log"
FILES = ("pkg/pytest.ini", "pkg/tests/test_a.py", "pkg/tests/unit/test_b.py")
START = f"{PYTEST_START} --verbosity=-1 -r fE --color=no"
PYTEST = f'{START} -x -o cache_dir="$(mktemp -d)"'

GUARDED = """
@pytest.mark.autoresearch(metric="loss", direction="lower", targets=["model.py"], guard=%s)
def test_loss(record_metric):
    record_metric("loss", model.loss())
"""


@pytest.fixture
def marked(tmp_path: Path) -> Marked:
    project = marked_project(tmp_path)
    project.write("pytest.ini", "[pytest]\npythonpath = .\nmarkers = smoke\n")
    project.write(
        "tests/test_model.py",
        "import pytest\n"
        "import model\n"
        "def test_offset(): assert model.loss(2) - model.loss(1) == 1\n"
        "@pytest.mark.smoke\n"
        "def test_range(): assert model.RATE > 5, 'the rate is too low'\n",
    )
    return project


@pytest.mark.parametrize(
    ("guard", "command"),
    [
        ("test_a.py", f"{PYTEST} test_a.py"),
        ("unit/", f"{PYTEST} unit/"),
        ("../tests", f"{PYTEST} ../tests"),
        ("test_a.py::test_x[a b]", f"{PYTEST} 'test_a.py::test_x[a b]'"),
        ('-m "not slow"', f'{PYTEST} -m "not slow"'),
        ("mypy model.py", "mypy model.py"),
        ("affected", f"cd .. && {PYTEST}"),
    ],
)
def test_paths_node_ids_and_options_are_for_pytest_and_the_rest_are_commands(guard: str, command: str) -> None:
    assert Suite("pkg/tests", FILES).commands(guard, fail_fast=True) == [command]


def test_affected_begins_with_what_failed_before_and_then_runs_everything() -> None:
    suite = Suite(".", ("test_a.py",), ("-n", "2"))
    pytest_command = f'{START} -n 2 -o cache_dir="$(mktemp -d)"'
    assert suite.commands("affected", fail_fast=False, first=["test_a.py::t[x y]"]) == [
        f"{pytest_command} 'test_a.py::t[x y]'",
        pytest_command,
    ]


def test_the_output_of_a_guard_names_the_tests_that_failed() -> None:
    output = (
        "E  assert\nFAILED t/a.py::b - assert 1 == 2\nFAILED t/a.py::c[x-y]\nERROR t/d.py - ImportError: no\n1 failed\n"
    )
    assert failed_tests(output) == {"t/a.py::b": "assert 1 == 2", "t/a.py::c[x-y]": "", "t/d.py": "ImportError: no"}
    assert failure_words("t", output, timed_out=False) == "t: FAILED t/a.py::b - assert 1 == 2"
    assert failure_words("make lint", "bad\nmodel.py:3: error\n", timed_out=False) == "make lint: model.py:3: error"
    assert failure_words("t", output, timed_out=True) == "t: timed out"
    assert has_summary("..F\n=== 1 failed, 2 passed in 0.1s ===\n") and has_summary("2 skipped in 0.01s")
    assert not has_summary("...") and not has_summary("")
    assert blamed(["t: FAILED t/a.py::b - x", "t: timed out", "t: FAILED t/a.py::c", "t: FAILED t/a.py::b"]) == [
        "t/a.py::b",
        "t/a.py::c",
    ]
    many = "".join(f"FAILED t.py::t{n}\n" for n in range(25))
    assert "t.py::t19\n" in start_fails("t", many, timed_out=False) and "and 5 more" in start_fails(
        "t", many, timed_out=False
    )


@pytest.mark.slow
def test_a_change_that_ends_the_guard_with_success_before_its_tests_is_discarded(marked: Marked) -> None:
    marked.write("pytest.ini", "[pytest]\naddopts = -q\npythonpath = .\n")  # quiet, but with a summary all the same
    marked.write("tests/test_model.py", "import model\ndef test_offset(): assert model.loss(2) - model.loss(1) == 1\n")
    marked.test(GUARDED % "['tests/']")
    leave = "import os, sys\nif 'tests/' in sys.argv: os._exit(0)\n"
    done = marked.loop(
        "test_loss.py", "-vv", agent=f"{HALVE}; s = open('model.py').read(); open('model.py', 'w').write({leave!r} + s)"
    )
    assert list(marked.outcomes().values()) == [[(37.0, "keep"), (5.0, "discard")]], done.stdout + done.stderr
    shown = marked.cli("log", "--show", "1").stdout
    assert "tests/: pytest was ended before its summary" in shown, shown


@pytest.mark.parametrize(
    "guard",
    [
        "['tests/']",
        pytest.param("'affected'", marks=pytest.mark.slow),
        pytest.param("['true', 'python -m pytest -q -m smoke']", marks=pytest.mark.slow),
    ],
)
def test_a_fast_but_wrong_change_is_discarded_with_the_tests_name(marked: Marked, guard: str) -> None:
    marked.test(GUARDED % guard)
    done = marked.loop("test_loss.py")
    assert "FAILED tests/test_model.py::test_range" in done.stdout.replace("\n", ""), done.stdout
    assert list(marked.outcomes().values()) == [[(37.0, "keep"), (5.0, "discard")]]


@pytest.mark.slow
def test_the_next_agent_is_told_which_test_failed(marked: Marked) -> None:
    marked.test(GUARDED % "['tests/']")
    note = marked.home / "briefing"
    agent = (
        f"import os; text = open(os.environ['AUTORESEARCH_BRIEFING']).read(); {HALVE}"
        "; print('test_range' in text and 'told of test_range' or 'told nothing')"
    )
    done = marked.loop("test_loss.py", agent=agent, experiments=2)
    assert "told nothing" in done.stdout and "told of test_range" in done.stdout, done.stdout
    assert not note.exists()


@pytest.mark.slow
def test_a_guard_that_is_red_from_the_start_is_exit_1_and_names_its_tests(marked: Marked) -> None:
    marked.write("tests/test_red.py", "def test_one(): assert 0, 'red'\ndef test_two(): raise OSError\n")
    marked.test(GUARDED % "['tests/']")
    done = marked.loop("test_loss.py")
    assert done.returncode == 1 and "the guard `tests/` fails on the start commit" in done.stdout, done.stdout
    assert "tests/test_red.py::test_one - AssertionError: red" in done.stdout and "::test_two" in done.stdout
    assert marked.outcomes() == {} and marked.git("for-each-ref", "refs/autoresearch") == ""


LESS = "s = open('model.py').read(); open('model.py', 'w').write(s.replace('4.0', '3.0')); print('less')"


@pytest.mark.slow
def test_a_guard_that_is_added_later_is_tried_on_the_head_before_a_candidate_is_blamed_for_it(marked: Marked) -> None:
    marked.test(GUARDED % "[]")
    marked.loop("test_loss.py")
    kept = [(37.0, "keep"), (5.0, "keep")]
    assert list(marked.outcomes().values()) == [kept]
    head = marked.git("rev-parse", "--branches=autoresearch/*")

    done = marked.loop("test_loss.py", "--autoresearch-guard=tests/", agent=LESS)
    said = " ".join(done.stdout.split())
    assert done.returncode == 1, done.stdout + done.stderr
    assert f"the guard `tests` fails on the head of the session, 0001 {head[:7]}, before any change:" in said, said
    assert "tests/test_model.py::test_range - AssertionError: the rate is too low" in said
    assert "leave it out again, drop the keep that breaks it" in said and "a guard that was added fails" in said
    assert list(marked.outcomes().values()) == [kept]
    assert marked.git("rev-parse", "--branches=autoresearch/*") == head

    green = "--autoresearch-guard=tests/test_model.py::test_offset"
    for _ in range(2):
        done = marked.loop("test_loss.py", green, agent=LESS)
        assert done.returncode == 0, done.stdout + done.stderr
    kinds = marked.git("log", "--first-parent", "--format=%B", marked.git("for-each-ref", "--format=%(refname)", LOGS))
    assert kinds.count('"guards"') == 1, "tried and recorded once"
    assert next(iter(marked.outcomes().values()))[:3] == [*kept, (2.0, "keep")]

    done = marked.loop("test_loss.py", "--autoresearch-guard=tests/", agent=LESS)
    assert done.returncode == 1 and "the guard `tests` fails on the head" in done.stdout, "not forgotten meanwhile"


@pytest.mark.slow
def test_guards_are_the_committed_ones_whatever_the_checkout_or_an_earlier_run_holds(marked: Marked) -> None:
    marked.test(GUARDED % "['tests/']")
    marked.write("tests/test_model.py", "def test_anything_goes(): pass\n")
    marked.write("tests/conftest.py", "collect_ignore = ['test_model.py']\n")
    mischief = (
        "\nopen('conftest.py', 'w').write('collect_ignore = [\"tests\"]')\n"
        "open('tests/test_model.py', 'w').write('def test_range(): pass')\n"
    )
    agent = f"s = open('model.py').read().replace('8.0', '4.0'); open('model.py', 'w').write(s + {mischief!r})"
    done = marked.loop("test_loss.py", agent=agent)
    (rows,) = marked.outcomes().values()
    assert [status for _, status in rows] == ["keep", "discard"], done.stdout


@pytest.mark.slow
def test_workers_spread_the_guard_and_need_xdist(marked: Marked) -> None:
    pytest.importorskip("xdist")
    marked.write("tests/test_where.py", "import os\ndef test_a(): assert os.environ['PYTEST_XDIST_WORKER']\n")
    marked.test(GUARDED % "['tests/test_where.py'], guard_workers=2")
    done = marked.loop("test_loss.py")
    assert list(marked.outcomes().values()) == [[(37.0, "keep"), (5.0, "keep")]], done.stdout


def recorded_contexts(marked: Marked) -> None:
    """A suite that pytest-cov has recorded by test; the first of its tests reads the model without running a line."""
    marked.use("pytest_cov.plugin")
    marked.write(
        "tests/test_model.py",
        "import model\n"
        "def test_its_text(): assert 'RATE = 8.0' in open('model.py').read()\n"
        "def test_nothing(): pass\n"
        "def test_nothing_else(): pass\n"
        "def test_what_it_does(): assert model.loss() == 37\n",
    )
    marked.test(GUARDED % "'affected'")
    done = marked.pytest("tests", "--cov=.", "--cov-context=test", "--cov-report=")
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_tests_that_touched_a_file_are_known_from_coverage_contexts(marked: Marked) -> None:
    recorded_contexts(marked)
    data = marked.root / ".coverage"

    def touching(*changed: str) -> list[str]:
        return touching_tests(changed, top=marked.root, root=marked.root)

    assert touching("model.py") == ["tests/test_model.py::test_what_it_does"]
    assert touching("other.py") == []
    assert touching("tests/test_model.py") == []  # every test touches it: no choice
    data.rename(marked.root / "elsewhere")
    assert touching("model.py") == []
    marked.write(".coveragerc", "[run]\ndata_file = elsewhere\n")
    assert touching("model.py") == ["tests/test_model.py::test_what_it_does"]
    for damaged in ("no database", ""):
        marked.write("elsewhere", damaged)
        assert touching("model.py") == [] and (marked.root / "elsewhere").read_text() == damaged


@pytest.mark.slow
def test_affected_begins_with_the_tests_that_touched_the_changed_files(marked: Marked) -> None:
    recorded_contexts(marked)
    done = marked.loop("test_loss.py")
    assert "FAILED tests/test_model.py::test_what_it_does" in done.stdout.replace("\n", ""), done.stdout
    (marked.root / ".coverage").unlink()
    done = marked.loop("test_loss.py", "--autoresearch-tag=b")
    assert "FAILED tests/test_model.py::test_its_text" in done.stdout.replace("\n", ""), done.stdout
