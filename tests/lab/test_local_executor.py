"""The local executor runs real commands in a real workspace, and believes nothing that they say of themselves."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any

import pytest

from pytest_autoresearch.errors import LabError
from pytest_autoresearch.lab.executors.local import LocalExecutor
from pytest_autoresearch.lab.job import Finished, Job, Site, said_by
from pytest_autoresearch.lab.sandbox import Choice, choose
from pytest_autoresearch.lab.station import Station
from pytest_autoresearch.protocol.experiment import FileEntry, Measurement, Reason, Role, blob_id
from pytest_autoresearch.protocol.model import Direction, Holdout, Limit, Metric, MetricFile, Protocol

FILES = {
    "train.py": "print('val_bpb: 0.5')\n",
    "prepare.py": "SCORE = 1\n",
    "config.md": "protocol\n",
    "metrics.json": "{}\n",
}


class Bench:
    """A checkout, a protocol and the executor under test."""

    def __init__(self, tmp_path: Path, choice: Choice) -> None:
        self.top, self.scratch, self.choice = tmp_path / "repo", tmp_path / "cache", choice
        self.top.mkdir()
        self.scratch.mkdir()
        self.blobs: dict[str, bytes] = {}
        self.executors: list[LocalExecutor] = []
        self.desks: list[Station] = []

    def state(self, **changed: str | None) -> dict[str, FileEntry]:
        files = {**FILES, **{name.replace("__", "/").replace("_py", ".py"): text for name, text in changed.items()}}
        state = {}
        for name, text in files.items():
            if text is not None:
                self.blobs[blob_id(text.encode())] = text.encode()
                state[name] = FileEntry("100644", blob_id(text.encode()))
        return state

    def executor(
        self,
        run: str = "python train.py",
        *,
        targets: Sequence[str] = ("train.py",),
        readonly: Sequence[str] = ("prepare.py",),
        bounds: tuple[float | None, float | None] = (None, None),
        extract: str | None = None,
        file: MetricFile | None = None,
        outputs: Sequence[str] = (),
        **protocol: Any,
    ) -> LocalExecutor:
        self.site = site = Site(
            top=self.top,
            scratch=self.scratch,
            tag="tag",
            protocol=Protocol(
                goal="",
                metric=Metric("val_bpb", Direction.LOWER, extract=extract, bounds=bounds, file=file),
                targets=(),
                run=run,
                **protocol,
            ),
            read_blobs=lambda ids: {blob: self.blobs[blob] for blob in ids},
            interpreter_bin=Path(sys.executable).parent,
            targets=frozenset(targets),
            readonly=frozenset(readonly),
            outputs=frozenset(outputs),
        )
        self.executors.append(LocalExecutor(site, self.choice))
        return self.executors[-1]

    def desk(self) -> Station:
        """Where an agent works for the protocol of the newest executor."""
        self.desks.append(Station(self.site, self.choice))
        return self.desks[-1]

    def measure(
        self, run: str, *, number: int = 1, extract: str | None = None, timeout: float = 20.0, **protocol: Any
    ) -> Measurement:
        """One run of a state that nobody changed."""
        return measure(self.executor(run, extract=extract, **protocol), self.state(), number=number, timeout=timeout)


def measure(
    lab: LocalExecutor, state: Mapping[str, FileEntry], *, number: int = 1, role: Role = Role.CANDIDATE, **job: Any
) -> Measurement:
    return lab.measure(Job(role, number, 7, state, **{"timeout": 20.0, "budget": 10.0, **job}), lambda _: None)


@pytest.fixture(scope="session", params=["none", "auto"])
def choice(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Choice:
    """The plain level, and the best that this machine gives."""
    return choose(request.param, scratch=tmp_path_factory.mktemp("choice"))


@pytest.fixture
def bench(tmp_path: Path, choice: Choice) -> Iterator[Bench]:
    bench = Bench(tmp_path, choice)
    yield bench
    for executor in bench.executors:
        executor.close()
    for desk in bench.desks:
        desk.close()
    assert list(bench.scratch.iterdir()) == []


def test_the_processor_time_is_that_of_the_whole_run_sandboxed_or_not(bench: Bench) -> None:
    burn = "import time\nwhile time.process_time() < 0.3: pass\n"
    run = bench.executor("python train.py & python train.py; wait; echo val_bpb: 0.5")
    measured = measure(run, bench.state(train_py=burn))
    assert measured.cpu_time is not None and 0.6 <= measured.cpu_time < 1.2


def test_a_run_is_measured(bench: Bench) -> None:
    measured = bench.measure("python train.py")
    assert (measured.value, measured.failure, measured.detail) == (0.5, None, "")
    assert (measured.exit_code, measured.seed, measured.self_reported) == (0, 7, True)
    assert 0 < measured.duration < 20
    assert measured.peak_memory is not None and 1e6 < measured.peak_memory < 1e9
    assert measured.secondary["peak_mb"] == pytest.approx(measured.peak_memory / 1024**2, abs=0.01)
    assert measured.log_tail.endswith("val_bpb: 0.5")


def test_the_environment_is_the_contract_and_an_allow_list(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("API_TOKEN", "GITHUB_TOKEN", "PYTHONPATH", "AUTORESEARCH_AGENT"):
        monkeypatch.setenv(name, "secret")
    monkeypatch.setenv("RUNNER_TRACKING_ID", "github_1")
    lab = bench.executor("env > env.txt; exit 1", env={"MINE": "1", "AUTORESEARCH_TAG": "forged"})
    measure(lab, bench.state(), number=12, budget=2.5)
    text = (lab.workspace / "env.txt").read_text()
    env = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    assert env["AUTORESEARCH_EXPERIMENT"] == "12"
    assert env["AUTORESEARCH_TAG"] == "tag"
    assert env["AUTORESEARCH_TIME_BUDGET"] == "2.5"
    assert env["AUTORESEARCH_SEED"] == "7"
    assert env["MINE"] == "1"
    assert env["RUNNER_TRACKING_ID"] == "github_1"
    assert env["PATH"].split(":")[0] == str(Path(sys.executable).parent)
    assert str(bench.top.parent) in env["GIT_CEILING_DIRECTORIES"].split(":")
    assert "secret" not in text


def test_home_and_temporary_files_are_fresh_for_every_run(bench: Bench) -> None:
    lab = bench.executor(
        'touch "$HOME/x$RANDOM" "$TMPDIR/y$RANDOM"; echo val_bpb: $(ls -A "$HOME" "$TMPDIR" | grep -c "^[xy]")'
    )
    assert [measure(lab, bench.state()).value for _ in range(2)] == [2, 2]


def test_a_run_starts_in_the_protocols_directory(bench: Bench) -> None:
    lab = bench.executor("cat here.txt", directory=PurePosixPath("sub/dir"))
    state = bench.state() | {"sub/dir/here.txt": bench.state(x="val_bpb: 3\n")["x"]}
    assert measure(lab, state).value == 3


def test_the_repositorys_own_path_means_the_candidate(bench: Bench) -> None:
    (bench.top / "train.py").write_text("print('val_bpb: 99')\n")
    assert bench.measure(f"cd {bench.top} && python train.py").value == 0.5
    assert bench.measure(f"python {bench.top}/train.py").value == 0.5


def test_an_editable_install_of_the_repository_means_the_candidate(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """As if the repository's src were installed with ``pip install -e``: a .pth file leads there."""
    (bench.top / "src").mkdir()
    (bench.top / "src/installed.py").write_text("VALUE = 99\n")
    (tmp_path / "site").mkdir()
    (tmp_path / "site/x.pth").write_text(f"{bench.top}/src\n")
    monkeypatch.setattr("pytest_autoresearch.lab.executors.bench.site_directories", lambda: [tmp_path / "site"])
    state = bench.state() | {"src/installed.py": bench.state(x="VALUE = 5\n")["x"]}
    program = f"import site; site.addsitedir('{tmp_path}/site'); import installed; print('val_bpb:', installed.VALUE)"
    assert measure(bench.executor(f'python -c "{program}"'), state).value == 5


