"""The next run of a marked test is started ahead, and is the run that it would have been."""

from __future__ import annotations

import os
import resource
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator, Mapping
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_autoresearch.lab import headstart
from pytest_autoresearch.lab.bwrap import BwrapSandbox, find_program
from pytest_autoresearch.lab.executors.local import LocalExecutor
from pytest_autoresearch.lab.job import Job, Site
from pytest_autoresearch.lab.sandbox import Choice
from pytest_autoresearch.protocol.experiment import FileEntry, Measurement, Role, blob_id
from pytest_autoresearch.protocol.model import Direction, Metric, Protocol

PROGRAM = find_program()
pytestmark = pytest.mark.skipif(PROGRAM is None, reason="bubblewrap is not installed")

RUN = "exec python -m pytest -q -p no:cacheprovider --disable-plugin-autoload -p pytest_autoresearch.plugin -p lens"
TEST = """
import os, stat, sys
import lens, train

def test_it(record_metric):
    record_metric("score", train.SCORE)
    record_metric("waited", float("pytest_autoresearch.gate" in sys.modules))
    record_metric("lens", lens.FOCUS)
    record_metric("planted", float(hasattr(sys, "planted")))
    record_metric("first", float(sys.path[0] == os.getcwd()))
    record_metric("seed", float(os.environ["AUTORESEARCH_SEED"]))
    record_metric("number", float(os.environ["AUTORESEARCH_EXPERIMENT"]))
    record_metric("open", float(sum(is_pipe(handle) for handle in range(3, 64))))

def is_pipe(handle):
    try:
        return stat.S_ISFIFO(os.fstat(handle).st_mode)
    except OSError:
        return False
"""
FILES = {"train.py": "SCORE = 3.0\n", "test_it.py": TEST, "pytest.ini": "[pytest]\n"}


class Lab:
    """One slot, with a plugin that is installed outside of the repository."""

    def __init__(self, root: Path, **env: str) -> None:
        assert PROGRAM is not None
        self.lens = root / "lib" / "lens.py"
        for directory in ("repo", "cache", "lib"):
            (root / directory).mkdir()
        self.lens.write_text("FOCUS = 1.0\n")
        self.blobs: dict[str, bytes] = {}
        site = Site(
            top=root / "repo",
            scratch=root / "cache",
            tag="tag",
            protocol=Protocol(
                goal="",
                metric=Metric("score", Direction.LOWER),
                targets=(),
                run=f"{RUN} --autoresearch-measure score test_it.py::test_it",
                source="test_it.py::test_it",
                data=(str(self.lens.parent),),
                env={"PYTHONPATH": str(self.lens.parent), **env},
            ),
            read_blobs=lambda ids: {blob: self.blobs[blob] for blob in ids},
            interpreter_bin=Path(sys.executable).parent,
            targets=frozenset({"train.py"}),
            readonly=frozenset({"test_it.py"}),
        )
        self.executor = LocalExecutor(site, Choice(BwrapSandbox(PROGRAM), "bwrap"))

    def state(self, files: Mapping[str, str]) -> dict[str, FileEntry]:
        self.blobs |= {blob_id(text.encode()): text.encode() for text in files.values()}
        return {path: FileEntry("100644", blob_id(text.encode())) for path, text in files.items()}

    def measure(self, number: int = 1, **files: str) -> Measurement:
        state = self.state({**FILES, **{name.replace("_dot_", "."): text for name, text in files.items()}})
        return self.executor.measure(Job(Role.CANDIDATE, number, 40 + number, state, 60.0), lambda _: None)

    def start_ahead(self) -> int:
        """The pid of what was started."""
        self.executor.start_ahead()
        ahead = self.executor._main._ahead
        assert ahead is not None and ahead.run.child is not None
        return ahead.run.child.pid


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    lab = Lab(tmp_path)
    try:
        yield lab
    finally:
        lab.executor.close()


