"""Slots that are lost while they measure: nothing they saw is evidence, and everything goes on elsewhere."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from pathlib import Path

import pytest

from pytest_autoresearch.errors import LabError, PlaceLost
from pytest_autoresearch.lab.job import Executor, Finished, Job, Site, Tick
from pytest_autoresearch.protocol.experiment import FileEntry, Measurement, Place, Reason, Role
from tests.conftest import Project
from tests.research.side_by_side import World, every
from tests.research.test_slots import TEXT, setting, total


class Losing(World):
    """``dies`` says of a run whether its place is gone; ``room`` is how many slots there ever are."""

    room = 99

    def __init__(self, edits: Mapping[int, Callable[[str], str]], dies: Callable[[Job, Place], bool]) -> None:
        super().__init__(edits, total)
        self.dies = dies
        self.remarks: list[str] = []
        self.made = 0

    def remark(self, text: str) -> None:
        self.remarks.append(text)

    def pytest_autoresearch_executor(self, name: str, site: Site) -> Executor | None:
        self.made += 1
        if self.made > self.room:
            raise PlaceLost("no room for another slot")
        slot = super().pytest_autoresearch_executor(name, site)
        assert slot is not None
        return _Mortal(self, slot)


class _Mortal:
    """A slot until it dies."""

    isolation: str = "process"
    device: str = "cpu"
    refused: tuple[str, ...] = ()

    def __init__(self, world: Losing, slot: Executor) -> None:
        self._world, self._slot, self._dead = world, slot, False

    def occupy(self, tick: Tick) -> Place:
        return self._slot.occupy(tick)

    def measure(self, job: Job, tick: Tick) -> Measurement:
        place = self._slot.occupy(tick)
        self._dead = self._dead or self._world.dies(job, place)
        if self._dead:
            raise PlaceLost(f"slot {place.slot} is gone")
        return self._slot.measure(job, tick)

    def guard(self, command: str, state: Mapping[str, FileEntry], timeout: float, tick: Tick) -> Finished:
        return Finished(0, b"", b"", timed_out=False, duration=0.0)

    def close(self) -> None:
        self._slot.close()


@pytest.fixture
def root(project: Project) -> Path:
    project.write("train.py", TEXT)
    project.commit("three values")
    return project.root


def losing(dies: Callable[[Job, Place], bool]) -> Losing:
    return Losing({number: setting("ABC"[number % 3], 10.0 + number) for number in range(9)}, dies)


@pytest.mark.parametrize("workers", ["1", "2"])
def test_an_experiment_whose_place_is_lost_is_measured_at_another_one(root: Path, workers: str) -> None:
    died: list[int] = []

    def dies(job: Job, place: Place) -> bool:
        if job.number == 2 and job.role is Role.CANDIDATE and not died:
            died.append(place.slot)
            return True
        return False

    world = losing(dies)
    history = world.run(root, workers=workers, experiments="4")
    assert sorted(e.number for e in history.experiments) == [0, 1, 2, 3, 4]
    assert {e.reason for e in history.experiments[1:]} == {Reason.WORSE}
    second = history.at(2)
    assert second.place is not None and second.place.slot not in died
    assert {run.place for run in second.measurements} == {second.place}, "nothing of the old place is evidence"
    later = {e.place.slot for e in history.experiments if e.number > 2 and e.place is not None}
    assert not later & set(died) and int(workers) in later | {second.place.slot}, "the new slot has a number of its own"
    assert world.remarks[-1].startswith(f"slot {died[0]} is gone; what it measured is measured again elsewhere")


def test_runs_before_the_loss_stay_in_the_record_and_count_for_nothing(root: Path) -> None:
    edits = {1: setting("A", 4)}  # a keep on two slots wants a run of the incumbent beside it
    died: list[Place] = []

    def dies(job: Job, place: Place) -> bool:
        if job.number == 1 and job.role is Role.INCUMBENT and not died:
            died.append(place)
            return True
        return False

    world = Losing(edits, dies)
    first = world.run(root, workers="2", experiments="1").at(1)
    assert died and first.reason is Reason.IMPROVED
    assert [(run.role, run.place) for run in first.earlier] == [(Role.CANDIDATE, died[0])]
    assert {run.place for run in first.measurements} == {first.place} != {died[0]}


def test_a_proposal_that_loses_its_place_twice_is_interrupted_and_the_session_goes_on(root: Path) -> None:
    history = losing(lambda job, place: job.number == 2 and place.slot in (0, 1, 2)).run(
        root, workers="2", experiments="4"
    )
    assert history.at(2).reason is Reason.INTERRUPTED
    assert "is gone, as the place before" in history.at(2).detail
    assert {history.at(n).reason for n in (1, 3, 4)} == {Reason.WORSE}


def test_the_session_goes_on_with_the_slots_that_are_left(root: Path) -> None:
    world = losing(lambda job, place: job.number > 0 and place.slot == 0)
    world.room = 2
    history = world.run(root, workers="2", experiments="5")
    assert sorted(e.number for e in history.experiments) == [0, 1, 2, 3, 4, 5]
    assert {e.place.slot for e in history.experiments[1:] if e.place} == {1}
    assert world.remarks[-1].endswith("measured again elsewhere, on 1 slot")
    assert {e.reason for e in history.experiments[1:]} == {Reason.WORSE}


def test_without_a_slot_the_session_ends_and_what_was_under_way_is_resumed(root: Path) -> None:
    world = losing(lambda job, place: job.number == 2)
    world.room = 1
    with world.session(root, experiments="4") as research, pytest.raises(LabError, match="no other slot is left"):
        for _ in every(research):
            pass
    world.dies, world.room = (lambda job, place: False), 99
    history = world.run(root, experiments="2")
    assert [e.number for e in history.experiments] == [0, 1, 2, 3]
    assert history.at(2).reason is Reason.WORSE


def test_a_baseline_is_measured_anew_where_its_place_is_lost(root: Path) -> None:
    world = losing(lambda job, place: job.number == 0 and place.slot == 0 and len(world.jobs) == 1)
    history = world.run(root, experiments="1")
    assert {run.place.slot for run in history.at(0).measurements if run.place} == {1}
    assert history.at(0).place == history.at(1).place


def test_levels_of_another_place_are_not_compared_with_after_a_resume(root: Path) -> None:
    losing(lambda job, place: False).run(root, workers="2", experiments="4")
    world = losing(lambda job, place: False)
    made = world.pytest_autoresearch_executor

    def on_another_machine(name: str, site: Site) -> Executor | None:
        slot = made(name, site)
        if slot is not None and site.slot == 1:
            slot._slot._place = Place("another", 1, "process")  # type: ignore[attr-defined]
        return slot

    world.pytest_autoresearch_executor = on_another_machine  # type: ignore[method-assign]
    history = world.run(root, workers="2", experiments="1")
    fifth = history.at(5)
    assert next(run.role for run in fifth.measurements) is Role.INCUMBENT, "the levels are measured anew"


def test_a_lost_place_is_no_death_of_the_session(root: Path) -> None:
    """What was moved once is not given up when the session itself dies before it has ended."""
    moved: list[int] = []

    def dies(job: Job, place: Place) -> bool:
        if job.number == 2 and not moved:
            moved.append(place.slot)
            return True
        if job.number == 2:
            raise KeyboardInterrupt
        return False

    world = losing(dies)
    with world.session(root, experiments="4") as research, pytest.raises(KeyboardInterrupt):
        for _ in every(research):
            pass
    world.dies = lambda job, place: False
    history = world.run(root, experiments="1")
    assert moved and history.at(2).reason is Reason.WORSE


def test_what_is_resumed_on_another_slot_begins_anew(root: Path) -> None:
    gate = threading.Event()

    def dies(job: Job, place: Place) -> bool:
        if job.number == 2 and job.role is Role.INCUMBENT:
            raise KeyboardInterrupt
        return False

    world = Losing({1: setting("A", 9), 2: setting("B", 4)}, dies)
    world.gates = {2: gate}
    with world.session(root, workers="2", experiments="2") as research, pytest.raises(KeyboardInterrupt):
        for ended in every(research):
            if ended.number == 1:
                gate.set()
    (pending,) = research.notebook.pending.values()
    (before,) = {run.place for run in pending.measurements}
    world.dies = lambda job, place: False
    history = world.run(root, workers="2", experiments="1")
    second = history.at(2)
    assert second.kept and {run.place for run in second.measurements} == {second.place}
    if second.place != before:  # which slot was free first is the machine's to say
        assert {run.place for run in second.earlier} == {before}