@pytest.mark.parametrize(
    ("run", "reason", "detail"),
    [
        ("exit 3", Reason.ERROR, "exit status 3"),
        ("echo val_bpb: 1; echo gone wrong; exit 1", Reason.ERROR, "gone wrong (exit status 1)"),
        ("kill -SEGV $$", Reason.ERROR, "killed by SIGSEGV"),
        ("no-such-program", Reason.ERROR, "bash: line 1: no-such-program: command not found (exit status 127)"),
        (
            "python -c 'import nothing_like_it'",
            Reason.ERROR,
            "ModuleNotFoundError: No module named 'nothing_like_it' (exit status 1)",
        ),
        ("true", Reason.NO_METRIC, "no line 'val_bpb: <number>' in the log"),
        ("echo val_bpb: nan", Reason.BAD_METRIC, "val_bpb: 'nan' is not one finite number"),
        ("echo val_bpb: 0.4; echo val_bpb: none", Reason.BAD_METRIC, "val_bpb: 'none' is not one finite number"),
        ("printf 'val_bpb: 1\\001\\n'", Reason.BAD_METRIC, "val_bpb: '1' is not one finite number"),
    ],
)
def test_a_run_that_gives_no_number_says_why(bench: Bench, run: str, reason: Reason, detail: str) -> None:
    measured = bench.measure(run)
    assert (measured.value, measured.failure, measured.detail) == (None, reason, detail)


