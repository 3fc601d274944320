"""Experiments side by side: the order of records, candidates whose base was left behind, places, resuming, replay."""

from __future__ import annotations

import contextlib
import json
import multiprocessing
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from itertools import product
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import pytest

from pytest_autoresearch.agents.base import Briefing, Desk, Proposal
from pytest_autoresearch.errors import ConfigError, LabError
from pytest_autoresearch.judge import GroupVerdict, JudgeSettings, JudgeState, Standing, Step, Verdict, group, rule
from pytest_autoresearch.lab.job import Job
from pytest_autoresearch.notebook.chain import ledger_ref, read_records
from pytest_autoresearch.notebook.drop import drop_keep
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import Group, History
from pytest_autoresearch.protocol.experiment import Experiment, Place, Reason, Role
from pytest_autoresearch.research.baseline import refresh
from pytest_autoresearch.research.loop import Loop
from pytest_autoresearch.research.session import Research
from pytest_autoresearch.research.slots import Ticket, Worker
from pytest_autoresearch.research.work import Await, Check, Script, Seat, one
from tests.conftest import Project
from tests.research.noisy import make_noisy
from tests.research.side_by_side import World, every

TEXT = "A = 8\n#\nB = 8\n#\n#\nC = 8\n"


def setting(name: str, value: float) -> Callable[[str], str]:
    """An edit: this value instead."""

    def edit(text: str) -> str:
        return "".join(
            f"{name} = {value}\n" if line.startswith(f"{name} = ") else line for line in text.splitlines(keepends=True)
        )

    return edit


def summed(text: str) -> float:
    """The sum of all values, exactly."""
    return sum(float(line.split(" = ")[1]) for line in text.splitlines() if " = " in line)


def total(text: str, job: Job, place: Place) -> float:
    """The metric that is exactly that."""
    return summed(text)


@pytest.fixture
def root(project: Project) -> Path:
    project.write("train.py", TEXT)
    project.commit("three values")
    return project.root


def faster_first(gate: threading.Event, world: World, root: Path, **options: str) -> History:
    """A session of two slots in which experiment 1 ends after all others."""
    with world.session(root, workers="2", **options) as research:
        for ended in every(research):
            if ended.number == 2:
                gate.set()
        return research.notebook.history


def test_after_a_drop_the_new_head_is_measured_and_known_where_it_was_run(root: Path) -> None:
    """Whatever slot the newest experiment was on: its level is compared with on the one that measured it."""
    world = World({1: setting("A", 4), 2: setting("B", 4)}, total)
    with world.session(root, workers="2", experiments="2") as research:
        for _ in every(research):
            pass
        research.judge.standing = research.judge.standing.at(1)
        dropped = research.notebook.history.keeps[0].number
        drop_keep(research.notebook, dropped, "")
        research.drafts.incumbent = research.parts.git.files(research.incumbent.commit)
        made = len(world.jobs)
        refresh(research)
        assert {place.slot for _, place in world.jobs[made:]} == {research.place.slot} == {0}
        standing = research.judge.standing
        assert standing.at(0).incumbent.window and not standing.at(1).incumbent.window


def test_records_stand_as_experiments_end_and_say_what_was_known_and_where(root: Path) -> None:
    gate = threading.Event()
    edits = {1: setting("A", 9), 2: setting("B", 9), 3: setting("C", 9)}
    history = faster_first(gate, World(edits, total, {1: gate}), root, experiments="3")
    order = [e.number for e in history.experiments]
    assert order[:2] == [0, 2] and sorted(order) == [0, 1, 2, 3]
    slots = {e.number: e.place.slot for e in history.experiments if e.place is not None}
    assert slots[1] != slots[2]
    assert history.at(2).seen == 1 and history.at(1).seen is None
    with Git.discover(root) as git:
        assert [r for r in read_records(git, ledger_ref("demo")) if isinstance(r, Experiment)][1].number == 2


def test_a_keep_on_a_base_that_was_left_behind_is_merged_and_judged_anew_beside_the_new_one(root: Path) -> None:
    gate = threading.Event()
    world = World({1: setting("A", 4), 2: setting("B", 4)}, total, {1: gate})
    history = faster_first(gate, world, root, experiments="2")
    first, second = history.at(1), history.at(2)
    assert (second.kept, first.kept) == (True, True)
    assert first.parent == second.commit and first.against == second.value == 20
    assert first.value == 16 and len(first.earlier) >= 1
    beside = [run.value for run in first.measurements if run.role is Role.INCUMBENT]
    assert beside and set(beside) == {20.0}, "its pair is of the new incumbent, on its own slot"
    assert {run.place for run in first.measurements} == {first.place}
    with Git.discover(root) as git:
        files = git.files("autoresearch/demo")
        assert git.read([files["train.py"].blob])[files["train.py"].blob].decode() == TEXT.replace(
            "A = 8", "A = 4"
        ).replace("B = 8", "B = 4")