def test_what_waits_is_told_its_candidate_its_seed_and_its_number_and_measures_as_any_other(lab: Lab) -> None:
    first = lab.measure(1)
    assert (first.value, first.secondary["waited"], first.secondary["seed"]) == (3.0, 0.0, 41.0), first
    for number, score in ((2, 5.0), (3, 7.0)):
        lab.start_ahead()
        measured = lab.measure(number, train_dot_py=f"SCORE = {score}\n")
        assert measured.value == score, measured
        told = {"waited": 1.0, "seed": 40.0 + number, "number": float(number), "first": 1.0, "lens": 1.0}
        assert told.items() <= measured.secondary.items()
        assert measured.secondary["open"] == first.secondary["open"]  # nothing is left of what it was told by


def test_a_candidate_that_stands_before_something_installed_is_run_as_ever(lab: Lab) -> None:
    lab.measure(1)
    lab.start_ahead()
    measured = lab.measure(2, fnmatch_dot_py="raise SystemExit('stood before')\n")
    assert measured.value is None and "stood before" in measured.log_tail, measured


@pytest.mark.parametrize("name", ["helper.py", "usercustomize.py", "extra-1.dist-info/entry_points.txt"])
def test_a_candidate_with_something_that_would_have_been_loaded_by_then_is_run_as_ever(lab: Lab, name: str) -> None:
    lab.lens.write_text("try:\n    import helper\n    FOCUS = 5.0\nexcept ImportError:\n    FOCUS = 1.0\n")
    lab.measure(1)
    lab.start_ahead()
    measured = lab.measure(2, **{name: ""})
    told = {"waited": 0.0, "lens": 5.0 if name == "helper.py" else 1.0}
    assert told.items() <= measured.secondary.items(), measured


def test_a_body_that_runs_another_pytest_in_its_own_process_does_not_wait_again(lab: Lab) -> None:
    words = "-q -p no:cacheprovider --disable-plugin-autoload -p pytest_autoresearch.plugin inner.py".split()
    files = {"train.py": f"import pytest\nSCORE = float(pytest.main({words}))\n", "inner.py": "def test_it(): pass\n"}
    for waited in (0.0, 1.0):
        measured = lab.measure(1, **files)
        assert (measured.value, measured.secondary.get("waited")) == (0.0, waited), measured
        lab.start_ahead()


def test_what_a_run_left_where_an_interpreter_looks_by_itself_is_not_loaded_ahead(lab: Lab, tmp_path: Path) -> None:
    (lab.lens.parent / "sitecustomize.py").symlink_to(tmp_path / "repo" / "left.py")  # as an editable install leads in
    left = "import sys\nsys.planted = 1\ndel __file__\n"
    lab.lens.write_text("FOCUS = 1.0\nopen('loaded', 'w').close()\n")
    assert lab.measure(1, train_dot_py=f"open('left.py', 'w').write({left!r})\nraise SystemExit(3)\n").value is None
    loaded = lab.executor.workspace / "loaded"
    loaded.unlink(missing_ok=True)
    lab.start_ahead()
    while not loaded.exists():
        time.sleep(0.01)
    measured = lab.measure(2)
    assert (measured.value, measured.secondary["planted"]) == (3.0, 0.0), measured


@pytest.mark.parametrize("env", [{"PYTHONSAFEPATH": "1"}, {"PYTHONPATH": "."}, {"LD_LIBRARY_PATH": "/usr/lib:"}])
def test_where_an_interpreter_looks_elsewhere_or_in_the_workspace_none_is_started_ahead(
    tmp_path: Path, env: dict[str, str]
) -> None:
    lab = Lab(tmp_path, **env)
    with closing(lab.executor) as executor:
        lab.measure(1)
        executor.start_ahead()
        assert executor._main._ahead is None