@pytest.mark.slow
def test_a_run_that_outlives_its_timeout_is_killed_with_all_it_started(bench: Bench) -> None:
    began = time.monotonic()
    measured = bench.measure("setsid sleep 300 & trap '' TERM; echo val_bpb: 1; sleep 300", timeout=0.5)
    assert (measured.failure, measured.value) == (Reason.TIMEOUT, None)
    assert measured.detail.startswith("killed after ")
    assert time.monotonic() - began < 60
    assert measured.log_tail == "val_bpb: 1"


def test_the_extract_command_reads_the_log_and_the_runs_files(bench: Bench) -> None:
    assert bench.measure("echo loss 2.5", extract="awk '{print $2}' run.log").value == 2.5
    assert bench.measure("echo 4 > out.txt; echo noise 1>&2", extract="cat out.txt; echo noise 1>&2").value == 4
    assert bench.measure("echo 1", extract="cat run.log").self_reported  # the run's own word, handed on
    assert not bench.measure("echo 1 > out.txt", extract="wc -c < out.txt").self_reported


def test_a_metric_in_a_file_counts_when_this_run_wrote_it(bench: Bench) -> None:
    file = MetricFile("out/*.json", key="eval.loss")
    lab = bench.executor('mkdir out; echo \'{"eval": {"loss": 1.5}}\' > out/r1.json', file=file)
    measured = measure(lab, bench.state())
    assert (measured.value, measured.self_reported) == (1.5, True)


def test_a_committed_file_that_the_run_does_not_write_is_no_result(bench: Bench) -> None:
    lab = bench.executor("true", file=MetricFile("metrics.json", key="loss"))
    measured = measure(lab, bench.state(**{"metrics.json": '{"loss": 7}'}))
    assert (measured.failure, measured.detail) == (
        Reason.NO_METRIC,
        "val_bpb: metrics.json was not written by this run",
    )


def test_a_baseline_without_a_number_says_how_to_read_its_log(bench: Bench) -> None:
    lab = bench.executor("echo val_bpb: 12.5 ms")
    measured = measure(lab, bench.state(), number=0)
    assert measured.failure is Reason.BAD_METRIC and measured.offered is not None and measured.offered in measured.hint
    assert measure(bench.executor("echo val_bpb: 12.5 ms", extract=measured.offered), bench.state()).value == 12.5


def test_the_extract_command_reads_the_log_that_the_run_made(bench: Bench) -> None:
    assert bench.measure("echo 5 > run.log; echo 6", extract="cat run.log").value == 5
    assert bench.measure("python train.py > run.log 2>&1").value == 0.5
    failed = bench.measure("python -c 'import nothing_like_it' > run.log 2>&1")
    assert failed.detail == "ModuleNotFoundError: No module named 'nothing_like_it' (exit status 1)"


def test_a_log_that_is_a_link_or_a_pipe_is_replaced_by_ours(bench: Bench) -> None:
    for trick in ("ln -s /etc/passwd run.log", "mkfifo run.log", "mkdir -p run.log/x", "ln -s prepare.py run.log"):
        measured = bench.measure(f"{trick}; echo 8", extract="cat run.log")
        assert measured.value == 8, trick