def test_what_was_seen_beside_the_base_before_is_where_the_new_trial_begins(root: Path) -> None:
    def noisy(text: str, job: Job, place: Place) -> float:
        return total(text, job, place) + random.Random(f"{job.seed}{text}").gauss(0, 0.3)

    gate = threading.Event()
    world = World({1: setting("A", 6), 2: setting("B", 6)}, noisy, {1: gate})
    history = faster_first(gate, world, root, experiments="2")
    first, second = history.at(1), history.at(2)
    assert first.kept and second.kept and first.earlier
    assert second.expected is None and first.expected is not None
    gain, variance = first.expected
    assert gain > 3 and 0 < variance < 3, "deviations of one run"


LAST_LOOK = 2  # runs of a gain of an exact metric before the one that decides it


def in_line(root: Path, value: Callable[[str], float]) -> tuple[History, World]:
    """A session of three slots: 1 is kept first; 2, then 3 would have been, and 3 is run on top of 2 meanwhile."""
    compared, kept = {2: threading.Event(), 3: threading.Event()}, threading.Event()
    moved, on_top, looks = threading.Event(), threading.Event(), Counter[int]()

    def measured(text: str, job: Job, place: Place) -> float:
        changed = {name for name in "ABC" if f"{name} = 4" in text}
        if job.number in compared and len(changed) == 1 and looks[job.number] == LAST_LOOK:
            compared[job.number].set()  # what decides, beside the base that 1 leaves behind
            assert (kept if job.number == 2 else moved).wait(6)
        elif changed == {"A"} and job.role is Role.CANDIDATE:
            assert all(each.wait(6) for each in compared.values())
        elif changed == {"A", "B"} and job.role is Role.CANDIDATE:
            moved.set()
            assert on_top.wait(6)
        elif changed == {"A", "B", "C"}:
            on_top.set()
        looks[job.number] += job.role is Role.CANDIDATE
        return value(text)

    world = World({1: setting("A", 4), 2: setting("B", 4), 3: setting("C", 4)}, measured)
    with world.session(root, workers="3", experiments="3") as research:
        for ended in every(research):
            if ended.number == 1:
                kept.set()
        return research.notebook.history, world


def test_who_would_be_kept_is_run_on_top_of_those_ahead_of_it_and_not_again_once_they_are_kept(root: Path) -> None:
    history, world = in_line(root, summed)
    assert [each.number for each in history.keeps] == [1, 2, 3]
    second, third = history.at(2), history.at(3)
    assert (third.parent, third.value, third.against) == (second.commit, 12, 16)
    made = [job for job, _ in world.jobs if job.number == 3]
    assert len(made) == len(third.measurements) + len(third.earlier)
    assert {run.value for run in third.measurements if run.role is Role.CANDIDATE} == {12}
    assert {run.value for run in third.earlier} == {20, 24}, "beside its own base"
    mine = next(run.seed for run in third.measurements if run.role is Role.CANDIDATE)
    assert mine not in {run.seed for run in third.earlier}, "a seed of its own, as if it had been run later"


def test_a_run_on_top_of_who_is_then_discarded_is_no_evidence_and_the_change_is_run_without_that(root: Path) -> None:
    def value(text: str) -> float:
        return summed(text) + 10 * ("A = 4" in text and "B = 4" in text)

    history, _ = in_line(root, value)
    first, second, third = (history.at(number) for number in (1, 2, 3))
    assert (first.kept, second.reason, third.kept) == (True, Reason.WORSE, True)
    assert (third.parent, third.value) == (first.commit, 16)
    assert 22 in [run.value for run in third.earlier], "the run on top of both"
    assert {run.value for run in third.measurements if run.role is Role.CANDIDATE} == {16}


def test_a_discard_stands_against_its_own_base(root: Path) -> None:
    gate = threading.Event()
    world = World({1: setting("A", 9), 2: setting("B", 4)}, total, {1: gate})
    history = faster_first(gate, world, root, experiments="2")
    first = history.at(1)
    assert (first.reason, first.parent, first.against) == (Reason.WORSE, history.at(0).commit, 24)
    assert first.earlier == ()


