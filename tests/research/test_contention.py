"""What runs side by side cost, and what is recommended."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_autoresearch.errors import ConfigError, LabError
from pytest_autoresearch.lab.cpus import cores, shared_out, thread_counts
from pytest_autoresearch.protocol.model import Direction, Metric, PathRule, Protocol
from pytest_autoresearch.research.contention import compared_at_once, found_by_aa, keep_found
from tests.conftest import Project

METRIC = Metric("loss", Direction.LOWER)


def runs(level: float, spread: float, seconds: float) -> list[tuple[float, float]]:
    return [(level + spread * (-1) ** n, seconds) for n in range(10)]


def test_as_fast_as_alone_and_as_steady_is_worth_every_slot() -> None:
    found = compared_at_once(runs(5, 1, 2.0), [runs(5, 1, 2.0) for _ in range(4)], METRIC, 10)
    assert found.faster == pytest.approx(4) and found.best == 4


def test_runs_that_slow_each_other_down_are_made_one_at_a_time() -> None:
    found = compared_at_once(runs(5, 1, 2.0), [runs(5, 1, 7.5) for _ in range(4)], METRIC, 10)
    assert found.faster == pytest.approx(8 / 7.5) and found.best == 1


def test_more_runs_of_far_more_noise_tell_no_more() -> None:
    found = compared_at_once(runs(5, 1, 2.0), [runs(5, 2.5, 2.0) for _ in range(4)], METRIC, 10)
    assert found.faster == pytest.approx(4) and found.worth == pytest.approx(4 / 6.25, rel=0.1) and found.best == 1


def test_slots_that_are_not_alike_are_told() -> None:
    found = compared_at_once(runs(5, 0.1, 2.0), [runs(5, 0.1, 2.0), runs(6, 0.1, 2.0)], METRIC, 10)
    assert found.apart > 4


def test_too_few_numbers_are_no_comparison() -> None:
    with pytest.raises(LabError, match="run the command by hand first"):
        compared_at_once(runs(5, 1, 2.0), [runs(5, 1, 2.0), []], METRIC, 10)


def test_what_was_found_is_of_this_protocol_alone(tmp_path: Path) -> None:
    protocol = Protocol("", METRIC, (PathRule("a.py"),), "true", source="a.md")
    with pytest.raises(ConfigError, match=r"aa --workers N"):
        found_by_aa(tmp_path, protocol)
    keep_found(tmp_path, protocol, 4)
    assert found_by_aa(tmp_path, protocol) == 4
    with pytest.raises(ConfigError):
        found_by_aa(tmp_path, Protocol("", METRIC, (PathRule("a.py"),), "false", source="a.md"))


def test_a_slot_has_whole_cores(tmp_path: Path) -> None:
    for cpu in range(8):  # cpu 0 and 4 are threads of one core, and so on
        place = tmp_path / f"cpu{cpu}" / "topology"
        place.mkdir(parents=True)
        (place / "physical_package_id").write_text("0\n")
        (place / "core_id").write_text(f"{cpu % 4}\n")
    machine = cores(range(8), tmp_path)
    assert machine == [(0, 4), (1, 5), (2, 6), (3, 7)]
    assert shared_out(2, machine) == [((0, 4), (1, 5)), ((2, 6), (3, 7))]
    assert shared_out(3, machine) == [((0, 4),), ((1, 5),), ((2, 6),)]
    assert shared_out(5, machine) == [()] * 5, "more slots than cores: none has its own"
    assert shared_out(1, machine) == [()]
    assert cores(range(2), tmp_path / "nowhere") == [(0,), (1,)]


def test_libraries_are_told_how_many_threads_unless_a_person_has_said_it() -> None:
    assert thread_counts(2, {"MKL_NUM_THREADS": "7"})["OMP_NUM_THREADS"] == "2"
    assert "MKL_NUM_THREADS" not in thread_counts(2, {"MKL_NUM_THREADS": "7"})
    assert thread_counts(0, {}) == {}


@pytest.mark.slow
def test_aa_measures_alone_and_at_once_and_a_session_asks_for_what_it_found(project: Project) -> None:
    done = project.cli("aa", "--workers", "2", "-n", "9")
    assert "3 rounds of one run alone and 2 at a time" in done.stdout, done.stderr
    assert ("so 2 at a time" in done.stdout) == (done.returncode == 0)
    begun = project.pytest("--autoresearch", "--autoresearch-workers=auto", "--autoresearch-experiments=1")
    assert begun.returncode == 0, begun.stdout + begun.stderr