@pytest.mark.parametrize(
    ("extract", "reason", "detail"),
    [
        ("echo 1 2", Reason.BAD_METRIC, "val_bpb: '1 2' is not one finite number"),
        ("echo 1; echo 2", Reason.BAD_METRIC, "val_bpb: '1 2' is not one finite number"),
        ("true", Reason.NO_METRIC, "the extract command printed nothing"),
        ("no-such", Reason.NO_METRIC, "the extract command printed nothing: bash: line 1: no-such: command not found"),
        ("echo other: 1", Reason.BAD_METRIC, "val_bpb: 'other: 1' is not one finite number"),
        ("echo 0.1", Reason.BAD_METRIC, "val_bpb: 0.1 is outside the bounds 0.2..1"),
    ],
)
def test_an_extract_command_prints_one_number_or_nothing_counts(
    bench: Bench, extract: str, reason: Reason, detail: str
) -> None:
    measured = bench.measure("true", extract=extract, bounds=(0.2, 1.0))
    assert (measured.value, measured.failure, measured.detail) == (None, reason, detail)


def test_the_extract_command_may_count_to_zero(bench: Bench) -> None:
    assert bench.measure("echo fine", extract="grep -c wrong run.log").value == 0


@pytest.mark.parametrize("path", ["prepare.py", "config.md"])
def test_a_run_that_rewrites_a_file_that_is_no_target_is_out_of_scope(bench: Bench, path: str) -> None:
    lab = bench.executor(f"(echo 'SCORE = 100' > {path}) 2>&-; rm -f {path} 2>&-; echo val_bpb: 1")
    measured = measure(lab, bench.state())
    if measured.failure is None:  # the sandbox did not let it
        assert path == "prepare.py"
    else:
        assert (measured.failure, measured.value) == (Reason.OUT_OF_SCOPE, None)
        assert measured.detail == f"the run changed {path}, which is no target"
    assert (lab.workspace / path).read_text() == FILES[path]


def test_a_target_that_a_run_rewrites_is_what_it_was_when_the_metric_is_read(bench: Bench) -> None:
    assert bench.measure("echo x > train.py", extract="grep -c val_bpb train.py").value == 1


def test_a_directory_swapped_for_a_link_is_undone(bench: Bench) -> None:
    state = bench.state() | {"src/model.py": bench.state(x="3\n")["x"]}
    lab = bench.executor(
        "mkdir fake; echo 9 > fake/model.py; rm -r src; ln -s fake src",
        targets=["src/model.py"],
        extract="cat src/model.py",
    )
    assert measure(lab, state).value == 3


def test_what_the_baselines_run_rewrites_later_runs_may_rewrite_too(bench: Bench) -> None:
    lab = bench.executor("echo 3 > metrics.json; echo 'X = 4' > made.py", extract="cat metrics.json")
    baseline = measure(lab, bench.state(), number=0)
    assert (baseline.value, baseline.outputs) == (3, ("made.py", "metrics.json"))
    assert measure(lab, bench.state(), number=1).value == 3
    resumed = bench.executor("echo 3 > metrics.json", extract="cat metrics.json", outputs=baseline.outputs)
    assert measure(resumed, bench.state(), number=2).value == 3
    fresh = bench.executor("echo 3 > metrics.json", extract="cat metrics.json")
    assert measure(fresh, bench.state(), number=2).failure is Reason.OUT_OF_SCOPE


def test_a_baseline_that_rewrites_a_read_only_file_is_out_of_scope(bench: Bench) -> None:
    measured = bench.measure("(echo 'SCORE = 2' > prepare.py) && echo val_bpb: 1", number=0)
    assert measured.failure is (Reason.ERROR if bench.choice.level == "bwrap" else Reason.OUT_OF_SCOPE)


def test_code_that_a_run_leaves_does_not_reach_the_extract_command(bench: Bench) -> None:
    poison = "print(0.001); import os; os._exit(0)"
    lab = bench.executor(
        f"""
        for name in json.py sitecustomize.py lib.so x.pth conftest.py pytest.ini out/pkg/__init__.py \
            mypy.ini ruff.toml .mypy_cache/x.json .ruff_cache/x .cargo/config.toml; do
            mkdir -p "$(dirname $name)"; echo '{poison}' > $name
        done
        mkdir -p __pycache__; echo x > __pycache__/prepare.cpython-311.pyc
        ln -s /etc/passwd leak; ln -s out/result latest; mkfifo pipe; echo 4 > out/result
        ln -s .. out/up; ln -s out/up/../../etc far
        """,
        extract="python -c 'import json, os; print(sum(len(d + f) for _, d, f in os.walk(\".\")))'; cat latest 1>&2",
    )
    measured = measure(lab, bench.state())
    directories = {"out", "pkg", "__pycache__", ".mypy_cache", ".ruff_cache", ".cargo"}
    names = {*FILES, *directories, "run.log", "result", "latest", "up"}
    assert measured.value == len(names)


