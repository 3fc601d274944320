"""A watched run tells which paths it asked for and did not find although the machine has them."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from unittest import mock

import pytest

from pytest_autoresearch.lab import reach
from pytest_autoresearch.lab.job import Job
from pytest_autoresearch.lab.lookups import Asked, Lookup
from pytest_autoresearch.lab.sandbox import choose
from pytest_autoresearch.protocol.experiment import Role
from tests.lab.test_local_executor import Bench


@pytest.fixture
def home(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "home"
    place.mkdir()
    with mock.patch.dict(os.environ, {"HOME": str(place)}):
        reach.reach.cache_clear()
        yield place
    reach.reach.cache_clear()


@pytest.fixture(params=["auto", "none"])
def bench(request: pytest.FixtureRequest, tmp_path: Path, home: Path) -> Bench:
    (tmp_path / "probe").mkdir()
    return Bench(tmp_path, choose(request.param, scratch=tmp_path / "probe"))


def missed(bench: Bench, run: str, extract: str | None = None) -> tuple[Lookup, ...]:
    state = bench.state()
    with closing(bench.executor(run, extract=extract)) as lab, lab.watching() as lookout:
        lab.measure(Job(Role.INCUMBENT, 0, 0, state, 60.0), lambda _: None)
        assert lookout.works
        return lookout.lookups


def test_an_ignored_environment_and_data_below_home_are_seen(bench: Bench, home: Path) -> None:
    (bench.top / ".venv/bin").mkdir(parents=True)
    (bench.top / ".venv/bin/python").symlink_to("/bin/true")
    (home / "sets").mkdir()
    (home / "sets/train.csv").write_text("1")
    seen = missed(bench, "cd; [ -f sets/train.csv ]; [ -f sets/none.csv ]; cd -; .venv/bin/python -c 1; exit 3")
    assert Lookup(bench.top / ".venv/bin/python", Asked.PROGRAM) in seen
    assert Lookup(home / "sets/train.csv") in seen
    assert {lookup.path for lookup in seen if lookup.path.is_relative_to(bench.top)} == {bench.top / ".venv/bin/python"}
    assert not any("none.csv" in str(lookup.path) for lookup in seen)


def test_what_is_written_to_home_and_looked_for_by_the_next_command_is_seen(bench: Bench, home: Path) -> None:
    seen = missed(bench, "mkdir -p ~/out && echo 1 > ~/out/score", "cat ~/out/score")
    assert Lookup(home / "out/score", Asked.KEPT) in seen


def test_a_directory_of_home_that_a_run_would_write_into_is_seen(bench: Bench, home: Path) -> None:
    (home / "results").mkdir()
    assert Lookup(home / "results/a.json", Asked.WRITE) in missed(bench, "echo 1 > ~/results/a.json")


def test_a_link_counts_by_what_the_run_finds_at_its_end(bench: Bench, tmp_path: Path) -> None:
    if bench.choice.level != "bwrap":
        pytest.skip("only there the link leads nowhere")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/a").write_text("1")
    (bench.top / "data").symlink_to(tmp_path / "elsewhere")
    assert Lookup(bench.top / "data/a") in missed(bench, f"ln -s {tmp_path}/elsewher? data; cat data/a")
