"""Observers hear of every record, and nothing that becomes of them reaches the loop."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pytest_autoresearch.errors import ConfigError
from pytest_autoresearch.notebook.chain import read_history
from pytest_autoresearch.notebook.git import Git
from pytest_autoresearch.notebook.record import History, Note
from pytest_autoresearch.protocol.experiment import Move, Reason, Status
from pytest_autoresearch.report.observing import JsonLines, Observer, Tracker, check, observers
from tests.conftest import Project
from tests.notebook.diary import NOW, Diary, new_repository


@pytest.fixture
def git(tmp_path: Path) -> Iterator[Git]:
    root = new_repository(tmp_path / "repository")
    with Diary(root) as diary:
        diary.reach(8)
    with Git.discover(root) as git:
        yield git


@pytest.fixture
def history(git: Git) -> History:
    """Seven experiments, with a knob and an ending."""
    found = read_history(git, "demo")
    moved = replace(found.experiments[3], moves=(Move("train.py:RATE", "2", "3"),), hypothesis="<b>why</b>")
    experiments = (*found.experiments[:3], moved, *found.experiments[4:])
    return replace(found, experiments=experiments, notes=(Note("stop", "as asked", NOW),))


def told(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def until(holds: Callable[[], object], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.01)


def test_a_line_for_each_experiment_with_what_it_changed(tmp_path: Path, git: Git, history: History) -> None:
    path = tmp_path / "out.jsonl"
    observer = JsonLines(path, git, replace(history, experiments=()))
    for end in range(1, 9):
        observer.follow(replace(history, experiments=history.experiments[:end]))
    observer.close(60)
    lines = told(path)
    assert [line["number"] for line in lines] == list(range(8))
    assert lines[3]["status"] == "keep" and "+RATE = 3" in lines[3]["diff"] and lines[3]["best"] == lines[3]["value"]
    assert lines[3]["moves"] == [{"name": "train.py:RATE", "old": "2", "new": "3"}] and "judge" not in lines[3]
    assert observer.remarks() == []


def test_a_resumed_session_goes_on_where_the_file_ends_and_a_torn_line_is_told_again(
    tmp_path: Path, git: Git, history: History
) -> None:
    path = tmp_path / "out.jsonl"
    JsonLines(path, git, replace(history, experiments=history.experiments[:5])).close(60)
    whole = path.read_text()
    path.write_text(whole[:-40])
    JsonLines(path, git, history).close(60)
    lines = [json.loads(line) for line in path.read_text().splitlines() if line.endswith("}")]
    assert [line["number"] for line in lines] == [0, 1, 2, 3, 4, 5, 6, 7]


def test_what_a_drop_or_a_group_has_changed_is_told_again(tmp_path: Path, git: Git, history: History) -> None:
    path = tmp_path / "out.jsonl"
    JsonLines(path, git, history).close(60)
    gone = replace(history.experiments[3], status=Status.DISCARD, reason=Reason.UNPROVEN)
    rewritten = replace(history, experiments=(*history.experiments[:3], gone, *history.experiments[4:]))
    JsonLines(path, git, rewritten).close(60)
    assert [(line["number"], line["status"]) for line in told(path)[8:]] == [(3, "discard")]


def test_a_pipe_is_no_file_to_append_to_and_the_reason_is_said(tmp_path: Path, git: Git, history: History) -> None:
    path = tmp_path / "pipe.jsonl"
    os.mkfifo(path)
    observer = JsonLines(path, git, history)
    observer.close(60)
    (said,) = observer.remarks()
    assert said.endswith("can not be written: File or stream is not seekable.")


def test_a_file_that_can_not_be_written_is_said_once_and_caught_up_with(
    tmp_path: Path, git: Git, history: History
) -> None:
    path = tmp_path / "away" / "out.jsonl"
    observer = JsonLines(path, git, replace(history, experiments=history.experiments[:2]), first_pause=0.01)
    until(lambda: observer.trouble)
    assert observer.remarks() == [
        f"{path}: not told, will be tried again: can not be written: No such file or directory"
    ]
    path.parent.mkdir()
    observer.follow(history)
    observer.close(60)
    assert [line["number"] for line in told(path)] == list(range(8))


class Broken(Observer):
    """Raises, or waits for ever."""

    waits = False

    def begin(self, session: object) -> None:
        return

    def record(self, document: Mapping[str, Any]) -> None:
        if self.waits:
            time.sleep(1e6)
        raise RuntimeError("secret")


class Waiting(Broken):
    waits = True


@pytest.mark.parametrize("kind", [Broken, Waiting])
def test_one_that_raises_or_hangs_costs_no_time_and_loses_no_record(
    git: Git, history: History, kind: type[Broken]
) -> None:
    observer = kind("odd", git, history, first_pause=0.01)
    began = time.monotonic()
    for _ in range(100):
        observer.follow(history)
    observer.close(0.5)
    assert time.monotonic() - began < 20
    (remark,) = observer.remarks()
    assert remark.startswith("odd: not") and "secret" not in remark


def test_what_is_no_observer_or_not_installed_is_said_before_anything_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(ConfigError, match="wandb is none of mlflow, trackio"):
        check(["wandb"])
    monkeypatch.setattr("pytest_autoresearch.report.observing.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"pip install 'pytest-autoresearch\[mlflow\]'"):
        check(["a.jsonl", "mlflow"])


@pytest.mark.slow
def test_a_real_session_tells_its_observers(project: Project) -> None:
    done = project.pytest("--autoresearch", "--autoresearch-experiments=3", "--autoresearch-observers=log.jsonl")
    assert done.returncode == 0, done.stdout
    lines = told(project.root / "log.jsonl")
    assert [line["number"] for line in lines] == [0, 1, 2, 3]
    assert [line["status"] for line in lines] == [row[2] for row in project.table()[1:]]
    refused = project.pytest("--autoresearch", "--autoresearch-observers=wandb")
    assert refused.returncode == 4 and "wandb is none of" in refused.stderr


# Trackers, for real


def port() -> int:
    with closing(socket.socket()) as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


@contextmanager
def mlflow_server(root: Path) -> Iterator[str]:
    """MLflow's own server on a local SQLite store."""
    pytest.importorskip("mlflow", reason="the extra [mlflow]")
    number = port()
    store = f"sqlite:///{root}/mlflow.db"
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(number), "--backend-store-uri", store]
    command += ["--artifacts-destination", str(root / "artifacts"), "--workers", "1"]
    server = subprocess.Popen(
        command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
    )
    try:

        def answers() -> bool:
            assert server.poll() is None
            with closing(socket.socket()) as asked:
                return asked.connect_ex(("127.0.0.1", number)) == 0

        until(answers, 200.0)
        yield f"http://127.0.0.1:{number}"
    finally:
        os.killpg(server.pid, signal.SIGKILL)
        server.wait()


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_mlflow_shows_the_session_as_one_run_with_nested_ones(
    tmp_path: Path, git: Git, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    with mlflow_server(tmp_path) as address:
        monkeypatch.setenv("MLFLOW_TRACKING_URI", address)
        part = replace(history, experiments=history.experiments[:5], notes=())
        for found in (part, history):  # the second start finds what the first has told
            (observer,) = observers(["mlflow"], git, found, tmp_path)
            observer.close(200)
            assert observer.remarks() == []
        import mlflow

        client = mlflow.MlflowClient()
        (experiment,) = [each for each in client.search_experiments() if each.name == "autoresearch"]
        runs = client.search_runs([experiment.experiment_id])
        (session,) = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
        nested = {run.data.tags["autoresearch.number"]: run for run in runs if run is not session}
        assert sorted(nested) == list("01234567")
        assert session.info.run_name == "demo" and session.data.tags["autoresearch.ended"] == "as asked"
        keep = nested["3"]
        assert keep.data.tags["mlflow.parentRunId"] == session.info.run_id
        assert keep.data.params == {"train.py:RATE": "3"} and keep.data.tags["status"] == "keep"
        assert keep.data.metrics["loss"] == pytest.approx(history.experiments[3].value)
        assert keep.data.tags["hypothesis"] == "<b>why</b>"
        assert "diff.patch" in [each.path for each in client.list_artifacts(keep.info.run_id)]
        best = [metric.value for metric in client.get_metric_history(session.info.run_id, "best")]
        assert best == pytest.approx(
            [1.0, 1.0, 1.0, *[history.experiments[3].value] * 3, *[history.experiments[6].value] * 2]
        )


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_trackio_shows_the_session_as_a_run_with_a_step_each(
    tmp_path: Path, git: Git, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("trackio", reason="the extra [trackio]")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    for found in (replace(history, experiments=history.experiments[:5], notes=()), history):
        (observer,) = observers(["trackio"], git, found, tmp_path)
        observer.close(200)
        assert observer.remarks() == []
    reader = (
        "import json, trackio\nfrom trackio.sqlite_storage import SQLiteStorage\n"
        "(run,) = trackio.Api().runs('autoresearch')\n"
        "print(json.dumps([run.name, run.config, SQLiteStorage.get_logs('autoresearch', run.name)]))"
    )
    done = subprocess.run([sys.executable, "-c", reader], capture_output=True, text=True, check=True)
    name, config, logs = json.loads(done.stdout.splitlines()[-1])
    assert name.startswith("demo@") and config["metric"] == "loss"
    assert [log["number"] for log in logs] == list(range(8)) and [log["step"] for log in logs] == list(range(8))
    assert logs[3]["loss"] == pytest.approx(history.experiments[3].value) and logs[3]["knob/train.py:RATE"] == "3"
    assert "+RATE = 3" in logs[3]["diff"]


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_tracker_that_is_down_or_never_answers_is_said_and_left_behind(
    tmp_path: Path, git: Git, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("mlflow", reason="the extra [mlflow]")
    with closing(socket.socket()) as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        observer = Tracker("mlflow", git, history, tmp_path / "log", first_pause=0.1)
        until(lambda: observer._process is not None)
        began = time.monotonic()
        observer.close(1.0)
        assert time.monotonic() - began < 20
    assert observer.remarks() == [
        "mlflow: not everything got through in time; the next start of the session makes up for it"
    ]
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port()}")
    monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
    observer = Tracker("mlflow", git, history, tmp_path / "log", first_pause=0.1)
    observer.close(60)
    (remark,) = observer.remarks()
    assert remark.startswith("mlflow: not told, will be tried again: ") and os.path.getsize(tmp_path / "log") > 0