def test_bytecode_planted_by_one_run_is_not_read_by_the_next(bench: Bench) -> None:
    plant = (
        "import importlib.util, pathlib, marshal;"
        "code = compile('SCORE = 666', 'prepare.py', 'exec');"
        "source = importlib.util.source_hash(pathlib.Path('prepare.py').read_bytes());"
        "target = pathlib.Path(importlib.util.cache_from_source('prepare.py'));"
        "target.parent.mkdir(exist_ok=True);"
        "target.write_bytes(importlib.util.MAGIC_NUMBER + (1).to_bytes(4, 'little') + source + marshal.dumps(code))"
    )
    lab = bench.executor("python train.py", extract="python -c 'import prepare; print(prepare.SCORE)'")
    state = bench.state(train_py=plant)
    assert measure(lab, state).value == 1
    assert measure(lab, state).value == 1
    honest = bench.executor("python -c 'import prepare; print(\"val_bpb:\", prepare.SCORE)'")
    measure(lab, state)
    assert measure(honest, bench.state()).value == 1


def test_a_leftover_process_can_not_write_the_metric_later(bench: Bench) -> None:
    run = "(setsid bash -c 'while :; do echo 0.001 > out.txt; done' &) ; echo 4 > out.txt; sleep 0.2; true"
    measured = bench.measure(
        run, extract="sleep 0.3; cp out.txt a; sleep 0.1; echo 4 > out.txt; sleep 0.2; cat out.txt"
    )
    assert measured.value == 4


def test_a_limits_own_extract_command_is_believed_and_the_log_is_not(bench: Bench) -> None:
    limits = (Limit("size", 5000, extract="wc -c < model.bin"), Limit("nothing", 1, extract="true"))
    run = "printf 'val_bpb: 1\nsize: 1\nnothing: 0\nduration: 0\n' && head -c 4096 /dev/zero > model.bin"
    measured = bench.measure(run, limits=limits)
    assert (measured.value, measured.secondary["size"]) == (1.0, 4096.0)
    assert "nothing" not in measured.secondary, "a number that is not given breaks its limit"
    assert measured.secondary["duration"] == measured.duration


def test_secondary_metrics_come_from_the_log_and_peak_memory_from_the_supervisor(bench: Bench) -> None:
    run = "echo peak_mb: 0.001; echo speed=1e3; echo METRIC extra=2; echo val_bpb: 1; echo bad: nan"
    measured = bench.measure(run, limits=(Limit("speed", at_least=1), Limit("peak_mb", at_most=512)))
    assert measured.secondary["peak_mb"] > 0.5
    assert {name: value for name, value in measured.secondary.items() if name != "peak_mb"} == {
        "speed": 1000,
        "extra": 2,
    }


def test_data_is_readable_in_its_place_and_a_tracked_file_comes_from_the_commit(bench: Bench, tmp_path: Path) -> None:
    (bench.top / "data").mkdir()
    (bench.top / "data/big.txt").write_text("40\n")
    (bench.top / "data/README").write_text("dirty\n")
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "elsewhere/x").write_text("2\n")
    state = bench.state() | {"data/README": bench.state(x="0\n")["x"]}
    run = f"echo val_bpb: $(( $(cat data/README) + $(cat data/big.txt) + $(cat {tmp_path}/elsewhere/x) ))"
    lab = bench.executor(run, data=("data", str(tmp_path / "elsewhere")))
    assert measure(lab, state).value == 42
    desk = bench.desk()
    desk.fill(state)
    assert desk.changes() == ()


def test_data_that_does_not_exist_is_a_one_line_error(bench: Bench) -> None:
    with pytest.raises(LabError, match=r"autoresearch\.config\.md: data: nothing: there is no .*/repo/nothing"):
        bench.executor(data=("nothing",))


def test_caches_live_from_run_to_run(bench: Bench, tmp_path: Path) -> None:
    outside = tmp_path / "ccache"
    run = f"echo x >> cache/file; echo x >> {outside}/file; echo val_bpb: $(cat cache/file {outside}/file | wc -l)"
    lab = bench.executor(
        run.replace("echo x >> cache", "mkdir -p cache; echo x >> cache"), caches=("cache", str(outside))
    )
    assert [measure(lab, bench.state()).value for _ in range(3)] == [2, 4, 6]
    assert not (bench.top / "cache").exists()