def test_two_gains_in_one_line_are_no_two_gains_and_the_agent_hears_of_it(root: Path) -> None:
    gate = threading.Event()
    world = World({1: setting("A", 5), 2: setting("A", 4), 3: setting("B", 9)}, total, {1: gate})
    history = faster_first(gate, world, root, experiments="3")
    first = history.at(1)
    assert (first.status.value, first.reason, first.measurements) == ("discard", Reason.STALE, ())
    assert first.detail == "0002 was kept meanwhile and changes the same lines of train.py"
    assert first.earlier
    with world.session(root, experiments="1") as research:
        world.edits = {4: setting("A", 3)}
        assert [ended.number for ended in every(research)] == [4]
    assert "edit 1" in world.asked[-1].text and "the same lines of train.py" in world.asked[-1].text


def test_the_same_state_is_proposed_once_while_it_is_under_way(root: Path) -> None:
    gate = threading.Event()
    world = World({1: setting("A", 9), 2: setting("A", 9), 3: setting("B", 9)}, total, {1: gate})
    history = faster_first(gate, world, root, experiments="3")
    first, second = sorted((history.at(1), history.at(2)), key=lambda each: each.reason is Reason.DUPLICATE)
    assert (first.reason, second.reason) == (Reason.WORSE, Reason.DUPLICATE)
    assert second.detail == f"the same state as experiment {first.number:04d}" and not second.measurements


def test_who_thinks_ahead_is_told_what_is_under_way(root: Path) -> None:
    gate = threading.Event()
    world = World({1: setting("A", 9), 2: setting("B", 9)}, total, {1: gate})
    with world.session(root, workers="1", look_ahead="yes", experiments="2") as research:
        assert next(every(research)).number == 0

        def open_gate() -> None:
            wait_until(lambda: len(world.asked) == 2)
            gate.set()

        waiting = threading.Thread(target=open_gate)
        waiting.start()
        assert [ended.number for ended in every(research)] == [1, 2]
        waiting.join()
        assert [each.number for each in world.asked] == [1, 2]
    assert "Propose something else.\n- edit 1\n" in world.asked[1].text
    assert [briefing.left for briefing in world.asked] == [2, 1]