@pytest.mark.parametrize("name", ["peak_memory", "peak_mb"])
def test_where_memory_counts_all_runs_are_started_alike(lab: Lab, name: str) -> None:
    lab.measure(1)
    site = lab.executor._site
    measured = Metric(name, Direction.LOWER)
    lab.executor._site = replace(site, protocol=replace(site.protocol, metric=measured))
    lab.executor.start_ahead()
    assert lab.executor._main._ahead is None


def test_it_is_heard_however_many_files_are_open(lab: Lab) -> None:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if 0 <= hard < 2048:
        pytest.skip("so many files can not be opened here")
    lab.measure(1)
    resource.setrlimit(resource.RLIMIT_NOFILE, (max(soft, 2048), hard))
    held = [os.open(os.devnull, os.O_RDONLY) for _ in range(1100)]
    try:
        lab.start_ahead()
        assert lab.measure(2).secondary["waited"] == 1.0
    finally:
        for each in held:
            os.close(each)
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def test_settings_are_those_of_the_candidate(lab: Lab) -> None:
    lab.measure(1)
    lab.start_ahead()
    measured = lab.measure(2, pytest_dot_ini="[pytest]\npython_functions = check_*\n")
    assert measured.value is None, measured


def test_what_was_installed_meanwhile_counts(lab: Lab) -> None:
    lab.measure(1)
    lab.start_ahead()
    time.sleep(0.05)  # the clock of files
    lab.lens.write_text("FOCUS = 22.0\n")
    measured = lab.measure(2)
    assert (measured.value, measured.secondary["lens"]) == (3.0, 22.0), measured
    lab.start_ahead()
    assert lab.measure(3).secondary.items() >= {"lens": 22.0, "waited": 1.0}.items()


def test_one_that_was_killed_is_not_missed(lab: Lab) -> None:
    lab.measure(1)
    outermost = lab.start_ahead()
    os.kill(outermost, signal.SIGKILL)
    os.waitid(os.P_PID, outermost, os.WEXITED | os.WNOWAIT)  # what it had started may live on
    measured = lab.measure(2)
    assert (measured.value, measured.secondary["waited"]) == (3.0, 0.0), measured


def test_one_that_hangs_is_ended_and_not_missed(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(headstart, "PATIENCE", 0.3)
    lab.measure(1)
    pid = lab.start_ahead()
    os.kill(pid, signal.SIGSTOP)
    inner = [int(each) for each in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    for each in inner:
        os.kill(each, signal.SIGSTOP)
    for each in inner:  # pid 1 of the sandbox; below it is the pytest
        for child in Path(f"/proc/{each}/task/{each}/children").read_text().split():
            os.kill(int(child), signal.SIGSTOP)
    measured = lab.measure(2)
    assert (measured.value, measured.secondary["waited"]) == (3.0, 0.0), measured
    assert not any(Path(f"/proc/{each}").exists() for each in (pid, *inner))


def test_the_end_of_the_slot_leaves_none_behind(lab: Lab) -> None:
    lab.measure(1)
    pid = lab.start_ahead()
    lab.executor.close()
    assert not Path(f"/proc/{pid}").exists()


def test_a_killed_supervisor_leaves_none_behind(tmp_path: Path) -> None:
    script = f"""
        import pathlib, time
        from tests.lab.test_headstart import Lab
        lab = Lab(pathlib.Path({str(tmp_path)!r}))
        lab.measure(1)
        print(lab.start_ahead(), flush=True)
        time.sleep(60)
    """
    supervisor = subprocess.Popen([sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE, text=True)
    assert supervisor.stdout is not None
    try:
        pid = int(supervisor.stdout.readline())
        started = [str(pid), *Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
        supervisor.kill()
        supervisor.wait()
        deadline = time.monotonic() + 30
        while any(map(_lives, started)) and time.monotonic() < deadline:
            time.sleep(0.02)
        assert not any(map(_lives, started))
    finally:
        supervisor.kill()
        supervisor.stdout.close()


def _lives(pid: str) -> bool:
    with suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in "ZX"
    return False