def test_only_the_holdout_sees_the_holdouts_files(bench: Bench) -> None:
    state = bench.state() | {"secret/held.txt": bench.state(x="9\n")["x"]}
    holdout = Holdout("cat secret/held.txt", extract="cat run.log", files=("secret",))
    lab = bench.executor("echo val_bpb: $(ls | grep -c secret)", holdout=holdout)
    assert measure(lab, state).value == 0
    hidden = measure(lab, state, role=Role.HOLDOUT, command=holdout.run, extract=holdout.extract)
    assert hidden.value == 9
    desk = bench.desk()
    desk.fill(state)
    assert not (desk.root / "secret").exists()
    assert desk.changes() == ()


def test_the_holdouts_files_may_be_a_pattern_in_declared_data(bench: Bench) -> None:
    if bench.choice.level == "process":
        pytest.skip("hides nothing")
    (bench.top / "data").mkdir()
    (bench.top / "data/held-1.csv").write_text("9\n")
    (bench.top / "data/train.csv").write_text("1\n")
    holdout = Holdout("cat data/held-*", extract="cat run.log", files=("data/held-*.csv",))
    lab = bench.executor("cat data/held-*; echo val_bpb: $(cat data/*)", holdout=holdout, data=("data",))
    assert measure(lab, bench.state()).value == 1
    hidden = measure(lab, bench.state(), role=Role.HOLDOUT, command=holdout.run, extract=holdout.extract)
    assert hidden.value == 9


@pytest.mark.slow
def test_a_build_is_made_once_per_state_and_is_no_part_of_the_run(bench: Bench) -> None:
    noted = bench.top.parent / "noted"
    lab = bench.executor(
        "cat out/built | wc -l | xargs echo val_bpb:",
        build=f"mkdir -p out; cat train.py > out/built; test -e {noted}/builds || sleep 3; echo >> {noted}/builds",
        caches=(str(noted),),
    )

    def builds() -> int:
        return len((noted / "builds").read_bytes())

    first = measure(lab, bench.state())
    assert (first.value, builds()) == (1, 1)
    assert first.duration < 3
    assert (measure(lab, bench.state()).value, builds()) == (1, 1)
    changed = bench.state(train_py="a\nb\n")
    assert measure(lab, changed).value == 2
    assert measure(lab, bench.state(), role=Role.INCUMBENT).value == 1
    assert builds() == 3
    assert measure(lab, changed).value == 2
    assert measure(lab, bench.state(), role=Role.INCUMBENT).value == 1
    assert builds() == 3


def test_what_a_build_made_and_a_run_has_changed_is_not_there_for_the_extract_command(bench: Bench) -> None:
    lab = bench.executor("test ! -e spoil || echo 0 > grader", extract="cat grader", build="echo 7 > grader")
    assert measure(lab, bench.state(), number=0).value == 7
    spoilt = measure(lab, bench.state(spoil=""))
    assert (spoilt.failure, spoilt.value) == (Reason.NO_METRIC, None)
    assert measure(lab, bench.state()).value == 7


def test_a_build_that_fails_is_a_crash_with_its_words(bench: Bench) -> None:
    measured = bench.measure("true", build="echo 'main.c:1: error: no'; exit 2")
    assert (measured.failure, measured.detail) == (Reason.ERROR, "build: main.c:1: error: no (exit status 2)")


def test_a_throwaway_repository_has_one_commit_and_is_no_change(bench: Bench) -> None:
    run = "git rev-list --count HEAD | xargs echo val_bpb:; git status --short; git log -1 --format=%an"
    lab = bench.executor(run, git_throwaway=True)
    assert measure(lab, bench.state()).value == 1
    desk = bench.desk()
    desk.fill(bench.state())
    assert desk.changes() == ()
    assert "not a git repository" in bench.measure(run).log_tail


def finish(lab: LocalExecutor, command: str, state: Mapping[str, FileEntry]) -> Finished:
    return lab.guard(command, state, 30.0, lambda _: None)