def wait_until(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_no_more_is_begun_than_was_asked_for_whatever_the_number_of_slots(root: Path) -> None:
    world = World({n: setting("A", 8 + n) for n in range(1, 9)}, total)
    history = world.run(root, workers="4", experiments="3")
    assert sorted(e.number for e in history.experiments) == [0, 1, 2, 3] and len(world.asked) == 3


def test_what_is_under_way_when_ctrl_c_comes_goes_on_under_its_number(root: Path) -> None:
    gates = {1: threading.Event(), 2: threading.Event()}
    world = World({1: setting("A", 9), 2: setting("B", 9), 3: setting("C", 9)}, total, gates)
    with world.session(root, workers="2", experiments="3") as research:
        next(every(research))

        def press() -> None:
            wait_until(lambda: len(world.jobs) >= 4)
            os.kill(os.getpid(), signal.SIGINT)

        pressed = threading.Thread(target=press)
        pressed.start()
        with pytest.raises(KeyboardInterrupt):
            next(every(research))
        pressed.join()
        assert sorted(research.notebook.pending) == [1, 2]
        assert {each.attempts for each in research.notebook.pending.values()} == {0}
    for gate in gates.values():
        gate.set()
    history = world.run(root, workers="2", experiments="3")
    assert sorted(e.number for e in history.experiments) == [0, 1, 2, 3]
    assert sorted(briefing.number for briefing in world.asked) == [1, 2, 3], "nobody was asked twice"


def test_a_number_whose_agent_was_cut_off_is_given_again(root: Path) -> None:
    freed = threading.Event()

    class Slow(World):
        def propose(self, briefing: Briefing, desk: Desk) -> Proposal:
            if briefing.number == 1:
                freed.wait(10)
            return super().propose(briefing, desk)

    world = Slow({n: setting("ABC"[n - 1], 9) for n in (1, 2, 3)}, total)
    with world.session(root, workers="2", experiments="3") as research:
        for ended in every(research):
            if ended.number == 2:
                break
        freed.set()
    history = world.run(root, workers="2", experiments="2")
    assert sorted(e.number for e in history.experiments) == [0, 1, 2, 3], "none is left out"


def test_what_is_resumed_says_after_how_many_records_it_was_first_compared(root: Path) -> None:
    """Experiment 2 is recorded while 1 is between two runs, then the session ends: 1 met what stood before 2."""
    first, second, freed = threading.Event(), threading.Event(), threading.Event()

    def noisy(text: str, job: Job, place: Place) -> float:
        if job.number == 1 and first.is_set():
            second.set()
            freed.wait(6)
        elif job.number == 1:
            first.set()
        return total(text, job, place) + random.Random(f"{job.seed}{text}").gauss(0, 0.3)

    class Later(World):
        def propose(self, briefing: Briefing, desk: Desk) -> Proposal:
            if briefing.number == 2:
                first.wait(6)
            return super().propose(briefing, desk)

    world = Later({1: setting("A", 6), 2: setting("B", 9), 3: setting("C", 9)}, noisy, {2: second})
    with world.session(root, workers="2", experiments="2") as research:
        ending = every(research)
        assert [next(ending).number, next(ending).number] == [0, 2]
        freed.set()
        left = research.notebook.pending[1]
        assert (left.opened, len(left.measurements)) == (1, 1)
    world.run(root, workers="2", experiments="1")
    with Git.discover(root) as git:
        records = [r for r in read_records(git, ledger_ref("demo")) if isinstance(r, Experiment)]
    start, resumed = records[0], records[2]
    assert (resumed.number, resumed.opened) == (1, 1) and resumed.measurements[0] == left.measurements[0]
    opening = JudgeState.from_json(start.judge).standing
    verdict = replayed(opening, resumed, JudgeSettings(policy="grouped", workers=2))
    assert (verdict.reason, verdict.estimate) == (resumed.reason, resumed.value)


def test_a_session_of_one_slot_does_not_spend_its_error_by_another_rule_later(root: Path) -> None:
    world = World({1: setting("A", 9), 2: setting("B", 9)}, total)
    world.run(root, judge="certified", experiments="1")
    with pytest.raises(ConfigError, match="began with one slot"):
        world.run(root, judge="certified", workers="2", experiments="1")
    assert len(world.run(root, judge="grouped", workers="2", experiments="1").experiments) == 3


@pytest.mark.parametrize(
    ("workers", "policy"),
    [
        (1, "certified"),
        (3, "grouped"),
        *(
            pytest.param(workers, policy, marks=pytest.mark.slow)
            for workers, policy in [(1, "grouped"), (3, "certified"), *product((1, 3), ("fast", "classic"))]
        ),
    ],
)
def test_a_replay_of_the_ledger_gives_its_verdicts_for_any_number_of_slots(
    root: Path, policy: str, workers: int
) -> None:
    def noisy(text: str, job: Job, place: Place) -> float:
        time.sleep(random.Random(job.seed).random() / 200)
        return total(text, job, place) + random.Random(job.seed).gauss(0, 0.5)

    lots = random.Random(workers)
    edits = {n: setting(lots.choice("ABC"), round(lots.uniform(4, 9), 3)) for n in range(1, 40)}
    history = World(edits, noisy).run(root, judge=policy, workers=str(workers), experiments="39")
    with Git.discover(root) as git:
        records = [r for r in read_records(git, ledger_ref("demo")) if isinstance(r, (Experiment, Group))]
    settings = JudgeSettings(policy=policy, workers=workers)
    judged = 0
    for at, record in enumerate(records):
        opening = records[(at if record.opened is None else record.opened) - 1]
        if isinstance(record, Group):
            proof = regrouped(JudgeState.from_json(opening.judge).standing, record, settings)
            assert (proof.outcome, proof.evidence, proof.pairs) == (record.outcome, record.evidence, record.pairs)
        if isinstance(record, Group) or record.number == 0 or not record.measurements:
            continue
        verdict = replayed(JudgeState.from_json(opening.judge).standing, record, settings)
        assert (verdict.reason, verdict.estimate, verdict.threshold, verdict.evidence) == (
            record.reason,
            record.value,
            record.threshold,
            record.evidence,
        )
        judged += 1
    assert judged > 25 and any(e.kept for e in history.experiments[1:])
    assert all({run.place for run in e.measurements} <= {e.place} for e in history.experiments)


def regrouped(standing: Standing, record: Group, settings: JudgeSettings) -> GroupVerdict:
    """The verdict on the runs of a group's record."""
    proof = group.opened(settings, standing)
    runs = {Step.BASE: iter(record.base_runs), Step.INCUMBENT: iter(record.tip_runs)}
    while isinstance(proof.answer, Step):
        proof = group.told(proof, next(runs[proof.answer]).value)
    assert proof.answer is not None and not [*runs[Step.BASE], *runs[Step.INCUMBENT]]
    return proof.answer


def replayed(standing: Standing, record: Experiment, settings: JudgeSettings) -> Verdict:
    """The verdict on a record's runs; which test of the session it was is told by its threshold."""
    slot = record.place.slot if record.place is not None else 0
    paired = any(run.role is Role.INCUMBENT and run.place == record.place for run in record.earlier)
    for taken in range(8):
        turns = range(standing.tests + 1, standing.tests + 1 + taken)
        given = settings, standing.at(slot), record.complexity, record.number, turns, record.expected
        trial = rule.opened(*given, paired=paired)
        for run in record.measurements:
            if trial.answer is not (Step.CANDIDATE if run.role is Role.CANDIDATE else Step.INCUMBENT):
                break
            trial = rule.told(trial, run.value)
        if isinstance(trial.answer, Verdict) and trial.answer.threshold == record.threshold:
            return trial.answer
    raise AssertionError(f"no verdict on {record.number}")


def test_experiments_go_on_while_a_group_is_proven_on_one_slot(root: Path) -> None:
    """What is kept meanwhile stays provisional, and the group is a true one: its runs are of its own tip and base."""
    history = sixty_values(root).run(root, workers="3", experiments="60")
    with Git.discover(root) as git:
        records = [r for r in read_records(git, ledger_ref("demo")) if isinstance(r, (Experiment, Group))]
    beside = [(at, r) for at, r in enumerate(records) if isinstance(r, Group) and r.opened is not None]
    assert beside and not history.provisional
    for at, proven in beside:
        assert proven.opened is not None and proven.place is not None
        meanwhile = {r.number for r in records[proven.opened : at] if isinstance(r, Experiment)}
        assert meanwhile and not meanwhile & set(proven.keeps)
        assert {run.place for run in (*proven.base_runs, *proven.tip_runs)} == {proven.place}
        assert proven.gain == pytest.approx(2 * len(proven.keeps), abs=1)


@pytest.mark.slow
def sixty_values(root: Path) -> World:
    """Sixty gains, one after the other, on a metric with noise."""

    def noisy(text: str, job: Job, place: Place) -> float:
        return total(text, job, place) + random.Random(f"{job.seed}{text}").gauss(0, 0.2)

    root.joinpath("train.py").write_text("".join(f"V{n} = 8\n#\n" for n in range(1, 61)))
    for command in (["add", "-A"], ["commit", "-q", "-m", "sixty values"]):
        subprocess.run(["git", *command], cwd=root, check=True)
    return World({n: setting(f"V{n}", 6) for n in range(1, 61)}, noisy)


def test_a_proof_that_goes_wrong_is_no_trouble_of_the_baseline(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(research: Research) -> Script[Group]:
        yield Seat()
        raise LabError("the disk is full")

    monkeypatch.setattr("pytest_autoresearch.research.loop.proof", broken)
    with sixty_values(root).session(root, workers="3", experiments="60") as research:
        loop = Loop(research)
        while (ended := loop.next()) is not None and ended.error is None:
            pass
        assert ended is not None and isinstance(ended.error, LabError)
        assert ended.number > 0 and ended.number not in {e.number for e in research.history}


def test_who_waits_for_another_does_not_go_on_once_that_one_went_wrong(root: Path) -> None:
    """The session ends with the error: a keep that was recorded meanwhile would be told to nobody."""
    left, went_on = threading.Event(), threading.Event()

    def fails() -> Script[None]:
        yield Check("true", {}, 1.0)
        left.set()
        raise LabError("the disk is full")

    def waits() -> Script[None]:
        yield Seat()
        yield Await(left.is_set)
        went_on.set()

    with World({}, total).session(root, workers="2") as research:
        assert next(every(research)).number == 0
        research.slots.complete()
        research.slots.start(2, waits())
        research.slots.start(1, fails())
        while (ended := research.slots.wait()) is None:
            pass
        assert isinstance(ended.error, LabError) and left.is_set() and not went_on.is_set()


def test_a_slot_goes_on_though_what_it_does_between_two_runs_went_wrong() -> None:
    def fails() -> None:
        raise RuntimeError("no thread is left")

    ended: SimpleQueue[Any] = SimpleQueue()
    worker = Worker(ended, then=fails)
    for number in (1, 2):
        worker.submit(Ticket(number, one(Seat())), lambda tick: "done")
        assert ended.get(timeout=60).answer == "done"
    worker.ticket = None
    worker.close()


def test_a_kill_with_every_slot_busy_loses_no_run_and_no_proposal(project: Project) -> None:
    """Eight slots are busy, and the next proposals are made already, when everything is killed."""
    asked = project.home / "asked"
    agent = project.home / "agent.py"
    agent.write_text(
        "import os\n"
        f"open({str(asked)!r}, 'a').write(os.environ['AUTORESEARCH_EXPERIMENT'] + '\\n')\n"
        "number = os.environ['AUTORESEARCH_EXPERIMENT']\n"
        "open('train.py', 'a').write('import time; time.sleep(1)\\nX = ' + number + '\\n')\n"
    )
    make_noisy(project)
    command = [
        *project.pytest_command,
        "--autoresearch",
        "--autoresearch-workers=8",
        "--autoresearch-look-ahead=yes",
        "--autoresearch-experiments=20",
        "--autoresearch-isolation=none",
        f"--autoresearch-agent=command:{sys.executable} {agent}",
    ]
    place = project.root / ".git/autoresearch/demo/pending"
    with subprocess.Popen(
        command, cwd=project.root, env=project.env, stdout=subprocess.DEVNULL, start_new_session=True
    ) as running:
        wait_until(lambda: len(left := pending(place)) > 8 and sum(bool(each["measurements"]) for each in left) > 1)
        os.killpg(running.pid, signal.SIGKILL)
    left = {each["number"]: each for each in pending(place)}
    assert len(left) > 8 and any(each["measurements"] for each in left.values())
    done = project.run(*command)
    assert done.returncode == 0, done.stdout + done.stderr
    with Git.discover(project.root) as git:
        records = {r.number: r for r in read_records(git, ledger_ref("demo")) if isinstance(r, Experiment)}
    assert sorted(records) == list(range(len(records))) and set(left) <= set(records)
    turns = asked.read_text().split()  # who was still thinking at the kill has to begin again
    for number, each in left.items():
        assert turns.count(str(number)) == 1, "a proposal that was paid for is not asked for again"
        runs = [*records[number].earlier, *records[number].measurements][: len(each["measurements"])]
        assert [(run["seed"], run["value"]) for run in each["measurements"]] == [(run.seed, run.value) for run in runs]
    assert pending(place) == []


def pending(place: Path) -> list[dict[str, Any]]:
    """What waits on the disk, without what is being written right now."""
    found = []
    for path in place.glob("*.json"):
        with contextlib.suppress(FileNotFoundError, ValueError):
            found.append({"measurements": [], **json.loads(path.read_text())})
    return found


def die_with_a_test_spent(root: str) -> None:
    """Killed while an experiment is judged anew whose first base was left behind after a test was spent on it."""
    first, second, released = threading.Event(), threading.Event(), threading.Event()
    made = []

    def later(text: str) -> str:
        assert first.wait(60), "whose trial is opened first has the first test"
        return setting("B", 4)(text)

    def value(text: str, job: Job, place: Place) -> float:
        if job.number == 1:
            first.set()
            assert second.wait(60), "and ends once the other has begun on the same base"
        if job.number == 2:
            second.set()
            if "A = 4" in text and "B = 4" in text:
                os.kill(os.getpid(), signal.SIGKILL)
            made.append(text)
            if len(made) > 5:
                released.wait(60)
        return total(text, job, place) + random.Random(f"{job.seed}{text}").gauss(0, 0.3)

    world = World({1: setting("A", 4), 2: later}, value)
    with world.session(Path(root), workers="2", experiments="2", judge="certified") as research:
        for ended in every(research):
            if ended.number == 1:
                released.set()


def test_a_test_that_was_spent_beside_a_base_left_behind_outlives_a_kill(root: Path) -> None:
    killed = multiprocessing.get_context("spawn").Process(target=die_with_a_test_spent, args=(str(root),))
    killed.start()
    killed.join(90)
    assert killed.exitcode == -signal.SIGKILL
    world = World(
        {}, lambda text, job, place: total(text, job, place) + random.Random(f"{job.seed}{text}").gauss(0, 0.3)
    )
    with world.session(root, workers="2", experiments="0", judge="certified") as research:
        recorded = JudgeState.from_json(research.history[-1].judge).standing
        assert [e.number for e in research.history] == [0, 1] and recorded.tests == 1
        assert research.judge.standing.tests == 2, "the resumed experiment is the third test, not the second again"
