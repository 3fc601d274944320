"""Two slots at once: a run neither sees nor changes what is another slot's. At every level that protects files."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_autoresearch.lab.cpus import cores, keep_to, shared_out
from pytest_autoresearch.lab.executors.local import LocalExecutor
from pytest_autoresearch.lab.sandbox import Choice
from pytest_autoresearch.protocol.experiment import Measurement, Reason, Role
from tests.attacks.arena import arena, available
from tests.attacks.neighbours import NEIGHBOURLY, NEIGHBOURS
from tests.attacks.programs import ATTACKS, STOPPED, SUCCEEDS
from tests.lab.test_local_executor import Bench, measure

pytestmark = pytest.mark.slow

HONEST = """\
import time
open('mine.txt', 'w').write('mine')
time.sleep(2)
print('val_bpb:', len(open('mine.txt').read()))
"""
THIEF = """\
import glob, os
theirs = [path for place in PLACES for path in glob.glob(place + '/**', recursive=True) if os.path.isfile(path)]
found = 0
for path in theirs:
    try:
        found += len(open(path).read()) > 0
    except OSError:
        pass
for place in [*PLACES, *map(os.path.dirname, theirs)]:
    try:  # where a level shows something else in that place this is written to it
        open(os.path.join(place, 'planted'), 'w').write('x')
    except OSError:
        pass
print('val_bpb:', found)
"""
SPREADING = """\
import os
mine = os.sched_getaffinity(0)
os.sched_setaffinity(0, range(os.cpu_count()))
if os.fork() == 0:
    os.sched_setaffinity(0, range(os.cpu_count()))
    os._exit(len(os.sched_getaffinity(0) - mine))
outside = os.waitstatus_to_exitcode(os.wait()[1]) + len(os.sched_getaffinity(0) - mine)
print('outside:', outside)
print('threads:', os.environ['OMP_NUM_THREADS'])
print('val_bpb:', len(mine))
"""


@pytest.mark.parametrize("level", ["bwrap", "landlock"])
def test_a_run_neither_reads_nor_writes_in_another_slot(level: str, tmp_path: Path) -> None:
    sandbox = available(level)
    if sandbox is None:
        pytest.skip(f"this machine has no {level}")
    bench = Bench(tmp_path, Choice(sandbox, level))
    first = bench.executor()
    second = LocalExecutor(replace(bench.site, slot=1), bench.choice)
    assert second.workspace != first.workspace and second.workspace.parent == first.workspace.parent
    places = [str(first.workspace), str(first.workspace.with_name("guard"))]
    thief = bench.state(train_py=THIEF.replace("PLACES", repr(places)))
    honest = bench.state(train_py=HONEST)
    found: dict[str, Measurement] = {}

    def run(name: str, lab: LocalExecutor, state: object) -> Callable[[], None]:
        def work() -> None:
            found[name] = measure(lab, state, role=Role.CANDIDATE)  # type: ignore[arg-type]

        return work

    threads = [
        threading.Thread(target=run("honest", first, honest)),
        threading.Thread(target=run("thief", second, thief)),
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    try:
        assert (found["honest"].value, found["honest"].failure) == (4, None), found["honest"]
        assert found["thief"].value == 0, found["thief"]
        assert not [*bench.scratch.rglob("planted")]
    finally:
        first.close()
        second.close()


@pytest.mark.parametrize("level", ["bwrap", "landlock", "process"])
def test_a_run_that_hangs_on_one_slot_is_ended_without_the_others(level: str, tmp_path: Path) -> None:
    sandbox = available(level)
    if sandbox is None:
        pytest.skip(f"this machine has no {level}")
    bench = Bench(tmp_path, Choice(sandbox, level))
    first = bench.executor()
    second = LocalExecutor(replace(bench.site, slot=1), bench.choice)
    hangs = bench.state(
        train_py="import subprocess, time\nsubprocess.Popen(['setsid', 'sleep', '300'])\ntime.sleep(300)\n"
    )
    found: list[Measurement] = []
    hanging = threading.Thread(target=lambda: found.append(measure(second, hangs, timeout=0.5)))
    hanging.start()
    try:
        honest = measure(first, bench.state(train_py=HONEST))
        hanging.join(60)
        assert (honest.value, honest.failure) == (4, None)
        assert found[0].failure is not None and found[0].failure.value == "timeout"
    finally:
        first.close()
        second.close()


@pytest.mark.parametrize("level", ["bwrap", "landlock"])
def test_no_attack_of_the_list_reaches_a_run_on_another_slot(level: str, tmp_path: Path) -> None:
    """Four slots at once: three are busy, the fourth attacks; what it is after is what those hold and do."""
    sandbox = available(level)
    if sandbox is None:
        pytest.skip(f"this machine has no {level}")
    harms = {}
    with arena(tmp_path, beside=sandbox) as place:
        assert place.neighbours is not None
        for attack in ATTACKS:
            harms[attack.name] = place.attack(attack, sandbox)
        assert place.neighbours.end() == ["undisturbed"] * NEIGHBOURS
    # a run on another slot has the rights of this one, whoever the user is
    expected = {attack.name: attack.expected(level, is_root=False) for attack in ATTACKS}
    assert {name: found for name, found in harms.items() if found and expected[name] == STOPPED} == {}


@pytest.mark.parametrize("level", ["bwrap", "landlock", "process"])
def test_what_a_run_tries_with_its_neighbours_ends_as_the_security_model_says(level: str, tmp_path: Path) -> None:
    sandbox = available(level)
    if sandbox is None:
        pytest.skip(f"this machine has no {level}")
    harms = {}
    with arena(tmp_path, beside=sandbox) as place:
        assert place.neighbours is not None
        for attack in NEIGHBOURLY:
            found = place.attack(attack, sandbox)
            harms[attack.name] = found | {*place.neighbours.noticed()}
        assert place.neighbours.end() == ["undisturbed"] * NEIGHBOURS
    expected = {attack.name: attack.expected(level, is_root=False) for attack in NEIGHBOURLY}
    assert {name: found for name, found in harms.items() if found and expected[name] == STOPPED} == {}
    assert {name for name, found in harms.items() if not found and expected[name] == SUCCEEDS} == set()


@pytest.mark.skipif(len(cores()) < 2, reason="needs two cores")
@pytest.mark.parametrize("level", ["bwrap", "landlock"])
def test_a_run_stays_on_its_slots_cores_and_within_its_share_of_memory(level: str, tmp_path: Path) -> None:
    sandbox = available(level)
    if sandbox is None:
        pytest.skip(f"this machine has no {level}")
    bench = Bench(tmp_path, Choice(sandbox, level))
    own = shared_out(2, cores())[1]
    bench.executor().close()  # it made the site
    lab = LocalExecutor(replace(bench.site, slot=1, cores=own, memory=150_000_000), bench.choice)
    found: dict[str, Measurement] = {}

    def work() -> None:
        keep_to(own)
        found["spread"] = measure(lab, bench.state(train_py=SPREADING))
        found["greedy"] = measure(lab, bench.state(train_py="x = b'x' * 400_000_000\nprint('val_bpb:', len(x))\n"))

    try:
        thread = threading.Thread(target=work)  # as a slot's own: the test's thread keeps its processors
        thread.start()
        thread.join(60)
    finally:
        lab.close()
    mine = {cpu for core in own for cpu in core}
    assert found["spread"].secondary["outside"] == 0 and found["spread"].value == len(mine), found["spread"]
    assert found["spread"].secondary["threads"] == len(own), "numerical libraries are told of cores, not of processors"
    assert found["greedy"].failure is Reason.MEMORY and "150 MB" in found["greedy"].detail