def test_a_guard_runs_beside_the_workspace_on_the_state_alone(bench: Bench) -> None:
    lab = bench.executor()
    desk = bench.desk()
    desk.fill(bench.state())
    (desk.root / "conftest.py").write_text("raise SystemExit(0)")
    done = finish(lab, "ls; exit 4", bench.state())
    assert done.exit_code == 4
    assert sorted(done.stdout.decode().split()) == sorted(FILES)
    assert (desk.root / "conftest.py").exists()


def turn(desk: Station, command: str | Sequence[str], **settings: Any) -> Finished:
    return desk.run(
        command,
        **{
            "stdin": b"",
            "env": {},
            "pass_env": (),
            "network": False,
            "hosts": None,
            "timeout": 20.0,
            "home": {},
            "tick": lambda _: None,
            **settings,
        },
    )


def test_an_agent_edits_the_workspace_and_its_edits_are_the_changes(bench: Bench) -> None:
    bench.executor(directory=PurePosixPath("."))
    desk = bench.desk()
    desk.fill(bench.state())
    done = turn(desk, "cat > train.py; echo tried it; echo aside 1>&2", stdin=b"print(1)\n")
    assert (done.exit_code, done.stdout, done.stderr, done.timed_out) == (0, b"tried it\n", b"aside\n", False)
    assert [(change.path, change.data) for change in desk.changes()] == [("train.py", b"print(1)\n")]


def test_an_agent_neither_reads_nor_writes_what_runs_share(bench: Bench, tmp_path: Path) -> None:
    outside = tmp_path / "ccache"
    count = f"cat deep/cache/file {outside}/file; echo val_bpb: $(cat deep/cache/* {outside}/* | grep -c x)"
    lab = bench.executor(
        f"mkdir -p deep/cache; echo x >> deep/cache/file; echo x >> {outside}/file; {count}",
        caches=("deep/cache", str(outside)),
    )
    assert measure(lab, bench.state()).value == 2
    desk = bench.desk()
    desk.fill(bench.state())
    places = f"deep/cache {outside}" if lab.isolation != "process" else "deep/cache"  # no protection of files there
    poison = f"cat deep/cache/file {places.split()[-1]}/file; for place in {places}; do mkdir -p $place; "
    done = turn(desk, poison + "for n in 1 2 3; do echo x >> $place/poison; done; done 2>&1 | tail -1")
    assert b"x" not in done.stdout.split(), "it reads nothing of a run's"
    assert desk.changes() == ()
    assert measure(lab, bench.state()).value == 4, "two runs have written twice, and nobody else"


def test_an_agent_that_replaces_the_way_to_a_cache_leads_nobody_astray(bench: Bench, tmp_path: Path) -> None:
    lab = bench.executor(
        "mkdir -p deep/cache; echo x >> deep/cache/file; echo val_bpb: $(wc -l < deep/cache/file)",
        caches=("deep/cache",),
    )
    assert measure(lab, bench.state()).value == 1
    mine = tmp_path / "mine"
    (mine / "cache").mkdir(parents=True)
    (mine / "cache" / "file").write_text("mine")
    desk = bench.desk()
    desk.fill(bench.state())
    turn(desk, f"rm -rf deep; ln -s {mine} deep")
    assert (mine / "cache" / "file").read_text() == "mine"
    assert measure(lab, bench.state()).value == 2
    assert list(mine.iterdir()) == [mine / "cache"]


def test_a_turn_that_ends_badly_leaves_the_caches_where_they_were(bench: Bench) -> None:
    lab = bench.executor("mkdir -p cache; echo x >> cache/file; echo val_bpb: $(wc -l < cache/file)", caches=("cache",))
    assert measure(lab, bench.state()).value == 1
    desk = bench.desk()
    desk.fill(bench.state())

    def interrupted(elapsed: float) -> None:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        turn(desk, "sleep 5", tick=interrupted)
    assert measure(lab, bench.state()).value == 2
    assert [path for path in lab.workspace.parent.iterdir() if path.name.startswith("aside-")] == []


def test_a_cache_that_holds_programs_people_start_is_refused(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", f"{bench.top.parent}/cargo/bin:{os.environ['PATH']}")
    with pytest.raises(LabError, match=r"cargo/bin on your PATH lies in it, so runs could put programs there"):
        bench.executor(caches=(f"{bench.top.parent}/cargo",))
    bench.executor(caches=(f"{bench.top.parent}/cargo/registry",))


def test_an_agent_gets_the_variables_and_files_it_was_promised(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AGENT_KEY", "key")
    monkeypatch.setenv("OTHER_KEY", "other")
    bench.executor()
    desk = bench.desk()
    desk.fill(bench.state())
    program = ["bash", "-c", 'echo "$AGENT_KEY-$OTHER_KEY-$GIVEN-$(cat ~/.config/agent.json)"']
    done = turn(
        desk, program, pass_env=["AGENT_KEY", "MISSING"], env={"GIVEN": "given"}, home={".config/agent.json": b"{}"}
    )
    assert done.stdout == b"key--given-{}\n"


def test_an_agent_that_never_ends_is_ended(bench: Bench) -> None:
    bench.executor()
    desk = bench.desk()
    desk.fill(bench.state())
    done = turn(desk, ["sleep", "300"], timeout=0.3)
    assert (done.timed_out, done.exit_code) == (True, None)


def test_an_agent_that_does_not_exist_has_not_run(bench: Bench) -> None:
    bench.executor()
    desk = bench.desk()
    desk.fill(bench.state())
    done = turn(desk, ["/no/such/agent"])
    assert done.exit_code not in (0, None)


def test_a_tool_in_a_virtual_environment_outside_the_system_can_be_named(bench: Bench, tmp_path: Path) -> None:
    environment = tmp_path / "tools"
    (environment / "bin").mkdir(parents=True)
    (environment / "pyvenv.cfg").write_text(f"home = {Path(sys.base_prefix) / 'bin'}\n")
    (environment / "lib").mkdir()
    (environment / "lib/answer.txt").write_text("42")
    python = environment / "bin/python"
    python.symlink_to(os.path.realpath(sys.executable))
    tool = environment / "bin/tool"
    tool.write_text(f"#!{python}\nimport sys\nprint('val_bpb:', open(sys.prefix + '/lib/answer.txt').read())\n")
    tool.chmod(0o755)
    assert bench.measure(str(tool)).value == 42


def test_an_interrupt_passes_through_after_the_sweep(bench: Bench, tmp_path: Path) -> None:
    lab = bench.executor("sleep 300 & sleep 300")
    timer = threading.Timer(0.5, lambda: os.kill(os.getpid(), signal.SIGINT))
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        measure(lab, bench.state())
    timer.join()


def test_a_full_disk_stops_the_session_before_the_run(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    lab = bench.executor()
    monkeypatch.setattr("pytest_autoresearch.lab.space.LEAST_SPACE", 1 << 60)
    with pytest.raises(LabError, match=r"only \d+ MB are free at .*\n  free some space, or set XDG_CACHE_HOME"):
        measure(lab, bench.state())


def test_the_checkout_is_never_touched(bench: Bench) -> None:
    before = sorted(bench.top.rglob("*"))
    lab = bench.executor("echo x > train.py; echo x > new; echo val_bpb: 1", git_throwaway=True)
    measure(lab, bench.state())
    finish(lab, "true", bench.state())
    assert sorted(bench.top.rglob("*")) == before


Tick = Callable[[float], None]


def test_the_supervisor_is_told_that_time_passes(bench: Bench) -> None:
    lab = bench.executor("sleep 0.7; echo val_bpb: 1")
    seen: list[float] = []
    lab.measure(Job(Role.CANDIDATE, 1, 7, bench.state(), 20.0), seen.append)
    assert len(seen) >= 2
    assert seen == sorted(seen)


@pytest.mark.slow
@pytest.mark.parametrize("into", ["", " > run.log"])
def test_what_a_run_says_is_there_while_it_runs_and_gone_behind_it(bench: Bench, into: str) -> None:
    lab = bench.executor(f"{{ echo first; sleep 2.5; echo val_bpb: 1; }}{into}")
    lab.close()
    lab = LocalExecutor(replace(bench.site, said=bench.scratch), bench.choice)
    bench.executors.append(lab)
    place, seen = said_by(bench.scratch, 1, 0), set[bytes]()

    def tick(_: float) -> None:
        with suppress(FileNotFoundError):
            seen.add(place.read_bytes())

    for role in (Role.CANDIDATE, Role.HOLDOUT):
        measured = lab.measure(Job(role, 1, 7, bench.state(), 20.0, budget=10.0), tick)
        assert measured.value == 1.0, measured
        assert seen == {b"first\n"} and not place.exists()
